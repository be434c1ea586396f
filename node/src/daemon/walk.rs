//! A walk over everything that a node stores of one kind: device by device, partition by partition, down to the
//! folders of single objects or databases.
//!
//! Each listing is a job of its device's pool, so a slow disk keeps nobody else waiting. What cannot be listed is told
//! and passed over: one bad sector must not hide the rest of a disk.

use super::Checkpoint;
use crate::serve::DevicePools;
use rand::seq::SliceRandom;
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use swiftlet_storage::device::Devices;

/// A folder `<device>/<data folder>/<partition>/<suffix>/<hash>`, or a file in the place of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The device's name.
    pub device: String,
    /// The folder.
    pub dir: PathBuf,
}

/// A walk that is under way.
pub struct Walk {
    pools: DevicePools,
    devices: Devices,
    data_dir: String,
    checkpoint: Option<Checkpoint>,
    /// Devices that are still to be walked.
    waiting: Vec<String>,
    here: Option<Here>,
    unlisted: u64,
}

/// Where on a device the walk is.
struct Here {
    device: String,
    data_dir: PathBuf,
    partitions: Arc<[String]>,
    /// The first of `partitions` that was not begun yet.
    next_partition: usize,
    suffixes: Vec<PathBuf>,
    hashes: Vec<PathBuf>,
}

impl Walk {
    /// A walk over the folder `data_dir` of each of `names`, in random order: one that does not come to its end must
    /// not always leave out the same ones. With a checkpoint it goes on where an earlier one was left.
    pub fn new(
        pools: DevicePools,
        devices: Devices,
        mut names: Vec<String>,
        data_dir: String,
        checkpoint: Option<Checkpoint>,
    ) -> Self {
        names.shuffle(&mut rand::rng());
        Self { pools, devices, data_dir, checkpoint, waiting: names, here: None, unlisted: 0 }
    }

    /// How many folders could not be listed since this was last asked.
    pub fn take_unlisted(&mut self) -> u64 {
        std::mem::take(&mut self.unlisted)
    }

    /// The next folder; `None` at the end.
    pub async fn next(&mut self) -> Option<Found> {
        loop {
            let Some(mut here) = self.here.take() else {
                let device = self.waiting.pop()?;
                self.here = self.enter(device).await;
                continue;
            };
            if let Some(dir) = here.hashes.pop() {
                let found = Found { device: here.device.clone(), dir };
                self.here = Some(here);
                return Some(found);
            }
            if let Some(suffix) = here.suffixes.pop() {
                here.hashes = self.list(&here.device, suffix).await;
                self.here = Some(here);
                continue;
            }
            self.here = self.next_partition(here).await;
        }
    }

    /// Begins with a device; `None` where there is nothing to walk on it.
    async fn enter(&mut self, device: String) -> Option<Here> {
        let (devices, data_dir, checkpoint) =
            (self.devices.clone(), self.data_dir.clone(), self.checkpoint.clone());
        let name = device.clone();
        let listed = self.pools.run(&device, move || {
            let data_dir = match devices.check(&name) {
                Ok(path) => path.join(data_dir),
                Err(error) => {
                    tracing::warn!("Skipping {name}: {error}");
                    return Ok(None);
                }
            };
            let left = checkpoint.and_then(|checkpoint| checkpoint.read(&data_dir));
            let partitions = match left {
                Some(left) => left,
                None => names(&data_dir).map_err(|error| (data_dir.clone(), error))?,
            };
            Ok(Some((data_dir, partitions)))
        });
        let (data_dir, partitions) = match listed.await {
            Ok(Ok(found)) => found?,
            Ok(Err((data_dir, error))) => {
                self.tell(&data_dir, &error);
                return None;
            }
            Err(error) => {
                tracing::error!("Skipping {device}: {error}");
                return None;
            }
        };
        let partitions = partitions.into();
        Some(Here { device, data_dir, partitions, next_partition: 0, suffixes: vec![], hashes: vec![] })
    }

    /// Goes on with the next partition, if the device is still there.
    async fn next_partition(&mut self, mut here: Here) -> Option<Here> {
        let (devices, checkpoint) = (self.devices.clone(), self.checkpoint.clone());
        let (device, data_dir) = (here.device.clone(), here.data_dir.clone());
        let (partitions, at) = (here.partitions.clone(), here.next_partition);
        let listed = self.pools.run(&here.device, move || {
            if let Err(error) = devices.check(&device) {
                tracing::warn!("Leaving {device}: {error}");
                return None;
            }
            let left = partitions.get(at..).unwrap_or_default();
            if let Some(checkpoint) = checkpoint {
                checkpoint.note(&data_dir, left);
            }
            let dir = data_dir.join(left.first()?);
            Some((below(&dir), dir))
        });
        match listed.await {
            Ok(None) => return None,
            Ok(Some((Ok(suffixes), _))) => here.suffixes = suffixes,
            Ok(Some((Err(error), dir))) => self.tell(&dir, &error),
            Err(error) => {
                tracing::error!("Leaving {}: {error}", here.device);
                return None;
            }
        }
        here.next_partition += 1;
        Some(here)
    }

    async fn list(&mut self, device: &str, dir: PathBuf) -> Vec<PathBuf> {
        let of = dir.clone();
        match self.pools.run(device, move || below(&of)).await {
            Ok(Ok(found)) => return found,
            Ok(Err(error)) => self.tell(&dir, &error),
            Err(error) => tracing::error!("Skipping {}: {error}", dir.display()),
        }
        Vec::new()
    }

    fn tell(&mut self, dir: &Path, error: &io::Error) {
        self.unlisted += 1;
        tracing::error!("ERROR Trying to list {}: {error}", dir.display());
    }
}

/// What lies in a folder.
fn below(dir: &Path) -> io::Result<Vec<PathBuf>> {
    entries(dir)?.map(|entry| Ok(entry?.path())).collect()
}

/// Its names; those that are no text are none that Swift gives.
fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in entries(dir)? {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

/// Nothing where there is no such folder: it was removed meanwhile, or a file (`hashes.pkl`) lies there, or bad sectors
/// do, for which whoever changes something there has a remedy.
fn entries(dir: &Path) -> io::Result<impl Iterator<Item = io::Result<std::fs::DirEntry>> + use<>> {
    match std::fs::read_dir(dir) {
        Ok(entries) => Ok(Some(entries).into_iter().flatten()),
        Err(error) if is_no_folder(&error) => Ok(None.into_iter().flatten()),
        Err(error) => Err(error),
    }
}

fn is_no_folder(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || matches!(Errno::from_io_error(error), Some(Errno::NODATA | Errno::UCLEAN))
}

#[cfg(test)]
mod tests;
