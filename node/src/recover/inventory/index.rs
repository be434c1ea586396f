//! The SQLite file that an inventory is kept in.

use super::object::FileCopy;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use std::path::{Path, PathBuf};
use swiftlet_types::PathHash;
use thiserror::Error;

/// Bytes of SQLite's page cache, in KiB: with the transaction at hand, all the memory that an inventory takes.
const CACHE_KIB: i64 = 32 << 10;

const SCHEMA: &str = "
CREATE TABLE about (what TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE device (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);
CREATE TABLE scanned (device INTEGER, policy INTEGER, partition INTEGER, PRIMARY KEY (device, policy, partition))
    WITHOUT ROWID;
CREATE TABLE object (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, name TEXT, state INTEGER NOT NULL DEFAULT 0);
CREATE TABLE file (object INTEGER, policy INTEGER, name TEXT, device INTEGER, partition INTEGER,
    PRIMARY KEY (object, policy, name, device, partition)) WITHOUT ROWID;
";

/// Why an inventory cannot be used.
#[derive(Debug, Error)]
pub enum IndexError {
    /// SQLite refused something.
    #[error("{path}: cannot {doing}: {source}", path = path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// SQLite's word.
        source: rusqlite::Error,
    },
    /// It was begun for something else.
    #[error(
        "{path}: it is the state of another recovery ({found}); remove it, or ask for the same again",
        path = path.display()
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// What it was begun for.
        found: String,
    },
}

/// How far an object has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub enum State {
    /// Found, and nothing done yet.
    Found = 0,
    /// Not asked for.
    Unwanted = 1,
    /// Recovered.
    Recovered = 2,
    /// Its newest file is a tombstone, or there is nothing but metadata of it.
    Deleted = 3,
    /// Its time is over.
    Expired = 4,
    /// No sound copy of its newest version is left.
    Damaged = 5,
    /// It was at the target already.
    Present = 6,
    /// Put off until everything else is recovered: a manifest, whose segments must be there first.
    Later = 7,
}

/// An object of the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexed {
    /// Its number.
    pub id: i64,
    /// The hash of its path.
    pub hash: PathHash,
    /// `/account/container/object`, where any of its files told it.
    pub name: Option<String>,
}

/// How many objects are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[allow(missing_docs)] // by the names of State
pub struct Counts {
    pub found: u64,
    pub recovered: u64,
    pub deleted: u64,
    pub expired: u64,
    pub damaged: u64,
    pub present: u64,
}

/// An inventory.
pub struct Index {
    path: PathBuf,
    connection: Connection,
}

impl Index {
    /// Opens the inventory in the file at `path`, or begins one; `purpose` must be that for which it was begun.
    pub fn open(path: &Path, purpose: &str) -> Result<Self, IndexError> {
        let connection = Connection::open(path);
        let fail = |doing| move |source| IndexError::Sqlite { path: path.to_owned(), doing, source };
        let connection = connection.map_err(fail("open"))?;
        let set_up = || {
            connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
            // a commit a partition need not reach the disk at once: what a power cut takes is done again
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            let is_new = connection
                .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0))?
                == 0;
            if is_new {
                let transaction = connection.unchecked_transaction()?;
                transaction.execute_batch(SCHEMA)?;
                transaction.execute("INSERT INTO about VALUES ('purpose', ?1)", [purpose])?;
                transaction.commit()?;
            }
            connection.query_row("SELECT value FROM about WHERE what = 'purpose'", [], |row| {
                row.get::<_, String>(0)
            })
        };
        let found: String = set_up().map_err(fail("use as the state of a recovery"))?;
        if found != purpose {
            return Err(IndexError::Other { path: path.to_owned(), found });
        }
        Ok(Self { path: path.to_owned(), connection })
    }

    fn run<T>(
        &self,
        doing: &'static str,
        job: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, IndexError> {
        let fail = |source| IndexError::Sqlite { path: self.path.clone(), doing, source };
        job(&self.connection).map_err(fail)
    }

    /// Runs `job`, all of whose changes happen or none.
    pub(super) fn change<T>(
        &self,
        doing: &'static str,
        job: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, IndexError> {
        self.run(doing, |connection| {
            let transaction = connection.unchecked_transaction()?;
            let done = job(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })
    }

    /// The number of the device at `path`.
    pub fn device(&self, path: &Path) -> Result<i64, IndexError> {
        let path = path.to_string_lossy();
        self.change("note a device", |transaction| {
            transaction.execute("INSERT OR IGNORE INTO device (path) VALUES (?1)", [&path])?;
            transaction.query_row("SELECT id FROM device WHERE path = ?1", [&path], |row| row.get(0))
        })
    }

    /// Whether a partition was scanned.
    pub fn is_scanned(&self, device: i64, policy: u32, partition: u32) -> Result<bool, IndexError> {
        let sql = "SELECT 1 FROM scanned WHERE device = ?1 AND policy = ?2 AND partition = ?3";
        self.run("look for a partition", |connection| {
            let mut statement = connection.prepare_cached(sql)?;
            Ok(statement.query_row(params![device, policy, partition], |_| Ok(())).optional()?.is_some())
        })
    }

    /// At most `count` objects in this state after the one called `after`, in order of name; those without one first.
    pub fn objects(
        &self,
        state: State,
        after: &(String, i64),
        count: usize,
    ) -> Result<Vec<Indexed>, IndexError> {
        let sql = "SELECT id, hash, name FROM object WHERE state = ?1 AND (coalesce(name, ''), id) > (?2, ?3) \
                   ORDER BY coalesce(name, ''), id LIMIT ?4";
        self.run("list objects", |connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows =
                statement.query_map(params![state as i64, after.0, after.1, count as i64], read_object)?;
            rows.collect()
        })
    }

    /// Makes listing objects by name quick; once all are there.
    pub fn sort(&self) -> Result<(), IndexError> {
        let sql = "CREATE INDEX IF NOT EXISTS object_name ON object (state, coalesce(name, ''), id)";
        self.run("sort", |connection| connection.execute_batch(sql))?;
        let sql = "CREATE INDEX IF NOT EXISTS name_alone ON object (name)";
        self.run("sort", |connection| connection.execute_batch(sql))
    }

    /// The files of an object, on all devices.
    pub fn files(&self, object: i64) -> Result<Vec<FileCopy>, IndexError> {
        let sql = "SELECT f.policy, f.name, d.path, f.partition FROM file f JOIN device d ON d.id = f.device \
                   WHERE f.object = ?1 ORDER BY f.policy, f.name, f.device, f.partition";
        self.run("list files", |connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([object], |row| {
                let device: String = row.get(2)?;
                Ok(FileCopy {
                    policy: row.get(0)?,
                    name: row.get(1)?,
                    device: device.into(),
                    partition: row.get(3)?,
                })
            })?;
            rows.collect()
        })
    }

    /// Partitions and hashes of a few objects.
    pub fn places(&self) -> Result<Vec<(u32, PathHash)>, IndexError> {
        let sql = "SELECT f.partition, o.hash FROM file f JOIN object o ON o.id = f.object LIMIT 1000";
        self.run("list places", |connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, PathHash(row.get(1)?))))?;
            rows.collect()
        })
    }

    /// Whether an object is called something that begins with `prefix`.
    pub fn has_name_with_prefix(&self, prefix: &str) -> Result<bool, IndexError> {
        let sql = "SELECT name FROM object WHERE name >= ?1 ORDER BY name LIMIT 1";
        self.run("look for a name", |connection| {
            let first = connection
                .prepare_cached(sql)?
                .query_row([prefix], |row| row.get::<_, String>(0))
                .optional()?;
            Ok(first.is_some_and(|name| name.starts_with(prefix)))
        })
    }

    /// Notes how far objects have come.
    pub fn set_states(&self, states: &[(i64, State)]) -> Result<(), IndexError> {
        self.change("note what was done", |transaction| {
            let mut update = transaction.prepare_cached("UPDATE object SET state = ?2 WHERE id = ?1")?;
            states.iter().try_for_each(|(id, state)| update.execute(params![id, *state as i64]).map(drop))
        })
    }

    /// How many objects are in which state.
    pub fn counts(&self) -> Result<Counts, IndexError> {
        let count = |state: State| {
            let sql = "SELECT count(*) FROM object WHERE state = ?1";
            self.run("count", |connection| {
                connection
                    .query_row(sql, [state as i64], |row| row.get::<_, i64>(0))
                    .map(|count| count as u64)
            })
        };
        Ok(Counts {
            found: count(State::Found)? + count(State::Later)?,
            recovered: count(State::Recovered)?,
            deleted: count(State::Deleted)?,
            expired: count(State::Expired)?,
            damaged: count(State::Damaged)?,
            present: count(State::Present)?,
        })
    }
}

fn read_object(row: &Row<'_>) -> rusqlite::Result<Indexed> {
    Ok(Indexed { id: row.get(0)?, hash: PathHash(row.get(1)?), name: row.get(2)? })
}
