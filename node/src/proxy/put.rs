//! Storing an object's data: to every replica at once, as the client sends it.

use super::answer::Answer;
use super::backend::{Announced, Call, Upload};
use super::fanout::best_of;
use super::meta::ServerKind;
use super::nodes::NodeIter;
use super::quorum::{have_quorum, quorum_size};
use super::rings::Node;
use super::server::Application;
use crate::http::client::ClientError;
use crate::http::conditions::normalize_etag;
use crate::http::dates::format_http_date;
use crate::http::{Body, BodyError, Headers, Response};
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use swiftlet_types::Timestamp;
use tokio::time::{Instant, timeout, timeout_at};

/// Bodies of answers to PUTs are short; more than this is not read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// A PUT of an object to the nodes of its partition.
pub struct Put {
    /// What is asked.
    pub call: Call,
    /// Where to; each replica takes the next node until one wants it.
    pub nodes: NodeIter,
    /// The header fields for each replica.
    pub headers: Vec<Headers>,
    /// The data.
    pub body: Body,
    /// How long the client says that it is; `None`: it sends chunks.
    pub length: Option<u64>,
    /// Whether there must not be an object yet (`If-None-Match: *`).
    pub only_if_missing: bool,
    /// When the object is from.
    pub timestamp: Timestamp,
}

/// A node that takes part, and how far it is.
pub(super) struct Putter {
    pub(super) node: Arc<Node>,
    state: State,
}

impl Putter {
    /// Whether it can be given up.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.state, State::Failed)
    }

    /// Whether it has not decided yet.
    pub(super) fn is_sending(&self) -> bool {
        matches!(self.state, State::Sending(_))
    }
}

enum State {
    Sending(Box<Upload>),
    /// It decided before it saw the data.
    Decided(Box<Response>),
    Failed,
}

impl Application {
    /// Stores the object; what the client is answered.
    pub async fn store_object(&self, put: Put) -> Response {
        let Put { call, nodes, headers, body, length, only_if_missing, timestamp } = put;
        let node_count = headers.len();
        let needed = quorum_size(node_count);
        let mut putters = self.connect(&call, nodes, headers, length).await;
        let stored = async {
            self.check_connections(&putters, needed, only_if_missing)?;
            self.transfer(&call, &mut putters, body, length, needed).await?;
            let (answers, etags) =
                self.collect(&call, putters, node_count, |statuses| have_quorum(statuses, node_count)).await;
            self.conclude(answers, etags, timestamp)
        };
        stored.await.unwrap_or_else(|refusal| refusal)
    }

    /// Finds a node that wants the data for each replica.
    pub(super) async fn connect(
        &self,
        call: &Call,
        nodes: NodeIter,
        headers: Vec<Headers>,
        length: Option<u64>,
    ) -> Vec<Putter> {
        let nodes = Mutex::new(nodes);
        let connecting = headers.into_iter().map(|headers| self.connect_one(call, &nodes, headers, length));
        join_all(connecting).await.into_iter().flatten().collect()
    }

    async fn connect_one(
        &self,
        call: &Call,
        nodes: &Mutex<NodeIter>,
        headers: Headers,
        length: Option<u64>,
    ) -> Option<Putter> {
        loop {
            let node = self.next_node(ServerKind::Object, nodes)?.node;
            let started = std::time::Instant::now();
            match self.backend.announce(call, &node, &headers, length).await {
                Ok(Announced::Wanted(upload)) => {
                    self.timings.record(&node, started.elapsed());
                    return Some(Putter { node, state: State::Sending(upload) });
                }
                Ok(Announced::Decided(response)) if response.status == 507 => {
                    self.error_limit(&node, "ERROR Insufficient Storage");
                }
                Ok(Announced::Decided(response)) if response.status >= 500 => {
                    let message =
                        format!("ERROR {} Expect: 100-continue From Object Server", response.status);
                    self.error_occurred(&node, &message);
                }
                Ok(Announced::Decided(response)) => {
                    return Some(Putter { node, state: State::Decided(Box::new(response)) });
                }
                Err(error) => self.failed(&node, ServerKind::Object, call, &error),
            }
        }
    }

    /// Refuses where a node already told enough, or too few of them are there.
    pub(super) fn check_connections(
        &self,
        putters: &[Putter],
        needed: usize,
        only_if_missing: bool,
    ) -> Result<(), Response> {
        let decided = |status: u16| {
            putters.iter().any(|p| matches!(&p.state, State::Decided(response) if response.status == status))
        };
        if only_if_missing && decided(412) {
            return Err(Response::standard(412));
        }
        if decided(409) {
            // a newer object is there already: this one was accepted, and is history
            return Err(Response::standard(202));
        }
        self.check_count(putters.len(), needed, "")
    }

    pub(super) fn check_count(&self, connections: usize, needed: usize, when: &str) -> Result<(), Response> {
        if connections < needed {
            tracing::error!("Object PUT {when}returning 503, {connections}/{needed} required connections");
            return Err(Response::standard(503));
        }
        Ok(())
    }

    /// Passes the client's data on to every node, no faster than the slowest takes it.
    async fn transfer(
        &self,
        call: &Call,
        putters: &mut Vec<Putter>,
        mut body: Body,
        length: Option<u64>,
        needed: usize,
    ) -> Result<(), Response> {
        let mut received = 0_u64;
        while let Some(chunk) = self.next_chunk(&mut body).await? {
            received += chunk.len() as u64;
            if received > self.constraints.max_file_size {
                return Err(Response::standard(413));
            }
            join_all(putters.iter_mut().map(|putter| self.send(call, putter, chunk.clone()))).await;
            putters.retain(|putter| !matches!(putter.state, State::Failed));
            self.check_count(putters.len(), needed, "exceptions during send, ")?;
        }
        if length.is_some_and(|length| received < length) {
            tracing::warn!("Client disconnected without sending enough data");
            return Err(Response::standard(499));
        }
        join_all(putters.iter_mut().map(|putter| self.finish(call, putter))).await;
        putters.retain(|putter| !matches!(putter.state, State::Failed));
        self.check_count(putters.len(), needed, "exceptions after last send, ")
    }

    /// The client's next bytes.
    pub(super) async fn next_chunk(&self, body: &mut Body) -> Result<Option<Bytes>, Response> {
        let client_timeout = self.config.client_timeout;
        match timeout(client_timeout, body.next()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Err(_) | Ok(Err(BodyError::Timeout(_))) => {
                tracing::warn!("ERROR Client read timeout ({}s)", client_timeout.as_secs_f64());
                Err(Response::standard(408))
            }
            Ok(Err(BodyError::TooLarge { .. })) => Err(Response::standard(413)),
            Ok(Err(error)) => {
                tracing::warn!("Client disconnected without sending last chunk: {error}");
                Err(Response::standard(499))
            }
        }
    }

    pub(super) async fn send(&self, call: &Call, putter: &mut Putter, chunk: Bytes) {
        if let State::Sending(upload) = &mut putter.state
            && let Err(error) = upload.send(chunk).await
        {
            self.fail(call, putter, &error);
        }
    }

    /// Waits until the node says that it has what was sent, and that it waits for more; or that it does not.
    pub(super) async fn acknowledge(&self, call: &Call, putter: &mut Putter) {
        let State::Sending(upload) = &mut putter.state else { return };
        match upload.acknowledged().await {
            Ok(None) => {}
            Ok(Some(decided)) => putter.state = State::Decided(Box::new(decided)),
            Err(error) => self.fail(call, putter, &error),
        }
    }

    pub(super) async fn finish(&self, call: &Call, putter: &mut Putter) {
        if let State::Sending(upload) = &mut putter.state
            && let Err(error) = upload.finish().await
        {
            self.fail(call, putter, &error);
        }
    }

    fn fail(&self, call: &Call, putter: &mut Putter, error: &ClientError) {
        self.failed(&putter.node, ServerKind::Object, call, error);
        putter.state = State::Failed;
    }

    /// The nodes' answers, and the ETags of what they stored: until their statuses are `settled` and the others had a
    /// moment more. 503 stands for those that did not come.
    pub(super) async fn collect(
        &self,
        call: &Call,
        putters: Vec<Putter>,
        node_count: usize,
        settled: impl Fn(&[u16]) -> bool,
    ) -> (Vec<Answer>, BTreeSet<Vec<u8>>) {
        let mut coming: FuturesUnordered<_> =
            putters.into_iter().map(|putter| self.answer_of(call, putter)).collect();
        let (mut answers, mut statuses, mut etags) = (Vec::new(), Vec::new(), BTreeSet::new());
        let mut until: Option<Instant> = None;
        loop {
            let next = match until {
                None => coming.next().await,
                Some(until) => timeout_at(until, coming.next()).await.unwrap_or(None),
            };
            let Some(answer) = next else { break };
            let Some(answer) = answer else { continue };
            if let (200..300, Some(etag)) = (answer.status, answer.headers.get("etag")) {
                etags.insert(normalize_etag(etag).to_vec());
            }
            statuses.push(answer.status);
            answers.push(answer);
            if until.is_none() && settled(&statuses) {
                until = Some(Instant::now() + self.config.post_quorum_timeout);
            }
        }
        answers.resize_with(answers.len().max(node_count), || Answer::stand_in(503));
        (answers, etags)
    }

    async fn answer_of(&self, call: &Call, putter: Putter) -> Option<Answer> {
        let Putter { node, state } = putter;
        let whole = async {
            let mut response = match state {
                State::Decided(response) => *response,
                State::Sending(mut upload) => upload.response().await?,
                State::Failed => return Ok(None),
            };
            let body = response.body.read_all(MAX_ANSWER_BYTES).await?;
            let Response { status, reason, headers, .. } = response;
            Ok::<_, ClientError>(Some(Answer { status, reason, headers, body, from: None }))
        };
        match whole.await {
            Ok(answer) => {
                let answer = answer?;
                self.check_status(&node, ServerKind::Object, answer.status, call, Some(&answer.body));
                Some(answer)
            }
            Err(error) => {
                self.failed(&node, ServerKind::Object, call, &error);
                None
            }
        }
    }

    /// What the nodes agree on, good or bad: both tell when the client's object would be from, as in Swift.
    fn conclude(
        &self,
        mut answers: Vec<Answer>,
        etags: BTreeSet<Vec<u8>>,
        timestamp: Timestamp,
    ) -> Result<Response, Response> {
        if etags.len() > 1 {
            tracing::error!("Object servers returned {} mismatched etags", etags.len());
            return Err(Response::standard(500));
        }
        // what the object servers say in header fields is not for the client
        answers.iter_mut().for_each(|answer| answer.headers = Headers::new());
        let quorum = quorum_size(answers.len());
        let mut response = best_of(answers, quorum, &[], "Object PUT");
        if let Some(etag) = etags.into_iter().next()
            && response.is_success()
        {
            response.headers.set("Etag", etag);
        }
        response.headers.set("Last-Modified", format_http_date(timestamp.seconds_ceil()));
        Ok(response)
    }
}
