//! Syncing a file system for several writers at once: who comes while a sync is under way waits for the next one, together
//! with all others that came.

use parking_lot::{Condvar, Mutex};
use rustix::fs::syncfs;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, LazyLock, Weak};

/// Those that are in use, by the number of their file system, which no other has while a folder of it is open. None is
/// kept longer than that: an open folder holds a device mounted.
static IN_USE: LazyLock<Mutex<HashMap<u64, Weak<Group>>>> = LazyLock::new(Mutex::default);

/// A file system that is to be synced, once or several times.
#[derive(Debug)]
pub(super) struct GroupSync {
    group: Arc<Group>,
    /// How many syncs had failed when this began.
    failures_before: u64,
}

#[derive(Debug)]
struct Group {
    /// A sync by it tells of every failure to write since it was opened, or since it told of one.
    root: File,
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    begun: u64,
    ended: u64,
    failures: u64,
    last_error: Option<i32>,
}

impl Group {
    fn new(root: File) -> Self {
        Self { root, state: Mutex::default(), ended: Condvar::new() }
    }
}

impl GroupSync {
    /// Of the file system of `device`. Begins before anything is written that it is to sync.
    pub fn begin(device: &Path) -> io::Result<Self> {
        // A disk that does not answer keeps nobody waiting but its own.
        let root = File::open(device)?;
        let number = root.metadata()?.dev();
        let group = {
            let mut in_use = IN_USE.lock();
            in_use.retain(|_, group| group.strong_count() > 0);
            in_use.get(&number).and_then(Weak::upgrade).unwrap_or_else(|| {
                let group = Arc::new(Group::new(root));
                in_use.insert(number, Arc::downgrade(&group));
                group
            })
        };
        Ok(Self::of(group))
    }

    fn of(group: Arc<Group>) -> Self {
        let failures_before = group.state.lock().failures;
        Self { group, failures_before }
    }

    /// Syncs all that was written until now. An error tells of anything that could not be written since this began,
    /// whoever wrote it.
    pub fn sync(&self) -> io::Result<()> {
        let group = &self.group;
        let mut state = group.state.lock();
        // the one under way may have passed by what was written last
        let enough = state.begun + 1;
        while state.ended < enough {
            if state.begun > state.ended {
                group.ended.wait(&mut state);
                continue;
            }
            state.begun += 1;
            let synced = parking_lot::MutexGuard::unlocked(&mut state, || syncfs(&group.root));
            state.ended = state.begun;
            if let Err(errno) = synced {
                state.failures += 1;
                state.last_error = Some(errno.raw_os_error());
            }
            group.ended.notify_all();
        }
        match state.last_error.filter(|_| state.failures != self.failures_before) {
            Some(error) => Err(io::Error::from_raw_os_error(error)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_wait_share_one_sync() {
        let dir = tempfile::tempdir().unwrap();
        let first = GroupSync::of(Arc::new(Group::new(File::open(dir.path()).unwrap())));
        // as if one was under way
        first.group.state.lock().begun = 1;
        std::thread::scope(|scope| {
            let waiting: Vec<_> = (0..8)
                .map(|_| GroupSync::of(first.group.clone()))
                .map(|sync| scope.spawn(move || sync.sync()))
                .collect();
            // Once all of them wait; a few that come late only make one more sync.
            std::thread::sleep(std::time::Duration::from_millis(200));
            assert!(
                waiting.iter().all(|thread| !thread.is_finished()),
                "nobody passes on what was begun before"
            );
            first.group.state.lock().ended = 1;
            first.group.ended.notify_all();
            waiting.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        });
        let state = first.group.state.lock();
        assert!(state.ended == state.begun && (2..=9).contains(&state.ended), "{state:?}");
    }

    #[test]
    fn a_failure_is_everybodys_who_had_begun() {
        let dir = tempfile::tempdir().unwrap();
        let before = GroupSync::of(Arc::new(Group::new(File::open(dir.path()).unwrap())));
        {
            let mut state = before.group.state.lock();
            (state.failures, state.last_error) = (1, Some(libc_eio()));
        }
        let after = GroupSync::of(before.group.clone());
        assert_eq!(before.sync().unwrap_err().raw_os_error(), Some(libc_eio()));
        after.sync().unwrap();
    }

    #[test]
    fn writers_of_one_file_system_are_a_group() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        let one = GroupSync::begin(dir.path()).unwrap();
        let other = GroupSync::begin(&dir.path().join("sub")).unwrap();
        assert!(Arc::ptr_eq(&one.group, &other.group));
        one.sync().unwrap();
        assert!(GroupSync::begin(&dir.path().join("none")).is_err());
    }

    fn libc_eio() -> i32 {
        rustix::io::Errno::IO.raw_os_error()
    }
}
