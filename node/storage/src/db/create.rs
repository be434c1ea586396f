//! Creating and deleting databases.

use super::broker::{Broker, Kind, NewDatabase};
use super::connection::open_for_creation;
use super::{DbError, files};
use crate::fs;
use rusqlite::{Connection, params};
use std::fs::File;
use std::path::Path;
use swiftlet_types::Timestamp;

const SYNC_TABLES: &str = include_str!("sync_tables.sql");

impl<K: Kind> Broker<K> {
    /// Creates the database, durably. Whoever else creates it at the same time makes this an
    /// [`AlreadyExists`](DbError::AlreadyExists).
    pub fn initialize(&self, put_timestamp: Timestamp, storage_policy_index: i64) -> Result<(), DbError> {
        let dir = self.dir.path();
        fs::make_dirs(dir).map_err(|error| DbError::io(dir, "create", error))?;
        let (file, temp) =
            fs::create_temporary(dir).map_err(|error| DbError::io(dir, "create a file", error))?;
        // SQLite opens it by its name; see `connection` on descriptors of database files.
        drop(file);
        let placed = self
            .fill_new_file(&temp, put_timestamp, storage_policy_index)
            .and_then(|()| self.move_into_place(&temp, &self.file()?))
            .and_then(|()| {
                fs::sync_path(dir, &self.dir.device()).map_err(|error| DbError::io(dir, "sync", error))
            });
        if placed.is_err() {
            fs::remove_quietly(&temp);
        }
        self.forget_files();
        placed.map(drop)
    }

    fn fill_new_file(&self, path: &Path, put_timestamp: Timestamp, policy: i64) -> Result<(), DbError> {
        let fill = |connection: Connection| {
            let new = NewDatabase {
                put_timestamp: &put_timestamp.internal(),
                created_at: &Timestamp::now().normal(),
                id: &self.new_id(),
                storage_policy_index: policy,
            };
            connection.execute_batch("BEGIN")?;
            connection.execute_batch(SYNC_TABLES)?;
            self.kind.create(&connection, &new)?;
            connection.execute_batch("COMMIT")
        };
        let filled = open_for_creation(path).and_then(fill);
        filled.map_err(|source| DbError::Sqlite {
            path: path.to_owned(),
            operation: "create tables",
            source,
        })?;
        let synced = File::open(path).and_then(|file| file.sync_all());
        synced.map_err(|error| DbError::io(path, "sync", error))
    }

    /// A new id for this database: a UUID and the device's name.
    pub(super) fn new_id(&self) -> String {
        format!("{}-{}", files::random_uuid(), self.dir.device_name())
    }

    /// Marks the database deleted as of `timestamp` (internal form) and blanks its metadata. The file stays until
    /// it is reclaimed.
    pub fn delete_db(&self, timestamp: Timestamp) -> Result<(), DbError> {
        let timestamp = timestamp.internal();
        self.write("mark deleted", |transaction| {
            let mut metadata = self.load_metadata(transaction)?;
            if metadata.blank_all(K::LASTING_METADATA, &timestamp) {
                self.store_metadata(transaction, &metadata)?;
            }
            let sql = format!(
                "UPDATE {} SET delete_timestamp = ?1, status = 'DELETED', status_changed_at = ?1 \
                 WHERE delete_timestamp < ?1",
                K::STAT_TABLE
            );
            transaction.prepare_cached(&sql)?.execute(params![timestamp])?;
            Ok(())
        })
    }

    /// Whether the thing counts as deleted; what does not exist does.
    pub fn is_deleted(&self) -> Result<bool, DbError> {
        if !self.exists()? {
            return Ok(true);
        }
        self.commit_pending()?;
        self.read("read state", |connection| K::is_deleted(self, connection))
    }

    /// Raises the put timestamp; an older one changes nothing.
    pub fn update_put_timestamp(&self, timestamp: Timestamp) -> Result<(), DbError> {
        self.raise("put_timestamp", timestamp)
    }

    /// Raises the time of the last change of status; an older one changes nothing.
    pub fn update_status_changed_at(&self, timestamp: Timestamp) -> Result<(), DbError> {
        self.raise("status_changed_at", timestamp)
    }

    fn raise(&self, column: &'static str, timestamp: Timestamp) -> Result<(), DbError> {
        let sql = format!("UPDATE {} SET {column} = ?1 WHERE {column} < ?1", K::STAT_TABLE);
        self.write("update timestamps", |transaction| {
            transaction.prepare_cached(&sql)?.execute([timestamp.internal()])?;
            Ok(())
        })
    }
}
