//! What is the accounts' own in replicating databases (`database::replicator`).

use crate::database::replicate::text_of;
use crate::database::replicator::Replica;
use serde_json::{Map, Value};
use swiftlet_storage::db::{Account, Broker, DbError};
use swiftlet_types::{HashConf, PathHash, Timestamp};

impl Replica for Account {
    const DAEMON: &'static str = "account-replicator";
    const SERVER: &'static str = "account";
    const DEFAULT_PORT: u16 = 6202;
    type Queue = ();

    fn path_hash(info: &Map<String, Value>, hash: &HashConf) -> PathHash {
        hash.account(text_of(info, "account"))
    }

    fn is_reclaimable(broker: &Broker<Self>, age: Timestamp) -> Result<bool, DbError> {
        broker.is_reclaimable(age)
    }
}
