//! Rows of objects in another storage policy than their container's: the reconciler is to move these.

use super::super::DbError;
use super::super::broker::{Broker, Kind};
use super::{Container, ObjectRecord};
use rusqlite::params;

impl Broker<Container> {
    /// At most `count` rows after row `start` whose object is in another storage policy than the container's, in the
    /// order they were written, each with its row id.
    pub fn misplaced_since(&self, start: i64, count: usize) -> Result<Vec<(i64, ObjectRecord)>, DbError> {
        self.commit_pending()?;
        let sql = format!(
            "SELECT {}, ROWID FROM object WHERE ROWID > ?1 AND storage_policy_index != \
             (SELECT storage_policy_index FROM container_info LIMIT 1) ORDER BY ROWID ASC LIMIT ?2",
            Container::ROW_COLUMNS
        );
        self.read("read misplaced rows", |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![start, count as i64], |row| {
                Ok((row.get("ROWID")?, Container::record_from_row(row)?))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Up to which row the reconciler's queue was told of misplaced objects; -1 at first.
    pub fn reconciler_sync_point(&self) -> Result<i64, DbError> {
        self.read("read the reconciler's sync point", |connection| {
            let sql = "SELECT reconciler_sync_point FROM container_info";
            Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
        })
    }

    /// Notes up to which row the reconciler's queue was told of misplaced objects.
    pub fn set_reconciler_sync_point(&self, point: i64) -> Result<(), DbError> {
        self.write("set the reconciler's sync point", |transaction| {
            let sql = "UPDATE container_info SET reconciler_sync_point = ?1";
            transaction.prepare_cached(sql)?.execute([point])?;
            Ok(())
        })
    }

    /// Whether there is, or was, an object in another storage policy than the container's.
    pub fn has_multiple_policies(&self) -> Result<bool, DbError> {
        self.read("count storage policies", |connection| {
            let sql = "SELECT count(*) > 1 FROM policy_stat";
            Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{BrokerOptions, Connections, ContainerBroker, DbDir};
    use std::num::NonZeroUsize;
    use swiftlet_types::{PathHash, Timestamp};

    #[test]
    fn rows_of_other_policies_are_found_by_their_numbers() {
        let device = tempfile::tempdir().unwrap();
        let dir = DbDir::new(device.path(), ContainerBroker::DATA_DIR, "7", &PathHash([7; 16]));
        let connections = Connections::new(NonZeroUsize::new(4).unwrap());
        let broker = ContainerBroker::new("a", "c", dir, connections, BrokerOptions::default());
        broker.initialize(Timestamp::now(), 0).unwrap();
        assert!(!broker.has_multiple_policies().unwrap());
        for (name, policy) in [("a", 0), ("b", 1), ("c", 0), ("d", 1)] {
            broker.put_object(ObjectRecord::tombstone(name, Timestamp::now(), policy)).unwrap();
        }
        let found = |start, count| {
            let rows = broker.misplaced_since(start, count).unwrap();
            rows.into_iter().map(|(id, row)| (id, row.name)).collect::<Vec<_>>()
        };
        assert_eq!(found(-1, 9), [(2, "b".to_owned()), (4, "d".to_owned())]);
        assert_eq!(found(-1, 1), [(2, "b".to_owned())]);
        assert_eq!(found(2, 9), [(4, "d".to_owned())]);
        assert!(broker.has_multiple_policies().unwrap());
        assert_eq!(broker.reconciler_sync_point().unwrap(), -1);
        broker.set_reconciler_sync_point(4).unwrap();
        assert_eq!(broker.reconciler_sync_point().unwrap(), 4);
    }
}
