//! What replication needs of a database: sync points, merged timestamps, row ids, a new identity.
//!
//! Whole files that take a database's place: `arrival`.

use super::broker::{Broker, Kind};
use super::{DbError, MAX_SYNC_ROWS, column};
use rusqlite::{Connection, OptionalExtension, Row, params};
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
        self.read("read sync points", |connection| Ok(read_sync_points(connection, direction)?))
    }

    /// Every sync point of a direction, and when it was set (seconds since the epoch, as SQLite's triggers write them).
    pub fn sync_points_and_times(&self, direction: Direction) -> Result<Vec<(SyncPoint, String)>, DbError> {
        let sql = format!("SELECT remote_id, sync_point, updated_at FROM {}", direction.table());
        self.read("read sync points", |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let read = |row: &Row<'_>| {
                let point =
                    SyncPoint { remote_id: column::string(row, 0)?, sync_point: column::int(row, 1)? };
                Ok((point, column::string(row, 2)?))
            };
            let points = statement.query_map([], read)?.collect::<Result<_, _>>()?;
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
        self.read("read the last row id", |connection| Ok(last_row_ever(connection, table)?))
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

    /// At most `count` rows after row `start`, in the order they were written, each with its row id.
    pub fn rows_since(&self, start: i64, count: usize) -> Result<Vec<(i64, K::Record)>, DbError> {
        self.commit_pending()?;
        self.read("read rows", |connection| Ok(rows_after::<K>(connection, start, count)?))
    }
}

/// See [`Broker::rows_since`]; of one file, without what is pending.
pub(super) fn rows_after<K: Kind>(
    connection: &Connection,
    start: i64,
    count: usize,
) -> rusqlite::Result<Vec<(i64, K::Record)>> {
    let sql = format!(
        "SELECT {}, ROWID FROM {} WHERE ROWID > ?1 ORDER BY ROWID ASC LIMIT ?2",
        K::ROW_COLUMNS,
        K::ROW_TABLE
    );
    let limit = count.min(MAX_SYNC_ROWS) as i64;
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map([start, limit], |row| Ok((row.get("ROWID")?, K::record_from_row(row)?)))?.collect()
}

/// The highest row id ever given out in `table`; -1 where there was none.
pub(super) fn last_row_ever(connection: &Connection, table: &str) -> rusqlite::Result<i64> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = ?1 LIMIT 1";
    Ok(connection.prepare_cached(sql)?.query_row([table], |row| row.get(0)).optional()?.unwrap_or(-1))
}

/// The highest row id that is there; -1 where there is none.
pub(super) fn last_row<K: Kind>(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = format!("SELECT coalesce(max(ROWID), -1) FROM {}", K::ROW_TABLE);
    connection.query_row(&sql, [], |row| row.get(0))
}

/// Gives a copy of the database `remote_id`, which it has all rows of up to `in_step`, an identity of its own.
pub(super) fn set_id<K: Kind>(
    transaction: &Connection,
    id: &str,
    remote_id: &str,
    in_step: i64,
) -> rusqlite::Result<()> {
    transaction.execute(&format!("UPDATE {} SET id = ?1", K::STAT_TABLE), [id])?;
    let sql = "INSERT OR REPLACE INTO incoming_sync (sync_point, remote_id) VALUES (?1, ?2)";
    transaction.execute(sql, params![in_step, remote_id])?;
    K::on_new_id(transaction)
}

pub(super) fn read_sync_points(
    connection: &Connection,
    direction: Direction,
) -> rusqlite::Result<Vec<SyncPoint>> {
    let sql = format!("SELECT remote_id, sync_point FROM {}", direction.table());
    let mut statement = connection.prepare_cached(&sql)?;
    statement
        .query_map([], |row| Ok(SyncPoint { remote_id: row.get(0)?, sync_point: row.get(1)? }))?
        .collect()
}

pub(super) fn raise_sync_point(
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
