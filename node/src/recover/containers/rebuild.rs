//! All replicas of each database merged into a new one.

use super::{ContainersError, OPEN_MAX, Recovery, Report};
use crate::container::policy_choice::{Standing, is_remote_right};
use crate::recover::part_power::Votes;
use crate::recover::problems::Problems;
use crate::recover::progress::Progress;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use swiftlet_storage::db::{Account, Broker, Connections, Container, DbDir, Facts, Kind, SalvagedDb};
use swiftlet_storage::salvage::DataDir;
use swiftlet_types::PathHash;

/// The replicas of each database file of a partition, by hash and file name.
type Replicas = BTreeMap<(PathHash, String), Vec<PathBuf>>;

/// Merges containers' databases; `votes` hears where they lie.
pub(super) fn containers(
    recovery: &Recovery<'_>,
    work: &Path,
    votes: &mut Votes,
    report: &mut Report,
    problems: &mut Problems,
) -> Result<(), ContainersError> {
    let made = all::<Container>(DataDir::Containers, recovery, work, votes, report, problems)?;
    report.containers += made;
    Ok(())
}

/// Merges accounts' databases; where they lie.
pub(super) fn accounts(
    recovery: &Recovery<'_>,
    work: &Path,
    report: &mut Report,
    problems: &mut Problems,
) -> Result<Votes, ContainersError> {
    let mut votes = Votes::default();
    report.accounts += all::<Account>(DataDir::Accounts, recovery, work, &mut votes, report, problems)?;
    Ok(votes)
}

fn all<K: Kind>(
    data_dir: DataDir,
    recovery: &Recovery<'_>,
    work: &Path,
    votes: &mut Votes,
    report: &mut Report,
    problems: &mut Problems,
) -> Result<u64, ContainersError> {
    let mut partitions = BTreeSet::new();
    for device in recovery.devices {
        partitions.extend(problems.ok(data_dir.partitions(device)).unwrap_or_default());
    }
    let task = format!("merging {data_dir}");
    let mut progress = Progress::new(recovery.style, task, partitions.len() as u64, "partitions");
    let mut made = 0;
    for partition in partitions {
        for ((hash, file), replicas) in replicas(data_dir, partition, recovery.devices, problems) {
            votes.add(partition, hash.partition(u32::BITS));
            let dir = DbDir::new(recovery.out, &data_dir.to_string(), &partition.to_string(), &hash);
            let place = dir.path().join(&file);
            made += u64::from(place.exists() || one::<K>(&place, &hash, &replicas, work, report, problems)?);
        }
        progress.add(1);
    }
    progress.finish();
    Ok(made)
}

fn replicas(data_dir: DataDir, partition: u32, devices: &[PathBuf], problems: &mut Problems) -> Replicas {
    let mut replicas = Replicas::new();
    for device in devices.iter().filter(|device| data_dir.path(device).join(partition.to_string()).is_dir()) {
        for found in data_dir.hash_dirs(device, partition) {
            let Some((hash, dir)) = problems.ok(found) else { continue };
            let files = DbDir::of_file(&dir.join(format!("{hash}.db"))).map(|dir| dir.files());
            for path in files.and_then(|files| problems.ok(files)).unwrap_or_default() {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                replicas.entry((hash, name)).or_default().push(path);
            }
        }
    }
    replicas
}

/// Makes the database at `place` of its replicas; whether there is one. It is put together below `work`, and renamed.
fn one<K: Kind>(
    place: &Path,
    hash: &PathHash,
    replicas: &[PathBuf],
    work: &Path,
    report: &mut Report,
    problems: &mut Problems,
) -> Result<bool, ContainersError> {
    let opened: Vec<SalvagedDb<K>> =
        replicas.iter().filter_map(|path| problems.ok(SalvagedDb::open(path, work))).collect();
    let told: Vec<&Facts<K>> = opened.iter().filter_map(SalvagedDb::facts).collect();
    let Some(right) =
        told.iter().copied().reduce(|own, other| if is_right(own, other) { other } else { own })
    else {
        problems.note(format_args!("{}: no replica says whose it is", place.display()));
        return Ok(false);
    };
    // as deep as on a device, whose name goes into the database's id
    let folder = work.join("new");
    let unfinished =
        DbDir::new(&folder, K::DATA_DIR, "0", hash).path().join(place.file_name().unwrap_or_default());
    let io = |path: &Path, doing| {
        let path = path.to_owned();
        move |source| ContainersError::Io { path, doing, source }
    };
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(io(&folder, "remove"))?;
    }
    let Some(broker) = Broker::in_file(right.kind.clone(), &unfinished, Connections::new(OPEN_MAX)) else {
        return Ok(false);
    };
    broker.initialize(right.put_timestamp, right.storage_policy_index)?;
    for salvaged in &opened {
        let read = broker.merge_salvaged(salvaged)?;
        report.rows += read.rows;
        report.gaps += read.gaps;
        if read.gaps > 0 {
            problems.note(format_args!(
                "{}: damaged: {} rows were read, {} stretches between them were not",
                salvaged.path().display(),
                read.rows,
                read.gaps
            ));
        }
    }
    drop(broker);
    let folder = place.parent().unwrap_or(place);
    std::fs::create_dir_all(folder).map_err(io(folder, "make the folder"))?;
    std::fs::rename(&unfinished, place).map_err(io(place, "rename to"))?;
    Ok(true)
}

/// Whether `other` has the right storage policy where they disagree.
fn is_right<K>(own: &Facts<K>, other: &Facts<K>) -> bool {
    let standing = |facts: &Facts<K>| Standing {
        put_timestamp: facts.put_timestamp,
        delete_timestamp: facts.delete_timestamp,
        status_changed_at: facts.status_changed_at,
        object_count: facts.row_count,
    };
    is_remote_right(&standing(own), &standing(other))
}
