//! The end of a database on a device: when it may go, and how it goes without taking news with it.

use super::broker::{Broker, Fault, Kind};
use super::sync::last_row_ever;
use super::{DbError, column};
use crate::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::SystemTime;
use swiftlet_types::Timestamp;

/// What came of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Removed,
    /// It stays: this is the highest row id by now, or more waits to be merged.
    Changed {
        /// The highest row id ever given out.
        last_row: i64,
    },
}

impl<K: Kind> Broker<K> {
    /// Removes the directory of the database, and the folders of its suffix and partition where they are empty then.
    /// With `seen`, only while that is the highest row id ever given out and nothing waits to be merged: whoever
    /// writes meanwhile waits, and finds no database then.
    pub fn remove(&self, seen: Option<i64>) -> Result<Removal, DbError> {
        let files = self.files()?;
        let pending = self.lock_pending()?;
        let dir = self.dir.path();
        let outcome = self.write("remove", |connection| {
            if let Some(seen) = seen {
                let last_row = last_row_ever(connection, K::ROW_TABLE)?;
                if last_row != seen || self.has_pending()? {
                    return Ok(Removal::Changed { last_row });
                }
            }
            std::fs::remove_dir_all(dir).map_err(|error| DbError::io(dir, "remove", error))?;
            Ok::<_, Fault>(Removal::Removed)
        });
        drop(pending);
        if matches!(outcome, Ok(Removal::Removed)) {
            files.iter().for_each(|file| self.connections.forget(file));
            self.forget_files();
            // suffix and partition
            dir.ancestors().skip(1).take(2).try_for_each(remove_if_empty)?;
        }
        outcome
    }

    /// Removes unfinished files of before `time` from the directory of the database: who wrote them is no more.
    pub fn remove_unfinished(&self, time: SystemTime) -> Result<(), DbError> {
        let dir = self.dir.path();
        let removed = fs::remove_older(dir, time, |name| name.ends_with(".tmp"));
        removed.map_err(|error| DbError::io(dir, "list", error))
    }

    /// Runs `job` while nobody can write to the database.
    pub fn while_locked<T>(&self, job: impl FnOnce() -> T) -> Result<T, DbError> {
        let _pending = self.lock_pending()?;
        self.write("lock", |_| Ok(job()))
    }
}

/// Whether something was deleted before `age` and not put again since.
pub(super) fn is_old_enough(put_timestamp: &str, delete_timestamp: &str, age: Timestamp) -> bool {
    let (put, deleted) = (column::timestamp(put_timestamp), column::timestamp(delete_timestamp));
    age > deleted && deleted > put
}

fn remove_if_empty(dir: &Path) -> Result<(), DbError> {
    match std::fs::remove_dir(dir) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
            Err(DbError::io(dir, "remove", error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{AccountBroker, BrokerOptions, Connections, ContainerRecord, DbDir};
    use std::num::NonZeroUsize;
    use swiftlet_types::PathHash;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_ticks(seconds * 100_000).unwrap()
    }

    fn account(device: &Path, hash: u8) -> AccountBroker {
        let dir = DbDir::new(device, AccountBroker::DATA_DIR, "7", &PathHash([hash; 16]));
        let connections = Connections::new(NonZeroUsize::new(4).unwrap());
        let broker = AccountBroker::new("a", dir, connections, BrokerOptions::default());
        broker.initialize(at(1), 0).unwrap();
        broker
    }

    fn container(name: &str) -> ContainerRecord {
        ContainerRecord {
            name: name.into(),
            put_timestamp: at(1).internal(),
            delete_timestamp: "0".into(),
            object_count: 0,
            bytes_used: 0,
            deleted: false,
            storage_policy_index: 0,
        }
    }

    #[test]
    fn what_was_seen_goes_with_the_empty_folders_above() {
        let device = tempfile::tempdir().unwrap();
        let (one, other) = (account(device.path(), 7), account(device.path(), 8));
        one.put_container(container("c")).unwrap();
        one.info().unwrap();
        assert_eq!(one.remove(Some(1)).unwrap(), Removal::Removed);
        assert!(!one.dir().path().parent().unwrap().exists());
        assert!(!one.exists().unwrap() && matches!(one.info(), Err(DbError::Missing { .. })));
        assert!(other.exists().unwrap(), "its neighbour in the partition stays");
        assert_eq!(other.remove(None).unwrap(), Removal::Removed);
        assert_eq!(std::fs::read_dir(device.path().join("accounts")).unwrap().count(), 0);
    }

    #[test]
    fn what_has_news_stays() {
        let device = tempfile::tempdir().unwrap();
        let broker = account(device.path(), 7);
        broker.put_container(container("waits")).unwrap();
        assert_eq!(broker.remove(Some(-1)).unwrap(), Removal::Changed { last_row: -1 });
        broker.info().unwrap();
        assert_eq!(broker.remove(Some(-1)).unwrap(), Removal::Changed { last_row: 1 });
        assert_eq!(broker.info().unwrap().container_count, 1);
    }

    #[test]
    fn deleted_accounts_are_reclaimed_when_they_are_empty_and_old() {
        let device = tempfile::tempdir().unwrap();
        let broker = account(device.path(), 7);
        assert!(!broker.is_reclaimable(at(9)).unwrap(), "never deleted");
        broker.delete_db(at(5)).unwrap();
        assert!(!broker.is_reclaimable(at(5)).unwrap() && broker.is_reclaimable(at(6)).unwrap());
        broker.put_container(container("c")).unwrap();
        assert!(!broker.is_reclaimable(at(9)).unwrap(), "it has a container");
    }
}
