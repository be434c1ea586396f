//! One worker: policy after policy, device after device, partition after partition.

use super::progress::{DeviceProgress, PolicyProgress, Stats, Workers, device_figures};
use super::state::State;
use super::{Outcome, RelinkerConfig, name_of};
use rustix::fs::{FlockOperation, flock};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use swiftlet_ring::Ring;
use swiftlet_storage::lock::{LockError, LockOptions, lock_dir};
use swiftlet_storage::object::{DirKind, Layout, Relink, Step, hashes};
use swiftlet_types::policy::Policy;
use swiftlet_types::{PathHash, Timestamp};

/// What is removed with a partition that is empty, in an order that a crash may cut anywhere.
const LEFT_OVERS: [&str; 4] = ["hashes.pkl", "hashes.invalid", ".lock", ".lock-replication"];

/// A worker and what it has done.
pub(super) struct Worker<'a> {
    config: &'a RelinkerConfig,
    devices: Vec<String>,
    /// What its log lines begin with.
    prefix: String,
    done: BTreeMap<String, DeviceProgress>,
    next_dir: Instant,
    next_report: Instant,
}

/// One policy's folder on one device.
struct Here<'a> {
    policy: &'a Policy,
    name: String,
    device: PathBuf,
    data_dir: String,
    state: State,
}

impl<'a> Worker<'a> {
    pub fn new(config: &'a RelinkerConfig, devices: Vec<String>, prefix: String) -> Self {
        let now = Instant::now();
        Self { config, devices, prefix, done: BTreeMap::new(), next_dir: now, next_report: now }
    }

    /// Does the step for every policy whose ring is in its phase.
    pub fn run(mut self) -> Outcome {
        self.config.recon.dump([Workers::one(&self.devices, None)]);
        let mut policies = 0;
        for policy in &self.config.policies {
            let ring = match Ring::load(self.config.swift_dir.join(policy.path_name("object") + ".ring.gz")) {
                Ok(ring) => ring,
                Err(error) => {
                    tracing::error!("{}{error}", self.prefix);
                    return self.end(Outcome::Errors);
                }
            };
            let (power, next) = (ring.part_power(), ring.next_part_power());
            let wanted = if self.config.step == Step::Cleanup { Some(power) } else { Some(power + 1) };
            if next == wanted {
                policies += 1;
                self.process_policy(policy, power, next.unwrap_or(power));
            }
        }
        if policies == 0 {
            tracing::warn!("{}No policy found to increase the partition power.", self.prefix);
            return self.end(Outcome::NoPolicy);
        }
        let outcome = self.sum_up();
        self.end(outcome)
    }

    fn end(&mut self, outcome: Outcome) -> Outcome {
        self.report(true);
        self.config.recon.dump([Workers::one(&self.devices, Some(outcome.code()))]);
        outcome
    }

    fn sum_up(&self) -> Outcome {
        let mut sum = Stats::default();
        self.done.values().flat_map(BTreeMap::values).for_each(|progress| sum.add(&progress.stats));
        let prefix = &self.prefix;
        if sum.unmounted > 0 {
            tracing::warn!("{prefix}{} disks were unmounted", sum.unmounted);
        }
        if sum.unlistable_partitions > 0 {
            let count = sum.unlistable_partitions;
            tracing::warn!("{prefix}There were {count} errors listing partition directories");
        }
        let Stats { hash_dirs, files, linked, removed, .. } = sum;
        let errors = sum.errors + sum.unlistable_partitions;
        let line = format!(
            "{prefix}{hash_dirs} hash dirs processed ({files} files, {linked} linked, {removed} removed, {errors} errors)"
        );
        if sum.failures() > 0 {
            tracing::warn!("{line}");
            return Outcome::Errors;
        }
        tracing::info!("{line}");
        Outcome::Done
    }

    fn process_policy(&mut self, policy: &Policy, power: u32, next: u32) {
        let root = match self.devices.as_slice() {
            [only] => self.config.devices.path_of(only),
            _ => self.config.devices.root().to_owned(),
        };
        tracing::info!(
            "{}Processing files for policy {} under {}",
            self.prefix,
            policy.name(),
            root.display()
        );
        for name in self.devices.clone() {
            let begun = PolicyProgress {
                start_time: Timestamp::now().as_secs_f64(),
                timestamp: Timestamp::now().as_secs_f64(),
                step: name_of(self.config.step),
                part_power: power,
                next_part_power: next,
                ..PolicyProgress::default()
            };
            self.done.entry(name.clone()).or_default().insert(policy.index, begun);
            let device = match self.config.devices.check(&name) {
                Ok(device) => device,
                Err(error) => {
                    tracing::warn!("{}Skipping {name}: {error}", self.prefix);
                    self.progress(&name, policy.index).stats.unmounted += 1;
                    continue;
                }
            };
            if let Err(error) = self.process_device(policy, &name, &device, power, next) {
                tracing::error!("{}Error relinking {name}: {error}", self.prefix);
                self.progress(&name, policy.index).stats.errors += 1;
            }
            let progress = self.progress(&name, policy.index);
            progress.total_time = Some(Timestamp::now().as_secs_f64() - progress.start_time);
            self.report(true);
        }
    }

    /// One relinker at a time on a device; the lock goes with the file.
    fn process_device(
        &mut self,
        policy: &Policy,
        name: &str,
        device: &Path,
        power: u32,
        next: u32,
    ) -> io::Result<()> {
        let data_dir = DirKind::Objects.name(policy.index);
        let lock = File::create(device.join(format!(".relink.{data_dir}.lock")))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        let mut state = State::load(device, &data_dir, power, next)?;
        let there = match numbers(&device.join(&data_dir)) {
            Ok(there) => there,
            Err(error) => {
                tracing::warn!("{}Skipping {}/{data_dir}: {error}", self.prefix, device.display());
                self.progress(name, policy.index).stats.unlistable_partitions += 1;
                return Ok(());
            }
        };
        let chosen = &self.config.partitions;
        let left = state.left(there).into_iter().filter(|p| chosen.is_empty() || chosen.contains(p));
        let left: Vec<u64> = left.collect();
        let mut here = Here { policy, name: name.to_owned(), device: device.to_owned(), data_dir, state };
        self.tell(&here);
        for partition in left {
            self.process_partition(&mut here, partition)?;
            self.tell(&here);
        }
        Ok(())
    }

    fn process_partition(&mut self, here: &mut Here<'_>, partition: u64) -> io::Result<()> {
        let before = self.progress(&here.name, here.policy.index).stats.failures();
        let dir = here.device.join(&here.data_dir).join(partition.to_string());
        let mut dirty = BTreeSet::new();
        for suffix in folders(&dir)? {
            for hash in folders(&suffix)? {
                self.process_hash(here, partition, &hash, &mut dirty);
            }
        }
        self.rehash(here, partition, &dir, &dirty);
        let (index, name) = (here.policy.index, here.name.clone());
        if self.progress(&name, index).stats.failures() == before {
            here.state.finish(&here.device, &here.data_dir, partition)?;
        }
        let (done, total) = here.state.done();
        tracing::info!(
            "{}Device: {name} Policy: {} Partitions: {done}/{total}",
            self.prefix,
            here.policy.name()
        );
        Ok(())
    }

    /// Moves one folder, if it belongs to another partition; which ones got links is added to `dirty`.
    fn process_hash(&mut self, here: &Here<'_>, partition: u64, dir: &Path, dirty: &mut BTreeSet<u64>) {
        let parts = dir.file_name().and_then(|name| name.to_str()).and_then(PathHash::from_hex);
        let (Some(hash), Some(suffix)) = (parts, dir.parent().and_then(Path::file_name)) else { return };
        let target = u64::from(hash.partition(here.state.next_part_power));
        if target == partition {
            return;
        }
        self.pace();
        let relink = Relink {
            step: self.config.step,
            device: &here.device,
            layout: Layout::of_kind(&here.policy.kind),
            reclaim_age: self.config.reclaim_age,
            clobber_collisions: self.config.clobber_collisions,
        };
        let new = here.device.join(&here.data_dir).join(target.to_string()).join(suffix).join(hash.hex());
        let counts = relink.hash_dir(dir, &new);
        if counts.linked > 0 {
            dirty.insert(target);
        }
        self.progress(&here.name, here.policy.index).stats.count(counts);
    }

    /// The new half of the space is hashed while relinking, because cleanup has nothing to do there; the rest after
    /// cleanup. What is empty then goes, so that what is left of the old partitions tells how far a cluster is.
    fn rehash(&self, here: &Here<'_>, partition: u64, dir: &Path, dirty: &BTreeSet<u64>) {
        let (index, layout) = (here.policy.index, Layout::of_kind(&here.policy.kind));
        let (is_cleanup, age) = (self.config.step == Step::Cleanup, self.config.reclaim_age);
        let hash = |partition| hashes::get_hashes_as(layout, &here.device, index, partition, &[], age);
        let told = |partition: u64, error| {
            tracing::warn!("{}Error hashing partition {partition}: {error}", self.prefix);
        };
        for partition in dirty.iter().filter(|p| is_cleanup || **p >= 1 << here.state.part_power) {
            hash(*partition).err().into_iter().for_each(|error| told(*partition, error));
        }
        if !is_cleanup {
            return;
        }
        match hash(partition) {
            // data may have landed here meanwhile: then the replicator deals with it
            Ok((_, left)) if left.is_empty() => drop(remove_empty(dir)),
            Ok(_) => {}
            Err(error) => told(partition, error),
        }
    }

    fn progress(&mut self, device: &str, policy: u32) -> &mut PolicyProgress {
        self.done.entry(device.to_owned()).or_default().entry(policy).or_default()
    }

    fn tell(&mut self, here: &Here<'_>) {
        let (parts_done, total_parts) = here.state.done();
        let progress = self.progress(&here.name, here.policy.index);
        (progress.parts_done, progress.total_parts, progress.timestamp) =
            (parts_done, total_parts, Timestamp::now().as_secs_f64());
        self.report(false);
    }

    /// Writes the figures for recon, if it is time.
    fn report(&mut self, at_once: bool) {
        if !at_once && Instant::now() < self.next_report {
            return;
        }
        self.next_report = Instant::now() + self.config.stats_interval;
        let devices: Map<String, Value> =
            self.done.iter().map(|(name, policies)| (name.clone(), device_figures(policies))).collect();
        self.config.recon.dump([("devices", Value::Object(devices)), Workers::one(&self.devices, None)]);
    }

    fn pace(&mut self) {
        if self.config.files_per_second <= 0.0 {
            return;
        }
        let now = Instant::now();
        std::thread::sleep(self.next_dir.saturating_duration_since(now));
        self.next_dir = self.next_dir.max(now) + Duration::from_secs_f64(1.0 / self.config.files_per_second);
    }
}

/// The partitions of a data folder; none where it is missing.
fn numbers(data_dir: &Path) -> io::Result<Vec<u64>> {
    let is_number = |name: &str| name.bytes().all(|b| b.is_ascii_digit());
    let number = |path: PathBuf| path.file_name()?.to_str().filter(|name| is_number(name))?.parse().ok();
    Ok(folders(data_dir)?.into_iter().filter_map(number).collect())
}

/// What is in a folder; nothing in what is missing or a file.
fn folders(dir: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

fn remove_empty(dir: &Path) -> Result<(), LockError> {
    let _replication = lock_dir(dir, LockOptions { name: Some("replication"), ..LockOptions::default() })?;
    let _partition = lock_dir(dir, LockOptions::default())?;
    for name in LEFT_OVERS {
        // what stays keeps the folder, which is then the replicator's
        let _ = std::fs::remove_file(dir.join(name));
    }
    let _ = std::fs::remove_dir(dir);
    Ok(())
}
