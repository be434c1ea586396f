//! `?bulk-delete`: a name a line, percent-encoded; objects first, then containers.

use super::Bulk;
use crate::http::{Body, BodyError};
use crate::proxy::app::ProxyRequest;
use crate::proxy::checks::is_chunked;
use crate::proxy::deletions::{Deleter, Refusal, Tally, Target};
use crate::proxy::heartbeat::Report;
use crate::proxy::subrequest;
use bytes::BytesMut;
use std::sync::Arc;
use swiftlet_types::names::unquote;

impl Bulk {
    pub(super) async fn delete(self, mut request: ProxyRequest, takes_report: bool) -> Report {
        let mut tally = Tally::default();
        let end = match takes_report {
            true => self.delete_listed(&mut request, &mut tally).await,
            false => Err(Refusal::new(406, "")),
        };
        tally.report(end)
    }

    async fn delete_listed(&self, request: &mut ProxyRequest, tally: &mut Tally) -> Result<(), Refusal> {
        let headers = &request.http.headers;
        let content_type = headers.get("Content-Type").unwrap_or_default();
        if !content_type.is_empty() && !content_type.starts_with(b"text/plain") {
            return Err(Refusal::new(406, ""));
        }
        if !headers.contains("Content-Length") && !is_chunked(headers) {
            return Err(Refusal::new(411, ""));
        }
        let client = Arc::new(subrequest::again(request));
        let names = self.read_names(&mut request.http.body).await?;
        let is_object = |name: &[u8]| name.trim_slashes().contains(&b'/');
        let (objects, containers): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| is_object(name));
        let deleter = Deleter {
            next: self.next.clone(),
            concurrency: self.options.delete_concurrency,
            max_failed: self.options.max_failed_deletes,
            retry_count: self.options.delete_container_retry_count,
            agent: "BulkDelete",
            source: "BD",
        };
        let target = |name| Target { name, ..Target::default() };
        deleter.delete(&client, objects.into_iter().map(target), tally).await?;
        deleter.delete(&client, containers.into_iter().map(target), tally).await
    }

    /// The names in `body`, none of them longer than a name can be.
    async fn read_names(&self, body: &mut Body) -> Result<Vec<Vec<u8>>, Refusal> {
        let most = self.options.max_deletes_per_request;
        let longest = 2 * self.max_path_length();
        let (mut names, mut rest) = (Vec::new(), BytesMut::new());
        loop {
            let chunk = body.next().await.map_err(|error| Refusal::new(broken_off(&error), ""))?;
            let is_last = chunk.is_none();
            rest.extend_from_slice(&chunk.unwrap_or_default());
            while let Some(end) = memchr::memchr(b'\n', &rest) {
                let line = rest.split_to(end + 1);
                names.push(unquote(line.trim_ascii()));
                check_count(&names, most)?;
            }
            if rest.len() > longest {
                return Err(Refusal::new(400, "Invalid File Name"));
            }
            if is_last {
                let name = unquote(rest.trim_ascii());
                names.extend((!name.is_empty()).then_some(name));
                return check_count(&names, most).map(|()| names);
            }
        }
    }
}

/// The status of a list that did not come to its end.
fn broken_off(error: &BodyError) -> u16 {
    match error {
        BodyError::Timeout(_) => 408,
        _ => 499,
    }
}

fn check_count(names: &[Vec<u8>], most: usize) -> Result<(), Refusal> {
    match names.len() > most {
        true => Err(Refusal::new(413, format!("Maximum Bulk Deletes: {most} per request"))),
        false => Ok(()),
    }
}

trait TrimSlashes {
    fn trim_slashes(&self) -> &[u8];
}

impl TrimSlashes for [u8] {
    fn trim_slashes(&self) -> &[u8] {
        let start = self.iter().position(|b| *b != b'/').unwrap_or(self.len());
        let end = self.iter().rposition(|b| *b != b'/').map_or(start, |at| at + 1);
        &self[start..end]
    }
}
