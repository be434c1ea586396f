//! `.pending` files: rows wait there, so that a PUT costs an append and no SQLite transaction.
//!
//! A file is a run of `:<base64 of a pickled tuple>`. It is written, and merged and emptied, under the lock of
//! its directory, and it is not synced: what a power cut takes is sent again by whoever was told "created".

use super::DbError;
use super::broker::{Broker, Kind, Record};
use crate::lock::{DirLock, LockOptions, lock_dir};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use swiftlet_types::pickle;

/// A larger file is merged before anything is added (Swift's `PENDING_CAP`), in bytes.
pub const PENDING_CAP: u64 = 131_072;
/// What is read of a file at most: far beyond the cap, for a file that could not be merged for long.
const READ_LIMIT: u64 = 64 << 20;

impl<K: Kind> Broker<K> {
    /// Takes `record` in: appended to the `.pending` file, or merged with all of it once that is full.
    pub fn put_record(&self, record: K::Record) -> Result<(), DbError> {
        if !self.exists()? {
            return Err(DbError::Missing { path: self.file()? });
        }
        if self.options.skip_commits {
            return Err(DbError::CommitsRefused { path: self.file()? });
        }
        let entry = encode(&record);
        let path = self.dir.pending_file();
        let _lock = self.lock_pending()?;
        if pending_len(&path)? > PENDING_CAP {
            return self.merge_pending(vec![record]);
        }
        let append = |mut file: File| file.write_all(&entry);
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .and_then(append)
            .map_err(|error| DbError::io(&path, "append", error))
    }

    /// Merges what waits in the `.pending` file, as every reader does first.
    pub fn commit_pending(&self) -> Result<(), DbError> {
        // An empty file needs no lock: whatever is appended from now on came after this read began.
        if self.options.skip_commits || pending_len(&self.dir.pending_file())? == 0 {
            return Ok(());
        }
        let merged = self.lock_pending().and_then(|_lock| self.merge_pending(Vec::new()));
        match merged {
            Err(DbError::LockTimeout { .. } | DbError::Sqlite { .. }) if self.options.stale_reads_ok => {
                Ok(())
            }
            other => other,
        }
    }

    /// Whether something waits in the `.pending` file.
    pub(super) fn has_pending(&self) -> Result<bool, DbError> {
        Ok(pending_len(&self.dir.pending_file())? > 0)
    }

    /// Merges `records` now, past the `.pending` file (replication and batch updates).
    pub fn merge_records(&self, records: Vec<K::Record>) -> Result<(), DbError> {
        if records.is_empty() {
            return Ok(());
        }
        self.write("merge records", |transaction| Ok(K::merge(transaction, records)?))
    }

    pub(super) fn lock_pending(&self) -> Result<DirLock, DbError> {
        let options = LockOptions { timeout: self.options.pending_timeout, ..LockOptions::default() };
        Ok(lock_dir(self.dir.path(), options)?)
    }

    /// Merges `records` and the `.pending` file, which is emptied. The caller holds the lock.
    fn merge_pending(&self, mut records: Vec<K::Record>) -> Result<(), DbError> {
        let path = self.dir.pending_file();
        let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return self.merge_records(records),
            other => other.map_err(|error| DbError::io(&path, "open", error))?,
        };
        records.extend(read_records::<K::Record>(&mut file, &path)?);
        self.merge_records(records)?;
        file.set_len(0).map_err(|error| DbError::io(&path, "truncate", error))
    }

    /// Puts a new database in place of nothing, under the lock that creators and appenders share.
    pub(super) fn move_into_place(&self, temp: &Path, to: &Path) -> Result<(), DbError> {
        let _lock = self.lock_pending()?;
        if to.exists() {
            return Err(DbError::AlreadyExists { path: to.to_owned() });
        }
        std::fs::rename(temp, to).map_err(|error| DbError::io(temp, "rename", error))
    }
}

/// The records in the `.pending` file that is open and called `path`; what is none is logged and left out.
pub(super) fn read_records<R: Record>(file: &mut File, path: &Path) -> Result<Vec<R>, DbError> {
    let mut waiting = Vec::new();
    let read = Read::by_ref(file).take(READ_LIMIT + 1).read_to_end(&mut waiting);
    read.map_err(|error| DbError::io(path, "read", error))?;
    if waiting.len() as u64 > READ_LIMIT {
        let why = std::io::Error::new(ErrorKind::InvalidData, "larger than any .pending file may be");
        return Err(DbError::io(path, "read", why));
    }
    let mut records = Vec::new();
    for entry in waiting.split(|b| *b == b':').filter(|entry| !entry.is_empty()) {
        match decode(entry) {
            Some(record) => records.push(record),
            None => {
                tracing::error!(path = %path.display(), bytes = entry.len(), "invalid pending entry dropped")
            }
        }
    }
    Ok(records)
}

fn pending_len(path: &Path) -> Result<u64, DbError> {
    match std::fs::metadata(path) {
        Ok(stat) => Ok(stat.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(DbError::io(path, "stat", error)),
    }
}

pub(super) fn encode<R: Record>(record: &R) -> Vec<u8> {
    let mut entry = String::from(":");
    BASE64.encode_string(pickle::encode(&record.to_pickle()), &mut entry);
    entry.into_bytes()
}

fn decode<R: Record>(entry: &[u8]) -> Option<R> {
    let value = pickle::decode(&BASE64.decode(entry).ok()?).ok()?;
    R::from_pickle(value.as_items()?)
}
