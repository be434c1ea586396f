//! Moving a node's object files into twice as many partitions, while everything runs: `swift-object-relinker`.
//!
//! The ring announces the growth, the step *relink* gives every file a second name in its partition to be, the ring
//! grows, and *cleanup* removes the old names. How one object's folder is treated is the storage crate's
//! ([`swiftlet_storage::object::Relink`]); here is which folders, in what order, and what is told of it.

mod progress;
mod state;
mod worker;

use crate::daemon::ReconCache;
use crate::http::dates::format_http_date;
use progress::Workers;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use swiftlet_storage::device::Devices;
use swiftlet_storage::object::Step;
use swiftlet_types::Timestamp;
use swiftlet_types::policy::Policy;
use worker::Worker;

/// What is to be done, and how fast.
#[derive(Debug, Clone)]
pub struct RelinkerConfig {
    /// Which half of the work.
    pub step: Step,
    /// `devices` and `mount_check`.
    pub devices: Devices,
    /// These devices alone; empty: all.
    pub device_names: BTreeSet<String>,
    /// These partitions alone; empty: all.
    pub partitions: BTreeSet<u64>,
    /// Where the rings are.
    pub swift_dir: PathBuf,
    /// The policies whose objects are meant.
    pub policies: Vec<Policy>,
    /// Folders of objects a second that one worker treats; 0: as fast as can be.
    pub files_per_second: f64,
    /// How many workers share the devices, one each at most.
    pub workers: usize,
    /// How often progress is written for recon.
    pub stats_interval: Duration,
    /// How long tombstones are kept.
    pub reclaim_age: Duration,
    /// See [`Relink::clobber_collisions`](swiftlet_storage::object::Relink::clobber_collisions).
    pub clobber_collisions: bool,
    /// Where progress is written.
    pub recon: ReconCache,
}

/// How a run ended; the exit codes of Swift's command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is done.
    Done,
    /// Something failed; another run goes on from there.
    Errors,
    /// No policy's ring is in that phase.
    NoPolicy,
}

impl Outcome {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Errors => 1,
            Self::NoPolicy => 2,
        }
    }

    /// Of two workers: an error outweighs having had nothing to do, which outweighs success.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Errors, _) | (_, Self::Errors) => Self::Errors,
            (Self::NoPolicy, _) | (_, Self::NoPolicy) => Self::NoPolicy,
            _ => Self::Done,
        }
    }
}

/// The word of the command line and of the log.
pub fn name_of(step: Step) -> &'static str {
    match step {
        Step::Relink => "relink",
        Step::Cleanup => "cleanup",
    }
}

/// Does one step on all devices that are meant, each worker on its share. Blocks until all are done.
pub fn run(config: &RelinkerConfig) -> std::io::Result<Outcome> {
    let begun = Instant::now();
    config.recon.dump(Workers::nobody());
    let mut names: Vec<String> = match config.device_names.is_empty() {
        true => config.devices.list()?,
        false => config.device_names.iter().cloned().collect(),
    };
    names.sort();
    let count = config.workers.min(names.len());
    let step = name_of(config.step);
    tracing::info!("[step={step}] Starting relinker using {count} workers: {}", clock());
    let outcome = match count {
        0 | 1 => Worker::new(config, names, format!("[step={step}] ")).run(),
        count => side_by_side(config, &names, count),
    };
    tracing::info!("[step={step}] Finished relinker: {} ({:.1?} elapsed)", clock(), begun.elapsed());
    Ok(outcome)
}

/// One thread a worker: each waits for its own disks.
fn side_by_side(config: &RelinkerConfig, names: &[String], count: usize) -> Outcome {
    std::thread::scope(|scope| {
        let start = |worker: usize| {
            let share: Vec<String> = names.iter().skip(worker).step_by(count).cloned().collect();
            scope.spawn(move || {
                let (step, tid) = (name_of(config.step), rustix::thread::gettid());
                let prefix =
                    format!("[step={step}, pid={}, devs={}] ", tid.as_raw_nonzero(), share.join(","));
                Worker::new(config, share, prefix).run()
            })
        };
        let workers: Vec<_> = (0..count).map(start).collect();
        // a worker that panicked has left its partition undone
        let outcomes = workers.into_iter().map(|worker| worker.join().unwrap_or(Outcome::Errors));
        outcomes.fold(Outcome::Done, Outcome::and)
    })
}

fn clock() -> String {
    format_http_date(Timestamp::now().seconds())
}
#[cfg(test)]
mod tests;
