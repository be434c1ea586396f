//! Which partitions of which rings a device holds, and the hashes of a few things in each.

use crate::recover::problems::Problems;
use serde::{Deserialize, Serialize};
use std::path::Path;
use swiftlet_storage::salvage::{DataDir, HashDirs, WalkError, object_files};

/// So many things in a partition are looked at.
const SAMPLES: usize = 4;

/// A partition that a device holds something of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its number.
    pub partition: u32,
    /// The first four bytes of the hashes of a few things in it.
    pub samples: Vec<u32>,
    /// Of objects in fragments, which fragment most of these are.
    pub fragment: Option<u32>,
}

/// What one device holds, by the names of its data folders.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSurvey {
    data_dirs: Vec<(String, Vec<Found>)>,
}

impl DeviceSurvey {
    /// Surveys the device at `path`. `tick` is called once a partition.
    pub fn of(path: &Path, problems: &mut Problems, mut tick: impl FnMut()) -> Result<Self, WalkError> {
        let mut data_dirs = Vec::new();
        for data_dir in DataDir::on(path)? {
            let partitions = problems.ok(data_dir.partitions(path)).unwrap_or_default();
            let mut found = Vec::with_capacity(partitions.len());
            for partition in partitions {
                found.extend(sample(partition, data_dir, data_dir.hash_dirs(path, partition), problems));
                tick();
            }
            data_dirs.push((data_dir.to_string(), found));
        }
        Ok(Self { data_dirs })
    }

    /// Whether the device has this folder.
    pub fn has(&self, data_dir: DataDir) -> bool {
        self.data_dirs().any(|found| found == data_dir)
    }

    /// The folders that it has.
    pub fn data_dirs(&self) -> impl Iterator<Item = DataDir> {
        self.data_dirs.iter().filter_map(|(name, _)| DataDir::of_name(name))
    }

    /// The partitions in one of them that it holds something of.
    pub fn partitions(&self, data_dir: DataDir) -> &[Found] {
        let name = data_dir.to_string();
        self.data_dirs.iter().find(|(found, _)| *found == name).map_or(&[], |(_, found)| found)
    }
}

/// A partition by a few of the things in it; `None` where there are none.
fn sample(partition: u32, data_dir: DataDir, dirs: HashDirs, problems: &mut Problems) -> Option<Found> {
    let (mut samples, mut fragments) = (Vec::new(), Vec::new());
    for dir in dirs {
        let Some((hash, dir)) = problems.ok(dir) else { continue };
        match data_dir {
            DataDir::Objects(_) => {
                let Some(files) = problems.ok(object_files(&dir)).filter(|files| !files.is_empty()) else {
                    continue;
                };
                fragments.extend(files.iter().find_map(|file| file.fragment).map(|fragment| fragment.index));
            }
            _ if !dir.join(format!("{hash}.db")).exists() && !has_epoch(&dir) => continue,
            _ => {}
        }
        samples.push(hash.partition(u32::BITS));
        if samples.len() == SAMPLES {
            break;
        }
    }
    (!samples.is_empty()).then(|| Found { partition, samples, fragment: most_common(fragments) })
}

/// Whether a sharded container's database is in `dir`.
fn has_epoch(dir: &Path) -> bool {
    let mut entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.any(|entry| entry.path().extension().is_some_and(|extension| extension == "db"))
}

fn most_common(mut indexes: Vec<u32>) -> Option<u32> {
    indexes.sort_unstable();
    indexes.chunk_by(|a, b| a == b).max_by_key(|same| same.len()).map(|same| same[0])
}
