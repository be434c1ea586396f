//! Whether a database file is sound from its first page to its last: the B-trees as SQLite checks them, what the tables
//! must say of each other, the columns of today, and triggers that do what they are for. A bit that turned on a disk is
//! found so unless it lies in a value that nothing else tells of: an object's Etag or content type, a fact of the
//! database itself.

use super::broker::{Broker, Kind};
use super::error::lacks_schema;
use super::{Connections, DbDir, DbError, chexor};
use rusqlite::Connection;
use rusqlite::types::Value;
use std::path::Path;
use std::sync::Arc;

/// The columns of both tables of sync points.
const SYNC_POINTS: &str = "SELECT o.remote_id, o.sync_point, o.updated_at, i.remote_id, i.sync_point, i.updated_at \
                           FROM outgoing_sync o, incoming_sync i";
/// The row of [`Kind::TRIED_ROW`]: nothing else has no name.
const TRIED: &str = "WHERE name = ''";

impl<K: Kind> Broker<K> {
    /// Reads the whole file `path`; where it is not sound, the database is quarantined
    /// ([`Quarantined`](DbError::Quarantined)). Writers wait meanwhile.
    pub fn check_integrity(path: &Path, connections: &Arc<Connections>) -> Result<(), DbError> {
        let dir = DbDir::of_file(path).ok_or_else(|| DbError::Missing { path: path.to_owned() })?;
        let broker = Self::unnamed(dir, Arc::clone(connections)).of_file(path.to_owned(), true);
        let found = match broker.write("check", |connection| Ok(fault::<K>(connection)?)) {
            Err(DbError::Sqlite { source, .. }) if lacks_schema(&source) => Some(source.to_string()),
            found => found?,
        };
        match found {
            None => Ok(()),
            Some(reason) => Err(broker.quarantine(&reason)),
        }
    }
}

/// What is wrong; nothing is changed.
fn fault<K: Kind>(connection: &Connection) -> rusqlite::Result<Option<String>> {
    if let damage @ Some(_) = damaged_tree(connection)? {
        return Ok(damage);
    }
    let rows = format!("SELECT {} FROM {}", K::ROW_COLUMNS, K::ROW_TABLE);
    let facts = format!("SELECT {} FROM {}", K::STAT_COLUMNS, K::STAT_TABLE);
    for columns in [rows.as_str(), facts.as_str(), SYNC_POINTS] {
        connection.prepare(columns)?;
    }
    let hash = hash_of_rows::<K>(connection, "")?;
    if let contradiction @ Some(_) = contradiction::<K>(connection, hash)? {
        return Ok(contradiction);
    }
    connection.execute_batch("SAVEPOINT tried")?;
    let tried = broken_trigger::<K>(connection, hash);
    connection.execute_batch("ROLLBACK TO tried; RELEASE tried")?;
    tried
}

/// SQLite's word on a file that is not sound.
fn damaged_tree(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let word = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0))?;
    Ok((word != "ok").then_some(word))
}

/// Where the hash and the totals that triggers keep are not those of the rows, whose hash is `hash`.
fn contradiction<K: Kind>(connection: &Connection, hash: u128) -> rusqlite::Result<Option<String>> {
    let kept: Value =
        connection.query_row(&format!("SELECT hash FROM {}", K::STAT_TABLE), [], |row| row.get(0))?;
    if kept != Value::Text(format!("{hash:032x}")) {
        return Ok(Some("the hash is not that of the rows".to_owned()));
    }
    for (what, total, rows) in K::TOTALS {
        let sql = format!("SELECT ({total}), ({rows})");
        let (total, rows): (Value, Value) =
            connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if total != rows {
            return Ok(Some(format!("{what} is {total:?}, of the rows it is {rows:?}")));
        }
    }
    Ok(None)
}

/// Whether the hash and totals follow a row that comes and goes, as they would at the next write. Leaves changes behind.
fn broken_trigger<K: Kind>(connection: &Connection, hash: u128) -> rusqlite::Result<Option<String>> {
    connection.execute_batch(K::TRIED_ROW)?;
    let with_row = hash ^ hash_of_rows::<K>(connection, TRIED)?;
    if let Some(why) = contradiction::<K>(connection, with_row)? {
        return Ok(Some(format!("the triggers of a new row: {why}")));
    }
    connection.execute(&format!("DELETE FROM {} {TRIED}", K::ROW_TABLE), [])?;
    Ok(contradiction::<K>(connection, hash)?.map(|why| format!("the triggers of a row deleted: {why}")))
}

/// The hash that the triggers come to over the rows of a condition.
fn hash_of_rows<K: Kind>(connection: &Connection, condition: &str) -> rusqlite::Result<u128> {
    let sql = format!("SELECT name, {} FROM {} {condition}", K::HASHED_VALUE, K::ROW_TABLE);
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut hash = 0;
    while let Some(row) = rows.next()? {
        hash ^= chexor::hash_of_row(row.get_ref(0)?, row.get_ref(1)?);
    }
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{BrokerOptions, ContainerBroker, ObjectRecord};
    use std::num::NonZeroUsize;
    use swiftlet_types::{PathHash, Timestamp};

    const OBJECTS: u64 = 300;

    /// A container with some objects, written to its file.
    fn container(device: &Path) -> ContainerBroker {
        let dir = DbDir::new(device, ContainerBroker::DATA_DIR, "7", &PathHash([7; 16]));
        let connections = Connections::new(NonZeroUsize::new(4).unwrap());
        let broker = ContainerBroker::new("a", "c", dir, connections, BrokerOptions::default());
        let at = |seconds: u64| Timestamp::from_ticks(seconds * 100_000).unwrap();
        broker.initialize(at(1), 0).unwrap();
        for n in 0..OBJECTS {
            let record = ObjectRecord {
                name: format!("object {n}"),
                created_at: at(2 + n).internal(),
                size: 7,
                content_type: "a/b".into(),
                etag: "0".repeat(32),
                deleted: n % 5 == 0,
                storage_policy_index: 0,
                content_type_timestamp: None,
                meta_timestamp: None,
            };
            broker.put_object(record).unwrap();
        }
        broker.info().unwrap();
        broker
    }

    /// The database after the file was changed, looked at by connections that know nothing of before.
    fn after(change: impl FnOnce(&Path)) -> Result<(), DbError> {
        let device = tempfile::tempdir().unwrap();
        let file = container(device.path()).file().unwrap();
        change(&file);
        let connections = Connections::new(NonZeroUsize::new(4).unwrap());
        ContainerBroker::check_integrity(&file, &connections)
    }

    fn replace(file: &Path, old: &[u8], new: &[u8]) {
        let mut bytes = std::fs::read(file).unwrap();
        let at = bytes.windows(old.len()).rposition(|window| window == old).unwrap();
        bytes[at..at + new.len()].copy_from_slice(new);
        std::fs::write(file, bytes).unwrap();
    }

    fn is_found(result: Result<(), DbError>) -> bool {
        matches!(result, Err(DbError::Quarantined { .. }))
    }

    #[test]
    fn what_was_not_changed_is_sound_and_stays_as_it_is() {
        let device = tempfile::tempdir().unwrap();
        let broker = container(device.path());
        let (path, info) = (broker.file().unwrap(), broker.info().unwrap());
        let connections = Connections::new(NonZeroUsize::new(4).unwrap());
        ContainerBroker::check_integrity(&path, &connections).unwrap();
        assert_eq!(broker.info().unwrap(), info);
    }

    #[test]
    fn a_schema_that_changed_is_found() {
        let drop_table = "DROP TABLE container_info";
        assert!(
            is_found(after(|file| Connection::open(file).unwrap().execute_batch(drop_table).unwrap())),
            "a table"
        );
        assert!(
            is_found(after(|file| replace(file, b"reported_object_count", b"repo2ted_object_count"))),
            "a column"
        );
        assert!(
            is_found(after(|file| replace(file, b"object_count - (1 -", b"object_count - (3 -"))),
            "a trigger"
        );
        assert!(
            is_found(after(|file| replace(file, b"UPDATE policy_stat", b"UPDATE polic9_stat"))),
            "a trigger's table"
        );
    }

    #[test]
    fn a_name_a_time_or_a_size_that_changed_is_found() {
        assert!(is_found(after(|file| replace(file, b"object 299", b"object 298"))), "a name");
        assert!(is_found(after(|file| replace(file, b"0000000301.00000", b"0000000300.00000"))), "a time");
        let resize = "DROP TRIGGER object_update; UPDATE object SET size = 8 WHERE name = 'object 7'";
        assert!(
            is_found(after(|file| Connection::open(file).unwrap().execute_batch(resize).unwrap())),
            "a size"
        );
    }

    #[test]
    fn a_bit_in_the_head_of_any_page_is_found() {
        let device = tempfile::tempdir().unwrap();
        let size = std::fs::metadata(container(device.path()).file().unwrap()).unwrap().len();
        for page in 1..size / 4096 {
            let found = after(|file| {
                let mut bytes = std::fs::read(file).unwrap();
                bytes[page as usize * 4096 + 4] ^= 1;
                std::fs::write(file, bytes).unwrap();
            });
            assert!(matches!(found, Err(DbError::Quarantined { .. })), "page {page}: {found:?}");
        }
    }
}
