//! Sending objects of a partition to another node, by whichever method is configured.

use super::config::{ReplicatorConfig, SyncMethod};
use super::plan::Job;
use super::rsync::Rsync;
use crate::http::{Client, Timeouts};
use crate::object::replication::{PeerError, Peers};
use crate::object::ssync::sender::{Mode, SendError, Sender, SenderTimeouts, Source};
use crate::serve::{DevicePools, PoolError};
use std::collections::{HashSet, VecDeque};
use std::io;
use std::sync::Arc;
use swiftlet_ring::Device;
use swiftlet_storage::object::summary::{Summary, summarize};
use swiftlet_storage::object::{CleanupRules, ObjectStore};
use swiftlet_types::hash_path::PathHash;
use thiserror::Error;

/// About how many objects are sent in one conversation. However large a partition is, its objects are known a few at
/// a time.
const BATCH: usize = 10_000;

/// Why a node was not brought up to date.
#[derive(Debug, Error)]
pub(super) enum PushError {
    /// SSYNC failed.
    #[error(transparent)]
    Ssync(#[from] SendError),
    /// The node was not told what rsync brought it.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// What was to be sent is gone.
    #[error("nothing is left to be sent")]
    NothingThere,
    /// The program cannot be run.
    #[error("rsync cannot be run: {0}")]
    NoRsync(io::Error),
    /// The program failed.
    #[error("rsync ended with code {code}")]
    RsyncFailed { code: i32 },
    /// The program took too long.
    #[error("rsync was killed after {seconds}s")]
    RsyncTimeout { seconds: u64 },
}

/// Some of a partition's suffixes.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub suffixes: Vec<String>,
    /// The objects in them, where they were asked for.
    pub objects: Vec<Summary>,
}

/// How objects are sent.
#[derive(Clone)]
pub(super) enum Pusher {
    Rsync(Rsync, Peers),
    Ssync(Sender),
}

impl Pusher {
    /// As configured.
    pub fn new(
        config: &ReplicatorConfig,
        client: Client,
        store: Arc<ObjectStore>,
        pools: DevicePools,
    ) -> Self {
        let (connect, node, http) = (config.conn_timeout, config.node_timeout, config.http_timeout);
        match config.sync_method {
            SyncMethod::Rsync => {
                let timeouts = Timeouts { connect, node: http };
                let peers = Peers { client, timeouts, program: "object-replicator" };
                Self::Rsync(Rsync(config.rsync.clone()), peers)
            }
            SyncMethod::Ssync => {
                let timeouts = SenderTimeouts { connect, node, http };
                Self::Ssync(Sender { client, store, pools, timeouts })
            }
        }
    }

    /// Whether a node can be asked for objects without being sent them.
    pub fn can_check(&self) -> bool {
        matches!(self, Self::Ssync(_))
    }

    /// Whether it has to know the objects that it sends.
    pub fn needs_objects(&self) -> bool {
        matches!(self, Self::Ssync(_))
    }

    /// Brings `node` up to date with `batch`; the objects of it that the node does not have afterwards.
    pub async fn push(
        &self,
        job: &Job,
        node: &Device,
        batch: &Batch,
        mode: Mode,
    ) -> Result<HashSet<PathHash>, PushError> {
        match self {
            Self::Ssync(sender) => {
                let source = Source {
                    device: job.own.device.device.clone(),
                    device_dir: job.own.dir.clone(),
                    partition: job.partition.into(),
                    policy: job.policy.index,
                    fragments: None,
                };
                Ok(sender.sync(&source, node, &batch.objects, mode).await?)
            }
            Self::Rsync(rsync, peers) => {
                let copied = rsync.push(job, node, &batch.suffixes).await;
                // Some of it may have arrived.
                if copied.is_ok() || (!job.is_handoff && !matches!(copied, Err(PushError::NothingThere))) {
                    peers.rehash(node, job.policy.index, job.partition, &batch.suffixes).await?;
                }
                copied.map(|()| HashSet::new())
            }
        }
    }
}

/// Takes suffixes off `suffixes` until they hold enough objects for one batch.
pub(super) async fn next_batch(
    store: &Arc<ObjectStore>,
    pools: &DevicePools,
    job: &Job,
    suffixes: &mut VecDeque<String>,
) -> Result<Batch, BatchError> {
    let (store, job, mut rest) = (store.clone(), job.clone(), std::mem::take(suffixes));
    let device = job.own.device.device.clone();
    let read = move || {
        let (mut batch, reclaim_age) = (Batch::default(), store.config().reclaim_age);
        while batch.objects.len() < BATCH
            && let Some(suffix) = rest.pop_front()
        {
            let (policy, partition) = (job.policy.index, job.partition.into());
            let rules = CleanupRules::whole(reclaim_age);
            batch.objects.extend(summarize(&job.own.dir, policy, partition, &suffix, rules)?);
            batch.suffixes.push(suffix);
        }
        Ok::<_, io::Error>((batch, rest))
    };
    let (batch, rest) = pools.run(&device, read).await??;
    *suffixes = rest;
    Ok(batch)
}

/// Why the objects of a partition cannot be told.
#[derive(Debug, Error)]
pub(super) enum BatchError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Pool(#[from] PoolError),
}
