//! Asking a node for the hashes of several partitions at once: the one that is at work, and those after it that the node
//! has too. What it says of the latter is kept until their turn.

use super::plan::Job;
use crate::object::replication::{Hashes, PeerError, Peers, hashes_of};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use swiftlet_ring::Device;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

/// How many jobs are looked at for partitions that a node has too, and how many of these it is asked for.
const WINDOW: usize = 64;
const MAX_AHEAD: usize = 31;
/// What was said so long ago is asked again before anything is done because of it.
const FRESH: Duration = Duration::from_secs(5);

/// A job by its place, and a node by its id.
type Key = (usize, u32);

/// Pickled hashes as a node had them.
struct Told {
    pickled: Bytes,
    at: Instant,
}

/// What came of asking with others.
enum Beforehand {
    Told(Told),
    NotAsked,
    /// It was asked, and did not say.
    LeftOut,
}

/// Partitions to be worked on, and what nodes said of some of them beforehand.
pub(super) struct Ahead {
    jobs: Vec<Job>,
    /// The jobs before this one have begun; they begin in order.
    begun: AtomicUsize,
    /// `None` while the node is being asked.
    told: Mutex<BTreeMap<Key, Option<Told>>>,
    /// Tells those who wait for what a node is being asked.
    answered: Notify,
}

impl Ahead {
    pub fn new(jobs: Vec<Job>) -> Self {
        Self { jobs, begun: AtomicUsize::new(0), told: Mutex::default(), answered: Notify::new() }
    }

    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// The job that begins now.
    pub fn begin(&self, at: usize) -> &Job {
        self.begun.fetch_max(at + 1, Ordering::Relaxed);
        self.job(at)
    }

    pub fn job(&self, at: usize) -> &Job {
        &self.jobs[at]
    }

    /// The hashes that `node` has of the partition of the job `at`. Where they differ from `own` they are as of now, or
    /// nearly so.
    pub async fn hashes(
        &self,
        peers: &Peers,
        at: usize,
        node: &Device,
        own: &Hashes,
    ) -> Result<Hashes, PeerError> {
        let beforehand = self.told_of((at, node.id)).await;
        if let Beforehand::Told(told) = &beforehand
            && let Some(hashes) = hashes_of(&told.pickled)
            && (told.at.elapsed() < FRESH || hashes == *own)
        {
            return Ok(hashes);
        }
        let job = &self.jobs[at];
        let next = match beforehand {
            // It answers slowly, or about one partition at a time: those who wait are not to wait for one another.
            Beforehand::LeftOut => Vec::new(),
            _ => self.next(at, node),
        };
        let more: Vec<u32> = next.iter().map(|(at, _)| self.jobs[*at].partition).collect();
        let answer = match more.is_empty() {
            true => return peers.hashes(node, job.policy.index, job.partition).await,
            false => peers.hashes_of_many(node, job.policy.index, job.partition, &more).await,
        };
        self.keep(next, answer.as_deref().unwrap_or_default());
        if matches!(&answer, Err(PeerError::Client(error)) if error.is_timeout()) {
            // It may have been one of the others that took so long.
            return peers.hashes(node, job.policy.index, job.partition).await;
        }
        let found = answer?.into_iter().find(|(partition, _)| *partition == job.partition);
        found.and_then(|(_, pickled)| hashes_of(&pickled)).ok_or(PeerError::NoHashes)
    }

    /// What was said of it beforehand, waited for where the node is just being asked.
    async fn told_of(&self, key: Key) -> Beforehand {
        let mut nothing = Beforehand::NotAsked;
        loop {
            let answered = self.answered.notified();
            match self.told.lock().entry(key) {
                Entry::Vacant(_) => return nothing,
                Entry::Occupied(told) if told.get().is_some() => {
                    return told.remove().map_or(nothing, Beforehand::Told);
                }
                Entry::Occupied(_) => {}
            }
            nothing = Beforehand::LeftOut;
            answered.await;
        }
    }

    /// The jobs after `at` that have not begun, whose partitions belong on `node` too, and of which it was not asked yet.
    fn next(&self, at: usize, node: &Device) -> Vec<Key> {
        let policy = self.jobs[at].policy.index;
        let first = self.begun.load(Ordering::Relaxed).max(at + 1);
        let mut told = self.told.lock();
        let mut next = Vec::new();
        for (at, job) in self.jobs.iter().enumerate().skip(first).take(WINDOW) {
            let key = (at, node.id);
            let is_had = || job.policy.ring.nodes(job.partition).any(|other| other.id == node.id);
            let may_be = !job.is_handoff && job.policy.index == policy && job.own.device.id != node.id;
            if next.len() < MAX_AHEAD && may_be && !told.contains_key(&key) && is_had() {
                told.insert(key, None);
                next.push(key);
            }
        }
        next
    }

    fn keep(&self, asked: Vec<Key>, answer: &[(u32, Bytes)]) {
        let (at, mut told) = (Instant::now(), self.told.lock());
        for key in asked {
            let found = answer.iter().find(|(partition, _)| *partition == self.jobs[key.0].partition);
            match (found, told.get_mut(&key)) {
                (Some((_, pickled)), Some(place)) => *place = Some(Told { pickled: pickled.clone(), at }),
                _ => drop(told.remove(&key)),
            }
        }
        self.answered.notify_waiters();
    }

    /// Forgets what was said of the partition of the job `at`, which is over.
    pub fn end(&self, at: usize) {
        self.told.lock().retain(|(other, _), _| *other != at);
    }
}
