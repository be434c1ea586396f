//! Many deletions for one request of a client's, some at a time, and what came of them.

use super::app::{App, ProxyRequest};
use super::checks::is_valid_name;
use super::heartbeat::{Report, status_text, status_words};
use super::query::Params;
use super::subrequest;
use crate::http::{Method, Response};
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_types::names::{quote, split_path};

/// The pause before the n-th retry is this to the power of n (seconds).
const RETRY_BASE_S: f64 = 1.5;

/// Something to be deleted.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// `/container/object` or `/container`, not percent-encoded.
    pub name: Vec<u8>,
    /// Which version of it.
    pub version_id: Option<Vec<u8>>,
    /// Why it is not even tried.
    pub error: Option<Refusal>,
}

/// A status, and what there is to say about it.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The status code.
    pub status: u16,
    /// The body that its answer would have.
    pub said: String,
}

impl Refusal {
    /// A refusal with words of its own.
    pub fn new(status: u16, said: impl Into<String>) -> Self {
        Self { status, said: said.into() }
    }
}

/// Tells what to delete.
#[async_trait]
pub trait Targets: Send {
    /// The next, or `None` at the end. A refusal ends all.
    async fn next(&mut self) -> Result<Option<Target>, Refusal>;
}

#[async_trait]
impl<I: Iterator<Item = Target> + Send> Targets for I {
    async fn next(&mut self) -> Result<Option<Target>, Refusal> {
        Ok(Iterator::next(self))
    }
}

/// Who deletes, and how.
#[derive(Clone)]
pub struct Deleter {
    /// The link of the pipeline that is asked.
    pub next: Arc<dyn App>,
    /// So many at a time.
    pub concurrency: usize,
    /// After so many failures no more is tried.
    pub max_failed: usize,
    /// How often a deletion is tried again that met a conflict.
    pub retry_count: u32,
    /// What comes behind the client's user agent.
    pub agent: &'static str,
    /// What the access log calls the requests (`swift.source`).
    pub source: &'static str,
}

/// What came of the deletions so far.
#[derive(Debug, Default)]
pub struct Tally {
    deleted: u64,
    not_found: u64,
    failed: Vec<(String, String)>,
    /// Whether a server failed.
    server_failed: bool,
}

impl Tally {
    fn count(&mut self, name: &[u8], response: &Response) {
        match response.status {
            404 => self.not_found += 1,
            _ if response.is_success() => self.deleted += 1,
            status => {
                self.server_failed |= status >= 500;
                self.failed.push((quote(name), status_text(response)));
            }
        }
    }

    /// The report of what `end` ended.
    pub fn report(self, end: Result<(), Refusal>) -> Report {
        let (status, said) = match end {
            Err(refusal) => (refusal.status, refusal.said),
            Ok(()) if !self.failed.is_empty() => (if self.server_failed { 502 } else { 400 }, String::new()),
            Ok(()) if self.deleted + self.not_found == 0 => (400, "Invalid bulk delete.".to_owned()),
            Ok(()) => (200, String::new()),
        };
        let mut report = Report { errors: self.failed, ..Report::default() };
        report.set("Response Status", status_words(status));
        report.set("Response Body", said);
        report.set("Number Deleted", self.deleted);
        report.set("Number Not Found", self.not_found);
        report
    }
}

impl Deleter {
    /// Deletes `targets` in the account of `client`.
    pub async fn delete(
        &self,
        client: &ProxyRequest,
        mut targets: impl Targets,
        tally: &mut Tally,
    ) -> Result<(), Refusal> {
        let path = split_path(&client.http.path, 2, 3, true).ok_or_else(|| Refusal::new(404, ""))?;
        let account = [b"/", path[0], b"/", path[1], b"/"].concat();
        let (mut running, mut all_known) = (FuturesUnordered::new(), false);
        loop {
            while !all_known && running.len() < self.concurrency {
                match targets.next().await? {
                    None => all_known = true,
                    Some(target) => {
                        let Some((target, path)) = check(target, &account, tally) else { continue };
                        running.push(self.delete_one(client, target, path));
                    }
                }
            }
            let Some((name, response)) = running.next().await else { return Ok(()) };
            tally.count(&name, &response);
            if tally.failed.len() >= self.max_failed {
                while let Some((name, response)) = running.next().await {
                    tally.count(&name, &response);
                }
                return Err(Refusal::new(400, "Max delete failures exceeded"));
            }
        }
    }

    async fn delete_one(&self, client: &ProxyRequest, target: Target, path: Vec<u8>) -> (Vec<u8>, Response) {
        let mut retries = 0;
        loop {
            let mut request =
                subrequest::for_client(client, Method::Delete, path.clone(), self.agent, self.source);
            if let Some(version_id) = &target.version_id {
                let mut params = Params::default();
                params.set(b"version-id", version_id.clone());
                request.http.query = params.to_query();
            }
            let mut response = self.next.call(request).await;
            if response.status != 409 || retries >= self.retry_count {
                // only the status counts; the body is not kept while others run
                let body = std::mem::replace(&mut response.body, crate::http::Body::empty());
                subrequest::drain(Response::new(response.status).with_body(body)).await;
                return (target.name, response);
            }
            retries += 1;
            let exponent = i32::try_from(retries).unwrap_or(i32::MAX);
            tokio::time::sleep(Duration::from_secs_f64(RETRY_BASE_S.powi(exponent).min(3600.0))).await;
        }
    }
}

/// The path of what can be tried; what cannot is counted.
fn check(target: Target, account: &[u8], tally: &mut Tally) -> Option<(Target, Vec<u8>)> {
    match &target.error {
        Some(error) if error.status == 404 => tally.not_found += 1,
        Some(error) => tally.failed.push((quote(&target.name), error.said.clone())),
        None if target.name.is_empty() => {}
        None => {
            let name = target.name.iter().position(|b| *b != b'/').map_or(&b""[..], |at| &target.name[at..]);
            let path = [account, name].concat();
            if is_valid_name(&path, false) {
                return Some((target, path));
            }
            tally.failed.push((quote(&target.name), status_words(412)));
        }
    }
    None
}
