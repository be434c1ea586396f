//! The reconciler's I/O: the queue's listings, and what it takes to move an object.

use super::config::ReconcilerConfig;
use super::policy_cache::PolicyCache;
use super::queue::Misplaced;
use super::standing::agreed_policy;
use crate::container::misplaced::{Operation, QUEUE_ACCOUNT, container_of};
use crate::daemon::{Daemon, Share};
use crate::direct_client::DirectClient;
use crate::http::{Headers, Method, Response};
use crate::internal_client::{Accepts, Ask, Entry, InternalClient, InternalError, Path, body_of};
use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use swiftlet_types::{HashConf, Timestamp};

const POLICY_INDEX: &str = "X-Backend-Storage-Policy-Index";
/// How many passes a node has time for an entry, where nodes share by their ring, before the next one works on it.
const TAKEOVER_PASSES: u32 = 4;
/// How often a pass tells what it did.
const STATS_INTERVAL: Duration = Duration::from_secs(60);
/// Fields of an answer that say nothing of the object in it.
const NOT_THE_OBJECTS: [&str; 8] = [
    "connection",
    "date",
    "transfer-encoding",
    "accept-ranges",
    "x-trans-id",
    "x-openstack-request-id",
    "last-modified",
    "x-timestamp",
];

// What the reconciler does itself is a little later than what it mends, each step in its order.
const TOMBSTONE_OFFSET: u64 = 1;
const POP_OFFSET: u64 = 2;
const MOVE_OFFSET: u64 = 3;

/// Moves objects to the policy of their container.
pub struct ContainerReconciler {
    config: ReconcilerConfig,
    client: InternalClient,
    direct: DirectClient,
    hash: HashConf,
    policies: PolicyCache,
    stats: Mutex<Stats>,
}

/// What came of entries, by Swift's names.
struct Stats {
    counts: BTreeMap<&'static str, u64>,
    told: Instant,
}

impl ContainerReconciler {
    /// A reconciler of the cluster that `client` is one of; `direct` speaks to its container servers.
    pub fn new(
        config: ReconcilerConfig,
        client: InternalClient,
        direct: DirectClient,
        hash: HashConf,
    ) -> Self {
        let stats = Mutex::new(Stats { counts: BTreeMap::new(), told: Instant::now() });
        Self { config, client, direct, hash, policies: PolicyCache::default(), stats }
    }

    /// Works through one of the queue's containers.
    async fn sweep_container(&self, queue: &str, share: Share) -> Result<(), InternalError> {
        let path = Path::container(QUEUE_ACCOUNT, queue);
        let mut listing = self.client.listing(path.clone(), Accepts::SUCCESS_OR_NOT_FOUND);
        let mut is_empty = true;
        loop {
            let page = listing.next_page().await?;
            if page.is_empty() {
                break;
            }
            is_empty = false;
            let work = stream::iter(page.iter());
            work.for_each_concurrent(self.config.concurrency, |entry| self.process(queue, entry, share))
                .await;
            self.tell_stats(false);
        }
        let age = Timestamp::now().as_secs_f64() - queue.parse().unwrap_or(f64::INFINITY);
        if is_empty && age > self.config.reclaim_age.as_secs_f64() {
            let delete = Ask::new(Method::Delete, path);
            self.client.settle(delete, Accepts(&[2, 404, 409, 412])).await?;
        }
        Ok(())
    }

    /// Does what an entry asks for, where it is this process's, and takes it out of the queue where that is done.
    async fn process(&self, queue: &str, entry: &Entry, share: Share) {
        let Some(item) = Misplaced::parse(entry) else {
            self.count("invalid_record");
            return tracing::error!("invalid queue record: {entry:?}");
        };
        if !item.is_for(share, &self.hash, Timestamp::now()) {
            return;
        }
        let (shown, policy) = (item.shown(), item.policy_index);
        if !self.reconcile(&item).await {
            self.count("retry");
            return tracing::info!("{shown} in policy_index {policy} must be retried");
        }
        self.count("success");
        tracing::info!("{shown} in policy_index {policy} was handled successfully");
        let popped = later(item.entered.max(item.timestamp), POP_OFFSET);
        self.count("pop_queue");
        self.direct.delete_entry(QUEUE_ACCOUNT, queue, &entry.name, Some(popped)).await;
    }

    /// Brings the object to where it belongs; whether nothing is left to do.
    async fn reconcile(&self, item: &Misplaced) -> bool {
        let Some(right) = self.policy_of(&item.account, &item.container).await else {
            self.count("unavailable_container");
            return false;
        };
        if right == item.policy_index {
            self.count("noop_object");
            return true;
        }
        if ![item.policy_index, right].iter().all(|index| self.client.is_policy_settled(*index)) {
            self.count("ppi_skip");
            return false;
        }
        let Ok(there) = self.client.send(ask(Method::Head, item, right), Accepts(&[2, 4])).await else {
            self.count("unavailable_destination");
            return false;
        };
        if timestamp_of(&there) >= item.timestamp {
            self.count("found_object");
            return self.throw_tombstones(item).await;
        }
        self.count("misplaced_object");
        let (status, source) =
            match self.client.send(ask(Method::Get, item, item.policy_index), Accepts(&[2, 4])).await {
                Ok(source) => (source.status, Some(source)),
                Err(error) => (error.status().unwrap_or(503), None),
            };
        match (status, item.operation, source) {
            (404, Operation::Delete, _) => self.delete_there(item, right).await,
            (200..300, _, Some(source)) if timestamp_of(&source) >= item.timestamp => {
                self.move_there(item, right, source).await
            }
            (status, ..) => self.gives_up_on(item, status),
        }
    }

    /// The policy of a container, as its servers said within the last half minute.
    async fn policy_of(&self, account: &str, container: &str) -> Option<u32> {
        if let Some(policy) = self.policies.get(account, container, Instant::now()) {
            return Some(policy);
        }
        let replicas = self.direct.standings(account, container).await;
        let policy = replicas.as_deref().and_then(agreed_policy)?;
        self.policies.set(account, container, policy, Instant::now());
        Some(policy)
    }

    /// Whether an object that cannot be had is looked for no longer.
    fn gives_up_on(&self, item: &Misplaced, status: u16) -> bool {
        let age = Timestamp::now().as_secs_f64() - item.timestamp.as_secs_f64();
        let is_lost = age > self.config.reclaim_age.as_secs_f64();
        let (shown, policy) = (item.shown(), item.policy_index);
        if is_lost {
            self.count("lost_source");
            tracing::error!("{shown} was not available in policy_index {policy} and has expired");
        } else {
            self.count("unavailable_source");
            tracing::warn!("{shown} in policy_index {policy} responded {status}");
        }
        is_lost
    }

    async fn move_there(&self, item: &Misplaced, right: u32, mut source: Response) -> bool {
        self.count("copy_attempt");
        let moved = later(timestamp_of(&source).max(item.timestamp), MOVE_OFFSET);
        let headers = headers_of(&source);
        let put = ask(Method::Put, item, right).upload(headers, body_of(&mut source));
        match self.client.settle(put.with("X-Timestamp", moved.internal()), Accepts::SUCCESS).await {
            Ok(_) => {
                self.count("copy_success");
                self.throw_tombstones(item).await
            }
            Err(error) => {
                self.count("copy_failed");
                tracing::warn!(%error, "upload {} to policy_index {right}", item.shown());
                false
            }
        }
    }

    async fn delete_there(&self, item: &Misplaced, right: u32) -> bool {
        self.count("delete_attempt");
        let delete = ask(Method::Delete, item, right)
            .with("X-Timestamp", later(item.timestamp, MOVE_OFFSET).internal());
        match self.client.settle(delete, Accepts::SUCCESS_OR_NOT_FOUND).await {
            Ok(_) => {
                self.count("delete_success");
                self.throw_tombstones(item).await
            }
            Err(error) => {
                self.count("delete_failed");
                tracing::warn!(%error, "delete {} from policy_index {right}", item.shown());
                false
            }
        }
    }

    /// Deletes the object where it should not be.
    async fn throw_tombstones(&self, item: &Misplaced) -> bool {
        self.count("cleanup_attempt");
        let delete = ask(Method::Delete, item, item.policy_index)
            .with("X-Timestamp", later(item.timestamp, TOMBSTONE_OFFSET).internal());
        let outcome = self.client.settle(delete, Accepts::SUCCESS_OR_NOT_FOUND).await;
        match &outcome {
            Ok(_) => self.count("cleanup_success"),
            Err(error) => {
                self.count("cleanup_failed");
                tracing::debug!(%error, "{} was not cleaned up", item.shown());
            }
        }
        outcome.is_ok()
    }

    fn count(&self, what: &'static str) {
        *self.stats.lock().counts.entry(what).or_default() += 1;
    }

    fn tell_stats(&self, at_once: bool) {
        let mut stats = self.stats.lock();
        if at_once || stats.told.elapsed() > STATS_INTERVAL {
            stats.told = Instant::now();
            tracing::info!("Reconciler Stats: {:?}", stats.counts);
        }
    }

    /// Works through the whole queue, newest first: what is old has most often been done.
    async fn sweep(&self) -> Result<(), InternalError> {
        let current = container_of(Timestamp::now());
        let takeover = self.config.interval.saturating_mul(TAKEOVER_PASSES);
        let share = self.config.sharing.share(self.client.container_ring().get(), takeover).await;
        self.sweep_or_tell(&current, share).await;
        let mut listing = self.client.listing(Path::account(QUEUE_ACCOUNT), Accepts::SUCCESS_OR_NOT_FOUND);
        loop {
            let page = listing.next_page().await?;
            if page.is_empty() {
                return Ok(());
            }
            for entry in page.iter().rev().filter(|entry| entry.name != current) {
                self.sweep_or_tell(&entry.name, share).await;
            }
        }
    }

    async fn sweep_or_tell(&self, queue: &str, share: Share) {
        if let Err(error) = self.sweep_container(queue, share).await {
            tracing::error!(%error, "Error listing objects in container {queue}");
        }
    }
}

#[async_trait]
impl Daemon for ContainerReconciler {
    fn name(&self) -> &'static str {
        "container-reconciler"
    }

    fn interval(&self) -> Duration {
        self.config.interval
    }

    fn pause_after(&self, _: Duration) -> Duration {
        self.config.interval
    }

    async fn pass(&self) {
        if let Err(error) = self.sweep().await {
            tracing::error!(%error, "Error listing containers in account {QUEUE_ACCOUNT}");
        }
        self.tell_stats(true);
        self.stats.lock().counts.clear();
    }
}

/// A request for the object in that policy, as it is there: a link is not followed.
fn ask(method: Method, item: &Misplaced, policy_index: u32) -> Ask {
    Ask::new(method, Path::object(&item.account, &item.container, &item.object))
        .query("symlink=get")
        .with(POLICY_INDEX, policy_index.to_string())
}

/// When the object in an answer was put, or deleted.
fn timestamp_of(answer: &Response) -> Timestamp {
    let text = answer.headers.get_str("X-Backend-Timestamp");
    text.and_then(|text| text.parse().ok()).unwrap_or(Timestamp::ZERO)
}

/// What an answer says of the object in it.
fn headers_of(answer: &Response) -> Headers {
    let mut headers = answer.headers.clone();
    headers.retain(|name, _| {
        let is_backends = name.len() > 10 && name[..10].eq_ignore_ascii_case(b"x-backend-");
        !is_backends && !NOT_THE_OBJECTS.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
    });
    headers
}

/// The same moment, and a little later.
fn later(timestamp: Timestamp, offset: u64) -> Timestamp {
    timestamp.with_offset(timestamp.offset().saturating_add(offset))
}
