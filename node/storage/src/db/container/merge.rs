//! Merging object rows into a container's table.

use super::record::ObjectRecord;
use super::{Container, Kind};
use rusqlite::{Connection, params};
use std::collections::HashMap;

/// An object in a policy: what a row is the only one of.
type RowKey = (String, i64);

pub(super) fn merge(transaction: &Connection, records: Vec<ObjectRecord>) -> rusqlite::Result<()> {
    let mut changed: Vec<ObjectRecord> = Vec::with_capacity(records.len());
    let mut index: HashMap<RowKey, usize> = HashMap::with_capacity(records.len());
    let mut replaced: Vec<RowKey> = Vec::new();
    let find = format!("SELECT {} FROM object WHERE deleted IN (0, 1) AND name = ?1", Container::ROW_COLUMNS);
    let mut find = transaction.prepare_cached(&find)?;
    for record in records {
        let key = (record.name.clone(), record.storage_policy_index);
        if let Some(&at) = index.get(&key) {
            if let Some(newer) = record.over(&changed[at]) {
                changed[at] = newer;
            }
            continue;
        }
        let existing = find
            .query_map([&record.name], Container::record_from_row)?
            .find(|row| {
                row.as_ref().map_or(true, |row| row.storage_policy_index == record.storage_policy_index)
            })
            .transpose()?;
        let new = match existing {
            None => record.encoded(),
            Some(existing) => {
                let Some(newer) = record.over(&existing) else { continue };
                replaced.push(key.clone());
                newer
            }
        };
        index.insert(key, changed.len());
        changed.push(new);
    }
    write(transaction, &replaced, &changed)
}

fn write(transaction: &Connection, replaced: &[RowKey], changed: &[ObjectRecord]) -> rusqlite::Result<()> {
    let mut delete = transaction.prepare_cached(
        "DELETE FROM object WHERE deleted IN (0, 1) AND name = ?1 AND storage_policy_index = ?2",
    )?;
    for (name, policy) in replaced {
        delete.execute(params![name, policy])?;
    }
    let insert =
        format!("INSERT INTO object ({}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", Container::ROW_COLUMNS);
    let mut insert = transaction.prepare_cached(&insert)?;
    for row in changed {
        insert.execute(params![
            row.name,
            row.created_at,
            row.size,
            row.content_type,
            row.etag,
            row.deleted,
            row.storage_policy_index
        ])?;
    }
    Ok(())
}
