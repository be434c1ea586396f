//! Directory locks: `flock` on a hidden file in the directory, as Swift takes them.
//!
//! A lock is part of the disk format: Python Swift and Swiftlet may serve the same device at the same time and
//! keep out of each other's way by these files alone. A lock belongs to one synchronous job: take it, do the
//! work, drop it.

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use thiserror::Error;

/// How long Swift waits for a lock unless told otherwise.
pub const DEFAULT_LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// The first pause between two attempts; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_micros(200);
/// Swift polls every 10 ms; waiting longer than that would starve us beside it.
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// Why a lock was not taken.
#[derive(Debug, Error)]
pub enum LockError {
    /// Someone else held it all the time.
    #[error("{path}: lock not granted within {timeout:?}")]
    Timeout {
        /// The lock file.
        path: PathBuf,
        /// How long was waited.
        timeout: Duration,
    },
    /// The lock file could not be opened or locked.
    #[error("{path}: cannot lock: {source}")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Which lock of a directory, and how patiently.
#[derive(Debug, Clone, Copy)]
pub struct LockOptions<'a> {
    /// Tells locks of one directory apart: `.lock-<name>`; `None` is plain `.lock`.
    pub name: Option<&'a str>,
    /// How many may hold it at once: slots `.lock`, `.lock-1`, …
    pub slots: usize,
    /// How long to wait.
    pub timeout: Duration,
}

impl Default for LockOptions<'_> {
    fn default() -> Self {
        Self { name: None, slots: 1, timeout: DEFAULT_LOCK_TIMEOUT }
    }
}

/// A held lock; dropping it releases it.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct DirLock {
    _slots: Vec<OwnedFd>,
}

/// Locks `dir`, which is made if it is missing (as Swift does).
pub fn lock_dir(dir: &Path, options: LockOptions<'_>) -> Result<DirLock, LockError> {
    let base = match options.name {
        None => ".lock".to_owned(),
        Some(name) => format!(".lock-{name}"),
    };
    let paths = (0..options.slots.max(1)).map(|slot| match slot {
        0 => dir.join(&base),
        n => dir.join(format!("{base}-{n}")),
    });
    let slots = paths.map(|path| open_lock_file(dir, path)).collect::<Result<Vec<_>, _>>()?;
    let path = dir.join(&base);
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        for slot in &slots {
            match flock(slot, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(DirLock { _slots: slots }),
                Err(Errno::WOULDBLOCK | Errno::INTR) => {}
                Err(errno) => return Err(LockError::Io { path, source: errno.into() }),
            }
        }
        if begun.elapsed() >= options.timeout {
            return Err(LockError::Timeout { path, timeout: options.timeout });
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn open_lock_file(dir: &Path, path: PathBuf) -> Result<OwnedFd, LockError> {
    let open_it =
        || open(&path, OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC, Mode::from_raw_mode(0o666));
    let opened = match open_it() {
        Err(Errno::NOENT) => match std::fs::create_dir_all(dir) {
            Ok(()) => open_it().map_err(Into::into),
            Err(source) => Err(source),
        },
        other => other.map_err(Into::into),
    };
    opened.map_err(|source| LockError::Io { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMPATIENT: Duration = Duration::from_millis(30);

    #[test]
    fn a_held_lock_keeps_others_out_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("objects/7");
        let options = LockOptions { timeout: IMPATIENT, ..Default::default() };
        let held = lock_dir(&part, options).unwrap();
        assert!(matches!(lock_dir(&part, options), Err(LockError::Timeout { .. })));
        drop(held);
        let _again = lock_dir(&part, options).unwrap();
        assert!(part.join(".lock").exists());
    }

    #[test]
    fn names_and_slots_are_separate_files() {
        let dir = tempfile::tempdir().unwrap();
        let named = LockOptions { name: Some("replication"), slots: 2, timeout: IMPATIENT };
        let _plain = lock_dir(dir.path(), LockOptions::default()).unwrap();
        let _first = lock_dir(dir.path(), named).unwrap();
        let _second = lock_dir(dir.path(), named).unwrap();
        assert!(matches!(lock_dir(dir.path(), named), Err(LockError::Timeout { .. })));
        assert!(dir.path().join(".lock-replication-1").exists());
    }
}
