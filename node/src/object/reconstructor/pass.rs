//! One pass over the partitions of some devices, so many beside each other.

use super::plan::{Job, Plan};
use super::revert::Revert;
use super::run::{EcPass, Shared};
use super::stats::Stats;
use super::sync::Sync;
use crate::daemon::look_at_ring;
use crate::http::Timeouts;
use crate::object::replication::{
    Entry, Looked, OwnDevice, PartitionId, Peers, check_partition, hash_all, look, own_devices,
};
use crate::object::ssync::replication_lock::ReplicationLockError;
use crate::object::ssync::sender::{Fragments, SendError, Sender, SenderTimeouts, Source};
use crate::serve::PoolError;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use rand::seq::SliceRandom;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_ring::Device;
use swiftlet_storage::object::summary::{Summary, remove_empty, summarize};
use swiftlet_storage::object::{CleanupRules, Layout};
use thiserror::Error;
use tokio::time::Instant;

/// About how many objects are sent in one conversation. However large a partition is, its objects are known a few at
/// a time.
const BATCH: usize = 10_000;

/// Why a node was not brought up to date.
#[derive(Debug, Error)]
pub(super) enum PushError {
    /// SSYNC failed.
    #[error(transparent)]
    Ssync(#[from] SendError),
    /// Somebody else replicates the partition.
    #[error(transparent)]
    Lock(#[from] ReplicationLockError),
    /// What is here cannot be told, or not removed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The disk gave no answer.
    #[error(transparent)]
    Pool(#[from] PoolError),
}

/// A partition under way.
#[derive(Clone)]
pub(super) struct Place {
    pub own: Arc<OwnDevice>,
    pub policy: Arc<EcPass>,
    pub partition: u32,
    /// How its objects lie.
    pub layout: Layout,
    /// Whether it belongs on other devices only.
    pub is_handoff: bool,
}

impl Place {
    pub fn id(&self) -> PartitionId {
        PartitionId {
            device: self.own.device.device.clone(),
            dir: self.own.dir.clone(),
            policy: self.policy.pass.index,
            partition: self.partition,
        }
    }

    /// To be sent from, these fragments.
    pub fn source(&self, fragments: Fragments) -> Source {
        Source {
            device: self.own.device.device.clone(),
            device_dir: self.own.dir.clone(),
            partition: self.partition.into(),
            policy: self.policy.pass.index,
            fragments: Some(fragments),
        }
    }
}

/// Some objects of a partition.
pub(super) struct Batch {
    pub objects: Vec<Summary>,
    /// Whether there are more than were asked for.
    pub is_cut: bool,
}

/// A pass under way.
pub(super) struct Pass {
    pub shared: Arc<Shared>,
    pub sender: Sender,
    pub peers: Peers,
    policies: Vec<Arc<EcPass>>,
    /// The devices to work on; `None`: all of this node's.
    devices: Option<Vec<String>>,
    /// The partitions; empty: all.
    partitions: Vec<u32>,
    /// What log lines begin with.
    title: String,
    begun: Instant,
    next_ring_check: Mutex<Instant>,
    /// Policies whose rings have changed since.
    aborted: Mutex<BTreeSet<u32>>,
    stats: Mutex<Stats>,
}

impl Pass {
    /// A pass over `devices` and `partitions` of `policies`.
    pub fn new(
        shared: Arc<Shared>,
        policies: Vec<Arc<EcPass>>,
        devices: Option<Vec<String>>,
        partitions: Vec<u32>,
        title: String,
    ) -> Self {
        let config = &shared.config;
        let (connect, node, http) = (config.conn_timeout, config.node_timeout, config.http_timeout);
        let (client, store, pools) = (shared.client.clone(), shared.store.clone(), shared.pools.clone());
        let peers = Peers {
            client: client.clone(),
            timeouts: Timeouts { connect, node: http },
            program: "obj-reconstructor",
        };
        Self {
            sender: Sender { client, store, pools, timeouts: SenderTimeouts { connect, node, http } },
            peers,
            policies,
            devices,
            partitions,
            title,
            begun: Instant::now(),
            next_ring_check: Mutex::new(Instant::now() + config.ring_check_interval),
            aborted: Mutex::default(),
            stats: Mutex::default(),
            shared,
        }
    }

    /// Counts something.
    pub fn count(&self, count: impl FnOnce(&mut Stats)) {
        count(&mut self.stats.lock());
    }

    /// Does it; what was counted.
    pub async fn run(self) -> Stats {
        tokio::select! {
            () = self.reconstruct() => {}
            () = self.heartbeat() => {}
            () = self.lockup() => tracing::error!("Lockup detected: the pass is given up"),
        }
        self.tell();
        self.stats.into_inner()
    }

    async fn reconstruct(&self) {
        let mut places = Vec::new();
        for policy in &self.policies {
            if policy.pass.ring.next_part_power().is_some() {
                // Objects are linked twice meanwhile, and would be sent twice.
                tracing::warn!("next_part_power set in policy '{}'. Skipping", policy.pass.index);
                continue;
            }
            let own = &self.shared.config.own;
            for device in own_devices(own, &policy.pass, self.devices.as_deref()).await {
                self.count(|stats| stats.devices += 1);
                places.extend(self.collect_device(policy, device).await);
            }
        }
        places.shuffle(&mut rand::rng());
        self.count(|stats| stats.partitions = places.len() as u64);
        stream::iter(places)
            .for_each_concurrent(self.shared.config.concurrency, |place| async move {
                if self.is_aborted(&place.policy).await {
                    return;
                }
                let begun = Instant::now();
                self.partition(&place).await;
                self.count(|stats| {
                    stats.done += 1;
                    stats.times.push(begun.elapsed().as_secs_f32());
                });
            })
            .await;
    }

    async fn collect_device(&self, policy: &Arc<EcPass>, device: Device) -> Vec<Place> {
        let (store, index) = (&self.shared.store, policy.pass.index);
        let names = match look(store, &self.shared.pools, &device, index).await {
            Looked::Names(Ok(names)) => names,
            Looked::Names(Err(error)) => {
                tracing::error!("Unable to list partitions of policy {index} of {}: {error}", device.device);
                return Vec::new();
            }
            Looked::Unusable(why) => {
                tracing::warn!("{why}");
                return Vec::new();
            }
        };
        let (dir, layout) =
            (store.config().devices.path_of(&device.device), store.config().layouts.of_policy(index));
        let own = Arc::new(OwnDevice { device, dir });
        let place = |name: String| match Entry::of(&name, &policy.pass.ring, own.device.id, &self.partitions)
        {
            // Fragments that belong elsewhere stay with those that belong here meanwhile.
            Entry::Partition { is_handoff: false, .. } if self.shared.config.handoffs_only => None,
            Entry::Partition { partition, is_handoff } => {
                Some(Place { own: own.clone(), policy: policy.clone(), partition, layout, is_handoff })
            }
            Entry::NotOurs => None,
            Entry::Unknown | Entry::BeyondRing => {
                let device = &own.device.device;
                tracing::warn!("Unexpected entity in data dir of policy {index} on {device}: {name:?}");
                None
            }
        };
        names.into_iter().filter_map(place).collect()
    }

    /// Looks after one partition.
    async fn partition(&self, place: &Place) {
        let (store, pools) = (&self.shared.store, &self.shared.pools);
        match check_partition(store, pools, place.id()).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(why) => return tracing::warn!("{why}"),
        }
        let (hashed, hashes) = match hash_all(store, pools, place.id(), place.layout, true).await {
            Ok(hashed) => hashed,
            Err(error) => return tracing::error!("Error hashing partition {}: {error}", place.partition),
        };
        self.count(|stats| stats.suffix_hash += hashed);
        let nodes: Vec<Device> = place.policy.pass.ring.nodes(place.partition).cloned().collect();
        let Plan { jobs, primary_index, unknown } =
            Plan::of(&hashes, &nodes, place.own.device.id, &place.policy.scheme);
        for (index, suffixes) in &unknown {
            let (partition, device) = (place.partition, &place.own.device.device);
            tracing::warn!("Bad fragment index {index} for suffixes {suffixes:?} of {partition} on {device}");
        }
        if hashes.is_empty() && place.is_handoff {
            self.remove(place).await;
        }
        for job in jobs {
            match job {
                Job::Sync { index, partners } => {
                    let sync = Sync { pass: self, place, index, hashes: &hashes };
                    for partner in &partners {
                        sync.run(partner).await;
                    }
                }
                Job::Revert { index, suffixes, targets } => {
                    let targets = &targets;
                    Revert { pass: self, place, index, primary_index, targets }.run(suffixes).await;
                }
            }
        }
    }

    /// Removes a partition that holds nothing, and belongs elsewhere.
    async fn remove(&self, place: &Place) {
        let (of, name) = (place.id(), place.own.device.device.clone());
        let remove = move || remove_empty(&of.dir, of.policy, of.partition.into());
        match self.shared.pools.run(&name, remove).await {
            Ok(Ok(true)) => tracing::info!("Removing partition: {name}/{}", place.partition),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::error!("cannot remove partition {name}/{}: {error}", place.partition),
            Err(error) => tracing::error!("cannot remove partition {name}/{}: {error}", place.partition),
        }
    }

    /// Takes suffixes off `suffixes` until they hold enough objects for one batch, or `most` (0: no limit).
    pub async fn next_batch(
        &self,
        place: &Place,
        source: &Source,
        suffixes: &mut VecDeque<String>,
        most: usize,
    ) -> Result<Batch, PushError> {
        let (of, age) = (place.id(), self.shared.store.config().reclaim_age);
        let rules = CleanupRules { choice: source.choice(), ..CleanupRules::of(place.layout, age) };
        let mut rest = std::mem::take(suffixes);
        let (most, device) = (if most == 0 { usize::MAX } else { most }, of.device.clone());
        let read = move || {
            let mut objects = Vec::new();
            while objects.len() < BATCH.min(most)
                && let Some(suffix) = rest.pop_front()
            {
                objects.extend(summarize(&of.dir, of.policy, of.partition.into(), &suffix, rules)?);
            }
            Ok::<_, io::Error>((objects, rest))
        };
        let (mut objects, rest) = self.shared.pools.run(&device, read).await??;
        let is_cut = objects.len() > most || (objects.len() == most && !rest.is_empty());
        objects.truncate(most);
        *suffixes = rest;
        Ok(Batch { objects, is_cut })
    }

    /// Whether the policy's ring has changed since the pass began: what belongs where has to be looked at anew.
    async fn is_aborted(&self, policy: &EcPass) -> bool {
        let is_due = {
            let mut next = self.next_ring_check.lock();
            let is_due = Instant::now() >= *next;
            if is_due {
                *next = Instant::now() + self.shared.config.ring_check_interval;
            }
            is_due
        };
        if is_due {
            for policy in &self.policies {
                look_at_ring(&policy.pass.shared).await;
                if !Arc::ptr_eq(&policy.pass.shared.get(), &policy.pass.ring)
                    && self.aborted.lock().insert(policy.pass.index)
                {
                    tracing::info!(
                        "Ring change detected for policy {}. Aborting current reconstruction pass for this policy.",
                        policy.pass.index
                    );
                }
            }
        }
        self.aborted.lock().contains(&policy.pass.index)
    }

    async fn heartbeat(&self) {
        loop {
            tokio::time::sleep(self.shared.config.stats_interval.max(Duration::from_millis(10))).await;
            self.tell();
        }
    }

    /// Ends when no partition was finished for too long.
    async fn lockup(&self) {
        let mut last = None;
        loop {
            tokio::time::sleep(self.shared.config.lockup_timeout.max(Duration::from_secs(1))).await;
            let done = Some(self.stats.lock().done);
            if done == last {
                return;
            }
            last = done;
        }
    }

    fn tell(&self) {
        let stats = self.stats.lock().clone();
        for line in stats.lines(self.begun.elapsed()) {
            tracing::info!("{}{line}", self.title);
        }
    }
}
