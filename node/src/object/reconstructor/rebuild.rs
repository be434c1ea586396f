//! Making a fragment that a node lacks out of those of other nodes, segment by segment as it is sent on.

use super::run::{EcPass, Shared};
use crate::http::{Body, BodyError, BodyStream, ClientError, Headers, Method, Request, Response, Timeouts};
use crate::object::replication::node_name;
use crate::object::ssync::sender::Rebuild;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::future::{BoxFuture, try_join_all};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use rand::seq::SliceRandom;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use swiftlet_ring::Device;
use swiftlet_storage::object::purge::quarantine_fragment;
use swiftlet_storage::object::{FRAGMENT_INDEX, HashDir, ObjectState};
use swiftlet_types::Timestamp;

/// What an answer that says no is read of, so that its connection can be used again.
const MAX_REFUSAL: usize = 64 << 10;

/// Makes the fragments of one partition that one node is to have.
pub(super) struct Rebuilder {
    pub shared: Arc<Shared>,
    pub policy: Arc<EcPass>,
    pub partition: u32,
    pub target: Device,
    /// The index of its fragments.
    pub wanted: u32,
}

type Answer = (Device, Result<Response, ClientError>);

#[async_trait]
impl Rebuild for Rebuilder {
    async fn rebuild(&self, at: &HashDir, own: &ObjectState) -> Option<Body> {
        let mut heard = Heard::of(own, self.wanted);
        if let Err(missing) = self.ask(own, &mut heard).await {
            self.tell(own, &heard, missing);
            if self.is_solitary(own, &heard) {
                let index = heard.own_index;
                let (at, reason) = (at.clone(), format!("Solitary fragment #{}", index.unwrap_or_default()));
                let device = at.device.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if let Err(error) =
                    self.shared.pools.run(&device, move || quarantine_fragment(&at, reason)).await
                {
                    tracing::error!(%error, "cannot set a fragment aside");
                }
            }
            return None;
        }
        let scheme = &self.policy.scheme;
        let sources = heard.useful.into_values().take(scheme.codec.data_count());
        let fragments = Fragments {
            sources: sources.map(|response| Source::new(response.body)).collect(),
            policy: self.policy.clone(),
            wanted: self.wanted as usize,
            left: own.size,
        };
        Some(Body::stream(Some(own.size), fragments))
    }
}

impl Rebuilder {
    /// Asks nodes until enough fragments of the same PUT as `own` are heard of; else how many are missing.
    async fn ask(&self, own: &ObjectState, heard: &mut Heard) -> Result<(), usize> {
        let needed = self.policy.scheme.codec.data_count();
        let ring = &self.policy.pass.ring;
        let mut primaries: Vec<Device> = ring.nodes(self.partition).cloned().collect();
        let count = primaries.len();
        primaries.retain(|node| node.id != self.target.id);
        primaries.shuffle(&mut rand::rng());
        let mut asking = FuturesUnordered::new();
        let mut next = primaries.into_iter();
        loop {
            let missing = needed.saturating_sub(heard.useful.len());
            if missing == 0 {
                return Ok(());
            }
            while asking.len() < missing
                && let Some(node) = next.next()
            {
                asking.push(self.get(node, own));
            }
            let Some(answer) = asking.next().await else { break };
            heard.add(answer).await;
        }
        // The last fragment of an object may be set aside, but not before handoffs were asked too.
        let most = self.shared.config.request_node_count.for_replicas(count).max(count);
        let mut handoffs = ring.handoffs(self.partition).take(most - count).cloned();
        while heard.useful.len() < needed && self.is_solitary(own, heard) {
            while asking.len() < count
                && let Some(node) = handoffs.next()
            {
                asking.push(self.get(node, own));
            }
            let Some(answer) = asking.next().await else { break };
            heard.add(answer).await;
        }
        match needed.saturating_sub(heard.useful.len()) {
            0 => Ok(()),
            missing => Err(missing),
        }
    }

    fn get(&self, node: Device, own: &ObjectState) -> BoxFuture<'static, Answer> {
        let name = own.metadata.get("name").cloned().unwrap_or_default();
        let path = [format!("/{}/{}", node.device, self.partition).as_bytes(), &name].concat();
        let mut request = Request::new(Method::Get, path);
        let preferences = json!([{"timestamp": own.data_timestamp.internal(), "exclude": []}]);
        request.headers.set_int("X-Backend-Storage-Policy-Index", self.policy.pass.index);
        request.headers.set("X-Backend-Replication", "True");
        request.headers.set("X-Backend-Fragment-Preferences", preferences.to_string());
        request.headers.set("User-Agent", format!("obj-reconstructor {}", std::process::id()));
        let config = &self.shared.config;
        let timeouts = Timeouts { connect: config.conn_timeout, node: config.node_timeout };
        let client = self.shared.client.clone();
        async move {
            let answer =
                client.request(&node.replication_ip, node.replication_port, request, &timeouts).await;
            (node, answer)
        }
        .boxed()
    }

    /// Whether `own` is a fragment that nobody can ever decode, as far as was heard: deliberately strict, for it is
    /// asked before the fragment is set aside.
    fn is_solitary(&self, own: &ObjectState, heard: &Heard) -> bool {
        let config = &self.shared.config;
        let age = Timestamp::now().ticks().saturating_sub(own.data_timestamp.ticks());
        let is_old = Duration::from_micros(age.saturating_mul(10)) > config.quarantine_age;
        is_old
            && heard.others.is_empty()
            && heard.refusals.keys().eq([&404])
            && heard.responses <= config.quarantine_threshold
            && heard.responses < self.policy.scheme.codec.data_count()
            && heard.own_index.is_some_and(|index| heard.useful.contains_key(&index))
    }

    fn tell(&self, own: &ObjectState, heard: &Heard, missing: usize) {
        let name =
            String::from_utf8_lossy(own.metadata.get("name").map_or(b"", |name| &name[..])).into_owned();
        let needed = self.policy.scheme.codec.data_count();
        let refusals: Vec<String> = heard
            .refusals
            .iter()
            .map(|(status, count)| match status {
                0 => format!("{count} x unknown"),
                status => format!("{count} x {status}"),
            })
            .collect();
        tracing::error!(
            "Unable to get enough responses ({}/{needed} from {} ok responses; {}) to reconstruct {} {}/{}{name} \
             policy#{} frag#{} with timestamp {}",
            needed - missing,
            heard.responses,
            refusals.join(", "),
            if own.fragments.durable == Some(own.data_timestamp) { "durable" } else { "non-durable" },
            node_name(&self.target),
            self.partition,
            self.policy.pass.index,
            self.wanted,
            own.data_timestamp.internal(),
        );
    }
}

/// What was heard of one object.
struct Heard {
    timestamp: Timestamp,
    etag: Option<Bytes>,
    own_index: Option<u32>,
    wanted: u32,
    /// Answers with a fragment of the PUT that is meant.
    responses: usize,
    /// Those that help, by index.
    useful: BTreeMap<u32, Response>,
    /// Other PUTs that were heard of.
    others: BTreeSet<Timestamp>,
    /// How often nodes answered otherwise; 0: not at all, or with what is no fragment.
    refusals: BTreeMap<u16, usize>,
}

impl Heard {
    fn of(own: &ObjectState, wanted: u32) -> Self {
        Self {
            timestamp: own.data_timestamp,
            etag: own.metadata.get("X-Object-Sysmeta-Ec-Etag").cloned(),
            own_index: own.metadata.get_str(FRAGMENT_INDEX).and_then(|index| index.parse().ok()),
            wanted,
            responses: 0,
            useful: BTreeMap::new(),
            others: BTreeSet::new(),
            refusals: BTreeMap::new(),
        }
    }

    async fn add(&mut self, (node, answer): Answer) {
        let mut response = match answer {
            Ok(response) => response,
            Err(error) => {
                tracing::error!("Trying to GET from {}: {error}", node_name(&node));
                return self.refuse(0);
            }
        };
        if response.status != 200 {
            if response.status != 404 {
                tracing::warn!("Invalid response {} from {}", response.status, node_name(&node));
            }
            self.refuse(response.status);
            // What cannot be read costs the connection, and nothing else.
            let _ = response.body.read_all(MAX_REFUSAL).await;
            return;
        }
        let Some((index, timestamp, etag)) = what(&response.headers) else {
            tracing::warn!(
                "Invalid resp from {}: it does not say of what it is a fragment",
                node_name(&node)
            );
            return self.refuse(0);
        };
        let durable = time_in(&response.headers, "X-Backend-Durable-Timestamp");
        self.others.extend(durable.into_iter().chain([timestamp]).filter(|time| *time != self.timestamp));
        if timestamp != self.timestamp {
            return;
        }
        self.responses += 1;
        if self.etag.as_ref() != Some(&etag) {
            tracing::error!("Mixed Etag from {} of fragment {index}", node_name(&node));
        } else if index != self.wanted {
            self.useful.entry(index).or_insert(response);
        }
    }

    fn refuse(&mut self, status: u16) {
        *self.refusals.entry(status).or_default() += 1;
    }
}

/// The index, time and object's ETag of a fragment.
fn what(headers: &Headers) -> Option<(u32, Timestamp, Bytes)> {
    let index = headers.get_str(FRAGMENT_INDEX)?.parse().ok()?;
    let time =
        time_in(headers, "X-Backend-Data-Timestamp").or_else(|| time_in(headers, "X-Backend-Timestamp"))?;
    let etag = headers.get("X-Object-Sysmeta-Ec-Etag").filter(|etag| !etag.is_empty())?;
    Some((index, time, Bytes::copy_from_slice(etag)))
}

fn time_in(headers: &Headers, name: &str) -> Option<Timestamp> {
    headers.get_str(name)?.parse().ok()
}

/// The fragments of an object, segment after segment, on their way.
struct Fragments {
    sources: Vec<Source>,
    policy: Arc<EcPass>,
    wanted: usize,
    /// Bytes that are still to be made.
    left: u64,
}

/// One node's fragments.
struct Source {
    body: Body,
    buffer: BytesMut,
}

impl Source {
    fn new(body: Body) -> Self {
        Self { body, buffer: BytesMut::new() }
    }

    /// The next `len` bytes.
    async fn read(&mut self, len: usize) -> Result<Bytes, BodyError> {
        while self.buffer.len() < len {
            let chunk = self.body.next().await?;
            let chunk = chunk.ok_or(BodyError::Malformed("a node sent too few bytes of a fragment"))?;
            self.buffer.extend_from_slice(&chunk);
        }
        Ok(self.buffer.split_to(len).freeze())
    }
}

#[async_trait]
impl BodyStream for Fragments {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        if self.left == 0 {
            return Ok(None);
        }
        let scheme = &self.policy.scheme;
        let whole = scheme.codec.fragment_len(scheme.segment_len);
        let len = usize::try_from(self.left).map_or(whole, |left| left.min(whole));
        let fragments = try_join_all(self.sources.iter_mut().map(|source| source.read(len))).await?;
        let (policy, wanted) = (self.policy.clone(), self.wanted);
        let make = move || policy.scheme.codec.reconstruct(&fragments, wanted);
        let made =
            tokio::task::spawn_blocking(make).await.map_err(|error| BodyError::Other(error.to_string()))?;
        let made = made.map_err(|error| BodyError::Other(error.to_string()))?;
        self.left -= len as u64;
        Ok(Some(made.into()))
    }
}
