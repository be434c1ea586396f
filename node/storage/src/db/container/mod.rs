//! Container databases: one row an object, totals by storage policy, and the shard ranges of large containers.

mod content_type;
mod info;
mod listing;
mod merge;
mod migrate;
mod misplaced;
mod record;
mod shard_merge;
mod shard_query;
mod shard_range;
mod sharding;
mod sync_store;

pub use content_type::split_swift_bytes;
pub use info::{ContainerInfo, ContainerPolicyStat};
pub use listing::{ObjectEntry, ObjectFilter};
pub use record::ObjectRecord;
pub use shard_query::ShardQuery;
pub use shard_range::{ShardRange, ShardState};
pub use sharding::DbState;

use super::broker::{Broker, BrokerOptions, Fault, Kind, NewDatabase};
use super::{Connections, DbDir, DbError, column};
use rusqlite::{Connection, Row, params};
use std::sync::Arc;

const OBJECT: &str = include_str!("object.sql");
const POLICY_STAT: &str = include_str!("policy_stat.sql");
const POLICY_TRIGGERS: &str = include_str!("policy_triggers.sql");
const CONTAINER_INFO: &str = include_str!("container_info.sql");
const CONTAINER_STAT: &str = include_str!("container_stat.sql");
const SHARD_RANGE: &str = include_str!("shard_range.sql");

/// The kind of container databases, with the container's names.
#[derive(Debug, Clone)]
pub struct Container {
    account: String,
    container: String,
}

/// A container's database.
pub type ContainerBroker = Broker<Container>;

impl Broker<Container> {
    /// The folder of container databases on a device.
    pub const DATA_DIR: &'static str = Container::DATA_DIR;

    /// The database of a container in `dir`, whether it exists or not.
    pub fn new(
        account: impl Into<String>,
        container: impl Into<String>,
        dir: DbDir,
        connections: Arc<Connections>,
        options: BrokerOptions,
    ) -> Self {
        let kind = Container { account: account.into(), container: container.into() };
        Self::with_kind(kind, dir, connections, options)
    }

    /// The account's name.
    pub fn account(&self) -> &str {
        &self.kind.account
    }

    /// The container's name.
    pub fn container(&self) -> &str {
        &self.kind.container
    }

    /// `<account>/<container>`: the name of the container's own shard range.
    pub fn name(&self) -> String {
        self.kind.name()
    }

    /// Takes an object's row in (see [`ObjectRecord`]); a deletion is one too.
    pub fn put_object(&self, record: ObjectRecord) -> Result<(), DbError> {
        self.put_record(record)
    }
}

impl Container {
    fn name(&self) -> String {
        format!("{}/{}", self.account, self.container)
    }
}

impl Kind for Container {
    type Record = ObjectRecord;
    const DATA_DIR: &'static str = "containers";
    const STAT_TABLE: &'static str = "container_info";
    const ROW_TABLE: &'static str = "object";
    const ROW_COLUMNS: &'static str =
        "name, created_at, size, content_type, etag, deleted, storage_policy_index";
    const STAT_COLUMNS: &'static str = "account, container, created_at, put_timestamp, delete_timestamp, \
                                        reported_put_timestamp, reported_delete_timestamp, \
                                        reported_object_count, reported_bytes_used, hash, id, status, \
                                        status_changed_at, metadata, x_container_sync_point1, \
                                        x_container_sync_point2, storage_policy_index, reconciler_sync_point";
    const TRIED_ROW: &'static str = "INSERT INTO object (name, created_at, size, content_type, etag, deleted) \
                                     VALUES ('', '0000000001.00000', 7, '', '', 0)";
    const RECLAIM_COLUMN: &'static str = "created_at";
    const HASHED_VALUE: &'static str = "created_at";
    const TOTALS: &'static [(&'static str, &'static str, &'static str)] = &[
        (
            "object_count",
            "SELECT coalesce(sum(object_count), 0) FROM policy_stat",
            "SELECT coalesce(sum(1 - deleted), 0) FROM object",
        ),
        (
            "bytes_used",
            "SELECT coalesce(sum(bytes_used), 0) FROM policy_stat",
            "SELECT coalesce(sum(size), 0) FROM object",
        ),
    ];
    /// What tells a shard from a root container, even when it is deleted.
    const LASTING_METADATA: &'static [&'static str] = &[
        "x-container-sysmeta-shard-quoted-root",
        "x-container-sysmeta-shard-root",
        "x-container-sysmeta-sharding",
    ];
    const POLICY_COLUMN: &'static str = "storage_policy_index";
    const HAS_EPOCHS: bool = true;
    const PROBE: &'static str = "SELECT i.metadata, i.reconciler_sync_point, o.storage_policy_index, \
                                 p.storage_policy_index, s.reported, s.tombstones \
                                 FROM container_info i, object o, policy_stat p, shard_range s";

    fn unnamed() -> Self {
        Self { account: String::new(), container: String::new() }
    }

    fn read_names(connection: &Connection) -> rusqlite::Result<Self> {
        let read = |row: &Row<'_>| Ok(Self { account: row.get(0)?, container: row.get(1)? });
        connection.query_row("SELECT account, container FROM container_info", [], read)
    }

    fn migrate(transaction: &Connection) -> rusqlite::Result<()> {
        migrate::migrate(transaction)
    }

    fn create(&self, connection: &Connection, new: &NewDatabase<'_>) -> rusqlite::Result<()> {
        for script in [OBJECT, POLICY_TRIGGERS, POLICY_STAT, CONTAINER_INFO, CONTAINER_STAT, SHARD_RANGE] {
            connection.execute_batch(script)?;
        }
        connection.execute(
            "INSERT INTO policy_stat (storage_policy_index) VALUES (?1)",
            [new.storage_policy_index],
        )?;
        connection.execute(
            "INSERT INTO container_info (account, container, created_at, id, put_timestamp, status_changed_at, \
             storage_policy_index) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)",
            params![
                self.account,
                self.container,
                new.created_at,
                new.id,
                new.put_timestamp,
                new.storage_policy_index
            ],
        )?;
        Ok(())
    }

    fn merge(transaction: &Connection, records: Vec<ObjectRecord>) -> rusqlite::Result<()> {
        merge::merge(transaction, records)
    }

    fn record_from_row(row: &Row<'_>) -> rusqlite::Result<ObjectRecord> {
        Ok(ObjectRecord {
            name: column::string(row, 0)?,
            created_at: column::string(row, 1)?,
            size: column::int(row, 2)?,
            content_type: column::string(row, 3)?,
            etag: column::string(row, 4)?,
            deleted: column::int(row, 5)? != 0,
            storage_policy_index: column::int(row, 6)?,
            content_type_timestamp: None,
            meta_timestamp: None,
        })
    }

    fn on_new_id(transaction: &Connection) -> rusqlite::Result<()> {
        // What the other replica reported, this one has not.
        transaction.execute_batch(
            "UPDATE container_info SET reported_put_timestamp = 0, reported_delete_timestamp = 0, \
             reported_object_count = 0, reported_bytes_used = 0",
        )
    }

    fn is_deleted(broker: &Broker<Self>, connection: &Connection) -> Result<bool, Fault> {
        let mut info = info::read(connection)?;
        broker.count_where_objects_are(&mut info)?;
        Ok(info.is_deleted())
    }

    fn check_replaceable(broker: &Broker<Self>) -> Result<(), DbError> {
        match broker.sharding_initiated()? {
            true => Err(DbError::Refused("the container is being sharded".to_owned())),
            false => Ok(()),
        }
    }

    fn carry_over(&self, existing: &Connection, arrival: &Connection) -> rusqlite::Result<()> {
        let ranges = shard_query::read_all(existing)?;
        shard_merge::merge_replicated(arrival, &self.name(), ranges)
    }

    fn reclaim(&self, transaction: &Connection, sync_timestamp: &str) -> rusqlite::Result<()> {
        let sql = "DELETE FROM shard_range WHERE deleted = 1 AND timestamp < ?1 AND name != ?2";
        transaction.execute(sql, [sync_timestamp, &self.name()])?;
        Ok(())
    }
}
