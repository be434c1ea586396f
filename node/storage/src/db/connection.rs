//! Open databases: how a connection is set up, and the bounded cache that lends them out.
//!
//! A connection is used by one job at a time and goes back to the cache when the job is done. Replication
//! renames whole files over databases, so a cached connection is lent again only while the file under its
//! path is still the one (device and inode) that it has open.
//!
//! SQLite's locks are POSIX locks: closing *any* descriptor of a file drops all locks that this process holds
//! on it. Nothing in this process may therefore open a live database file but SQLite; others may `stat` it.

use super::chexor;
use lru::LruCache;
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use std::io;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a statement waits for another connection's lock (Swift's `BROKER_TIMEOUT`).
pub const DB_TIMEOUT: Duration = Duration::from_secs(25);
/// Idle connections kept for one database: enough for a busy container, few enough to share descriptors.
const IDLE_PER_DATABASE: usize = 4;
/// Prepared statements kept by a connection; the brokers have about as many in use.
const STATEMENTS: usize = 48;
/// Page cache of a connection, in KiB: the system caches the file anyway, and there may be hundreds of these.
const PAGE_CACHE_KIB: i64 = 512;

/// Which file a connection has open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(path: &Path) -> io::Result<Self> {
        let stat = std::fs::metadata(path)?;
        Ok(Self { device: stat.dev(), inode: stat.ino() })
    }
}

struct Idle {
    connection: Connection,
    file: FileId,
}

/// The open databases of a process, least recently used ones closed first.
pub struct Connections {
    idle: Mutex<LruCache<PathBuf, Vec<Idle>>>,
}

impl Connections {
    /// Keeps connections to at most `databases` databases open between uses.
    pub fn new(databases: NonZeroUsize) -> Arc<Self> {
        Arc::new(Self { idle: Mutex::new(LruCache::new(databases)) })
    }

    /// A connection to the database at `path`, which must exist. `prepare` sees each newly opened one once.
    pub(crate) fn lend(
        self: &Arc<Self>,
        path: &Path,
        prepare: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<Lease, LendError> {
        let file = FileId::of(path).map_err(LendError::File)?;
        if let Some(connection) = self.take(path, file) {
            return Ok(self.lease(path, file, connection));
        }
        let connection = open(path)?;
        prepare(&connection)?;
        // A file renamed over the path meanwhile would be filed under the wrong name: look again.
        let file = FileId::of(path).map_err(LendError::File).and_then(|now| match now == file {
            true => Ok(file),
            false => Err(LendError::File(io::Error::from(io::ErrorKind::NotFound))),
        })?;
        Ok(self.lease(path, file, connection))
    }

    fn take(&self, path: &Path, file: FileId) -> Option<Connection> {
        let mut idle = self.idle.lock();
        let of_path = idle.get_mut(path)?;
        while let Some(Idle { connection, file: opened }) = of_path.pop() {
            if opened == file {
                return Some(connection);
            }
        }
        None
    }

    fn lease(self: &Arc<Self>, path: &Path, file: FileId, connection: Connection) -> Lease {
        Lease { cache: Arc::clone(self), path: path.to_owned(), file, connection: Some(connection) }
    }

    fn give_back(&self, path: PathBuf, idle: Idle) {
        // What falls out of the cache is closed after the lock is released: closing does I/O.
        let evicted;
        {
            let mut cache = self.idle.lock();
            match cache.get_mut(&path) {
                Some(of_path) if of_path.len() < IDLE_PER_DATABASE => {
                    of_path.push(idle);
                    return;
                }
                Some(_) => return,
                None => evicted = cache.push(path, vec![idle]),
            }
        }
        drop(evicted);
    }

    /// Closes what is open of `path` (it is being moved or deleted).
    pub(crate) fn forget(&self, path: &Path) {
        let closed = self.idle.lock().pop(path);
        drop(closed);
    }
}

/// Why no connection was lent.
pub(crate) enum LendError {
    File(io::Error),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for LendError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// A connection on loan. Dropping it gives it back; [`close`](Self::close) does not.
pub(crate) struct Lease {
    cache: Arc<Connections>,
    path: PathBuf,
    file: FileId,
    connection: Option<Connection>,
}

impl Lease {
    /// Whether the path still leads to the file that is open.
    pub(crate) fn is_current(&self) -> bool {
        FileId::of(&self.path).is_ok_and(|now| now == self.file)
    }

    /// Closes the connection for good: it met an error, and what it holds is not to be trusted.
    pub(crate) fn close(mut self) {
        self.connection = None;
    }
}

impl Deref for Lease {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("only close() and drop() empty it, and both end the lease")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        // A panic may have left a transaction open; such a connection is not used again.
        if connection.is_autocommit() {
            self.cache.give_back(std::mem::take(&mut self.path), Idle { connection, file: self.file });
        }
    }
}

/// Opens an existing database with the settings that Swift uses.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(DB_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Python's brokers copy the bare file and know no write-ahead log: the journal mode is part of the format.
    connection.pragma_update(None, "journal_mode", "DELETE")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -PAGE_CACHE_KIB)?;
    chexor::register(&connection)?;
    Ok(connection)
}

/// Opens a new, empty file for creating a database in it: fast settings, for whoever syncs it at the end.
pub(crate) fn open_for_creation(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "journal_mode", "MEMORY")?;
    chexor::register(&connection)?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(dir: &Path, name: &str, content: i64) -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, "").unwrap();
        let connection = open_for_creation(&path).unwrap();
        connection.execute_batch(&format!("CREATE TABLE t (x); INSERT INTO t VALUES ({content})")).unwrap();
        path
    }

    fn read(cache: &Arc<Connections>, path: &Path) -> i64 {
        let Ok(lease) = cache.lend(path, |_| Ok(())) else { panic!("no connection") };
        lease.query_row("SELECT x FROM t", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_file_renamed_over_a_cached_database_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Connections::new(NonZeroUsize::new(4).unwrap());
        let (path, other) = (database(dir.path(), "a.db", 1), database(dir.path(), "b.db", 2));
        assert_eq!(read(&cache, &path), 1);
        assert_eq!(cache.idle.lock().peek(&path).unwrap().len(), 1);
        std::fs::rename(other, &path).unwrap();
        assert_eq!(read(&cache, &path), 2);
    }

    #[test]
    fn the_cache_is_bounded_and_never_creates_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Connections::new(NonZeroUsize::new(2).unwrap());
        for i in 0..5 {
            let path = database(dir.path(), &format!("{i}.db"), i);
            assert_eq!(read(&cache, &path), i);
        }
        assert_eq!(cache.idle.lock().len(), 2);
        assert!(matches!(cache.lend(&dir.path().join("none.db"), |_| Ok(())), Err(LendError::File(_))));
        assert!(!dir.path().join("none.db").exists());
    }

    #[test]
    fn settings_are_those_of_swift() {
        let dir = tempfile::tempdir().unwrap();
        let connection = open(&database(dir.path(), "a.db", 1)).unwrap();
        let pragma = |name: &str| {
            connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0)).unwrap()
        };
        assert_eq!(pragma("journal_mode"), "delete".to_owned().into());
        assert_eq!(pragma("synchronous"), 1.into());
        assert_eq!(pragma("temp_store"), 2.into());
    }
}
