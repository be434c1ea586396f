//! What an unclean end leaves behind: the mark of a run that wrote to a device and never finished.
//!
//! `<device>/.swiftlet/runs/<random>` is an empty file, locked (`flock`) by the process whose run it stands for. Its
//! time of modification says until when all that this run changed is settled: noted in `hashes.invalid` on disk,
//! and told to the containers or saved to be told. Whoever can lock such a file has found a run that ended
//! uncleanly, and settles what changed since. Python Swift takes no notice of any of this.

use crate::fs;
use crate::lock::{LockError, LockOptions, lock_dir};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use thiserror::Error;

/// The folder of marks, below a device.
const RUNS: &str = ".swiftlet/runs";

/// Why a device could not be marked, or its marks not be read.
#[derive(Debug, Error)]
pub enum RunMarkError {
    /// The folder of marks is locked by others all the time.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Reading or writing.
    #[error("{path}: cannot {operation} a run's mark: {source}")]
    Io {
        /// The mark, or the folder of marks.
        path: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

fn failed<'a>(path: &'a Path, operation: &'static str) -> impl FnOnce(io::Error) -> RunMarkError + 'a {
    move |source| RunMarkError::Io { path: path.to_owned(), operation, source }
}

/// A run's mark, held: of this process's own run, or of one that has ended and whose debts this process settles.
/// Dropping it leaves it to the next.
#[derive(Debug)]
pub struct RunMark {
    path: PathBuf,
    file: File,
}

impl RunMark {
    /// Marks `device` for a run that begins now and answers for everything since `settled`. Durable when this
    /// returns.
    pub fn begin(device: &Path, settled: SystemTime) -> Result<Self, RunMarkError> {
        let path = device.join(RUNS).join(format!("{:016x}", rand::random::<u64>()));
        Self::begin_at(path, device, settled)
    }

    /// Marks `device` anew where the mark is no longer there, as when the device was emptied or replaced under a
    /// running server; `None` where it is.
    pub fn renew(&self, device: &Path) -> Result<Option<Self>, RunMarkError> {
        match self.path.try_exists().map_err(failed(&self.path, "look for"))? {
            true => Ok(None),
            false => Self::begin_at(self.path.clone(), device, self.settled_until()?).map(Some),
        }
    }

    fn begin_at(path: PathBuf, device: &Path, settled: SystemTime) -> Result<Self, RunMarkError> {
        let dir = device.join(RUNS);
        // Nobody may find the file before it is locked.
        let _lock = lock_dir(&dir, LockOptions::default())?;
        let create = || {
            let file = File::options().write(true).create_new(true).open(&path)?;
            flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            Ok(file)
        };
        let mark = Self { file: create().map_err(failed(&path, "make"))?, path };
        mark.stamp(settled)?;
        fs::sync_path(&dir, device).map_err(failed(&dir, "sync"))?;
        Ok(mark)
    }

    /// The marks on `device` whose runs have ended: they are this process's now.
    pub fn abandoned(device: &Path) -> Result<Vec<Self>, RunMarkError> {
        let dir = device.join(RUNS);
        if !dir.is_dir() {
            return Ok(Vec::new());
        }
        let _lock = lock_dir(&dir, LockOptions::default())?;
        let mut found = Vec::new();
        for name in fs::list(&dir).map_err(failed(&dir, "list"))? {
            if name.starts_with('.') {
                continue;
            }
            let path = dir.join(name);
            match File::options().write(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(&path, "open")(error)),
                Ok(file) => match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                    Ok(()) => found.push(Self { path, file }),
                    Err(Errno::WOULDBLOCK) => {}
                    Err(errno) => return Err(failed(&path, "lock")(errno.into())),
                },
            }
        }
        Ok(found)
    }

    /// Until when all changes of its run are settled.
    pub fn settled_until(&self) -> Result<SystemTime, RunMarkError> {
        self.file.metadata().and_then(|metadata| metadata.modified()).map_err(failed(&self.path, "read"))
    }

    /// Says, durably, that all changes of its run until `settled` are settled.
    pub fn stamp(&self, settled: SystemTime) -> Result<(), RunMarkError> {
        let stamped = self.file.set_modified(settled).and_then(|()| self.file.sync_all());
        stamped.map_err(failed(&self.path, "write"))
    }

    /// Ends `marks`: their runs owe nothing. What they may have left to the system's caches on `device` is written
    /// first.
    pub fn finish(marks: impl IntoIterator<Item = Self>, device: &Path) -> Result<(), RunMarkError> {
        sync_device(device)?;
        marks.into_iter().try_for_each(|mark| match std::fs::remove_file(&mark.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&mark.path, "remove")(error)),
            // Should the removal itself be lost, the next start looks for debts in vain.
            _ => Ok(()),
        })
    }
}

/// Writes all that the system holds back for the file system of `device`.
pub(crate) fn sync_device(device: &Path) -> Result<(), RunMarkError> {
    let synced = File::open(device).and_then(|root| Ok(rustix::fs::syncfs(&root)?));
    synced.map_err(failed(device, "sync the device for"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_mark_that_was_taken_away_is_made_again() {
        let device = tempfile::tempdir().unwrap();
        let settled = SystemTime::UNIX_EPOCH + Duration::from_secs(1_402_464_677);
        let mark = RunMark::begin(device.path(), settled).unwrap();
        assert!(mark.renew(device.path()).unwrap().is_none());
        std::fs::remove_dir_all(device.path().join(".swiftlet")).unwrap();
        let renewed = mark.renew(device.path()).unwrap().expect("it was gone");
        assert_eq!((&renewed.path, renewed.settled_until().unwrap()), (&mark.path, settled));
        drop(mark);
        assert!(RunMark::abandoned(device.path()).unwrap().is_empty(), "it is held");
    }

    #[test]
    fn a_running_run_is_nobody_elses_and_an_ended_one_is_found_until_it_is_settled() {
        let device = tempfile::tempdir().unwrap();
        assert!(RunMark::abandoned(device.path()).unwrap().is_empty());
        let running = RunMark::begin(device.path(), SystemTime::now()).unwrap();
        assert!(RunMark::abandoned(device.path()).unwrap().is_empty());
        let settled = SystemTime::now() - Duration::from_secs(100);
        running.stamp(settled).unwrap();
        drop(running);

        let mut found = RunMark::abandoned(device.path()).unwrap();
        assert_eq!(found.len(), 1);
        assert!(RunMark::abandoned(device.path()).unwrap().is_empty(), "someone settles it already");
        assert_eq!(found[0].settled_until().unwrap(), settled);
        found.clear();

        RunMark::finish(RunMark::abandoned(device.path()).unwrap(), device.path()).unwrap();
        assert!(RunMark::abandoned(device.path()).unwrap().is_empty());
    }
}
