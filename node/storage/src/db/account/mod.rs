//! Account databases: one row a container, and totals by storage policy.

mod info;
mod listing;
mod merge;
mod migrate;

pub use info::{AccountInfo, AccountPolicyStat};
pub use listing::ContainerEntry;
pub use merge::ContainerRecord;

use super::broker::{Broker, BrokerOptions, Fault, Kind, NewDatabase, Record};
use super::column::{self, pickled_int, pickled_text};
use super::{Connections, DbDir, DbError};
use rusqlite::{Connection, Row, params};
use std::sync::Arc;
use swiftlet_types::pickle::Value;

const SCHEMA: &str = include_str!("schema.sql");
const POLICY_STAT: &str = include_str!("policy_stat.sql");
const POLICY_TRIGGERS: &str = include_str!("policy_triggers.sql");

/// The kind of account databases, with the account's name.
#[derive(Debug, Clone)]
pub struct Account {
    account: String,
}

/// An account's database.
pub type AccountBroker = Broker<Account>;

impl Broker<Account> {
    /// The folder of account databases on a device.
    pub const DATA_DIR: &'static str = Account::DATA_DIR;

    /// The database of `account` in `dir`, whether it exists or not.
    pub fn new(
        account: impl Into<String>,
        dir: DbDir,
        connections: Arc<Connections>,
        options: BrokerOptions,
    ) -> Self {
        Self::with_kind(Account { account: account.into() }, dir, connections, options)
    }

    /// Notes what a container server reports of a container.
    pub fn put_container(&self, mut record: ContainerRecord) -> Result<(), DbError> {
        record.deleted = record.is_deleted();
        self.put_record(record)
    }
}

impl Kind for Account {
    type Record = ContainerRecord;
    const DATA_DIR: &'static str = "accounts";
    const STAT_TABLE: &'static str = "account_stat";
    const ROW_TABLE: &'static str = "container";
    const ROW_COLUMNS: &'static str =
        "name, put_timestamp, delete_timestamp, object_count, bytes_used, deleted, storage_policy_index";
    const STAT_COLUMNS: &'static str = "account, created_at, put_timestamp, delete_timestamp, container_count, \
                                        object_count, bytes_used, hash, id, status, status_changed_at, metadata";
    const TRIED_ROW: &'static str = "INSERT INTO container (name, put_timestamp, delete_timestamp, object_count, \
                                     bytes_used, deleted) VALUES ('', '0000000001.00000', '0', 3, 7, 0)";
    const RECLAIM_COLUMN: &'static str = "delete_timestamp";
    const HASHED_VALUE: &'static str =
        "put_timestamp || '-' || delete_timestamp || '-' || object_count || '-' || bytes_used";
    /// All that is summed is hashed, too.
    const TOTALS: &'static [(&'static str, &'static str, &'static str)] = &[];
    const LASTING_METADATA: &'static [&'static str] = &[];
    const POLICY_COLUMN: &'static str = "0";
    const HAS_EPOCHS: bool = false;
    const PROBE: &'static str = "SELECT a.metadata, c.storage_policy_index, p.container_count \
                                 FROM account_stat a, container c, policy_stat p";

    fn unnamed() -> Self {
        Self { account: String::new() }
    }

    fn read_names(connection: &Connection) -> rusqlite::Result<Self> {
        connection.query_row("SELECT account FROM account_stat", [], |row| Ok(Self { account: row.get(0)? }))
    }

    fn migrate(transaction: &Connection) -> rusqlite::Result<()> {
        migrate::migrate(transaction)
    }

    fn create(&self, connection: &Connection, new: &NewDatabase<'_>) -> rusqlite::Result<()> {
        connection.execute_batch(SCHEMA)?;
        connection.execute_batch(POLICY_TRIGGERS)?;
        connection.execute(
            "INSERT INTO account_stat (account, created_at, id, put_timestamp, status_changed_at, container_count) \
             VALUES (?1, ?2, ?3, ?4, ?4, 0)",
            params![self.account, new.created_at, new.id, new.put_timestamp],
        )?;
        connection.execute_batch(POLICY_STAT)
    }

    fn merge(transaction: &Connection, records: Vec<ContainerRecord>) -> rusqlite::Result<()> {
        merge::merge(transaction, records)
    }

    fn record_from_row(row: &Row<'_>) -> rusqlite::Result<ContainerRecord> {
        Ok(ContainerRecord {
            name: column::string(row, 0)?,
            put_timestamp: column::string(row, 1)?,
            delete_timestamp: column::string(row, 2)?,
            object_count: column::int(row, 3)?,
            bytes_used: column::int(row, 4)?,
            deleted: column::int(row, 5)? != 0,
            storage_policy_index: column::int(row, 6)?,
        })
    }

    fn on_new_id(_: &Connection) -> rusqlite::Result<()> {
        Ok(())
    }

    fn is_deleted(_: &Broker<Self>, connection: &Connection) -> Result<bool, Fault> {
        let sql = "SELECT status, container_count, delete_timestamp, put_timestamp FROM account_stat";
        Ok(connection.prepare_cached(sql)?.query_row([], |row| {
            let is_marked = column::text(row, 0)? == "DELETED";
            let is_empty = column::int(row, 1)? == 0;
            let deleted_at = column::timestamp(&column::text(row, 2)?);
            Ok(is_marked || is_empty && deleted_at > column::timestamp(&column::text(row, 3)?))
        })?)
    }

    fn reclaim(&self, _: &Connection, _: &str) -> rusqlite::Result<()> {
        Ok(())
    }
}

impl Record for ContainerRecord {
    fn to_pickle(&self) -> Value {
        Value::tuple([
            Value::from(self.name.as_str()),
            Value::from(self.put_timestamp.as_str()),
            Value::from(self.delete_timestamp.as_str()),
            Value::from(self.object_count),
            Value::from(self.bytes_used),
            Value::from(i64::from(self.deleted)),
            Value::from(self.storage_policy_index),
        ])
    }

    fn from_pickle(fields: &[Value]) -> Option<Self> {
        let [name, put_timestamp, delete_timestamp, object_count, bytes_used, deleted, more @ ..] = fields
        else {
            return None;
        };
        Some(Self {
            name: pickled_text(name)?,
            put_timestamp: pickled_text(put_timestamp)?,
            delete_timestamp: pickled_text(delete_timestamp)?,
            object_count: pickled_int(object_count)?,
            bytes_used: pickled_int(bytes_used)?,
            deleted: pickled_int(deleted)? != 0,
            // Records from before storage policies end here.
            storage_policy_index: more.first().map_or(Some(0), pickled_int)?,
        })
    }
}
