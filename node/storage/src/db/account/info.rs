//! What an account database says of the account as a whole.

use super::super::broker::{Broker, Kind};
use super::super::removal::is_old_enough;
use super::super::{DbError, column};
use super::Account;
use rusqlite::Row;
use swiftlet_types::Timestamp;

/// The facts of an account. Timestamps are in the internal form.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // the columns of account_stat, by their names
pub struct AccountInfo {
    pub account: String,
    pub created_at: String,
    pub put_timestamp: String,
    pub delete_timestamp: String,
    pub status_changed_at: String,
    pub container_count: i64,
    pub object_count: i64,
    pub bytes_used: i64,
    pub hash: String,
    pub id: String,
}

/// An account's totals in one storage policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the columns of policy_stat, by their names
pub struct AccountPolicyStat {
    pub storage_policy_index: i64,
    pub container_count: i64,
    pub object_count: i64,
    pub bytes_used: i64,
}

impl Broker<Account> {
    /// The account's facts, pending reports included.
    pub fn info(&self) -> Result<AccountInfo, DbError> {
        self.commit_pending()?;
        let sql = "SELECT account, created_at, put_timestamp, delete_timestamp, status_changed_at, \
                   container_count, object_count, bytes_used, hash, id FROM account_stat";
        let read = |row: &Row<'_>| {
            Ok(AccountInfo {
                account: column::string(row, 0)?,
                created_at: column::string(row, 1)?,
                put_timestamp: column::string(row, 2)?,
                delete_timestamp: column::string(row, 3)?,
                status_changed_at: column::string(row, 4)?,
                container_count: column::int(row, 5)?,
                object_count: column::int(row, 6)?,
                bytes_used: column::int(row, 7)?,
                hash: column::string(row, 8)?,
                id: column::string(row, 9)?,
            })
        };
        self.read("read info", |connection| Ok(connection.prepare_cached(sql)?.query_row([], read)?))
    }

    /// Totals by storage policy, in order of index.
    pub fn policy_stats(&self) -> Result<Vec<AccountPolicyStat>, DbError> {
        self.commit_pending()?;
        let sql = "SELECT storage_policy_index, container_count, object_count, bytes_used FROM policy_stat \
                   ORDER BY storage_policy_index";
        let read = |row: &Row<'_>| {
            Ok(AccountPolicyStat {
                storage_policy_index: column::int(row, 0)?,
                container_count: column::int(row, 1)?,
                object_count: column::int(row, 2)?,
                bytes_used: column::int(row, 3)?,
            })
        };
        self.read("read policy totals", |connection| {
            let stats = connection.prepare_cached(sql)?.query_map([], read)?.collect::<Result<_, _>>()?;
            Ok(stats)
        })
    }

    /// Whether the account has no containers.
    pub fn is_empty(&self) -> Result<bool, DbError> {
        Ok(self.info()?.container_count == 0)
    }

    /// Whether the database may go: the account was deleted before `age`, not put again since, and is empty.
    pub fn is_reclaimable(&self, age: Timestamp) -> Result<bool, DbError> {
        let info = self.info()?;
        Ok(info.container_count == 0 && is_old_enough(&info.put_timestamp, &info.delete_timestamp, age))
    }

    /// Whether the account was marked deleted, be it empty or not: it may not be put again until it is reaped.
    pub fn is_status_deleted(&self) -> Result<bool, DbError> {
        let sql = format!("SELECT status, delete_timestamp, put_timestamp FROM {}", Account::STAT_TABLE);
        self.read("read status", |connection| {
            Ok(connection.prepare_cached(&sql)?.query_row([], |row| {
                Ok(column::text(row, 0)? == "DELETED" || column::text(row, 1)? > column::text(row, 2)?)
            })?)
        })
    }
}
