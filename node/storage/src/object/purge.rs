//! What a reconstructor does to fragments by their times and indexes: it takes away those that were handed over, and
//! sets aside one that is the last of its object.

use super::filename::{Extension, FileName, Fragment};
use super::fileset::FileSet;
use super::hashes;
use super::layout::Layout;
use super::location::{HashDir, partition_dir};
use super::quarantine::quarantine;
use super::summary::Summary;
use super::xattrs::SIDE_FILE_SUFFIX;
use crate::fs;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What is taken away from a partition of a policy whose objects lie in fragments.
#[derive(Debug, Clone)]
pub struct Purge {
    /// The device's folder.
    pub device: PathBuf,
    /// The policy.
    pub policy: u32,
    /// The partition.
    pub partition: u64,
    /// The index of the fragments; without one, only tombstones go.
    pub index: Option<u32>,
    /// Whether the device keeps fragments of another index of this partition, whose metadata stays.
    pub is_primary: bool,
    /// `commit_window`: one that was not committed stays for so long after it was written.
    pub commit_window: Duration,
}

impl Purge {
    /// Takes away what `objects` tells of, and no file of another time. Their suffixes are noted as changed.
    pub fn run(&self, objects: &[Summary]) -> io::Result<()> {
        let mut suffixes = BTreeSet::new();
        for object in objects {
            self.one(object)?;
            suffixes.insert(object.hash.suffix());
        }
        let noted = suffixes.iter().map(AsRef::as_ref);
        hashes::invalidate_suffixes(&self.device, self.policy, self.partition, noted)
            .map_err(io::Error::other)?;
        let partition = partition_dir(&self.device, self.policy, self.partition);
        for suffix in &suffixes {
            // One that holds something stays.
            let _ = std::fs::remove_dir(partition.join(suffix));
        }
        Ok(())
    }

    fn one(&self, object: &Summary) -> io::Result<()> {
        let HashDir { dir, .. } =
            HashDir::new(self.device.clone(), self.policy, self.partition, &object.hash);
        let names = fs::list(&dir)?;
        remove(&dir, &FileName::new(object.data, Extension::Tombstone).text)?;
        if object.meta.is_some() && !self.is_primary && is_last(object, &names) {
            let files = names.iter().filter_map(|name| FileName::parse(name).ok());
            let is_meta = |file: &FileName| file.extension == Extension::Meta;
            for file in files.filter(|file| is_meta(file) && Some(file.timestamp) == object.meta) {
                remove(&dir, &file.text)?;
            }
        }
        if let Some(index) = self.index {
            let name = |durable| FileName::fragment(object.data, Fragment { index, durable }).text;
            // One that an old `.durable` file commits is named as if it were not.
            if object.durable || is_older(&dir.join(name(false)), self.commit_window) {
                remove(&dir, &name(false))?;
            }
            // Committed since it was offered, it may not be so where it was handed over.
            if object.durable {
                remove(&dir, &name(true))?;
            }
        }
        // Where something else is in it, it stays.
        let _ = std::fs::remove_dir(&dir);
        Ok(())
    }
}

/// Whether a folder with these files has no fragment but one of this object, or not even that.
fn is_last(object: &Summary, names: &[String]) -> bool {
    let mut fragments = names.iter().filter(|name| name.ends_with(Extension::Data.as_str()));
    let is_of_object = |name: &String| name.starts_with(&object.data.internal());
    fragments.next().is_none_or(is_of_object) && fragments.next().is_none()
}

/// Moves a fragment, and all that is in its folder, out of the way.
pub fn quarantine_fragment(at: &HashDir, reason: String) {
    quarantine(&at.device, &at.dir, reason);
}

/// The indexes of the fragments of `at` that are of the time `object` tells, unless something as new is committed.
pub fn uncommitted(at: &HashDir, layout: Layout, object: &Summary) -> io::Result<Vec<u32>> {
    let set = FileSet::choose_as(fs::list(&at.dir)?, layout, super::FragmentChoice::default());
    if set.fragments.durable >= Some(object.data) {
        return Ok(Vec::new());
    }
    let of_object = set.fragments.by_time.into_iter().find(|(time, _)| *time == object.data);
    Ok(of_object.map(|(_, indexes)| indexes).unwrap_or_default())
}

fn is_older(file: &Path, age: Duration) -> bool {
    let modified = std::fs::symlink_metadata(file).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|time| SystemTime::now().duration_since(time).unwrap_or_default() >= age)
}

/// With its side file, which goes last: nobody finds a file without its metadata.
fn remove(dir: &Path, name: &str) -> io::Result<()> {
    for name in [name.to_owned(), format!("{name}{SIDE_FILE_SUFFIX}")] {
        match std::fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::layout::FragmentRules;
    use super::super::summary::summarize;
    use super::super::{CleanupRules, FragmentChoice};
    use super::*;
    use swiftlet_types::hash_path::PathHash;

    const T1: &str = "4000000001.00000";
    const T2: &str = "4000000002.00000";
    const LAYOUT: Layout =
        Layout::Fragments(FragmentRules { count: 6, commit_window: Duration::from_secs(60) });

    struct Device {
        root: tempfile::TempDir,
        at: HashDir,
    }

    impl Device {
        /// With these files of one object in partition 7 of policy 1.
        fn new(names: &[String]) -> Self {
            let root = tempfile::tempdir().unwrap();
            let hash = PathHash::from_hex("0123456789abcdef0123456789abcdef").unwrap();
            let at = HashDir::new(root.path().to_owned(), 1, 7, &hash);
            std::fs::create_dir_all(&at.dir).unwrap();
            names.iter().for_each(|name| std::fs::write(at.dir.join(name), "").unwrap());
            Self { root, at }
        }

        fn offered(&self, choice: FragmentChoice<'_>) -> Vec<Summary> {
            let rules = CleanupRules { choice, ..CleanupRules::of(LAYOUT, Duration::from_secs(604_800)) };
            summarize(self.root.path(), 1, 7, "def", rules).unwrap()
        }

        fn purge(&self, index: Option<u32>, objects: &[Summary], change: impl Fn(&mut Purge)) -> Vec<String> {
            let device = self.root.path().to_owned();
            let mut purge = Purge {
                device,
                policy: 1,
                partition: 7,
                index,
                is_primary: false,
                commit_window: Duration::ZERO,
            };
            change(&mut purge);
            purge.run(objects).unwrap();
            let mut names = fs::list(&self.at.dir).unwrap();
            names.sort();
            names
        }
    }

    #[test]
    fn only_the_fragment_that_was_handed_over_goes() {
        let names = [format!("{T1}#0#d.data"), format!("{T1}#2#d.data"), format!("{T2}.meta")];
        let device = Device::new(&names);
        let offered = device.offered(FragmentChoice::newest(Some(2)));
        assert_eq!((offered.len(), offered[0].durable, offered[0].meta.is_some()), (1, true, true));
        let left = device.purge(Some(2), &offered, |_| ());
        assert_eq!(left, [&names[0][..], &names[2]], "the other one keeps its metadata");
        let offered = device.offered(FragmentChoice::newest(Some(0)));
        assert!(device.purge(Some(0), &offered, |_| ()).is_empty());
        assert!(!device.at.dir.exists());
        let notes = std::fs::read_to_string(partition_dir(device.root.path(), 1, 7).join("hashes.invalid"));
        assert_eq!(notes.unwrap(), "def\ndef\n");
    }

    #[test]
    fn a_primary_keeps_metadata() {
        let names = [format!("{T1}#2#d.data"), format!("{T2}.meta")];
        let device = Device::new(&names);
        let offered = device.offered(FragmentChoice::newest(Some(2)));
        let left = device.purge(Some(2), &offered, |purge| purge.is_primary = true);
        assert_eq!(left, [&names[1][..]]);
    }

    #[test]
    fn what_may_yet_be_committed_stays_and_what_was_committed_since_too() {
        let device = Device::new(&[format!("{T1}#2.data")]);
        let offered = device.offered(FragmentChoice::newest(Some(2)));
        assert!(!offered[0].durable);
        assert_eq!(device.offered(FragmentChoice::committed(Some(2))), []);
        let window = |purge: &mut Purge| purge.commit_window = Duration::from_secs(60);
        assert_eq!(device.purge(Some(2), &offered, window).len(), 1);
        std::fs::rename(
            device.at.dir.join(format!("{T1}#2.data")),
            device.at.dir.join(format!("{T1}#2#d.data")),
        )
        .unwrap();
        assert_eq!(device.purge(Some(2), &offered, |_| ()).len(), 1);
    }

    #[test]
    fn a_tombstone_goes_without_an_index() {
        let device = Device::new(&[format!("{T1}.ts")]);
        let offered = device.offered(FragmentChoice::newest(None));
        assert!(device.purge(None, &offered, |_| ()).is_empty());
    }

    #[test]
    fn fragments_that_wait_are_known() {
        let device = Device::new(&[format!("{T1}#2#d.data"), format!("{T2}#3.data")]);
        let object = |time: &str| Summary {
            data: time.parse().unwrap(),
            ..device.offered(FragmentChoice::committed(Some(2)))[0]
        };
        assert_eq!(uncommitted(&device.at, LAYOUT, &object(T2)).unwrap(), [3]);
        assert_eq!(uncommitted(&device.at, LAYOUT, &object(T1)).unwrap(), [0; 0]);
    }
}
