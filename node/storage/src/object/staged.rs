//! The second half of a durable write: a fragment is committed, and what is obsolete goes.

use super::changes::Change;
use super::cleanup::cleanup_as;
use super::filename::{FileName, Fragment};
use super::fileset::{FileSet, FragmentChoice};
use super::hashes;
use super::layout::Layout;
use super::location::Location;
use super::store::ObjectStore;
use super::writer::{WriteError, write_error};
use super::xattrs::SIDE_FILE_SUFFIX;
use crate::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use swiftlet_types::timestamp::Timestamp;

/// A file that has its name and is on disk. A whole object's counts already; a fragment counts when it is committed,
/// and until then the object is what it was.
#[derive(Debug)]
pub struct Staged {
    pub(super) store: Arc<ObjectStore>,
    pub(super) location: Location,
    /// Where it will be found after an increase of the partition power.
    pub(super) moved: Option<Location>,
    pub(super) name: FileName,
    pub(super) change: Change,
}

impl ObjectStore {
    /// The fragment `index` of `timestamp`, which lies at `at` and was not committed.
    pub fn found_uncommitted(
        self: &Arc<Self>,
        at: &Location,
        timestamp: Timestamp,
        index: u32,
    ) -> Result<Staged, WriteError> {
        let mut change = self.changes().begin(at)?;
        change.made();
        let name = FileName::fragment(timestamp, Fragment { index, durable: false });
        Ok(Staged { store: self.clone(), location: at.clone(), moved: None, name, change })
    }
}

impl Staged {
    /// Whether it counts only once it is committed.
    pub fn awaits_commit(&self) -> bool {
        self.name.fragment.is_some()
    }

    /// Leaves it uncommitted.
    pub fn leave(self) -> Change {
        self.change
    }

    /// Commits it, and removes what it makes obsolete. The change is to be settled when the object's container was told
    /// of it.
    pub fn commit(self) -> Result<Change, WriteError> {
        let layout = self.store.config().layouts.of_policy(self.location.policy);
        if let Some(fragment) = self.name.fragment {
            let durable = FileName::fragment(self.name.timestamp, Fragment { durable: true, ..fragment });
            self.rename(&durable, layout).map_err(|error| write_error(&self.location, error))?;
            // a rehash between the two halves has seen it uncommitted
            hashes::invalidate(&self.location.suffix_dir())?;
        }
        for at in std::iter::once(&self.location).chain(&self.moved) {
            // The new state stands; what could not be removed now is met again by the next pass.
            if let Err(error) = cleanup_as(&at.dir, layout, self.store.config().reclaim_age) {
                tracing::error!(dir = %at.dir.display(), %error, "Problem cleaning up");
            }
        }
        Ok(self.change)
    }

    fn rename(&self, durable: &FileName, layout: Layout) -> io::Result<()> {
        let to_durable = |dir: &Path| rename_with_side_file(dir, &self.name.text, &durable.text);
        match to_durable(&self.location.dir) {
            // Something newer was committed meanwhile, and took this one away with all that is older.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.is_overtaken(layout)? => {
                return Ok(());
            }
            renamed => renamed?,
        }
        fs::sync_path(&self.location.dir, &self.location.device)?;
        // In the partner's partition the file may be the very same one, where it lies there already.
        match self.moved.as_ref().filter(|moved| moved.dir != self.location.dir) {
            Some(moved) if moved.dir.join(&self.name.text).exists() => to_durable(&moved.dir),
            _ => Ok(()),
        }
    }

    fn is_overtaken(&self, layout: Layout) -> io::Result<bool> {
        let set = FileSet::choose_as(fs::list(&self.location.dir)?, layout, FragmentChoice::default());
        let is_newer = |time| time > self.name.timestamp;
        Ok(set.tombstone.is_some_and(|file| is_newer(file.timestamp))
            || set.fragments.durable.is_some_and(|time| time >= self.name.timestamp))
    }
}

/// Metadata that lies beside the file is there under the new name before the file is, and under the old one until then.
fn rename_with_side_file(dir: &Path, from: &str, to: &str) -> io::Result<()> {
    let side_file = |name: &str| dir.join(format!("{name}{SIDE_FILE_SUFFIX}"));
    let has_side_file = match std::fs::hard_link(side_file(from), side_file(to)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => true,
    };
    std::fs::rename(dir.join(from), dir.join(to))?;
    if has_side_file {
        fs::remove_quietly(&side_file(from));
    }
    Ok(())
}
