//! Reading from the first node that has what is asked for, or from the one that has the newest.

mod body;
pub(super) mod multipart;

use super::answer::{Answer, copy_headers};
use super::backend::Call;
use super::fanout::best_of;
use super::meta::ServerKind;
use super::nodes::{Candidate, NodeIter};
use super::quorum::quorum_size;
use super::rings::Node;
use super::server::Application;
use crate::http::client::ClientError;
use crate::http::conditions::normalize_etag;
use crate::http::{Headers, Method, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_types::Timestamp;
use tokio::time::timeout;

/// Bodies of answers that say no are short; more than this is not read.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// A GET or HEAD to the nodes of a partition.
pub struct Get {
    /// What kind of server they are.
    pub kind: ServerKind,
    /// What is asked.
    pub call: Call,
    /// With which header fields.
    pub headers: Headers,
    /// Which nodes, in order.
    pub nodes: NodeIter,
    /// How many of them may be asked at once.
    pub concurrency: usize,
    /// The policy whose options apply; none for accounts and containers.
    pub policy_index: Option<u32>,
    /// Whether to ask all of them for the newest (`X-Newest`).
    pub newest: bool,
}

/// A [`Get`] under way: what was heard so far.
struct Getter {
    app: Application,
    get: Get,
    concurrency_timeout: Duration,
    /// 404s of primaries that are still to be taken for a partition that has just been moved.
    missing_to_suppress: usize,
    /// The newest deletion heard of.
    deleted_at: Timestamp,
    /// The ETag of what is being read: a source that takes over must have the same.
    etag: Option<Bytes>,
    answers: Vec<Answer>,
    sources: Vec<Source>,
}

/// A node that has what is asked for.
struct Source {
    node: Arc<Node>,
    response: Response,
    timestamp: Timestamp,
}

/// What came of asking one node.
enum Heard {
    Good(Response),
    Bad(Answer),
}

impl Application {
    /// Answers with what the best node has, its body on the way; or with what a quorum of them says instead.
    pub async fn get_or_head(&self, get: Get) -> Response {
        let options = self.config.policy_options(get.policy_index);
        let most_suppressed = get.nodes.primary_count().saturating_sub(1);
        let mut getter = Getter {
            concurrency_timeout: options.concurrency_timeout,
            missing_to_suppress: options.rebalance_missing_suppression_count.min(most_suppressed),
            app: self.clone(),
            get,
            deleted_at: Timestamp::ZERO,
            etag: None,
            answers: Vec::new(),
            sources: Vec::new(),
        };
        match getter.find_source().await {
            Some(source) => getter.response(source),
            None => {
                let quorum = quorum_size(getter.answers.len());
                let what = format!("{} {}", getter.get.kind.title(), getter.get.call.method);
                best_of(getter.answers, quorum, &[], &what)
            }
        }
    }
}

impl Getter {
    /// Asks nodes until one has it; with `newest` all of them, for the newest.
    async fn find_source(&mut self) -> Option<Source> {
        self.answers.clear();
        self.sources.clear();
        let mut asked = FuturesUnordered::new();
        while let Some(candidate) = self.app.next_node_of(self.get.kind, &mut self.get.nodes) {
            let (app, call, headers) = (self.app.clone(), self.get.call.clone(), self.get.headers.clone());
            asked.push(async move {
                let heard = ask(&app, &call, &candidate, headers).await;
                (candidate, heard)
            });
            if self.get.newest {
                continue;
            }
            let first = match asked.len() < self.get.concurrency {
                true => timeout(self.concurrency_timeout, asked.next()).await.unwrap_or(None),
                false => asked.next().await,
            };
            if first.is_some_and(|(candidate, heard)| self.consider(candidate, heard)) {
                return self.best_source();
            }
        }
        while let Some((candidate, heard)) = asked.next().await {
            if self.consider(candidate, heard) {
                break;
            }
        }
        self.best_source()
    }

    /// Takes note of what a node said; whether that is all there is to know.
    fn consider(&mut self, candidate: Candidate, heard: Result<Heard, ClientError>) -> bool {
        match heard {
            Err(error) => {
                self.app.failed(&candidate.node, self.get.kind, &self.get.call, &error);
                false
            }
            Ok(Heard::Good(response)) => self.consider_good(candidate, response),
            Ok(Heard::Bad(answer)) => {
                self.consider_bad(candidate, answer);
                false
            }
        }
    }

    fn consider_good(&mut self, candidate: Candidate, response: Response) -> bool {
        let etag = response.headers.get("etag").map(normalize_etag).unwrap_or_default();
        let never_put = response.headers.get_str("x-put-timestamp").is_some_and(|t| t.parse() == Ok(0.0));
        if never_put || self.etag.as_ref().is_some_and(|mine| *mine != etag) {
            self.answers.push(Answer::stand_in(404));
            return false;
        }
        let timestamp = source_timestamp(&response.headers);
        if timestamp < self.deleted_at {
            return false;
        }
        self.sources.push(Source { node: candidate.node, response, timestamp });
        !self.get.newest
    }

    fn consider_bad(&mut self, candidate: Candidate, answer: Answer) {
        let deleted_at = timestamp_of(&answer.headers, "x-backend-timestamp");
        if deleted_at == Timestamp::ZERO {
            let is_missing = answer.status == 404;
            if candidate.is_handoff && (is_missing || answer.status >= 500) {
                return;
            }
            if is_missing && self.missing_to_suppress > 0 {
                self.missing_to_suppress -= 1;
                return;
            }
        }
        if self.get.kind == ServerKind::Object && answer.status == 404 {
            self.deleted_at = self.deleted_at.max(deleted_at);
        }
        self.app.check_status(
            &candidate.node,
            self.get.kind,
            answer.status,
            &self.get.call,
            Some(&answer.body),
        );
        self.answers.push(answer);
    }

    /// The newest source that is no older than any deletion heard of.
    fn best_source(&mut self) -> Option<Source> {
        let deleted_at = self.deleted_at;
        self.sources.retain(|source| source.timestamp >= deleted_at);
        // Of the same data the metadata that was posted last: Swift takes any, and so may be a POST behind.
        let posted = |source: &Source| timestamp_of(&source.response.headers, "x-backend-timestamp");
        let age = |source: &Source| (source.timestamp, posted(source));
        let newest = self.sources.iter().enumerate().max_by_key(|(_, source)| age(source))?.0;
        let source = self.sources.swap_remove(newest);
        self.sources.clear();
        if self.etag.is_none() {
            let etag = source.response.headers.get("etag").map(normalize_etag).unwrap_or_default();
            self.etag = Some(Bytes::copy_from_slice(etag));
        }
        Some(source)
    }

    /// What the client is answered from `source`.
    fn response(self, mut source: Source) -> Response {
        let from = &source.response.headers;
        let mut response = Response::new(source.response.status);
        response.headers.set(
            "Content-Type",
            from.get("content-type")
                .map_or_else(|| Bytes::from_static(b"text/html; charset=UTF-8"), Bytes::copy_from_slice),
        );
        copy_headers(from, &mut response.headers);
        response.headers.set("Accept-Ranges", "bytes");
        let content_length = from.get("content-length").map(Bytes::copy_from_slice);
        let has_body = self.get.call.method == Method::Get && matches!(response.status, 200 | 206);
        if has_body {
            if let Some(length) = content_length {
                response.headers.set("Content-Length", length);
            }
            response.body = body::of(self, source);
        } else if let 416 = response.status {
            response.body = Response::standard(416).body;
        } else {
            if let Some(length) = content_length {
                response.headers.set("Content-Length", length);
            }
            source.response.body = crate::http::Body::empty();
        }
        response
    }
}

async fn ask(
    app: &Application,
    call: &Call,
    candidate: &Candidate,
    headers: Headers,
) -> Result<Heard, ClientError> {
    let started = std::time::Instant::now();
    let mut response = app.backend.send(call, &candidate.node, headers, Bytes::new()).await?;
    app.timings.record(&candidate.node, started.elapsed());
    if matches!(response.status, 200..400 | 416) {
        return Ok(Heard::Good(response));
    }
    let body = response.body.read_all(MAX_ERROR_BYTES).await?;
    let Response { status, reason, headers, .. } = response;
    Ok(Heard::Bad(Answer { status, reason, headers, body, from: Some(candidate.clone()) }))
}

/// When what a node has was written, as far as it says.
fn source_timestamp(headers: &Headers) -> Timestamp {
    ["x-backend-data-timestamp", "x-backend-timestamp", "x-put-timestamp", "x-timestamp"]
        .iter()
        .find(|name| headers.get(name).is_some_and(|v| !v.is_empty()))
        .map_or(Timestamp::ZERO, |name| timestamp_of(headers, name))
}

fn timestamp_of(headers: &Headers, name: &str) -> Timestamp {
    headers.get_str(name).and_then(|text| text.parse().ok()).unwrap_or(Timestamp::ZERO)
}
