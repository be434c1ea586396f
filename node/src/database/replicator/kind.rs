//! What tells the two replicators apart.

use super::sweep::Database;
use crate::database::DatabaseStore;
use crate::database::replicate::{RemoteInfo, Replicated};
use serde_json::{Map, Value};
use std::sync::Arc;
use swiftlet_ring::{Device, Ring};
use swiftlet_storage::db::{Broker, DbError};
use swiftlet_types::{HashConf, PathHash, Timestamp};

/// What is known during one pass.
pub struct PassContext<K: Replica> {
    /// The ring of the databases.
    pub ring: Arc<Ring>,
    /// The node's devices that are walked.
    pub own: Vec<Device>,
    /// How databases are opened.
    pub store: Arc<DatabaseStore>,
    /// The cluster's hash path.
    pub hash: HashConf,
    /// Rows worked on at once.
    pub per_diff: usize,
    /// What is left to the end of the pass.
    pub queue: K::Queue,
}

/// A kind of database as its replicator sees it. Functions that take a broker wait for the disk.
pub trait Replica: Replicated + Send + Sync + 'static {
    /// The daemon's name.
    const DAEMON: &'static str;
    /// `account` or `container`: the name of the ring, of the recon file and of the rsync module.
    const SERVER: &'static str;
    /// The server's usual port.
    const DEFAULT_PORT: u16;
    /// Whether there may be shard ranges.
    const HAS_SHARDS: bool = false;

    /// What a pass gathers to be done at its end.
    type Queue: Default + Send + Sync;

    /// The hash of the names in `info`.
    fn path_hash(info: &Map<String, Value>, hash: &HashConf) -> PathHash;

    /// Whether the database was deleted before `age` and nothing is left in it.
    fn is_reclaimable(broker: &Broker<Self>, age: Timestamp) -> Result<bool, DbError>;

    /// Whether everybody was told of what `info` says, so that the database may go.
    fn is_reported(_info: &Map<String, Value>) -> bool {
        true
    }

    /// What `sync` tells where there is more than one storage policy.
    fn policy_arguments(_info: &Map<String, Value>) -> Vec<Value> {
        Vec::new()
    }

    /// Takes over what a peer says of itself, beside metadata.
    fn learn(
        _broker: &Broker<Self>,
        _info: &Map<String, Value>,
        _remote: &RemoteInfo,
    ) -> Result<(), DbError> {
        Ok(())
    }

    /// Whether rows go to shards and not to peers.
    fn keeps_rows(_broker: &Broker<Self>) -> Result<bool, DbError> {
        Ok(false)
    }

    /// Why a database that does not belong here must stay for now.
    fn why_it_stays(_broker: &Broker<Self>) -> Result<Option<String>, DbError> {
        Ok(None)
    }

    /// Called after each peer was tried; `outcomes` tells who has everything now.
    fn after_pushes(
        _context: &PassContext<Self>,
        _broker: &Broker<Self>,
        _info: &Map<String, Value>,
        _outcomes: &[bool],
    ) -> Result<(), DbError> {
        Ok(())
    }

    /// Databases that the pass wrote to, to be replicated at its end.
    fn written(_queue: &Self::Queue) -> Vec<Database> {
        Vec::new()
    }

    /// Whether a database like this is removed at the end of the pass only, as the pass may still write to it.
    fn is_removed_last(_info: &Map<String, Value>) -> bool {
        false
    }

    /// Called before the database is removed.
    fn before_removal(_broker: &Broker<Self>) -> Result<(), DbError> {
        Ok(())
    }
}
