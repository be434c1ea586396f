//! Finding the databases of a node: from device to device in turn, so that all disks are busy; each device's partitions
//! in random order.
//!
//! Folders that are empty are removed on the way.

use crate::serve::DevicePools;
use rand::seq::SliceRandom;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use swiftlet_ring::{Device, DeviceId, Ring};
use swiftlet_storage::db::DbDir;

/// A database on one of the node's devices.
#[derive(Debug, Clone)]
pub struct Database {
    /// The device's name.
    pub device: String,
    /// Its number in the ring.
    pub device_id: DeviceId,
    /// The partition whose folder it lies in.
    pub partition: u32,
    /// One of its files.
    pub file: PathBuf,
}

/// What is to be found.
pub(super) struct Filter {
    /// These partitions alone; empty: all.
    pub partitions: Vec<u32>,
    /// None that belong on the device.
    pub handoffs_only: bool,
}

impl Filter {
    fn accepts(&self, ring: &Ring, device: DeviceId, partition: u32) -> bool {
        let is_primary = || ring.nodes(partition).any(|node| node.id == device);
        (self.partitions.is_empty() || self.partitions.contains(&partition))
            && !(self.handoffs_only && is_primary())
    }
}

/// A walk that is under way.
pub(super) struct Sweep {
    pools: DevicePools,
    /// The one whose turn it is comes first.
    devices: VecDeque<OnDevice>,
}

struct OnDevice {
    name: String,
    id: DeviceId,
    data_dir: PathBuf,
    partitions: Vec<u32>,
    found: Vec<Database>,
}

impl Sweep {
    /// Lists the partitions of `devices`, each with the folder of its databases.
    pub async fn new(
        pools: DevicePools,
        ring: &Ring,
        devices: Vec<(Device, PathBuf)>,
        filter: &Filter,
    ) -> Self {
        let mut begun = VecDeque::new();
        for (device, data_dir) in devices {
            let dir = data_dir.clone();
            let listed = pools.run(&device.device, move || partitions(&dir)).await;
            let mut partitions = match listed {
                Ok(Ok(partitions)) => partitions,
                Ok(Err(error)) => {
                    tracing::error!("ERROR Trying to list {}: {error}", data_dir.display());
                    continue;
                }
                Err(error) => {
                    tracing::error!("Skipping {}: {error}", device.device);
                    continue;
                }
            };
            partitions.retain(|partition| filter.accepts(ring, device.id, *partition));
            partitions.shuffle(&mut rand::rng());
            begun.push_back(OnDevice {
                name: device.device,
                id: device.id,
                data_dir,
                partitions,
                found: Vec::new(),
            });
        }
        Self { pools, devices: begun }
    }

    /// The next database; `None` at the end.
    pub async fn next(&mut self) -> Option<Database> {
        loop {
            let mut device = self.devices.pop_front()?;
            while device.found.is_empty()
                && let Some(partition) = device.partitions.pop()
            {
                device.look_into(partition, &self.pools).await;
            }
            // Without any left the device drops out.
            if let Some(database) = device.found.pop() {
                self.devices.push_back(device);
                return Some(database);
            }
        }
    }
}

impl OnDevice {
    async fn look_into(&mut self, partition: u32, pools: &DevicePools) {
        let dir = self.data_dir.join(partition.to_string());
        let shown = dir.display().to_string();
        match pools.run(&self.name, move || database_files(&dir)).await {
            Ok(Ok(files)) => self.found.extend(files.into_iter().map(|file| Database {
                device: self.name.clone(),
                device_id: self.id,
                partition,
                file,
            })),
            Ok(Err(error)) => tracing::error!("ERROR Trying to list {shown}: {error}"),
            Err(error) => tracing::error!("Skipping {shown}: {error}"),
        }
    }
}

fn partitions(data_dir: &Path) -> io::Result<Vec<u32>> {
    let names = std::fs::read_dir(data_dir)?.map(|entry| Ok(entry?.file_name().into_string()));
    let names = names.collect::<io::Result<Vec<_>>>()?;
    Ok(names.into_iter().flatten().filter_map(|name| name.parse().ok()).collect())
}

/// One file of each database in a partition's folder.
fn database_files(partition: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for suffix in folders_or_remove(partition)? {
        for hash in folders_or_remove(&suffix)? {
            let name = hash.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let plain = hash.join(format!("{name}.db"));
            let newest = || DbDir::of_file(&plain).and_then(|dir| dir.files().ok()?.pop());
            match plain.exists().then(|| plain.clone()).or_else(newest) {
                Some(file) => files.push(file),
                None => remove_if_empty(&hash)?,
            }
        }
    }
    Ok(files)
}

/// The folders in a folder, which is removed where nothing is in it.
fn folders_or_remove(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(vec![]);
        }
        entries => entries?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?,
    };
    if entries.is_empty() {
        remove_if_empty(dir)?;
    }
    Ok(entries.into_iter().filter(|path| path.is_dir()).collect())
}

fn remove_if_empty(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir(dir) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_found_and_empty_folders_removed() {
        let root = tempfile::tempdir().unwrap();
        let partition = root.path().join("7");
        for dir in ["abc/00000000000000000000000000000abc", "abc/1abc", "abd/2abd", "empty", "abe/hollow"] {
            std::fs::create_dir_all(partition.join(dir)).unwrap();
        }
        let plain = partition.join("abc/1abc/1abc.db");
        let epoch = partition.join("abd/2abd/2abd_1402464677.04188.db");
        for file in [&plain, &epoch, &partition.join("file"), &partition.join("abe/hollow/.lock")] {
            std::fs::write(file, "").unwrap();
        }
        let mut found = database_files(&partition).unwrap();
        found.sort();
        assert_eq!(found, [plain, epoch]);
        let is_there = |dir: &str| partition.join(dir).exists();
        assert!(!is_there("abc/00000000000000000000000000000abc") && !is_there("empty"));
        assert!(is_there("abe/hollow"), "it is not empty");
        std::fs::create_dir(root.path().join("8")).unwrap();
        assert!(database_files(&root.path().join("8")).unwrap().is_empty());
        std::fs::create_dir(root.path().join("no partition")).unwrap();
        assert_eq!(partitions(root.path()).unwrap(), [7]);
    }
}
