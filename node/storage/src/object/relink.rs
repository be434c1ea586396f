//! The files of an object in a grown partition space: linked into their new folder first, and their old names removed
//! once the new folder has all that counts. At every instant one of the two folders holds the whole object.

use super::cleanup::cleanup_as;
use super::fileset::{FileSet, FragmentChoice};
use super::hashes;
use super::layout::Layout;
use super::quarantine::quarantine_dir;
use super::xattrs::SIDE_FILE_SUFFIX;
use crate::fs;
use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// Which half of the work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Before the ring names the new partitions: links are made.
    Relink,
    /// After it: the old names go.
    Cleanup,
}

/// What was done to one folder or to many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelinkCounts {
    /// Folders of objects.
    pub hash_dirs: u64,
    /// Files in them that count.
    pub files: u64,
    /// Links made.
    pub linked: u64,
    /// Old names removed.
    pub removed: u64,
    /// What failed, and will be tried again.
    pub errors: u64,
}

/// How folders are relinked.
#[derive(Debug, Clone, Copy)]
pub struct Relink<'a> {
    /// Which half.
    pub step: Step,
    /// The device's folder.
    pub device: &'a Path,
    /// How the objects lie.
    pub layout: Layout,
    /// How long tombstones are kept.
    pub reclaim_age: Duration,
    /// Whether another file of the same name in the new folder may be set aside (when relinking) or kept instead of
    /// ours (when cleaning up).
    pub clobber_collisions: bool,
}

/// Why a link could not be made.
#[derive(Debug, Error)]
enum LinkError {
    #[error(
        "Error relinking: hardlink collision: {old} to {new} (consider enabling clobber_hardlink_collisions)"
    )]
    Collision { old: PathBuf, new: PathBuf },
    #[error("Error relinking: failed to relink {old} to {new}: {source}")]
    Io { old: PathBuf, new: PathBuf, source: io::Error },
}

impl Relink<'_> {
    /// Brings the files of the folder `old` into `new`. What fails is told in the log and counted, and leaves `old` as
    /// it is.
    pub fn hash_dir(&self, old: &Path, new: &Path) -> RelinkCounts {
        let mut counts = RelinkCounts { hash_dirs: 1, ..RelinkCounts::default() };
        let names = match self.names(old, new) {
            Ok(names) => names,
            Err(error) => {
                tracing::error!("Error relinking: cannot list {}: {error}", old.display());
                counts.errors += 1;
                return counts;
            }
        };
        for name in &names.required {
            counts.files += 1;
            match self.link(&old.join(name), &new.join(name)) {
                Ok(created) => counts.linked += u64::from(created),
                Err(error) => {
                    tracing::error!("{error}");
                    counts.errors += 1;
                }
            }
        }
        if counts.linked > 0 {
            changed(new);
        }
        if self.step == Step::Cleanup && counts.errors == 0 {
            self.remove(old, new, &names.old, &mut counts);
        }
        counts
    }

    /// Both folders are cleaned up, the new one first: so the old one never lacks what the new one still had.
    fn names(&self, old: &Path, new: &Path) -> io::Result<Names> {
        let (_, there) = cleanup_as(new, self.layout, self.reclaim_age)?;
        let (_, old) = cleanup_as(old, self.layout, self.reclaim_age)?;
        Ok(Names::new(there, old, self.layout))
    }

    /// Whether the link had to be made.
    fn link(&self, old: &Path, new: &Path) -> Result<bool, LinkError> {
        match make_link(old, new) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.collide(old, new),
            other => other.map_err(|source| LinkError::Io { old: old.into(), new: new.into(), source }),
        }
    }

    /// Another file has the name. Tombstones of one time are alike; anything else needs the operator's word.
    fn collide(&self, old: &Path, new: &Path) -> Result<bool, LinkError> {
        if new.extension().is_some_and(|extension| extension == "ts") {
            tracing::debug!(?old, ?new, "Relinking: tolerating different inodes for tombstones of one time");
            return Ok(false);
        }
        match (self.clobber_collisions, self.step) {
            (false, _) => Err(LinkError::Collision { old: old.into(), new: new.into() }),
            (true, Step::Cleanup) => Ok(false),
            (true, Step::Relink) => self
                .set_aside(new)
                .and_then(|()| make_link(old, new))
                .map_err(|source| LinkError::Io { old: old.into(), new: new.into(), source }),
        }
    }

    fn set_aside(&self, file: &Path) -> io::Result<()> {
        let dir = file.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let target = quarantine_dir(self.device, dir)?;
        tracing::info!(
            "Relinking: clobbering hardlink collision: {} moved to {}",
            file.display(),
            target.display()
        );
        Ok(())
    }

    fn remove(&self, old: &Path, new: &Path, names: &[String], counts: &mut RelinkCounts) {
        // links made just now are the only names that may not have reached the disk before the old ones leave it
        if counts.linked > 0
            && let Err(error) = fs::sync_dir(new)
        {
            tracing::error!("Error cleaning up {}: {}: {error}", old.display(), new.display());
            counts.errors += 1;
            return;
        }
        let before = counts.removed;
        for name in names {
            let file = old.join(name);
            match std::fs::remove_file(&file) {
                Ok(()) => counts.removed += 1,
                Err(error) => {
                    tracing::warn!("Error cleaning up {}: {error}", file.display());
                    counts.errors += 1;
                }
            }
        }
        if counts.removed > before {
            changed(old);
        }
    }
}

/// Notes that the folder's suffix is to be hashed again. A partition that cannot be locked keeps its stale hash until
/// replication rehashes it: the links matter more.
fn changed(dir: &Path) {
    if let Some(suffix) = dir.parent()
        && let Err(error) = hashes::invalidate(suffix)
    {
        tracing::warn!("Error invalidating suffix for {}: {error}", dir.display());
    }
}

/// Whether the link had to be made; that `old` is gone by now is well: somebody newer removed it.
fn make_link(old: &Path, new: &Path) -> io::Result<bool> {
    if let Some(dir) = new.parent() {
        fs::make_dirs(dir)?;
    }
    let Err(error) = std::fs::hard_link(old, new) else { return Ok(true) };
    let is_settled = match error.kind() {
        io::ErrorKind::NotFound => !old.exists(),
        io::ErrorKind::AlreadyExists => match (old.metadata(), new.metadata()) {
            (Ok(old), Ok(new)) => old.ino() == new.ino(),
            (Err(gone), _) => gone.kind() == io::ErrorKind::NotFound,
            _ => false,
        },
        _ => false,
    };
    if is_settled { Ok(false) } else { Err(error) }
}

/// What both folders hold.
struct Names {
    /// All files of the old folder.
    old: Vec<String>,
    /// Those of them that the new folder must have, each side file before its owner: whoever finds a file in the new
    /// folder finds its metadata too.
    required: Vec<String>,
}

impl Names {
    fn new(there: Vec<String>, old: Vec<String>, layout: Layout) -> Self {
        let all: BTreeSet<&str> = there.iter().chain(&old).map(String::as_str).collect();
        let set = FileSet::choose_as(&all, layout, FragmentChoice::default());
        let obsolete: BTreeSet<&str> = set.obsolete.iter().map(|file| file.text.as_str()).collect();
        let owner = |name: &str| name.strip_suffix(SIDE_FILE_SUFFIX).unwrap_or(name).to_owned();
        let mut required: Vec<String> =
            old.iter().filter(|name| !obsolete.contains(owner(name).as_str())).cloned().collect();
        required.sort_by_key(|name| !name.ends_with(SIDE_FILE_SUFFIX));
        Self { old, required }
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::FragmentRules;
    use super::*;

    const HASH: &str = "0123456789abcdef0123456789abcabc";
    const AGE: Duration = Duration::from_secs(7 * 24 * 3600);
    /// Not reclaimed for a while.
    const OLD: &str = "4000000000.00000";
    const NEW: &str = "4000000001.00000";

    struct Node {
        device: tempfile::TempDir,
    }

    impl Node {
        fn new() -> Self {
            Self { device: tempfile::tempdir().unwrap() }
        }

        fn dir(&self, partition: u64) -> PathBuf {
            self.device.path().join(format!("objects/{partition}/abc/{HASH}"))
        }

        fn write(&self, partition: u64, name: &str, content: &str) {
            std::fs::create_dir_all(self.dir(partition)).unwrap();
            std::fs::write(self.dir(partition).join(name), content).unwrap();
        }

        fn names(&self, partition: u64) -> Vec<String> {
            let mut names = fs::list(&self.dir(partition)).unwrap_or_default();
            names.sort();
            names
        }

        fn run(&self, step: Step, clobber_collisions: bool) -> RelinkCounts {
            self.run_as(Layout::Whole, step, clobber_collisions)
        }

        fn run_as(&self, layout: Layout, step: Step, clobber_collisions: bool) -> RelinkCounts {
            let relink =
                Relink { step, device: self.device.path(), layout, reclaim_age: AGE, clobber_collisions };
            relink.hash_dir(&self.dir(7), &self.dir(14))
        }
    }

    #[test]
    fn links_first_and_removes_later() {
        let node = Node::new();
        let (data, meta) = (format!("{OLD}.data"), format!("{NEW}.meta"));
        node.write(7, &data, "bytes");
        node.write(7, &meta, "");
        let linked = node.run(Step::Relink, false);
        assert_eq!(linked, RelinkCounts { hash_dirs: 1, files: 2, linked: 2, ..RelinkCounts::default() });
        assert_eq!(node.names(7), node.names(14));
        let again = node.run(Step::Relink, false);
        assert_eq!((again.linked, again.errors), (0, 0), "done is done");
        let cleaned = node.run(Step::Cleanup, false);
        assert_eq!((cleaned.removed, cleaned.linked, cleaned.errors), (2, 0, 0));
        assert_eq!((node.names(7), node.names(14)), (vec![], vec![data, meta]));
        let noted = std::fs::read_to_string(node.device.path().join("objects/7/hashes.invalid")).unwrap();
        assert_eq!(noted, "abc\n");
    }

    #[test]
    fn what_is_newer_in_the_new_folder_wins() {
        let node = Node::new();
        node.write(7, &format!("{OLD}.data"), "bytes");
        node.write(14, &format!("{NEW}.ts"), "");
        let cleaned = node.run(Step::Cleanup, false);
        assert_eq!((cleaned.files, cleaned.linked, cleaned.removed), (0, 0, 1));
        assert_eq!(node.names(14), [format!("{NEW}.ts")], "nothing deleted comes back");
    }

    #[test]
    fn fragments_of_an_older_put_are_not_linked() {
        let node = Node::new();
        let fragments = Layout::Fragments(FragmentRules { count: 6, commit_window: Duration::ZERO });
        let durable = format!("{NEW}#2#d.data");
        node.write(7, &format!("{OLD}#2#d.data"), "older");
        node.write(7, &durable, "bytes");
        let cleaned = node.run_as(fragments, Step::Cleanup, false);
        assert_eq!((cleaned.linked, cleaned.removed, cleaned.errors), (1, 1, 0));
        assert_eq!((node.names(7), node.names(14)), (vec![], vec![durable]));
    }

    #[test]
    fn cleaning_up_makes_the_links_that_are_missing() {
        let node = Node::new();
        node.write(7, &format!("{OLD}.data"), "bytes");
        let cleaned = node.run(Step::Cleanup, false);
        assert_eq!((cleaned.linked, cleaned.removed, cleaned.errors), (1, 1, 0));
        assert_eq!(std::fs::read_to_string(node.dir(14).join(format!("{OLD}.data"))).unwrap(), "bytes");
    }

    #[test]
    fn another_file_of_the_same_name_is_an_error_unless_told_otherwise() {
        let node = Node::new();
        let data = format!("{OLD}.data");
        node.write(7, &data, "ours");
        node.write(14, &data, "theirs");
        let refused = node.run(Step::Cleanup, false);
        assert_eq!((refused.errors, refused.removed), (1, 0));
        assert_eq!(std::fs::read_to_string(node.dir(7).join(&data)).unwrap(), "ours");
        let clobbered = node.run(Step::Relink, true);
        assert_eq!((clobbered.errors, clobbered.linked), (0, 1));
        assert_eq!(std::fs::read_to_string(node.dir(14).join(&data)).unwrap(), "ours");
        let aside = node.device.path().join("quarantined/objects").join(HASH).join(&data);
        assert_eq!(std::fs::read_to_string(aside).unwrap(), "theirs");
    }

    #[test]
    fn tombstones_of_one_time_are_alike() {
        let node = Node::new();
        for partition in [7, 14] {
            node.write(partition, &format!("{OLD}.ts"), "");
        }
        let cleaned = node.run(Step::Cleanup, false);
        assert_eq!((cleaned.errors, cleaned.removed), (0, 1));
    }

    #[test]
    fn a_side_file_comes_before_its_owner_and_goes_with_it() {
        let side = |time: &str| format!("{time}.data{SIDE_FILE_SUFFIX}");
        let old = vec![format!("{OLD}.data"), side(OLD), format!("{NEW}.data"), side(NEW)];
        let names = Names::new(vec![], old, Layout::Whole);
        assert_eq!(names.required, [side(NEW), format!("{NEW}.data")]);
    }
}
