//! One pass over the partitions of some devices, so many beside each other.

use super::ahead::Ahead;
use super::config::ReplicatorConfig;
use super::plan::Job;
use super::push::Pusher;
use super::revert::Revert;
use super::stats::{Standing, Stats, peer_id};
use super::update::Update;
use crate::daemon::look_at_ring;
use crate::http::Client;
use crate::object::replication::{Peers, PolicyPass, PolicyRing, check_partition};
use crate::serve::DevicePools;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use rand::seq::SliceRandom;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use swiftlet_storage::object::ObjectStore;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// What passes share.
pub(super) struct Shared {
    pub config: ReplicatorConfig,
    pub store: Arc<ObjectStore>,
    pub policies: Vec<PolicyRing>,
    pub pools: DevicePools,
    pub client: Client,
}

/// What was counted so far.
#[derive(Default)]
pub(super) struct Tally {
    by_device: Mutex<BTreeMap<String, Stats>>,
    /// How long each partition took, in seconds.
    times: Mutex<Vec<f32>>,
}

impl Tally {
    /// Counts something on `device`.
    pub fn of(&self, device: &str, count: impl FnOnce(&mut Stats)) {
        let mut by_device = self.by_device.lock();
        match by_device.get_mut(device) {
            Some(stats) => count(stats),
            None => count(by_device.entry(device.to_owned()).or_default()),
        }
    }

    fn total(&self) -> Stats {
        let mut total = Stats::default();
        self.by_device.lock().values().for_each(|stats| total.add(stats));
        total
    }
}

/// A pass under way.
pub(super) struct Pass<'a> {
    pub shared: &'a Shared,
    pub pusher: Pusher,
    pub peers: Peers,
    pub policies: Vec<Arc<PolicyPass>>,
    /// The devices to work on; `None`: all of this node's.
    pub devices: Option<Vec<String>>,
    /// The partitions; empty: all.
    pub partitions: Vec<u32>,
    /// Which of ten passes it is.
    pub cycle: u64,
    pub tally: Tally,
    /// As many partitions are sent at once as are configured; one more is compared with other nodes meanwhile.
    pub turns: Semaphore,
    /// What log lines begin with.
    title: String,
    begun: Instant,
    next_ring_check: Mutex<Instant>,
    is_aborted: AtomicBool,
    jobs: AtomicUsize,
}

impl<'a> Pass<'a> {
    /// A pass over `devices` and `partitions` of `policies`.
    pub fn new(
        shared: &'a Shared,
        policies: Vec<Arc<PolicyPass>>,
        devices: Option<Vec<String>>,
        partitions: Vec<u32>,
        cycle: u64,
        title: String,
    ) -> Self {
        let Shared { config, store, pools, client, .. } = shared;
        let timeouts = crate::http::Timeouts { connect: config.conn_timeout, node: config.http_timeout };
        Self {
            shared,
            pusher: Pusher::new(config, client.clone(), store.clone(), pools.clone()),
            peers: Peers { client: client.clone(), timeouts, program: "object-replicator" },
            policies,
            devices,
            partitions,
            cycle,
            tally: Tally::default(),
            turns: Semaphore::new(config.concurrency),
            title,
            begun: Instant::now(),
            next_ring_check: Mutex::new(Instant::now() + config.ring_check_interval),
            is_aborted: AtomicBool::new(false),
            jobs: AtomicUsize::new(0),
        }
    }

    /// Does it; what was counted on each device.
    pub async fn run(self) -> BTreeMap<String, Stats> {
        tokio::select! {
            () = self.replicate() => {}
            () = self.heartbeat() => {}
        }
        self.tell();
        self.tally.by_device.into_inner()
    }

    async fn replicate(&self) {
        let mut jobs = self.collect().await;
        jobs.shuffle(&mut rand::rng());
        self.jobs.store(jobs.len(), Ordering::Relaxed);
        if !self.shared.config.handoffs_first {
            self.work(jobs).await;
            return;
        }
        let (handoffs, others): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|job| job.is_handoff);
        if self.work(handoffs).await > 0 {
            tracing::warn!(
                "Handoffs first mode still has handoffs remaining.  Aborting current replication pass."
            );
            return;
        }
        self.work(others).await;
    }

    /// Works on `jobs`; how many of them are handoffs that could not be removed.
    async fn work(&self, jobs: Vec<Job>) -> usize {
        let remaining = AtomicUsize::new(0);
        let jobs = Ahead::new(jobs);
        stream::iter(0..jobs.len())
            .for_each_concurrent(self.shared.config.concurrency + 1, |at| {
                let (jobs, remaining) = (&jobs, &remaining);
                async move {
                    if !self.work_on(jobs, at).await {
                        remaining.fetch_add(1, Ordering::Relaxed);
                    }
                    jobs.end(at);
                }
            })
            .await;
        remaining.into_inner()
    }

    /// Works on one; whether it is no handoff that could not be removed.
    async fn work_on(&self, jobs: &Ahead, at: usize) -> bool {
        let job = jobs.begin(at);
        if self.is_aborted().await || !self.is_ready(job).await {
            return true;
        }
        let mut begun = Instant::now();
        let is_done = match job.is_handoff {
            true => {
                let _turn = self.turns.acquire().await;
                begun = Instant::now();
                Revert::run(self, job).await
            }
            false => {
                Update::run(self, jobs, at).await;
                true
            }
        };
        self.tally.times.lock().push(begun.elapsed().as_secs_f32());
        is_done
    }

    /// Whether a ring has changed since the pass began: what belongs where has to be looked at anew.
    async fn is_aborted(&self) -> bool {
        {
            let mut next = self.next_ring_check.lock();
            if Instant::now() < *next {
                return self.is_aborted.load(Ordering::Relaxed);
            }
            *next = Instant::now() + self.shared.config.ring_check_interval;
        }
        for policy in &self.policies {
            look_at_ring(&policy.shared).await;
            if !Arc::ptr_eq(&policy.shared.get(), &policy.ring)
                && !self.is_aborted.swap(true, Ordering::Relaxed)
            {
                tracing::info!("Ring change detected. Aborting current replication pass.");
            }
        }
        self.is_aborted.load(Ordering::Relaxed)
    }

    /// Whether the partition can be worked on.
    async fn is_ready(&self, job: &Job) -> bool {
        match check_partition(&self.shared.store, &self.shared.pools, job.id()).await {
            Ok(is_ready) => is_ready,
            Err(why) => {
                let name = &job.own.device.device;
                self.tally.of(name, |stats| stats.fail(job.nodes().iter().map(peer_id)));
                tracing::warn!("{why}");
                false
            }
        }
    }

    async fn heartbeat(&self) {
        loop {
            tokio::time::sleep(self.shared.config.stats_interval.max(Duration::from_millis(10))).await;
            self.tell();
        }
    }

    fn tell(&self) {
        let total = self.tally.total();
        let elapsed = self.begun.elapsed();
        let title = &self.title;
        if total.attempted == 0 {
            tracing::info!("{title}Nothing replicated for {} seconds.", elapsed.as_secs_f64());
            return;
        }
        let mut times = self.tally.times.lock().clone();
        times.sort_unstable_by(f32::total_cmp);
        let jobs = self.jobs.load(Ordering::Relaxed);
        for line in (Standing { total: &total, jobs, elapsed, times: &times }).lines() {
            tracing::info!("{title}{line}");
        }
    }
}
