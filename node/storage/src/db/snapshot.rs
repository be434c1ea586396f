//! A database as it is now, for tools that must not touch it: its facts are copied to a temporary folder, where they may
//! be migrated, merged with what waits and, if they are damaged, set aside, as those of any other database.
//!
//! Rows of objects or containers are not copied, as there may be many millions of them: totals are kept beside them. The
//! exception is rows of names that wait in the `.pending` file, without which their merge would count them twice.

use super::broker::{Broker, Kind, Record};
use super::pending::read_records;
use super::{Account, Connections, Container, DB_TIMEOUT, DbDir, DbError};
use rusqlite::{Connection, OpenFlags, params};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use swiftlet_types::PathHash;
use tempfile::TempDir;

/// A snapshot, used as the broker of what was copied. It is removed when dropped.
pub struct Snapshot<K: Kind> {
    broker: Broker<K>,
    _folder: TempDir,
}

impl<K: Kind> Deref for Snapshot<K> {
    type Target = Broker<K>;

    fn deref(&self) -> &Broker<K> {
        &self.broker
    }
}

impl Snapshot<Container> {
    /// Copies the container database of which `path` is a file, all its epochs.
    pub fn of_container(path: &Path) -> Result<Self, DbError> {
        Self::copy(path, |file| Broker::<Container>::of_existing(file, connections()))
    }
}

impl Snapshot<Account> {
    /// Copies the account database at `path`.
    pub fn of_account(path: &Path) -> Result<Self, DbError> {
        Self::copy(path, |file| {
            let missing = || DbError::Missing { path: file.to_owned() };
            let dir = DbDir::of_file(file).ok_or_else(missing)?;
            Ok(Broker::<Account>::unnamed(dir, connections()))
        })
    }
}

impl<K: Kind> Snapshot<K> {
    fn copy(path: &Path, open: impl FnOnce(&Path) -> Result<Broker<K>, DbError>) -> Result<Self, DbError> {
        let missing = || DbError::Missing { path: path.to_owned() };
        let from = DbDir::of_file(path).ok_or_else(missing)?;
        let folder =
            TempDir::new().map_err(|error| DbError::io(std::env::temp_dir(), "create a folder in", error))?;
        // As deep as on a device, so that even a quarantine stays inside.
        let to = DbDir::new(folder.path(), K::DATA_DIR, "0", &PathHash([0; 16])).path().to_owned();
        std::fs::create_dir_all(&to).map_err(|error| DbError::io(&to, "create", error))?;
        // First what waits: a record that is merged meanwhile is then seen twice, which does no harm, and not never.
        let waiting = copy_pending::<K>(&from, &to)?;
        for file in if K::HAS_EPOCHS { from.files()? } else { vec![path.to_owned()] } {
            copy_facts(&file, &in_folder(&file, &to), &waiting)?;
        }
        Ok(Self { broker: open(&in_folder(path, &to))?, _folder: folder })
    }
}

fn connections() -> std::sync::Arc<Connections> {
    Connections::new(NonZeroUsize::MIN)
}

fn in_folder(file: &Path, folder: &Path) -> PathBuf {
    folder.join(file.file_name().unwrap_or_default())
}

/// Copies the `.pending` file; the names in it.
fn copy_pending<K: Kind>(from: &DbDir, to: &Path) -> Result<BTreeSet<String>, DbError> {
    let path = from.pending_file();
    let mut file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        other => other.map_err(|error| DbError::io(&path, "open", error))?,
    };
    let records = read_records::<K::Record>(&mut file, &path)?;
    let copy = in_folder(&path, to);
    let entries: Vec<u8> = records.iter().flat_map(super::pending::encode).collect();
    std::fs::write(&copy, entries).map_err(|error| DbError::io(&copy, "write", error))?;
    let name = |record: &K::Record| Some(record.to_pickle().as_items()?.first()?.as_str()?.to_owned());
    Ok(records.iter().filter_map(name).collect())
}

/// Copies the database file `from` to `to`, of its rows only those called one of `names`.
fn copy_facts(from: &Path, to: &Path, names: &BTreeSet<String>) -> Result<(), DbError> {
    let copy = || -> rusqlite::Result<()> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let source = Connection::open_with_flags(from, flags)?;
        source.busy_timeout(DB_TIMEOUT)?;
        let target = Connection::open(to)?;
        // One look at the source for all of it.
        source.execute_batch("BEGIN")?;
        target.execute_batch("PRAGMA synchronous = OFF; BEGIN")?;
        copy_tables(&source, &target, names)?;
        target.execute_batch("COMMIT")
    };
    copy().map_err(|source| match super::error::verdict(&source) {
        super::error::Verdict::Locked => DbError::LockTimeout { path: from.to_owned(), timeout: DB_TIMEOUT },
        _ => DbError::Sqlite { path: from.to_owned(), operation: "read", source },
    })
}

fn copy_tables(source: &Connection, target: &Connection, names: &BTreeSet<String>) -> rusqlite::Result<()> {
    // Tables first, then rows, and triggers last, which would count what is counted already.
    let sql = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' \
               ORDER BY CASE type WHEN 'table' THEN 0 ELSE 1 END";
    let mut statement = source.prepare(sql)?;
    let schema = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let schema: Vec<(String, String, String)> = schema.collect::<Result<_, _>>()?;
    let (tables, rest): (Vec<_>, Vec<_>) = schema.iter().partition(|(kind, ..)| kind == "table");
    for (_, table, create) in tables {
        target.execute_batch(create)?;
        let is_listing = matches!(table.as_str(), "object" | "container");
        match is_listing {
            false => copy_rows(source, target, table, None)?,
            true => names.iter().try_for_each(|name| copy_rows(source, target, table, Some(name)))?,
        }
    }
    rest.iter().try_for_each(|(_, _, create)| target.execute_batch(create))
}

/// Copies a table's rows; with `name`, only those of that name.
fn copy_rows(
    source: &Connection,
    target: &Connection,
    table: &str,
    name: Option<&str>,
) -> rusqlite::Result<()> {
    let quoted = format!("\"{}\"", table.replace('"', "\"\""));
    let condition = if name.is_some() { "WHERE deleted IN (0, 1) AND name = ?1" } else { "WHERE ?1 IS NULL" };
    let mut rows = source.prepare(&format!("SELECT * FROM {quoted} {condition}"))?;
    let marks = vec!["?"; rows.column_count()].join(", ");
    let mut insert = target.prepare(&format!("INSERT INTO {quoted} VALUES ({marks})"))?;
    let columns = rows.column_count();
    let mut rows = rows.query(params![name])?;
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|at| row.get::<_, rusqlite::types::Value>(at));
        insert.execute(rusqlite::params_from_iter(values.collect::<Result<Vec<_>, _>>()?))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
