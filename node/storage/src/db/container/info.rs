//! What a container database says of the container as a whole.

use super::super::broker::{Broker, Fault};
use super::super::removal::is_old_enough;
use super::super::{DbError, column};
use super::Container;
use super::sharding::DbState;
use rusqlite::{Connection, Row, params};
use swiftlet_types::Timestamp;

/// The facts of a container. Timestamps are in the internal form.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // the columns of container_stat, by their names
pub struct ContainerInfo {
    pub account: String,
    pub container: String,
    pub created_at: String,
    pub put_timestamp: String,
    pub delete_timestamp: String,
    pub status: String,
    pub status_changed_at: String,
    pub object_count: i64,
    pub bytes_used: i64,
    pub reported_put_timestamp: String,
    pub reported_delete_timestamp: String,
    pub reported_object_count: i64,
    pub reported_bytes_used: i64,
    pub hash: String,
    pub id: String,
    pub x_container_sync_point1: i64,
    pub x_container_sync_point2: i64,
    pub storage_policy_index: i64,
    /// How far sharding has come.
    pub db_state: DbState,
}

/// A container's totals in one storage policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the columns of policy_stat, by their names
pub struct ContainerPolicyStat {
    pub storage_policy_index: i64,
    pub object_count: i64,
    pub bytes_used: i64,
}

impl ContainerInfo {
    /// Deleted after it was put last, and empty.
    pub fn is_deleted(&self) -> bool {
        let time = |text: &str| column::timestamp(text);
        self.object_count == 0 && time(&self.delete_timestamp) > time(&self.put_timestamp)
    }

    /// Whether the account has not been told of these facts.
    pub fn is_unreported(&self) -> bool {
        self.put_timestamp > self.reported_put_timestamp
            || self.delete_timestamp > self.reported_delete_timestamp
            || self.object_count != self.reported_object_count
            || self.bytes_used != self.reported_bytes_used
    }
}

const COLUMNS: &str = "account, container, created_at, put_timestamp, delete_timestamp, status, status_changed_at, \
                       object_count, bytes_used, reported_put_timestamp, reported_delete_timestamp, \
                       reported_object_count, reported_bytes_used, hash, id, x_container_sync_point1, \
                       x_container_sync_point2, storage_policy_index";

/// The facts as the file at hand has them: the counts are those of its own rows.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<ContainerInfo> {
    let sql = format!("SELECT {COLUMNS} FROM container_stat");
    connection.prepare_cached(&sql)?.query_row([], |row| {
        Ok(ContainerInfo {
            account: column::string(row, 0)?,
            container: column::string(row, 1)?,
            created_at: column::string(row, 2)?,
            put_timestamp: column::string(row, 3)?,
            delete_timestamp: column::string(row, 4)?,
            status: column::string(row, 5)?,
            status_changed_at: column::string(row, 6)?,
            object_count: column::int(row, 7)?,
            bytes_used: column::int(row, 8)?,
            reported_put_timestamp: column::string(row, 9)?,
            reported_delete_timestamp: column::string(row, 10)?,
            reported_object_count: column::int(row, 11)?,
            reported_bytes_used: column::int(row, 12)?,
            hash: column::string(row, 13)?,
            id: column::string(row, 14)?,
            x_container_sync_point1: column::int(row, 15)?,
            x_container_sync_point2: column::int(row, 16)?,
            storage_policy_index: column::int(row, 17)?,
            db_state: DbState::Unsharded,
        })
    })
}

impl Broker<Container> {
    /// The container's facts, pending rows included; counts are those of its shards where it has some.
    pub fn info(&self) -> Result<ContainerInfo, DbError> {
        self.commit_pending()?;
        let mut info = self.read("read info", |connection| Ok(read(connection)?))?;
        self.count_where_objects_are(&mut info)?;
        Ok(info)
    }

    /// Sets the state, and the counts where the objects are not (only) in this file.
    pub(super) fn count_where_objects_are(&self, info: &mut ContainerInfo) -> Result<(), DbError> {
        info.db_state = self.db_state()?;
        match info.db_state {
            DbState::Sharding => {
                if let Some(retiring) = self.component_brokers()?.first() {
                    let own = retiring.read("read info", |connection| Ok(read(connection)?))?;
                    (info.object_count, info.bytes_used) = (own.object_count, own.bytes_used);
                }
            }
            DbState::Sharded if self.is_root_container()? => {
                (info.object_count, info.bytes_used) = self.shard_usage()?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Totals by storage policy, in order of index.
    pub fn policy_stats(&self) -> Result<Vec<ContainerPolicyStat>, DbError> {
        let sql = "SELECT storage_policy_index, object_count, bytes_used FROM policy_stat \
                   ORDER BY storage_policy_index";
        let read = |row: &Row<'_>| {
            Ok(ContainerPolicyStat {
                storage_policy_index: column::int(row, 0)?,
                object_count: column::int(row, 1)?,
                bytes_used: column::int(row, 2)?,
            })
        };
        self.read("read policy totals", |connection| {
            let stats = connection.prepare_cached(sql)?.query_map([], read)?.collect::<Result<_, _>>()?;
            Ok(stats)
        })
    }

    /// Whether there is no object in any policy, any file or any shard.
    pub fn is_empty(&self) -> Result<bool, DbError> {
        for broker in self.component_brokers()? {
            broker.commit_pending()?;
            let most = broker.read("count objects", |connection| {
                let sql = "SELECT coalesce(max(object_count), 0) FROM policy_stat";
                Ok(connection.prepare_cached(sql)?.query_row([], |row| column::int(row, 0))?)
            })?;
            if most != 0 {
                return Ok(false);
            }
        }
        if self.is_root_container()? && self.sharding_initiated()? {
            return Ok(self.shard_usage()?.0 <= 0);
        }
        Ok(true)
    }

    /// Whether the database may go: the container was deleted before `age`, not put again since, and neither it nor
    /// any shard holds an object.
    pub fn is_reclaimable(&self, age: Timestamp) -> Result<bool, DbError> {
        let info = self.info()?;
        if !is_old_enough(&info.put_timestamp, &info.delete_timestamp, age) {
            return Ok(false);
        }
        let has_shards = self.has_other_shard_ranges()? || info.db_state == DbState::Sharding;
        Ok(!(has_shards && self.is_root_container()?) && self.is_empty()?)
    }

    /// Notes that the account was told these facts.
    pub fn set_reported(&self, info: &ContainerInfo) -> Result<(), DbError> {
        self.write("note the report", |transaction| {
            let sql = "UPDATE container_info SET reported_put_timestamp = ?1, reported_delete_timestamp = ?2, \
                       reported_object_count = ?3, reported_bytes_used = ?4";
            transaction.prepare_cached(sql)?.execute(params![
                info.put_timestamp,
                info.delete_timestamp,
                info.object_count,
                info.bytes_used
            ])?;
            Ok(())
        })
    }

    /// Moves the container to another storage policy as of `timestamp`.
    pub fn set_storage_policy_index(&self, index: i64, timestamp: Timestamp) -> Result<(), DbError> {
        self.write("set the storage policy", |transaction| {
            transaction
                .execute("INSERT OR IGNORE INTO policy_stat (storage_policy_index) VALUES (?1)", [index])?;
            let sql = "UPDATE container_info SET storage_policy_index = ?1, \
                       status_changed_at = MAX(?2, status_changed_at) WHERE storage_policy_index <> ?1";
            transaction.execute(sql, params![index, timestamp.internal()])?;
            Ok(())
        })
    }

    /// Sets up to which rows container sync has sent (own share, then all); -1 starts over.
    pub fn set_container_sync_points(&self, point1: Option<i64>, point2: Option<i64>) -> Result<(), DbError> {
        self.write("set sync points", |transaction| {
            let sql = "UPDATE container_info SET x_container_sync_point1 = coalesce(?1, x_container_sync_point1), \
                       x_container_sync_point2 = coalesce(?2, x_container_sync_point2)";
            transaction.execute(sql, params![point1, point2])?;
            Ok::<_, Fault>(())
        })
    }
}
