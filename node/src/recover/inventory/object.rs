//! Which of an object's files count, wherever they lie: the rule of a hash folder, for all devices' folders together.

use crate::recover::problems::Problems;
use std::collections::BTreeSet;
use std::path::PathBuf;
use swiftlet_storage::object::{FileName, FileSet, FragmentChoice, Layout, Metadata, ObjectState};
use swiftlet_storage::salvage::{assemble, layout_of, read_metadata};
use swiftlet_types::{PathHash, Timestamp};

/// One file of an object on one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCopy {
    /// The storage policy whose folder it is in.
    pub policy: u32,
    /// Its name.
    pub name: String,
    /// The device.
    pub device: PathBuf,
    /// The partition that it is in there.
    pub partition: u32,
}

/// All files of an object.
#[derive(Debug)]
pub struct Copies {
    hash: PathHash,
    files: Vec<FileCopy>,
}

/// The version of an object that counts.
#[derive(Debug)]
pub struct Version {
    /// The storage policy that it is in.
    pub policy: u32,
    /// When it was put.
    pub timestamp: Timestamp,
    /// The copies of its `.data` file; or, of an object in fragments, its fragments' by index.
    pub data: Vec<(Option<u32>, PathBuf)>,
    /// Copies of the `.meta` file that is newest.
    meta: Vec<PathBuf>,
    /// Copies of the one that holds the newest content type, where that is another.
    content_type: Vec<PathBuf>,
}

/// What an object's files amount to.
#[derive(Debug)]
pub enum Standing {
    /// It is there.
    There(Version),
    /// It was deleted then.
    Deleted {
        /// When.
        timestamp: Timestamp,
        /// In which storage policy.
        policy: u32,
    },
    /// There is nothing but metadata, or fragments of a PUT that was never committed.
    Nothing,
}

impl Copies {
    /// Those of the object with this hash.
    pub fn new(hash: PathHash, files: Vec<FileCopy>) -> Self {
        Self { hash, files }
    }

    /// What they amount to: of several storage policies, what was put or deleted last.
    pub fn standing(&self) -> Standing {
        let of_policy = |files: &[FileCopy]| self.standing_in(files);
        let standings = self.files.chunk_by(|a, b| a.policy == b.policy).map(of_policy);
        let time = |standing: &Standing| match standing {
            Standing::There(version) => Some(version.timestamp),
            Standing::Deleted { timestamp, .. } => Some(*timestamp),
            Standing::Nothing => None,
        };
        standings.max_by_key(time).unwrap_or(Standing::Nothing)
    }

    /// `files` are of one policy.
    fn standing_in(&self, files: &[FileCopy]) -> Standing {
        let parsed: Vec<FileName> =
            files.iter().filter_map(|file| FileName::parse(&file.name).ok()).collect();
        let layout = layout_of(&parsed);
        // several devices have each
        let names: BTreeSet<&String> = files.iter().map(|file| &file.name).collect();
        let set = FileSet::choose_as(names, layout, FragmentChoice::default());
        let policy = files.first().map_or(0, |file| file.policy);
        let Some(data) = set.data else {
            let deleted = |file: FileName| Standing::Deleted { timestamp: file.timestamp, policy };
            return set.tombstone.map_or(Standing::Nothing, deleted);
        };
        let called = |name: &FileName| self.paths(files, |file| *file == *name);
        let content_type = set.content_type.filter(|file| Some(file) != set.meta.as_ref());
        let data_paths = match layout {
            Layout::Whole => called(&data).into_iter().map(|path| (None, path)).collect(),
            Layout::Fragments(_) => self.fragments(files, data.timestamp),
        };
        Standing::There(Version {
            policy,
            timestamp: data.timestamp,
            data: data_paths,
            meta: set.meta.as_ref().map(called).unwrap_or_default(),
            content_type: content_type.as_ref().map(called).unwrap_or_default(),
        })
    }

    /// Where files lie whose names `is_meant` accepts.
    fn paths(&self, files: &[FileCopy], is_meant: impl Fn(&FileName) -> bool) -> Vec<PathBuf> {
        let is_meant = |file: &&FileCopy| FileName::parse(&file.name).is_ok_and(|name| is_meant(&name));
        files.iter().filter(is_meant).map(|file| self.path(file)).collect()
    }

    fn fragments(&self, files: &[FileCopy], timestamp: Timestamp) -> Vec<(Option<u32>, PathBuf)> {
        let fragment = |file: &FileCopy| {
            let name = FileName::parse(&file.name).ok().filter(|name| name.timestamp == timestamp)?;
            Some((Some(name.fragment?.index), self.path(file)))
        };
        let mut fragments: Vec<_> = files.iter().filter_map(fragment).collect();
        fragments.sort();
        fragments
    }

    fn path(&self, file: &FileCopy) -> PathBuf {
        let dir = swiftlet_storage::object::HashDir::new(
            file.device.clone(),
            file.policy,
            file.partition.into(),
            &self.hash,
        );
        dir.dir.join(&file.name)
    }
}

impl Version {
    /// What the object is, by the metadata `data` of a copy and that of the last POST. A POST of which no copy can be
    /// read is noted, and left out.
    pub fn state(&self, data: Metadata, size: u64, problems: &mut Problems) -> ObjectState {
        let mut first = |paths: &[PathBuf]| paths.iter().find_map(|path| problems.ok(read_metadata(path)));
        let post = first(&self.meta);
        let content_type = first(&self.content_type);
        assemble(data, post, content_type.as_ref(), size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copies(files: &[(u32, &str, &str)]) -> Copies {
        let file = |&(policy, name, device): &(u32, &str, &str)| FileCopy {
            policy,
            name: name.into(),
            device: device.into(),
            partition: 7,
        };
        Copies::new(PathHash([0xab; 16]), files.iter().map(file).collect())
    }

    #[test]
    fn the_newest_of_all_devices_counts() {
        let old = (0, "0000000001.00000.data", "a");
        let Standing::There(version) =
            copies(&[old, (0, "0000000002.00000.data", "b"), (0, "0000000003.00000.meta", "c"), old])
                .standing()
        else {
            panic!("there")
        };
        assert_eq!(version.timestamp.seconds(), 2);
        let hash = "ab".repeat(16);
        let data = format!("b/objects/7/bab/{hash}/0000000002.00000.data");
        assert_eq!(version.data, [(None, data.into())]);
        assert_eq!(version.meta, [PathBuf::from(format!("c/objects/7/bab/{hash}/0000000003.00000.meta"))]);
        assert!(matches!(
            copies(&[old, (0, "0000000002.00000.ts", "b")]).standing(),
            Standing::Deleted { .. }
        ));
        assert!(matches!(copies(&[(0, "0000000003.00000.meta", "c")]).standing(), Standing::Nothing));
        let moved = copies(&[old, (1, "0000000005.00000.data", "a")]).standing();
        assert!(matches!(moved, Standing::There(Version { policy: 1, .. })));
    }

    #[test]
    fn fragments_of_the_last_commit_count() {
        let standing = copies(&[
            (1, "0000000002.00000#0#d.data", "a"),
            (1, "0000000002.00000#3.data", "b"),
            (1, "0000000009.00000#1.data", "c"),
        ])
        .standing();
        let Standing::There(version) = standing else { panic!("there") };
        assert_eq!(version.data.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [Some(0), Some(3)]);
        assert!(matches!(copies(&[(1, "0000000009.00000#1.data", "c")]).standing(), Standing::Nothing));
    }
}
