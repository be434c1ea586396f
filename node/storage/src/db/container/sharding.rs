//! How far the sharding of a container has come, as its files and its own shard range show.

use super::super::DbError;
use super::super::broker::Broker;
use super::super::layout::split_name;
use super::{Container, ShardState};
use swiftlet_types::Timestamp;
use swiftlet_types::names::unquote;

/// The state of a container database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DbState {
    /// There is no file.
    NotFound,
    /// All objects are in the one file.
    Unsharded,
    /// Objects are moving from the old file to shards.
    Sharding,
    /// All objects are in shards.
    Sharded,
    /// The shards have been taken back.
    Collapsed,
}

impl DbState {
    /// Its name in headers.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Unsharded => "unsharded",
            Self::Sharding => "sharding",
            Self::Sharded => "sharded",
            Self::Collapsed => "collapsed",
        }
    }
}

const QUOTED_ROOT: &str = "X-Container-Sysmeta-Shard-Quoted-Root";
const ROOT: &str = "X-Container-Sysmeta-Shard-Root";

impl Broker<Container> {
    /// How far sharding has come.
    pub fn db_state(&self) -> Result<DbState, DbError> {
        let files = self.files()?;
        let epoch = match files.as_slice() {
            [] => return Ok(DbState::NotFound),
            [only] => only.file_name().and_then(split_name).and_then(|(_, epoch)| epoch).map(str::to_owned),
            _ => return Ok(DbState::Sharding),
        };
        let Some(epoch) = epoch.and_then(|text| text.parse::<Timestamp>().ok()) else {
            return Ok(DbState::Unsharded);
        };
        if self.own_shard_range()?.and_then(|own| own.epoch) != Some(epoch) {
            return Ok(DbState::Unsharded);
        }
        Ok(if self.has_other_shard_ranges()? { DbState::Sharded } else { DbState::Collapsed })
    }

    /// Whether the container began to shard or shrink.
    pub fn sharding_initiated(&self) -> Result<bool, DbError> {
        match self.own_shard_range()? {
            Some(own) if ShardState::CLEAVING.contains(&own.state) => self.has_other_shard_ranges(),
            _ => Ok(false),
        }
    }

    /// Whether the container began to shard and has not come to its end.
    pub fn sharding_required(&self) -> Result<bool, DbError> {
        Ok(match self.db_state()? {
            DbState::Sharding => true,
            DbState::Unsharded => self.sharding_initiated()?,
            _ => false,
        })
    }

    /// One broker a file: the one alone, or, while sharding, that of the retiring file (which takes no more
    /// rows) and that of the fresh one.
    pub fn component_brokers(&self) -> Result<Vec<Self>, DbError> {
        let files = self.files()?;
        let latest = files.len().saturating_sub(2);
        let last = files.len().saturating_sub(1);
        Ok(files[latest..]
            .iter()
            .enumerate()
            .map(|(i, file)| self.of_file(file.clone(), latest + i < last))
            .collect())
    }

    /// `<account>/<container>` of the container that this one is a shard of, or its own.
    pub fn root_name(&self) -> Result<String, DbError> {
        Ok(self.noted_root()?.unwrap_or_else(|| self.name()))
    }

    /// What the metadata says of the root.
    fn noted_root(&self) -> Result<Option<String>, DbError> {
        let metadata = self.metadata()?;
        Ok(match metadata.get(QUOTED_ROOT) {
            Some(quoted) => Some(String::from_utf8_lossy(&unquote(quoted)).into_owned()),
            None => metadata.get(ROOT).map(str::to_owned),
        })
    }

    /// Whether the container is no shard of another.
    pub fn is_root_container(&self) -> Result<bool, DbError> {
        if let Some(root) = self.noted_root()? {
            return Ok(root == self.name());
        }
        // A shard of old whose metadata went with its deletion is known by its own range being deleted; that
        // of a root never is.
        Ok(self.own_shard_range()?.is_none_or(|own| !own.deleted))
    }
}
