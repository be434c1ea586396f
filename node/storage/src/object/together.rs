//! Putting several files of a partition in place as one: two syncs of its file system for all of them, where each on its
//! own would take several.
//!
//! The order is that of a single file: first its bytes and metadata are on disk, then it gets its name, then the name is
//! on disk. What else the system holds back for the file system is written with them; and what others put in place
//! meanwhile, by the same syncs (`group_sync`).

use super::group_sync::GroupSync;
use super::hashes::invalidate_suffixes;
use super::location::partition_dir;
use super::metadata::Metadata;
use super::staged::Staged;
use super::writer::{Named, WriteError, Writer};
use std::io;
use std::path::{Path, PathBuf};

/// Files of one partition that are written together.
#[derive(Debug)]
pub struct Together {
    device: PathBuf,
    policy: u32,
    partition: u64,
    syncs: GroupSync,
    files: Vec<Result<Named, WriteError>>,
}

impl Together {
    /// Begins, before a byte of the first file is written; `device` is the device's folder.
    pub fn begin(device: &Path, policy: u32, partition: u64) -> Result<Self, WriteError> {
        let failed = |source| WriteError::Io { dir: device.to_owned(), source };
        let syncs = GroupSync::begin(device).map_err(failed)?;
        Ok(Self { device: device.to_owned(), policy, partition, syncs, files: Vec::new() })
    }

    /// Adds a file of the partition, whose bytes are written, with its metadata.
    pub fn add(&mut self, writer: Writer, metadata: Metadata) {
        self.files.push(writer.name(metadata));
    }

    /// Gives all of them their names, durably: what became of each, in the order in which they were added. An error that
    /// concerns none of them alone is that of all.
    pub fn stage(mut self) -> Result<Vec<Result<Staged, WriteError>>, WriteError> {
        self.sync()?;
        self.note_suffixes()?;
        let mut files: Vec<Result<Named, WriteError>> = std::mem::take(&mut self.files);
        for file in &mut files {
            if let Ok(named) = file
                && let Err(error) = named.link()
            {
                *file = Err(error);
            }
        }
        self.files = files;
        self.sync()?;
        // A rehash between the first notes and the links has used those up without seeing the files.
        self.note_suffixes()?;
        Ok(self.files.into_iter().map(|file| file.map(Named::staged)).collect())
    }

    fn sync(&self) -> Result<(), WriteError> {
        self.syncs.sync().map_err(|error| self.failed(error))
    }

    fn note_suffixes(&self) -> Result<(), WriteError> {
        let suffixes: Vec<String> =
            self.files.iter().flatten().map(|named| named.location().hash.suffix()).collect();
        invalidate_suffixes(&self.device, self.policy, self.partition, suffixes.iter().map(String::as_str))?;
        Ok(())
    }

    fn failed(&self, source: io::Error) -> WriteError {
        WriteError::Io { dir: partition_dir(&self.device, self.policy, self.partition), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Devices;
    use crate::object::{Location, ObjectPath, ObjectStore, OpenOptions, StoreConfig, hashes};
    use bytes::Bytes;
    use std::sync::Arc;
    use std::time::Duration;
    use swiftlet_types::Timestamp;
    use swiftlet_types::hash_path::HashConf;

    fn store(root: &Path) -> Arc<ObjectStore> {
        std::fs::create_dir(root.join("sda")).unwrap();
        let hash = HashConf { prefix: vec![], suffix: b"endcap".to_vec() };
        Arc::new(ObjectStore::new(StoreConfig::new(hash, Devices::new(root, false))))
    }

    fn locate(store: &ObjectStore, object: &str) -> Location {
        let path = ObjectPath { account: "a".into(), container: "c".into(), object: object.into() };
        store.locate("sda", 7, 0, &path).unwrap()
    }

    fn put(store: &Arc<ObjectStore>, together: &mut Together, object: &str, time: &str) {
        let mut writer = store.create(&locate(store, object), Some(4)).unwrap();
        writer.write(vec![Bytes::from_static(b"body")]).unwrap();
        let (size, etag) = writer.digest();
        let metadata = [
            ("X-Timestamp", time.to_owned()),
            ("Content-Length", size.to_string()),
            ("ETag", etag),
            ("Content-Type", "a/b".to_owned()),
        ];
        together.add(writer, metadata.into_iter().collect());
    }

    #[test]
    fn all_are_there_and_their_suffixes_hashed_anew() {
        let root = tempfile::tempdir().unwrap();
        let (store, device) = (store(root.path()), root.path().join("sda"));
        let rehash = || hashes::get_hashes(&device, 0, 7, &[], Duration::from_secs(600)).unwrap().1;
        let mut together = Together::begin(&device, 0, 7).unwrap();
        put(&store, &mut together, "one", "1700000000.00000");
        put(&store, &mut together, "two", "1700000000.00000");
        assert!(locate(&store, "one").dir.read_dir().unwrap().next().is_none(), "it has no name yet");
        for staged in together.stage().unwrap() {
            staged.unwrap().commit().unwrap().settle();
        }
        let before = rehash();
        let mut together = Together::begin(&device, 0, 7).unwrap();
        put(&store, &mut together, "two", "1700000001.00000");
        together.stage().unwrap().pop().unwrap().unwrap().commit().unwrap().settle();

        let options = OpenOptions { now: Timestamp::now(), open_expired: false };
        for (object, time) in [("one", "1700000000.00000"), ("two", "1700000001.00000")] {
            let at = locate(&store, object);
            assert_eq!(store.open(&at, options).unwrap().state.timestamp.internal(), time);
            assert_eq!(at.dir.read_dir().unwrap().count(), 1, "what is obsolete is gone");
        }
        let suffix = |object: &str| locate(&store, object).hash.suffix();
        let after = rehash();
        assert_eq!(before[&suffix("one")], after[&suffix("one")]);
        assert_ne!(before[&suffix("two")], after[&suffix("two")]);
    }

    #[test]
    fn one_that_cannot_be_named_keeps_none_of_the_others() {
        let root = tempfile::tempdir().unwrap();
        let store = store(root.path());
        let mut together = Together::begin(&root.path().join("sda"), 0, 7).unwrap();
        put(&store, &mut together, "one", "1700000000.00000");
        let nameless = store.create(&locate(&store, "two"), Some(0)).unwrap();
        together.add(nameless, Metadata::new());
        let staged = together.stage().unwrap();
        assert!(staged[0].is_ok());
        assert!(matches!(staged[1], Err(WriteError::NoTimestamp { .. })));
    }
}
