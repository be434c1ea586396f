//! Account databases of older releases, brought to today's shape the way Swift does it.

use super::super::broker::{has_column, has_table};
use super::{POLICY_STAT, POLICY_TRIGGERS};
use rusqlite::Connection;

/// A database from before containers were counted by policy has the counts to be filled in.
const COUNT_CONTAINERS: &str = "
    DROP TRIGGER container_delete_ps;
    DROP TRIGGER container_insert_ps;
    ALTER TABLE policy_stat ADD COLUMN container_count INTEGER DEFAULT 0;
    UPDATE policy_stat SET container_count = (
        SELECT count(*) FROM container c
        WHERE c.deleted = 0 AND c.storage_policy_index = policy_stat.storage_policy_index);
";

pub(super) fn migrate(transaction: &Connection) -> rusqlite::Result<()> {
    if !has_table(transaction, "account_stat")? {
        return Ok(());
    }
    if !has_column(transaction, "account_stat", "metadata")? {
        transaction.execute_batch("ALTER TABLE account_stat ADD COLUMN metadata TEXT DEFAULT ''")?;
    }
    if !has_table(transaction, "policy_stat")? {
        transaction.execute_batch(POLICY_STAT)?;
    }
    if !has_column(transaction, "container", "storage_policy_index")? {
        transaction
            .execute_batch("ALTER TABLE container ADD COLUMN storage_policy_index INTEGER DEFAULT 0")?;
        transaction.execute_batch(POLICY_TRIGGERS)?;
    }
    if !has_column(transaction, "policy_stat", "container_count")? {
        transaction.execute_batch(COUNT_CONTAINERS)?;
        transaction.execute_batch(POLICY_TRIGGERS)?;
    }
    Ok(())
}
