//! Where an object's files lie.

use std::path::{Path, PathBuf};
use swiftlet_types::hash_path::{HashConf, PathHash};
use swiftlet_types::policy::{index_of_path_name, path_name};

/// Folders of a device that each storage policy has of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirKind {
    /// Object files.
    Objects,
    /// Container updates that wait to be sent.
    AsyncPending,
    /// Unfinished files.
    Tmp,
}

impl DirKind {
    /// The folder's name for a policy: plain for policy 0, `objects-1` and so on for others.
    pub fn name(self, policy: u32) -> String {
        path_name(self.base(), policy)
    }

    /// The policy whose folder `name` is, if it is one of this kind.
    pub fn policy_of(self, name: &str) -> Option<u32> {
        index_of_path_name(self.base(), name)
    }

    fn base(self) -> &'static str {
        match self {
            Self::Objects => "objects",
            Self::AsyncPending => "async_pending",
            Self::Tmp => "tmp",
        }
    }
}

/// An object's path: raw bytes, as its name in the metadata holds them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectPath {
    /// The account's name.
    pub account: String,
    /// The container's name.
    pub container: String,
    /// The object's name.
    pub object: String,
}

impl ObjectPath {
    /// Reads [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix('/')?.splitn(3, '/').map(str::to_owned);
        let path = Self { account: parts.next()?, container: parts.next()?, object: parts.next()? };
        let complete = ![&path.account, &path.container, &path.object].iter().any(|part| part.is_empty());
        complete.then_some(path)
    }

    /// Its hash.
    pub fn hash(&self, conf: &HashConf) -> PathHash {
        conf.object(&self.account, &self.container, &self.object)
    }

    /// `/account/container/object`, the `name` in an object's metadata.
    pub fn name(&self) -> String {
        format!("/{}/{}/{}", self.account, self.container, self.object)
    }
}

/// The place of one object on one device.
#[derive(Debug, Clone)]
pub struct Location {
    /// The device's folder.
    pub device: PathBuf,
    /// The storage policy.
    pub policy: u32,
    /// The partition, as the request names it.
    pub partition: u64,
    /// The hash of the object's path.
    pub hash: PathHash,
    /// The object's `name`.
    pub name: String,
    /// The folder of the object's files.
    pub dir: PathBuf,
}

/// The folder of one object's files, whichever object that is.
#[derive(Debug, Clone)]
pub struct HashDir {
    /// The device's folder.
    pub device: PathBuf,
    /// The folder of the object's files.
    pub dir: PathBuf,
}

impl HashDir {
    /// That of the object with this hash.
    pub fn new(device: PathBuf, policy: u32, partition: u64, hash: &PathHash) -> Self {
        let dir = hash_dir(&device, policy, partition, hash);
        Self { device, dir }
    }
}

impl Location {
    /// The place of the object called `name` (`/account/container/object`) with this hash.
    pub fn new(device: PathBuf, policy: u32, partition: u64, hash: PathHash, name: String) -> Self {
        let dir = hash_dir(&device, policy, partition, &hash);
        Self { device, policy, partition, hash, name, dir }
    }

    /// The same object in another partition.
    pub fn in_partition(&self, partition: u64) -> Self {
        Self::new(self.device.clone(), self.policy, partition, self.hash, self.name.clone())
    }

    /// The suffix's folder.
    pub fn suffix_dir(&self) -> PathBuf {
        parent(&self.dir)
    }

    /// Where unfinished files of the policy lie.
    pub fn tmp_dir(&self) -> PathBuf {
        self.device.join(DirKind::Tmp.name(self.policy))
    }
}

/// The folder of a partition.
pub fn partition_dir(device: &Path, policy: u32, partition: u64) -> PathBuf {
    device.join(DirKind::Objects.name(policy)).join(partition.to_string())
}

fn hash_dir(device: &Path, policy: u32, partition: u64, hash: &PathHash) -> PathBuf {
    let mut dir = partition_dir(device, policy, partition);
    dir.push(hash.suffix());
    dir.push(hash.hex());
    dir
}

fn parent(dir: &Path) -> PathBuf {
    dir.parent().map(Path::to_path_buf).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_tell_their_policy() {
        assert_eq!(DirKind::Objects.name(0), "objects");
        assert_eq!(DirKind::AsyncPending.name(3), "async_pending-3");
        assert_eq!(DirKind::Objects.policy_of("objects-12"), Some(12));
        assert_eq!(DirKind::Tmp.policy_of("tmp"), Some(0));
        for other in ["objects-", "objects-0", "objects-x", "objects_old", "accounts"] {
            assert_eq!(DirKind::Objects.policy_of(other), None, "{other}");
        }
    }

    #[test]
    fn an_object_lies_below_partition_suffix_and_hash() {
        let path = ObjectPath { account: "a".into(), container: "c".into(), object: "o/p".into() };
        let conf = HashConf { prefix: vec![], suffix: b"endcap".to_vec() };
        let hash = path.hash(&conf);
        let at = Location::new("/srv/node/sda".into(), 1, 42, hash, path.name());
        let expected = format!("/srv/node/sda/objects-1/42/{}/{}", &hash.hex()[29..], hash.hex());
        assert_eq!(at.dir, PathBuf::from(expected));
        assert_eq!(at.name, "/a/c/o/p");
        assert_eq!(ObjectPath::from_name(&at.name), Some(path));
        for bad in ["", "/a/c", "/a/c/", "//c/o", "a/c/o"] {
            assert_eq!(ObjectPath::from_name(bad), None, "{bad:?}");
        }
    }
}
