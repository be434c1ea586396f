//! Merging what container servers report into an account's table.

use super::super::column;
use super::{Account, Kind};
use rusqlite::{Connection, OptionalExtension, params};

/// What an account knows of one of its containers. Timestamps are in the internal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRecord {
    /// The container's name.
    pub name: String,
    /// When it was put last.
    pub put_timestamp: String,
    /// When it was deleted last; zero where it never was.
    pub delete_timestamp: String,
    /// Objects in it.
    pub object_count: i64,
    /// Bytes in them.
    pub bytes_used: i64,
    /// Whether it counts as deleted.
    pub deleted: bool,
    /// Its storage policy.
    pub storage_policy_index: i64,
}

impl ContainerRecord {
    /// Deleted after it was put, and empty.
    pub(super) fn is_deleted(&self) -> bool {
        let (put, deleted) =
            (column::timestamp(&self.put_timestamp), column::timestamp(&self.delete_timestamp));
        deleted > put && self.object_count == 0
    }

    /// Takes the later times from what is there. Counts are the reporter's: it alone knows its container.
    fn take_later_times(&mut self, existing: &Self) {
        let later = |mine: &mut String, theirs: &String| {
            if mine.is_empty() || column::timestamp(theirs) > column::timestamp(mine) {
                mine.clone_from(theirs);
            }
        };
        later(&mut self.put_timestamp, &existing.put_timestamp);
        later(&mut self.delete_timestamp, &existing.delete_timestamp);
        self.deleted = self.is_deleted();
    }
}

pub(super) fn merge(transaction: &Connection, records: Vec<ContainerRecord>) -> rusqlite::Result<()> {
    let find =
        format!("SELECT {} FROM container WHERE name = ?1 AND deleted IN (0, 1)", Account::ROW_COLUMNS);
    let insert =
        format!("INSERT INTO container ({}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", Account::ROW_COLUMNS);
    let mut find = transaction.prepare_cached(&find)?;
    let mut delete =
        transaction.prepare_cached("DELETE FROM container WHERE name = ?1 AND deleted IN (0, 1)")?;
    let mut insert = transaction.prepare_cached(&insert)?;
    for mut record in records {
        if let Some(existing) = find.query_row([&record.name], Account::record_from_row).optional()? {
            record.take_later_times(&existing);
            delete.execute([&record.name])?;
        }
        insert.execute(params![
            record.name,
            record.put_timestamp,
            record.delete_timestamp,
            record.object_count,
            record.bytes_used,
            record.deleted,
            record.storage_policy_index
        ])?;
    }
    Ok(())
}
