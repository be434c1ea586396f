//! What replicators compare of an object: the times of its files. And the removal of what is known to be elsewhere.

use super::cleanup::{CleanupRules, cleanup_by};
use super::fileset::FileSet;
use super::hashes;
use super::location::{HashDir, partition_dir};
use super::xattrs::SIDE_FILE_SUFFIX;
use crate::fs;
use std::io;
use std::path::Path;
use swiftlet_types::hash_path::PathHash;
use swiftlet_types::timestamp::Timestamp;

/// The state of one object by the times of its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The hash of its path.
    pub hash: PathHash,
    /// When it was put or deleted.
    pub data: Timestamp,
    /// When its metadata was last posted, if ever since.
    pub meta: Option<Timestamp>,
    /// When its content type was last posted, if ever since.
    pub content_type: Option<Timestamp>,
    /// Whether its PUT was committed: only a fragment's may not be.
    pub durable: bool,
}

impl Summary {
    /// Of the object `hash` with these files; `None` without a `.data` or `.ts` file: nothing can be told of it.
    fn of(hash: PathHash, set: &FileSet) -> Option<Self> {
        let data = set.data.as_ref().or(set.tombstone.as_ref())?.timestamp;
        let meta = set.meta.as_ref().map(|file| file.timestamp);
        let content_type = set.content_type.as_ref().and_then(|file| file.content_type_timestamp);
        let durable =
            set.data.as_ref().and_then(|file| file.fragment).is_none_or(|fragment| fragment.durable);
        Some(Self { hash, data, meta, content_type, durable })
    }
}

/// The objects in a suffix of a partition, left-overs among their files removed. A suffix without any file is noted
/// to be hashed again, which removes it. What cannot be listed is passed over: the rehash sets it aside.
pub fn summarize(
    device: &Path,
    policy: u32,
    partition: u64,
    suffix: &str,
    rules: CleanupRules<'_>,
) -> io::Result<Vec<Summary>> {
    let dir = partition_dir(device, policy, partition).join(suffix);
    let (mut summaries, mut has_files) = (Vec::new(), false);
    for name in fs::list(&dir)? {
        let Some(hash) = PathHash::from_hex(&name) else { continue };
        match cleanup_by(&dir.join(&name), rules) {
            Ok((set, names)) => {
                has_files |= !names.is_empty();
                summaries.extend(Summary::of(hash, &set));
            }
            Err(error) => tracing::debug!(dir = %dir.join(name).display(), %error, "cannot list"),
        }
    }
    if !has_files {
        hashes::invalidate(&dir).map_err(io::Error::other)?;
    }
    Ok(summaries)
}

/// The suffixes that a partition has folders of.
pub fn suffixes(device: &Path, policy: u32, partition: u64) -> io::Result<Vec<String>> {
    let dir = partition_dir(device, policy, partition);
    let mut names = fs::list(&dir)?;
    names.retain(|name| hashes::is_suffix(name) && dir.join(name).is_dir());
    names.sort_unstable();
    Ok(names)
}

/// Removes the files of a whole object that are as `summary` says; whether they were. An object that changed since stays,
/// as does a file that arrives meanwhile.
pub fn remove(device: &Path, policy: u32, partition: u64, summary: &Summary) -> io::Result<bool> {
    let HashDir { dir, .. } = HashDir::new(device.to_owned(), policy, partition, &summary.hash);
    let names = fs::list(&dir)?;
    let set = FileSet::choose(&names);
    if Summary::of(summary.hash, &set) != Some(*summary) {
        return Ok(false);
    }
    let chosen = [&set.data, &set.meta, &set.content_type, &set.tombstone].into_iter().flatten();
    for file in chosen.chain(&set.obsolete) {
        for name in [file.text.clone(), format!("{}{SIDE_FILE_SUFFIX}", file.text)] {
            match std::fs::remove_file(dir.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    // Where something else is in it, it stays.
    let _ = std::fs::remove_dir(&dir);
    Ok(true)
}

/// Removes the folders of a partition that hold nothing any more, and the partition itself where it holds no object;
/// whether it is gone.
pub fn remove_empty(device: &Path, policy: u32, partition: u64) -> io::Result<bool> {
    let dir = partition_dir(device, policy, partition);
    for suffix in suffixes(device, policy, partition)? {
        // Those with an object in them stay.
        let _ = std::fs::remove_dir(dir.join(suffix));
    }
    let mut names = fs::list(&dir)?;
    let is_own = |name: &String| hashes::is_own_file(name) || name.starts_with(".lock");
    if !names.iter().all(is_own) {
        return Ok(false);
    }
    // The hashes before the notes on what changed since, the locks last.
    names.sort_by_key(|name| (name.starts_with(".lock"), !name.ends_with(".pkl")));
    for name in names {
        fs::remove_quietly(&dir.join(name));
    }
    match std::fs::remove_dir(&dir) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        // Something has just arrived.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::time::Duration;

    const AGE: Duration = Duration::from_secs(604_800);

    /// A device with one object in partition 7, with these files; its folder.
    fn device(names: &[&str]) -> (tempfile::TempDir, PathHash, PathBuf) {
        let device = tempfile::tempdir().unwrap();
        let hash = PathHash::from_hex("0123456789abcdef0123456789abcdef").unwrap();
        let HashDir { dir, .. } = HashDir::new(device.path().to_owned(), 0, 7, &hash);
        std::fs::create_dir_all(&dir).unwrap();
        names.iter().for_each(|name| std::fs::write(dir.join(name), "").unwrap());
        (device, hash, dir)
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn files_tell_their_times() {
        let (device, hash, dir) =
            device(&["0000000001.00000.data", "0000000003.00000.meta", "0000000002.00000+0.meta"]);
        let of_suffix = || summarize(device.path(), 0, 7, "def", CleanupRules::whole(AGE)).unwrap();
        let expected = Summary {
            hash,
            data: time("1"),
            meta: Some(time("3")),
            content_type: Some(time("2")),
            durable: true,
        };
        assert_eq!(of_suffix(), [expected]);
        let deleted = Timestamp::now();
        std::fs::write(dir.join(format!("{}.ts", deleted.internal())), "").unwrap();
        assert_eq!(
            of_suffix(),
            [Summary { hash, data: deleted, meta: None, content_type: None, durable: true }]
        );
        assert_eq!(fs::list(&dir).unwrap().len(), 1, "the rest was of no use");
        assert_eq!(suffixes(device.path(), 0, 7).unwrap(), ["def"]);
    }

    #[test]
    fn a_suffix_without_files_is_noted() {
        let (device, ..) = device(&[]);
        assert_eq!(summarize(device.path(), 0, 7, "def", CleanupRules::whole(AGE)).unwrap(), []);
        let notes = std::fs::read_to_string(partition_dir(device.path(), 0, 7).join("hashes.invalid"));
        assert_eq!(notes.unwrap(), "def\n");
    }

    #[test]
    fn only_what_did_not_change_is_removed() {
        let (device, _, dir) = device(&["0000000001.00000.data"]);
        let partition = partition_dir(device.path(), 0, 7);
        for name in ["hashes.pkl", "hashes.invalid", ".lock", ".lock-replication"] {
            std::fs::write(partition.join(name), "").unwrap();
        }
        let [summary] = summarize(device.path(), 0, 7, "def", CleanupRules::whole(AGE)).unwrap()[..] else {
            panic!("one")
        };
        std::fs::write(dir.join("0000000002.00000.meta"), "").unwrap();
        assert!(!remove(device.path(), 0, 7, &summary).unwrap());
        assert!(!remove_empty(device.path(), 0, 7).unwrap());
        assert_eq!(fs::list(&dir).unwrap().len(), 2);

        let [summary] = summarize(device.path(), 0, 7, "def", CleanupRules::whole(AGE)).unwrap()[..] else {
            panic!("one")
        };
        assert!(remove(device.path(), 0, 7, &summary).unwrap());
        assert!(remove_empty(device.path(), 0, 7).unwrap());
        assert!(!partition.exists());
        assert!(remove_empty(device.path(), 0, 7).unwrap(), "nothing is as good");
    }
}
