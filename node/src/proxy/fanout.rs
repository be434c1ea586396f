//! One small request to every replica at once: what changes accounts, containers, and objects without their data.

use super::answer::Answer;
use super::backend::Call;
use super::meta::ServerKind;
use super::nodes::{Candidate, NodeIter};
use super::quorum::{best_response, have_quorum, quorum_size};
use super::rings::RingView;
use super::server::Application;
use crate::http::{Headers, Response};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

/// Bodies of answers to such requests are short; more than this is not read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// A request to several nodes.
pub struct Fanout {
    /// What kind of server they are.
    pub kind: ServerKind,
    /// What is asked.
    pub call: Call,
    /// Where to; each request takes the next node until one answers.
    pub nodes: NodeIter,
    /// Of how many nodes a quorum is needed.
    pub node_count: usize,
    /// The header fields of each request; so many are sent.
    pub headers: Vec<Headers>,
    /// The body of each.
    pub body: Bytes,
}

impl Application {
    /// Sends the requests and gives the answers as they came: until a quorum agrees and those still missing had
    /// `post_quorum_timeout` to come too. At least `node_count` of them, 503 standing for what did not come.
    ///
    /// Requests that take longer go on by themselves, so that a slow node still hears of the change.
    pub async fn fan_out(&self, fanout: Fanout) -> Vec<Answer> {
        let node_count = fanout.node_count;
        let mut coming = self.start(fanout);
        let (mut answers, mut statuses) = (Vec::with_capacity(node_count), Vec::with_capacity(node_count));
        let mut until: Option<Instant> = None;
        loop {
            let next = match until {
                None => coming.recv().await,
                Some(until) => timeout_at(until, coming.recv()).await.unwrap_or(None),
            };
            let Some(answer) = next else { break };
            if !is_useful(&answer) {
                continue;
            }
            statuses.push(answer.status);
            answers.push(answer);
            if until.is_none() && have_quorum(&statuses, node_count) {
                until = Some(Instant::now() + self.config.post_quorum_timeout);
            }
        }
        answers.resize_with(answers.len().max(node_count), || Answer::stand_in(503));
        answers
    }

    /// The same, and the best of the answers for the client.
    pub async fn fan_out_for_best(&self, fanout: Fanout, overrides: &[(u16, u16)]) -> Response {
        let what = format!("{} {}", fanout.kind.title(), fanout.call.method);
        let answers = self.fan_out(fanout).await;
        let quorum = quorum_size(answers.len());
        best_of(answers, quorum, overrides, &what)
    }

    /// Sends `call` with `body` to every replica of its partition in `ring`, with what `headers` gives for so many
    /// requests; the best answer.
    pub async fn change_replicas(
        &self,
        kind: ServerKind,
        ring: Arc<RingView>,
        call: Call,
        headers: impl FnOnce(usize) -> Vec<Headers>,
        body: Bytes,
    ) -> Response {
        let node_count = ring.primaries(call.partition).len();
        let nodes = self.nodes(ring, call.partition, None);
        let fanout = Fanout { kind, call, nodes, node_count, headers: headers(node_count), body };
        self.fan_out_for_best(fanout, &[]).await
    }

    fn start(&self, fanout: Fanout) -> mpsc::UnboundedReceiver<Answer> {
        let Fanout { kind, call, nodes, headers, body, .. } = fanout;
        let (call, nodes) = (Arc::new(call), Arc::new(Mutex::new(nodes)));
        // unbounded, but holds one answer a request at most
        let (done, coming) = mpsc::unbounded_channel();
        for headers in headers {
            let (app, call, nodes) = (self.clone(), call.clone(), nodes.clone());
            let (body, done) = (body.clone(), done.clone());
            let asking = async move {
                if let Some(answer) = app.ask_until_answered(kind, &call, &nodes, headers, body).await {
                    // nobody waits any more where the client has its answer already
                    let _ = done.send(answer);
                }
            };
            tokio::spawn(asking.in_current_span());
        }
        coming
    }

    /// Asks one node after the other until one gives an answer that is not its own failure.
    async fn ask_until_answered(
        &self,
        kind: ServerKind,
        call: &Call,
        nodes: &Mutex<NodeIter>,
        headers: Headers,
        body: Bytes,
    ) -> Option<Answer> {
        loop {
            let candidate = self.next_node(kind, nodes)?;
            match self.ask(call, &candidate, headers.clone(), body.clone()).await {
                Ok(answer) => {
                    if self.check_status(&candidate.node, kind, answer.status, call, None) {
                        return Some(answer);
                    }
                }
                Err(error) => self.failed(&candidate.node, kind, call, &error),
            }
        }
    }

    async fn ask(
        &self,
        call: &Call,
        candidate: &Candidate,
        headers: Headers,
        body: Bytes,
    ) -> Result<Answer, crate::http::client::ClientError> {
        let started = std::time::Instant::now();
        let mut response = self.backend.send(call, &candidate.node, headers, body).await?;
        self.timings.record(&candidate.node, started.elapsed());
        let body = response.body.read_all(MAX_ANSWER_BYTES).await?;
        let Response { status, reason, headers, .. } = response;
        Ok(Answer { status, reason, headers, body, from: Some(candidate.clone()) })
    }
}

/// The answer for the client: what a quorum agrees on, or 503. `what` names the request in the log.
pub fn best_of(mut answers: Vec<Answer>, quorum: usize, overrides: &[(u16, u16)], what: &str) -> Response {
    let statuses: Vec<u16> = answers.iter().map(|a| a.status).collect();
    match best_response(&statuses, quorum, overrides) {
        Some(best) => answers.swap_remove(best).into_response(),
        None => {
            tracing::error!("{what} returning 503 for {statuses:?}");
            Response::standard(503)
        }
    }
}

/// A handoff that says 404 only says that it is a handoff, unless it knows of a deletion.
fn is_useful(answer: &Answer) -> bool {
    let from_handoff = answer.from.as_ref().is_some_and(|c| c.is_handoff);
    !(from_handoff && answer.status == 404 && !answer.headers.contains("x-backend-timestamp"))
}
