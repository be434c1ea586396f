//! Container databases of older releases, brought to today's shape the way Swift does it.

use super::super::broker::{has_column, has_table};
use super::{CONTAINER_INFO, CONTAINER_STAT, POLICY_STAT, POLICY_TRIGGERS, SHARD_RANGE};
use rusqlite::Connection;

/// What container_info takes over from the container_stat table of before storage policies. Swift leaves
/// reported_delete_timestamp out, so that a deletion is reported once more; so do we.
const KEPT: &str = "account, container, created_at, put_timestamp, delete_timestamp, reported_put_timestamp, \
                    reported_object_count, reported_bytes_used, hash, id, status, status_changed_at, metadata, \
                    x_container_sync_point1, x_container_sync_point2";

pub(super) fn migrate(transaction: &Connection) -> rusqlite::Result<()> {
    if has_table(transaction, "container_stat")? {
        complete_container_stat(transaction)?;
        add_storage_policies(transaction)?;
    }
    if !has_table(transaction, "container_info")? {
        return Ok(());
    }
    if !has_table(transaction, "shard_range")? {
        return transaction.execute_batch(SHARD_RANGE);
    }
    for (column, definition) in [("reported", "INTEGER DEFAULT 0"), ("tombstones", "INTEGER DEFAULT -1")] {
        if !has_column(transaction, "shard_range", column)? {
            transaction
                .execute_batch(&format!("ALTER TABLE shard_range ADD COLUMN {column} {definition}"))?;
        }
    }
    Ok(())
}

/// Adds the columns that came before storage policies did.
fn complete_container_stat(transaction: &Connection) -> rusqlite::Result<()> {
    for (column, definition) in [
        ("metadata", "TEXT DEFAULT ''"),
        ("x_container_sync_point1", "INTEGER DEFAULT -1"),
        ("x_container_sync_point2", "INTEGER DEFAULT -1"),
    ] {
        if !has_column(transaction, "container_stat", column)? {
            transaction
                .execute_batch(&format!("ALTER TABLE container_stat ADD COLUMN {column} {definition}"))?;
        }
    }
    Ok(())
}

/// Turns the container_stat table into container_info and policy_stat, with a view in its place.
fn add_storage_policies(transaction: &Connection) -> rusqlite::Result<()> {
    transaction.execute_batch(POLICY_STAT)?;
    transaction.execute_batch(
        "INSERT INTO policy_stat (storage_policy_index, object_count, bytes_used)
         SELECT 0, object_count, bytes_used FROM container_stat;
         ALTER TABLE object ADD COLUMN storage_policy_index INTEGER DEFAULT 0;
         DROP TRIGGER object_insert;
         DROP TRIGGER object_delete;",
    )?;
    transaction.execute_batch(POLICY_TRIGGERS)?;
    transaction.execute_batch(CONTAINER_INFO)?;
    transaction.execute_batch(&format!(
        "INSERT INTO container_info ({KEPT}) SELECT {KEPT} FROM container_stat; DROP TABLE container_stat;"
    ))?;
    transaction.execute_batch(CONTAINER_STAT)
}
