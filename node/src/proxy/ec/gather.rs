//! Finding k nodes with different fragments of one PUT.
//!
//! Nodes may have several fragments, of several PUTs, committed or not. Each is asked for what is still missing, and
//! says what else it has; a PUT that one node knows to be committed goes before others, however new those are.

use super::{ETAG, FRAGMENT_INDEX, Scheme};
use crate::http::client::ClientError;
use crate::http::{Body, Headers, Response};
use crate::proxy::answer::Answer;
use crate::proxy::backend::Call;
use crate::proxy::meta::ServerKind;
use crate::proxy::nodes::{Candidate, NodeIter};
use crate::proxy::rings::{Node, RingView};
use crate::proxy::server::Application;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use swiftlet_types::Timestamp;
use tokio::time::timeout;

/// Bodies of answers that say no are short; more than this is not read.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// What is asked of nodes, whichever they are.
#[derive(Clone)]
pub(super) struct Asking {
    pub app: Application,
    pub call: Call,
    /// Without `Range`.
    pub headers: Headers,
    pub ring: Arc<RingView>,
    pub policy_index: u32,
    pub scheme: Arc<Scheme>,
}

/// A node that sends a fragment archive, or a range of it.
pub(super) struct Source {
    pub index: usize,
    pub node: Arc<Node>,
    pub body: Body,
}

/// Enough sources, and where to find others when one breaks off.
pub(super) struct Gathered {
    pub sources: Vec<Source>,
    /// What one of them said of the object.
    pub headers: Headers,
    pub timestamp: Timestamp,
    pub spares: Spares,
}

/// Nodes that were not asked yet, or have a fragment beside the one that they sent.
pub(super) struct Spares {
    nodes: NodeIter,
    alternates: VecDeque<Arc<Node>>,
}

/// One PUT, as far as it was heard of.
#[derive(Default)]
struct Bucket {
    fragments: BTreeMap<usize, Source>,
    headers: Option<Headers>,
    /// Nodes that have these indexes too.
    alternates: BTreeMap<usize, VecDeque<Arc<Node>>>,
    is_durable: bool,
}

impl Bucket {
    fn shortfall(&self, needed: usize) -> usize {
        let short = needed.saturating_sub(self.fragments.len());
        // a node that was not heard yet may know it to be durable
        if self.is_durable { short } else { short.max(1) }
    }

    fn shortfall_with_alternates(&self, needed: usize) -> usize {
        let others = self.alternates.keys().filter(|index| !self.fragments.contains_key(index)).count();
        needed.saturating_sub(self.fragments.len() + others)
    }

    /// A node to ask for a fragment that is missing.
    fn take_alternate(&mut self) -> Option<Arc<Node>> {
        let fragments = &self.fragments;
        let missing = self.alternates.iter_mut().filter(|(index, _)| !fragments.contains_key(index));
        missing.map(|(_, nodes)| nodes).find_map(VecDeque::pop_front)
    }
}

/// What was heard so far.
#[derive(Default)]
pub(super) struct Heard {
    buckets: BTreeMap<Timestamp, Bucket>,
    /// What nodes said that have nothing, and since when they know that.
    answers: Vec<(Answer, Timestamp)>,
    deleted_at: Timestamp,
}

impl Heard {
    /// The PUT to read: one that is durable, complete, nearest to it, newest, in this order; older than no deletion.
    fn best(&self, needed: usize) -> Option<(&Timestamp, &Bucket)> {
        let alive = self.buckets.iter().filter(|(time, _)| **time >= self.deleted_at);
        alive.max_by_key(|(time, bucket)| {
            let alternates = std::cmp::Reverse(bucket.shortfall_with_alternates(needed));
            (bucket.is_durable, bucket.shortfall(needed) == 0, alternates, **time)
        })
    }

    fn is_complete(&self, needed: usize) -> bool {
        self.best(needed).is_some_and(|(_, bucket)| bucket.is_durable && bucket.shortfall(needed) == 0)
    }

    /// How many more requests it takes: none where enough nodes agree on something else than that nothing is there.
    fn shortfall(&self, needed: usize) -> usize {
        let statuses: BTreeSet<u16> = self.answers.iter().map(|(answer, _)| answer.status).collect();
        let count = |status: u16| self.answers.iter().filter(|(answer, _)| answer.status == status).count();
        let refused = statuses.into_iter().filter(|status| *status < 500 && *status != 404).map(count).max();
        let short = self.best(needed).map_or(needed, |(_, bucket)| bucket.shortfall(needed));
        short.min(needed.saturating_sub(refused.unwrap_or(0)))
    }

    /// `X-Backend-Fragment-Preferences`: what is best so far first, and which of it is there already.
    fn preferences(&self, needed: usize) -> String {
        let best = self.best(needed).map(|(time, _)| *time);
        let mut times: Vec<&Timestamp> = self.buckets.keys().rev().collect();
        times.sort_by_key(|time| Some(**time) != best);
        let preference = |time: &Timestamp| {
            let have: Vec<usize> =
                self.buckets.get(time).into_iter().flat_map(|b| b.fragments.keys().copied()).collect();
            json!({"timestamp": time.internal(), "exclude": have})
        };
        Value::from(times.into_iter().map(preference).collect::<Vec<_>>()).to_string()
    }

    fn add(&mut self, candidate: Candidate, response: Response) {
        let headers = response.headers;
        let data_time = time_in(&headers, "X-Backend-Data-Timestamp");
        let time = data_time.or_else(|| time_in(&headers, "X-Backend-Timestamp")).unwrap_or_default();
        let listed = headers.get("X-Backend-Fragments").map(fragments_listed).unwrap_or_default();
        for (time, indexes) in listed {
            let bucket = self.buckets.entry(time).or_default();
            for index in indexes {
                bucket.alternates.entry(index).or_default().push_back(candidate.node.clone());
            }
        }
        // servers that do not tell know of durable ones alone
        let durable = time_in(&headers, "X-Backend-Durable-Timestamp");
        if let Some(durable) = durable.or_else(|| data_time.is_none().then_some(time)) {
            self.buckets.entry(durable).or_default().is_durable = true;
        }
        let Some(index) = headers.get_str(FRAGMENT_INDEX).and_then(|index| index.parse().ok()) else {
            return;
        };
        let bucket = self.buckets.entry(time).or_default();
        if bucket.headers.as_ref().is_some_and(|known| known.get(ETAG) != headers.get(ETAG)) {
            tracing::error!("Problem with fragment response: ETag mismatch");
            return;
        }
        bucket.headers.get_or_insert(headers);
        let source = Source { index, node: candidate.node, body: response.body };
        bucket.fragments.entry(index).or_insert(source);
    }
}

/// The indexes that a node has, by time.
fn fragments_listed(value: &[u8]) -> Vec<(Timestamp, Vec<usize>)> {
    let Ok(Value::Object(times)) = serde_json::from_slice(value) else { return Vec::new() };
    let index = |value: &Value| usize::try_from(value.as_u64()?).ok();
    let entry = |(time, indexes): (&String, &Value)| {
        Some((time.parse().ok()?, indexes.as_array()?.iter().filter_map(index).collect()))
    };
    times.iter().filter_map(entry).collect()
}

fn time_in(headers: &Headers, name: &str) -> Option<Timestamp> {
    headers.get_str(name)?.parse().ok()
}

impl Asking {
    /// Sources of k different fragments, of these bytes of their archives where that is given; or what there is to say
    /// instead.
    pub async fn gather(&self, range: Option<&Range<u64>>) -> Result<Gathered, Heard> {
        let needed = self.scheme.codec.data_count();
        let options = self.app.config.policy_options(Some(self.policy_index));
        let at_once = match options.concurrent_gets {
            true => needed + options.concurrent_ec_extra_requests,
            false => needed,
        };
        let mut nodes = self.app.nodes(self.ring.clone(), self.call.partition, Some(self.policy_index));
        let (mut heard, mut asked, mut requests) = (Heard::default(), FuturesUnordered::new(), 0);
        // whatever nodes say: there is an end to asking
        let most = (2 * self.ring.replica_count()).max(at_once);
        let mut more = at_once;
        loop {
            while more > 0 && requests < most {
                let Some(candidate) = self.next(&mut heard, &mut nodes, requests > needed) else { break };
                asked.push(self.ask(candidate, range, heard.preferences(needed)));
                (requests, more) = (requests + 1, more - 1);
            }
            let next = match options.concurrent_gets && requests < most {
                true => match timeout(options.concurrency_timeout, asked.next()).await {
                    Ok(next) => next,
                    Err(_) => {
                        more = 1;
                        let Some(candidate) = self.app.next_node_of(ServerKind::Object, &mut nodes) else {
                            requests = most;
                            continue;
                        };
                        asked.push(self.ask(candidate, range, heard.preferences(needed)));
                        (requests, more) = (requests + 1, 0);
                        continue;
                    }
                },
                false => asked.next().await,
            };
            let Some((candidate, answer)) = next else { break };
            self.consider(&mut heard, candidate, answer).await;
            if heard.is_complete(needed) {
                break;
            }
            more = heard.shortfall(needed).saturating_sub(asked.len());
        }
        drop(asked);
        heard.take_best(needed, nodes)
    }

    fn next(&self, heard: &mut Heard, nodes: &mut NodeIter, may_repeat: bool) -> Option<Candidate> {
        let needed = self.scheme.codec.data_count();
        let best = heard.best(needed).filter(|(_, bucket)| bucket.is_durable).map(|(time, _)| *time);
        let bucket = best.filter(|_| may_repeat).and_then(|time| heard.buckets.get_mut(&time));
        let alternate = bucket.and_then(Bucket::take_alternate);
        match alternate {
            Some(node) => Some(Candidate { node, is_handoff: false }),
            None => self.app.next_node_of(ServerKind::Object, nodes),
        }
    }

    async fn ask(
        &self,
        candidate: Candidate,
        range: Option<&Range<u64>>,
        preferences: String,
    ) -> (Candidate, Result<Response, ClientError>) {
        let mut headers = self.headers.clone();
        if let Some(range) = range {
            headers.set("Range", format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        }
        headers.set("X-Backend-Fragment-Preferences", preferences);
        let started = std::time::Instant::now();
        let answer = self.app.backend.send(&self.call, &candidate.node, headers, Bytes::new()).await;
        if answer.is_ok() {
            self.app.timings.record(&candidate.node, started.elapsed());
        }
        (candidate, answer)
    }

    async fn consider(&self, heard: &mut Heard, candidate: Candidate, answer: Result<Response, ClientError>) {
        let mut response = match answer {
            Ok(response) if response.is_success() => return heard.add(candidate, response),
            Ok(response) => response,
            Err(error) => return self.app.failed(&candidate.node, ServerKind::Object, &self.call, &error),
        };
        let body = response.body.read_all(MAX_ERROR_BYTES).await.unwrap_or_default();
        let Response { status, reason, headers, .. } = response;
        let data_time = time_in(&headers, "X-Backend-Data-Timestamp");
        let known = data_time.or_else(|| time_in(&headers, "X-Backend-Timestamp"));
        self.app.check_status(&candidate.node, ServerKind::Object, status, &self.call, Some(&body));
        if candidate.is_handoff && known.is_none() && (status == 404 || status >= 500) {
            return;
        }
        let since = known.unwrap_or_default();
        if status == 404 {
            heard.deleted_at = heard.deleted_at.max(since);
        }
        heard.answers.push((Answer { status, reason, headers, body, from: Some(candidate) }, since));
    }

    /// Another source of the PUT of `timestamp`, of an index that is not in `have`, from `range` on.
    pub async fn replace(
        &self,
        spares: &mut Spares,
        timestamp: Timestamp,
        have: &[usize],
        range: &Range<u64>,
    ) -> Option<Source> {
        let preferences = json!([{"timestamp": timestamp.internal(), "exclude": have}]).to_string();
        loop {
            let candidate = match self.app.next_node_of(ServerKind::Object, &mut spares.nodes) {
                Some(candidate) => candidate,
                None => Candidate { node: spares.alternates.pop_front()?, is_handoff: false },
            };
            let (candidate, answer) = self.ask(candidate, Some(range), preferences.clone()).await;
            let mut heard = Heard::default();
            self.consider(&mut heard, candidate, answer).await;
            let found = heard.buckets.remove(&timestamp).into_iter().flat_map(|bucket| bucket.fragments);
            if let Some((_, source)) = found.into_iter().find(|(index, _)| !have.contains(index)) {
                return Some(source);
            }
        }
    }
}

impl Heard {
    fn take_best(mut self, needed: usize, nodes: NodeIter) -> Result<Gathered, Self> {
        let complete = self.is_complete(needed);
        let best = self.best(needed).map(|(time, _)| *time).filter(|_| complete);
        let Some((timestamp, bucket)) = best.and_then(|time| Some((time, self.buckets.remove(&time)?)))
        else {
            return Err(self);
        };
        // data fragments before parity: these need no arithmetic
        let sources = bucket.fragments.into_values().take(needed).collect();
        let alternates = bucket.alternates.into_values().flatten().collect();
        let headers = bucket.headers.unwrap_or_default();
        Ok(Gathered { sources, headers, timestamp, spares: Spares { nodes, alternates } })
    }

    /// What nodes said instead. Where a committed PUT is known of, those that know of nothing newer only say that its
    /// fragments are out of reach now.
    pub fn into_answers(self, needed: usize, mut missing_to_suppress: usize) -> Vec<Answer> {
        let best =
            self.best(needed).map(|(time, bucket)| (*time, bucket.is_durable, bucket.headers.is_some()));
        let durable = best.filter(|(_, is_durable, _)| *is_durable).map(|(time, ..)| time);
        let mut answers = Vec::new();
        for (answer, since) in self.answers {
            if durable.is_some_and(|durable| since <= durable) {
                continue;
            }
            if answer.status == 404 && since == Timestamp::ZERO && missing_to_suppress > 0 {
                missing_to_suppress -= 1;
                continue;
            }
            answers.push(answer);
        }
        if answers.is_empty() && best.is_some_and(|(_, is_durable, is_there)| !is_durable && is_there) {
            // what was never committed was never there
            answers.push(Answer::stand_in(404));
        }
        answers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(heard: &mut Heard, node: usize, index: usize, data: &str, durable: Option<&str>, listed: &str) {
        let mut response = Response::new(200);
        response.headers.set("X-Backend-Data-Timestamp", data.to_owned());
        response.headers.set(FRAGMENT_INDEX, index.to_string());
        response.headers.set(ETAG, data.to_owned());
        response.headers.set("X-Backend-Fragments", listed.to_owned());
        if let Some(durable) = durable {
            response.headers.set("X-Backend-Durable-Timestamp", durable.to_owned());
        }
        heard.add(Candidate { node: Arc::new(Node::for_tests(node)), is_handoff: false }, response);
    }

    fn best(heard: &Heard) -> Option<String> {
        heard.best(2).map(|(time, _)| time.normal())
    }

    #[test]
    fn what_was_committed_goes_before_what_is_newer() {
        let mut heard = Heard::default();
        answer(&mut heard, 0, 0, "0000000002.00000", None, "{}");
        answer(&mut heard, 1, 1, "0000000002.00000", None, "{}");
        assert!(!heard.is_complete(2), "nobody knows it to be durable");
        assert_eq!(heard.shortfall(2), 1);
        answer(&mut heard, 2, 0, "0000000001.00000", Some("0000000001.00000"), "{}");
        assert_eq!(best(&heard).as_deref(), Some("0000000001.00000"));
        assert_eq!((heard.is_complete(2), heard.shortfall(2)), (false, 1));
        answer(&mut heard, 3, 0, "0000000001.00000", Some("0000000001.00000"), "{}");
        assert!(!heard.is_complete(2), "the same fragment twice is one");
        answer(&mut heard, 4, 2, "0000000001.00000", None, "{}");
        assert!(heard.is_complete(2));
    }

    #[test]
    fn nodes_are_asked_again_for_what_else_they_have() {
        let mut heard = Heard::default();
        let listed = r#"{"0000000001.00000": [0, 3]}"#;
        answer(&mut heard, 5, 0, "0000000001.00000", Some("0000000001.00000"), listed);
        let bucket = heard.buckets.values_mut().next().unwrap();
        assert_eq!((bucket.shortfall(2), bucket.shortfall_with_alternates(2)), (1, 0));
        assert_eq!(bucket.take_alternate().map(|node| node.id()), Some(5));
        assert!(bucket.take_alternate().is_none(), "the other is there");
        assert_eq!(heard.preferences(2), r#"[{"timestamp":"0000000001.00000","exclude":[0]}]"#);
    }

    #[test]
    fn a_newer_deletion_hides_what_is_older() {
        let mut heard = Heard { deleted_at: "3".parse().unwrap(), ..Heard::default() };
        answer(&mut heard, 0, 0, "0000000002.00000", Some("0000000002.00000"), "{}");
        assert_eq!(best(&heard), None);
    }

    #[test]
    fn what_is_out_of_reach_is_not_missing() {
        let not_found = |since: &str| (Answer::stand_in(404), since.parse::<Timestamp>().unwrap());
        let mut heard = Heard { answers: vec![not_found("1"), not_found("1")], ..Heard::default() };
        answer(&mut heard, 0, 0, "0000000002.00000", Some("0000000002.00000"), "{}");
        assert!(heard.into_answers(2, 0).is_empty());
        let mut heard = Heard::default();
        answer(&mut heard, 0, 0, "0000000002.00000", None, "{}");
        assert_eq!(heard.into_answers(2, 0)[0].status, 404, "it was never committed");
    }
}
