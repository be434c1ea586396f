//! What lies on a device by the names of its folders: kinds, partitions, objects or databases.

use crate::fs;
use crate::object::{DirKind, hashes::is_suffix};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use swiftlet_types::PathHash;
use swiftlet_types::policy::path_name;
use thiserror::Error;

/// A folder of a device that holds partitions: those of one ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataDir {
    /// `accounts`
    Accounts,
    /// `containers`
    Containers,
    /// `objects`, `objects-1`, … by storage policy.
    Objects(u32),
}

/// A folder that cannot be listed.
#[derive(Debug, Error)]
#[error("{path}: cannot list the folder: {source}", path = path.display())]
pub struct WalkError {
    /// The folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl DataDir {
    /// The folder called `name`, if it is one.
    pub fn of_name(name: &str) -> Option<Self> {
        match name {
            "accounts" => Some(Self::Accounts),
            "containers" => Some(Self::Containers),
            _ => DirKind::Objects.policy_of(name).map(Self::Objects),
        }
    }

    /// The name of the ring that its partitions are of: `account`, `container`, `object`, `object-1`, …
    pub fn ring_name(self) -> String {
        match self {
            Self::Accounts => "account".into(),
            Self::Containers => "container".into(),
            Self::Objects(policy) => path_name("object", policy),
        }
    }

    /// Those that a device has.
    pub fn on(device: &Path) -> Result<Vec<Self>, WalkError> {
        let mut found: Vec<Self> = list(device)?.iter().filter_map(|name| Self::of_name(name)).collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Where it is.
    pub fn path(self, device: &Path) -> PathBuf {
        device.join(self.to_string())
    }

    /// The partitions that it has folders of, in order.
    pub fn partitions(self, device: &Path) -> Result<Vec<u32>, WalkError> {
        let mut partitions: Vec<u32> =
            list(&self.path(device))?.iter().filter_map(|name| number(name)).collect();
        partitions.sort_unstable();
        Ok(partitions)
    }

    /// The folders of a partition's objects or databases.
    pub fn hash_dirs(self, device: &Path, partition: u32) -> HashDirs {
        let dir = self.path(device).join(partition.to_string());
        HashDirs { dir, suffixes: None, found: Vec::new() }
    }
}

/// The folder's name.
impl fmt::Display for DataDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accounts => f.write_str("accounts"),
            Self::Containers => f.write_str("containers"),
            Self::Objects(policy) => f.write_str(&DirKind::Objects.name(*policy)),
        }
    }
}

/// A number as Swift writes one: other spellings are other folders.
fn number(name: &str) -> Option<u32> {
    name.parse().ok().filter(|number: &u32| number.to_string() == name)
}

/// The folders below a partition's suffixes that are called by a hash, in order; one suffix's at a time in memory.
#[derive(Debug)]
pub struct HashDirs {
    dir: PathBuf,
    /// Those still to come, last first.
    suffixes: Option<Vec<String>>,
    /// Those of the suffix at hand, last first.
    found: Vec<(PathHash, PathBuf)>,
}

impl Iterator for HashDirs {
    type Item = Result<(PathHash, PathBuf), WalkError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(found) = self.found.pop() {
                return Some(Ok(found));
            }
            let Some(suffixes) = &mut self.suffixes else {
                match list(&self.dir) {
                    Ok(mut names) => {
                        names.retain(|name| is_suffix(name));
                        names.sort_unstable_by(|a, b| b.cmp(a));
                        self.suffixes = Some(names);
                    }
                    Err(error) => {
                        self.suffixes = Some(Vec::new());
                        return Some(Err(error));
                    }
                }
                continue;
            };
            let dir = self.dir.join(suffixes.pop()?);
            match list(&dir) {
                Ok(names) => {
                    let hash = |name: String| Some((PathHash::from_hex(&name)?, dir.join(name)));
                    self.found = names.into_iter().filter_map(hash).collect();
                    self.found.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn list(dir: &Path) -> Result<Vec<String>, WalkError> {
    fs::list(dir).map_err(|source| WalkError { path: dir.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_swift_would_have_made() {
        let device = tempfile::tempdir().unwrap();
        let hash = PathHash([0xab; 16]);
        for dir in [
            format!("objects-2/1023/bab/{hash}"),
            "objects-2/1023/bab/tmp".into(),
            "objects-2/007".into(),
            "objects-2/9".into(),
            "objects-x/1".into(),
            "containers/5".into(),
            "accounts".into(),
        ] {
            std::fs::create_dir_all(device.path().join(dir)).unwrap();
        }
        std::fs::write(device.path().join("objects-2/9/fff"), "a file, not a suffix").unwrap();
        let found = DataDir::on(device.path()).unwrap();
        assert_eq!(found, [DataDir::Accounts, DataDir::Containers, DataDir::Objects(2)]);
        assert_eq!(found[2].ring_name(), "object-2");
        assert_eq!(found[2].partitions(device.path()).unwrap(), [9, 1023]);
        assert!(found[0].partitions(device.path()).unwrap().is_empty());
        let of = |partition| found[2].hash_dirs(device.path(), partition).collect::<Vec<_>>();
        assert!(matches!(&of(1023)[..], [Ok((found, dir))] if *found == hash && dir.ends_with(hash.hex())));
        assert!(matches!(&of(9)[..], [Err(error)] if error.to_string().contains("9/fff: cannot list")));
    }
}
