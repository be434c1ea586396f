//! What account and container databases have in common: finding the file, lending a connection, transactions,
//! quarantine.

use super::connection::{Lease, LendError};
use super::error::{Verdict, lacks_schema, verdict};
use super::{Connections, DB_TIMEOUT, DbDir, DbError};
use rusqlite::{Connection, Row, Transaction, TransactionBehavior};
use std::cell::RefCell;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use swiftlet_types::pickle::Value;

/// A row on its way into a database, as `.pending` files hold it.
pub trait Record: Clone + Sized {
    /// The tuple that Swift pickles.
    fn to_pickle(&self) -> Value;

    /// Reads the tuple, older and shorter ones too; `None` where it is no record of this kind.
    fn from_pickle(fields: &[Value]) -> Option<Self>;
}

/// What tells the two kinds of database apart; an implementor also holds the names of the one at hand.
pub trait Kind: Clone + Sized {
    /// What goes through `.pending` files into the database.
    type Record: Record;
    /// The kind's folder on a device.
    const DATA_DIR: &'static str;
    /// The table with one row of facts about the database itself.
    const STAT_TABLE: &'static str;
    /// The table with one row for each thing contained.
    const ROW_TABLE: &'static str;
    /// That table's columns, comma-separated, as [`record_from_row`](Self::record_from_row) wants them.
    const ROW_COLUMNS: &'static str;
    /// The columns of the table of facts, comma-separated.
    const STAT_COLUMNS: &'static str;
    /// Inserts a row of no name.
    const TRIED_ROW: &'static str;
    /// The column by whose age deleted rows are reclaimed.
    const RECLAIM_COLUMN: &'static str;
    /// What a row's name is hashed with, in SQL (see [`chexor`](super::chexor())).
    const HASHED_VALUE: &'static str;
    /// Totals that triggers keep: what they are, and two queries that must give the same, of the total and of the rows.
    const TOTALS: &'static [(&'static str, &'static str, &'static str)];
    /// Metadata that outlives a deletion, in lower case.
    const LASTING_METADATA: &'static [&'static str];
    /// SQL for the storage policy in the table of facts.
    const POLICY_COLUMN: &'static str;
    /// Whether there may be several files, one an epoch of sharding.
    const HAS_EPOCHS: bool;
    /// SQL that can be prepared only where every table and column of today is there.
    const PROBE: &'static str;

    /// The kind of a database whose names are not known, for what needs none.
    fn unnamed() -> Self;

    /// The kind with the names that the database holds.
    fn read_names(connection: &Connection) -> rusqlite::Result<Self>;

    /// Brings the tables of an older Swift to today's shape, inside a transaction.
    fn migrate(transaction: &Connection) -> rusqlite::Result<()>;

    /// Creates the tables of this kind in an empty file.
    fn create(&self, connection: &Connection, new: &NewDatabase<'_>) -> rusqlite::Result<()>;

    /// Merges records into the table, inside a transaction. Rows carry timestamps: merging is idempotent and
    /// its order does not matter.
    fn merge(transaction: &Connection, records: Vec<Self::Record>) -> rusqlite::Result<()>;

    /// The record in a row that begins with [`ROW_COLUMNS`](Self::ROW_COLUMNS).
    fn record_from_row(row: &Row<'_>) -> rusqlite::Result<Self::Record>;

    /// What else changes when a copied database gets an identity of its own.
    fn on_new_id(transaction: &Connection) -> rusqlite::Result<()>;

    /// Whether the thing counts as deleted.
    fn is_deleted(broker: &Broker<Self>, connection: &Connection) -> Result<bool, Fault>;

    /// Refuses where no file that a replica sent may take the place of this database's.
    fn check_replaceable(_broker: &Broker<Self>) -> Result<(), DbError> {
        Ok(())
    }

    /// Takes over from `existing` what is neither row nor metadata, before `arrival` takes its place.
    fn carry_over(&self, _existing: &Connection, _arrival: &Connection) -> rusqlite::Result<()> {
        Ok(())
    }

    /// Removes what else has become too old (after deleted rows, sync points and metadata).
    fn reclaim(&self, transaction: &Connection, sync_timestamp: &str) -> rusqlite::Result<()>;
}

/// What a new database starts with.
#[derive(Debug)]
pub struct NewDatabase<'a> {
    /// Internal form.
    pub put_timestamp: &'a str,
    /// Normal form, the moment of creation.
    pub created_at: &'a str,
    /// The database's own id.
    pub id: &'a str,
    /// The storage policy (containers).
    pub storage_policy_index: i64,
}

/// Why a step inside a connection failed.
#[derive(Debug)]
pub enum Fault {
    /// SQLite's error; it is judged, and may condemn the file.
    Sqlite(rusqlite::Error),
    /// An error that is final as it is.
    Db(DbError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<DbError> for Fault {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

/// How a broker treats `.pending` records.
#[derive(Debug, Clone, Copy)]
pub struct BrokerOptions {
    /// How long to wait for the lock of the `.pending` file.
    pub pending_timeout: Duration,
    /// Whether a read may do without pending records that cannot be merged now.
    pub stale_reads_ok: bool,
    /// Never merge: the database is being sharded away, and records belong into its successor.
    pub(crate) skip_commits: bool,
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self {
            pending_timeout: crate::lock::DEFAULT_LOCK_TIMEOUT,
            stale_reads_ok: false,
            skip_commits: false,
        }
    }
}

impl BrokerOptions {
    /// For answering a client's GET or HEAD: rather a little stale than late.
    pub fn for_reading() -> Self {
        Self { pending_timeout: Duration::from_millis(100), stale_reads_ok: true, skip_commits: false }
    }
}

/// One account's or container's database, for the length of one job.
pub struct Broker<K: Kind> {
    pub(crate) kind: K,
    pub(crate) dir: DbDir,
    pub(crate) options: BrokerOptions,
    pub(crate) connections: Arc<Connections>,
    /// This file, whatever others there are.
    forced_file: Option<PathBuf>,
    /// The files seen last; looked for again while there are none.
    files: RefCell<Vec<PathBuf>>,
}

impl<K: Kind> Broker<K> {
    pub(crate) fn with_kind(
        kind: K,
        dir: DbDir,
        connections: Arc<Connections>,
        options: BrokerOptions,
    ) -> Self {
        Self { kind, dir, options, connections, forced_file: None, files: RefCell::default() }
    }

    /// The database in `dir`, whether it exists or not, for what needs no names.
    pub fn unnamed(dir: DbDir, connections: Arc<Connections>) -> Self {
        Self::with_kind(K::unnamed(), dir, connections, BrokerOptions::default())
    }

    /// The database whose file (of any epoch) is at `path`, with the names that it holds.
    pub fn of_existing(path: &Path, connections: Arc<Connections>) -> Result<Self, DbError> {
        let missing = || DbError::Missing { path: path.to_owned() };
        let mut broker = Self::unnamed(DbDir::of_file(path).ok_or_else(missing)?, connections);
        broker.kind = broker.read("read names", |connection| Ok(K::read_names(connection)?))?;
        Ok(broker)
    }

    /// The same database through one of its files only.
    pub(crate) fn of_file(&self, file: PathBuf, skip_commits: bool) -> Self {
        Self {
            kind: self.kind.clone(),
            dir: self.dir.clone(),
            options: BrokerOptions { skip_commits, ..self.options },
            connections: Arc::clone(&self.connections),
            forced_file: Some(file),
            files: RefCell::default(),
        }
    }

    /// The directory of the database.
    pub fn dir(&self) -> &DbDir {
        &self.dir
    }

    /// The files of the database, by ascending epoch; none where it does not exist.
    pub fn files(&self) -> Result<Vec<PathBuf>, DbError> {
        if self.files.borrow().is_empty() {
            let found = match K::HAS_EPOCHS {
                true => self.dir.files()?,
                false => vec![self.dir.plain_file()].into_iter().filter(|file| file.exists()).collect(),
            };
            self.files.replace(found);
        }
        Ok(self.files.borrow().clone())
    }

    /// Looks for the files anew at the next use.
    pub fn forget_files(&self) {
        self.files.borrow_mut().clear();
    }

    /// The file that counts: the latest epoch's. It need not exist.
    pub fn file(&self) -> Result<PathBuf, DbError> {
        if let Some(file) = &self.forced_file {
            return Ok(file.clone());
        }
        Ok(self.files()?.pop().unwrap_or_else(|| self.dir.plain_file()))
    }

    /// Whether the database exists.
    pub fn exists(&self) -> Result<bool, DbError> {
        match &self.forced_file {
            Some(file) => Ok(file.exists()),
            None => Ok(!self.files()?.is_empty()),
        }
    }

    /// Runs `job` on a connection. `operation` completes "cannot …" in an error.
    pub(crate) fn read<T>(
        &self,
        operation: &'static str,
        job: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, DbError> {
        let path = self.file()?;
        let lease = self.lend(&path, operation)?;
        match job(&lease) {
            Ok(done) => Ok(done),
            Err(fault) => {
                lease.close();
                Err(self.judge(&path, operation, fault))
            }
        }
    }

    /// Runs `job` in a transaction that holds the write lock from its start, and commits it. Where another file took
    /// the database's place while the lock was waited for, that one is written to.
    pub(crate) fn write<T>(
        &self,
        operation: &'static str,
        job: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, DbError> {
        let path = self.file()?;
        let lease = self.lend_locked(&path, operation)?;
        let done = job(&lease).and_then(|done| {
            lease.execute_batch("COMMIT")?;
            Ok(done)
        });
        done.map_err(|fault| {
            lease.close();
            self.judge(&path, operation, fault)
        })
    }

    /// A connection within a transaction that holds the write lock of the file that is at `path` then.
    fn lend_locked(&self, path: &Path, operation: &'static str) -> Result<Lease, DbError> {
        loop {
            let lease = self.lend(path, operation)?;
            match lease.execute_batch("BEGIN IMMEDIATE") {
                Ok(()) if lease.is_current() => return Ok(lease),
                Ok(()) => lease.close(),
                Err(error) => {
                    lease.close();
                    return Err(self.judge(path, operation, error.into()));
                }
            }
        }
    }

    fn lend(&self, path: &Path, operation: &'static str) -> Result<Lease, DbError> {
        self.connections.lend(path, bring_up_to_date::<K>).map_err(|error| match error {
            LendError::File(error) if error.kind() == ErrorKind::NotFound => {
                DbError::Missing { path: path.to_owned() }
            }
            LendError::File(error) => DbError::io(path, operation, error),
            LendError::Sqlite(error) => self.judge(path, operation, error.into()),
        })
    }

    /// Turns a fault into the caller's error; a file that is no sound database is quarantined on the way.
    fn judge(&self, path: &Path, operation: &'static str, fault: Fault) -> DbError {
        let error = match fault {
            Fault::Db(error) => return error,
            Fault::Sqlite(error) => error,
        };
        if matches!(error, rusqlite::Error::QueryReturnedNoRows) {
            return self.quarantine(&format!("missing row in {} table", K::STAT_TABLE));
        }
        match verdict(&error) {
            Verdict::Locked => DbError::LockTimeout { path: path.to_owned(), timeout: DB_TIMEOUT },
            // The file may have been renamed away under an open connection: that is not corruption.
            Verdict::Corrupt(_) if !path.exists() => DbError::Missing { path: path.to_owned() },
            Verdict::Corrupt(reason) => self.quarantine(reason),
            Verdict::Other => DbError::Sqlite { path: path.to_owned(), operation, source: error },
        }
    }

    /// Moves the database's directory to the device's `quarantined` folder, and says so.
    pub fn quarantine(&self, reason: &str) -> DbError {
        for file in self.files.borrow().iter() {
            self.connections.forget(file);
        }
        match super::files::quarantine_dir(self.dir.path(), &self.dir.quarantine_path(K::DATA_DIR)) {
            Ok(to) => {
                tracing::error!(from = %self.dir.path().display(), to = %to.display(), reason, "quarantined database");
                self.forget_files();
                DbError::Quarantined { path: self.dir.path().to_owned(), to, reason: reason.to_owned() }
            }
            Err(error) => error,
        }
    }
}

/// Migrates the tables of a newly opened file where they are older than ours.
pub(super) fn bring_up_to_date<K: Kind>(connection: &Connection) -> rusqlite::Result<()> {
    match connection.prepare(K::PROBE) {
        Ok(_) => Ok(()),
        Err(error) if lacks_schema(&error) => {
            let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
            K::migrate(&transaction)?;
            transaction.commit()?;
            // What could not be brought up to date is no database of this kind: say what is missing.
            connection.prepare(K::PROBE).map(drop)
        }
        Err(error) => Err(error),
    }
}

/// Whether `table` has `column`.
pub(crate) fn has_column(connection: &Connection, table: &str, column: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM pragma_table_info(?1) WHERE name = ?2";
    connection.query_row(sql, [table, column], |row| row.get::<_, i64>(0)).map(|found| found > 0)
}

/// Whether there is a table (not a view) called `name`.
pub(crate) fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?1";
    connection.query_row(sql, [name], |row| row.get::<_, i64>(0)).map(|found| found > 0)
}
