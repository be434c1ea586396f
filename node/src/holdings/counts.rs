//! Counting what lies on a device, by the names in its folders alone.

use super::assignments::{Assignments, ring_of};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::DirEntry;
use std::io;
use std::path::Path;
use swiftlet_storage::object::DirKind;

/// Container updates that wait, and things in quarantine, are counted up to here: more tells nobody more.
pub const COUNTED_MAX: u64 = 100_000;

/// What lies on a device. What could not be looked at is not told: it may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceHoldings {
    /// Bytes of its file system that are taken, or kept from everybody but root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_bytes: Option<u64>,
    /// Bytes of its file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Container updates that wait to be sent, of all policies, up to [`COUNTED_MAX`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub async_pendings: Option<u64>,
    /// Objects and databases in quarantine, up to [`COUNTED_MAX`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<u64>,
    /// Its partitions by ring (`account`, `container`, `object`, `object-1`): of every ring there is, and of every other
    /// that something lies here of. `None` where they could not be counted.
    pub rings: Option<BTreeMap<String, RingHoldings>>,
}

/// The partitions of one ring on a device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RingHoldings {
    /// Those that hold something.
    pub partitions: u64,
    /// Those of them that the ring does not give to the device, or that no ring is known for.
    pub misplaced: u64,
}

impl DeviceHoldings {
    /// Of the device called `name` at `root`.
    pub(super) fn count(root: &Path, name: &str, assignments: &Assignments) -> Self {
        let disk = told(root, rustix::fs::statvfs(root).map_err(io::Error::from));
        let disk = disk.as_ref();
        // updates that wait are held too: a device is only said to be empty of all of them
        let async_pendings = told(root, async_pendings(root));
        Self {
            used_bytes: disk.map(|disk| disk.f_frsize * disk.f_blocks.saturating_sub(disk.f_bavail)),
            size_bytes: disk.map(|disk| disk.f_frsize * disk.f_blocks),
            async_pendings,
            quarantined: told(root, quarantined(root)),
            rings: async_pendings.and_then(|_| told(root, rings(root, name, assignments))),
        }
    }
}

/// What was found; an error is logged.
fn told<T>(device: &Path, found: io::Result<T>) -> Option<T> {
    found.inspect_err(|error| tracing::error!("cannot count what is on {}: {error}", device.display())).ok()
}

fn rings(root: &Path, device: &str, assignments: &Assignments) -> io::Result<BTreeMap<String, RingHoldings>> {
    let mut rings: BTreeMap<String, RingHoldings> =
        assignments.rings().map(|ring| (ring.to_owned(), RingHoldings::default())).collect();
    for entry in entries(root)? {
        let entry = entry?;
        let Some(ring) = entry.file_name().to_str().and_then(ring_of) else { continue };
        let found = partitions(&entry.path(), |part| assignments.has(&ring, device, part))?;
        // an empty folder of a policy that is gone is no news
        if found.partitions > 0 {
            rings.insert(ring, found);
        }
    }
    Ok(rings)
}

fn partitions(datadir: &Path, belongs: impl Fn(u32) -> bool) -> io::Result<RingHoldings> {
    let mut found = RingHoldings::default();
    for entry in entries(datadir)? {
        let entry = entry?;
        let Some(part) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if holds_something(&entry.path())? {
            found.partitions += 1;
            found.misplaced += u64::from(!belongs(part));
        }
    }
    Ok(found)
}

/// Whether a partition has a suffix folder. Hashes and locks alone are left where everything was sent away.
fn holds_something(partition: &Path) -> io::Result<bool> {
    for entry in entries(partition)? {
        if is_suffix(&entry?) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_suffix(entry: &DirEntry) -> bool {
    entry.file_name().to_str().is_some_and(|name| {
        name.len() == 3 && name.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
    })
}

/// The files in `async_pending[-N]/<suffix>/`.
fn async_pendings(root: &Path) -> io::Result<u64> {
    let mut found = 0;
    for folder in entries(root)? {
        let folder = folder?;
        if folder.file_name().to_str().is_some_and(|name| DirKind::AsyncPending.policy_of(name).is_some()) {
            found += in_subfolders(&folder.path(), COUNTED_MAX - found)?;
        }
    }
    Ok(found)
}

/// What is in `quarantined/<kind>/`.
fn quarantined(root: &Path) -> io::Result<u64> {
    in_subfolders(&root.join("quarantined"), COUNTED_MAX)
}

/// How many entries the folders in `folder` have, up to `most`.
fn in_subfolders(folder: &Path, most: u64) -> io::Result<u64> {
    let mut found = 0;
    for subfolder in entries(folder)? {
        for entry in entries(&subfolder?.path())? {
            entry?;
            if found == most {
                return Ok(most);
            }
            found += 1;
        }
    }
    Ok(found)
}

/// What is in a folder: nothing where there is no such folder, or no longer, or where it is none.
fn entries(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<DirEntry>> + use<>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => Ok(Some(entries).into_iter().flatten()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None.into_iter().flatten())
        }
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", folder.display()))),
    }
}
