//! What replication needs of a database: sync points, merged timestamps, row ids, a new identity.

use super::broker::{Broker, Kind};
use super::{DbError, MAX_SYNC_ROWS};
use rusqlite::{Connection, OptionalExtension, params};
use swiftlet_types::Timestamp;

/// Which way rows went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the remote database to this one.
    Incoming,
    /// From this database to the remote one.
    Outgoing,
}

impl Direction {
    fn table(self) -> &'static str {
        match self {
            Self::Incoming => "incoming_sync",
            Self::Outgoing => "outgoing_sync",
        }
    }
}

/// Up to which row a remote database and this one are in step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncPoint {
    /// The remote database's id.
    pub remote_id: String,
    /// The row id up to which (inclusive) rows went over.
    pub sync_point: i64,
}

impl<K: Kind> Broker<K> {
    /// Up to which row the remote database is in step; -1 where nothing is known of it.
    pub fn sync_point(&self, remote_id: &str, direction: Direction) -> Result<i64, DbError> {
        let sql = format!("SELECT sync_point FROM {} WHERE remote_id = ?1", direction.table());
        self.read("read sync point", |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            Ok(statement.query_row([remote_id], |row| row.get(0)).optional()?.unwrap_or(-1))
        })
    }

    /// Every sync point of a direction.
    pub fn sync_points(&self, direction: Direction) -> Result<Vec<SyncPoint>, DbError> {
        let sql = format!("SELECT remote_id, sync_point FROM {}", direction.table());
        self.read("read sync points", |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let points = statement
                .query_map([], |row| Ok(SyncPoint { remote_id: row.get(0)?, sync_point: row.get(1)? }))?
                .collect::<Result<_, _>>()?;
            Ok(points)
        })
    }

    /// Raises sync points; a lower one changes nothing.
    pub fn merge_sync_points(&self, points: &[SyncPoint], direction: Direction) -> Result<(), DbError> {
        self.write("merge sync points", |transaction| {
            for point in points {
                raise_sync_point(transaction, point, direction)?;
            }
            Ok(())
        })
    }

    /// Merges rows that came from the database `remote_id`, and notes that it is in step up to `sync_point`.
    pub fn merge_rows_from(
        &self,
        records: Vec<K::Record>,
        remote_id: &str,
        sync_point: i64,
    ) -> Result<(), DbError> {
        let point = SyncPoint { remote_id: remote_id.to_owned(), sync_point };
        self.write("merge replicated rows", |transaction| {
            K::merge(transaction, records)?;
            Ok(raise_sync_point(transaction, &point, Direction::Incoming)?)
        })
    }

    /// The highest row id ever given out in `table`; -1 where there was none.
    pub fn max_row(&self, table: &str) -> Result<i64, DbError> {
        self.read("read the last row id", |connection| {
            let sql = "SELECT seq FROM sqlite_sequence WHERE name = ?1 LIMIT 1";
            Ok(connection.prepare_cached(sql)?.query_row([table], |row| row.get(0)).optional()?.unwrap_or(-1))
        })
    }

    /// Takes over the earliest creation and the latest put and delete times of a replica.
    pub fn merge_timestamps(
        &self,
        created_at: Timestamp,
        put_timestamp: Timestamp,
        delete_timestamp: Timestamp,
    ) -> Result<(), DbError> {
        let sql = format!(
            "UPDATE {} SET created_at = MIN(?1, created_at), put_timestamp = MAX(?2, put_timestamp), \
             delete_timestamp = MAX(?3, delete_timestamp)",
            K::STAT_TABLE
        );
        self.write("merge timestamps", |transaction| {
            let was_deleted = K::is_deleted(self, transaction)?;
            let times = [created_at.internal(), put_timestamp.internal(), delete_timestamp.internal()];
            transaction.prepare_cached(&sql)?.execute(times)?;
            if K::is_deleted(self, transaction)? != was_deleted {
                let sql = format!(
                    "UPDATE {} SET status_changed_at = ?1 WHERE status_changed_at < ?1",
                    K::STAT_TABLE
                );
                transaction.prepare_cached(&sql)?.execute([Timestamp::now().normal()])?;
            }
            Ok(())
        })
    }

    /// Gives the database an identity of its own after its file was copied from the database `remote_id`.
    pub fn take_new_id(&self, remote_id: &str) -> Result<(), DbError> {
        let id = self.new_id();
        self.write("take a new id", |transaction| {
            transaction.execute(&format!("UPDATE {} SET id = ?1", K::STAT_TABLE), [&id])?;
            let last = format!("SELECT coalesce(max(ROWID), -1) FROM {}", K::ROW_TABLE);
            let last: i64 = transaction.query_row(&last, [], |row| row.get(0))?;
            let sql = "INSERT OR REPLACE INTO incoming_sync (sync_point, remote_id) VALUES (?1, ?2)";
            transaction.execute(sql, params![last, remote_id])?;
            Ok(K::on_new_id(transaction)?)
        })
    }

    /// At most `count` rows after row `start`, in the order they were written, each with its row id.
    pub fn rows_since(&self, start: i64, count: usize) -> Result<Vec<(i64, K::Record)>, DbError> {
        self.commit_pending()?;
        let sql = format!(
            "SELECT {}, ROWID FROM {} WHERE ROWID > ?1 ORDER BY ROWID ASC LIMIT ?2",
            K::ROW_COLUMNS,
            K::ROW_TABLE
        );
        self.read("read rows", |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let limit = count.min(MAX_SYNC_ROWS) as i64;
            let rows = statement
                .query_map([start, limit], |row| Ok((row.get("ROWID")?, K::record_from_row(row)?)))?
                .collect::<Result<_, _>>()?;
            Ok(rows)
        })
    }
}

fn raise_sync_point(
    transaction: &Connection,
    point: &SyncPoint,
    direction: Direction,
) -> rusqlite::Result<()> {
    // Not an upsert: the update trigger must see the same statements as Swift's.
    let table = direction.table();
    let sql = format!("UPDATE {table} SET sync_point = max(?1, sync_point) WHERE remote_id = ?2");
    if transaction.prepare_cached(&sql)?.execute(params![point.sync_point, point.remote_id])? == 0 {
        let sql = format!("INSERT INTO {table} (sync_point, remote_id) VALUES (?1, ?2)");
        transaction.prepare_cached(&sql)?.execute(params![point.sync_point, point.remote_id])?;
    }
    Ok(())
}
