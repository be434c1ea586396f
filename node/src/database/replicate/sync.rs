//! The operation `sync`: two replicas tell each other of themselves, and each takes over what is newer.

use super::{RemoteInfo, Replicated};
use crate::http::Response;
use serde_json::{Map, Value};
use swiftlet_storage::db::{Broker, DbError, Direction, Metadata, SyncPoint};
use swiftlet_types::Timestamp;

/// What a replica tells of itself: what `sync` answers, but for the point up to which it has followed the one who asks.
pub fn replication_info<K: Replicated>(broker: &Broker<K>) -> Result<Map<String, Value>, DbError> {
    let mut info = K::facts(broker)?;
    info.insert("metadata".to_owned(), broker.metadata_text()?.into());
    info.insert("max_row".to_owned(), broker.max_row(K::ROW_TABLE)?.into());
    Ok(info)
}

/// Takes over what the remote replica has newer; the answer is what this one was before, but for the storage policy
/// and the point up to which it has followed.
pub(super) fn sync<K: Replicated>(broker: &Broker<K>, remote: &RemoteInfo) -> Result<Response, DbError> {
    let mut info = replication_info(broker)?;
    if K::take_policy(broker, &info, remote)? {
        info = replication_info(broker)?;
    }
    merge_metadata(broker, &remote.metadata)?;
    merge_times(broker, &info, remote)?;
    let is_same = text_of(&info, "hash") == remote.hash;
    info.insert("point".to_owned(), follow(broker, remote, is_same)?.into());
    Ok(Response::html(200, Value::from(info).to_string()))
}

/// Up to which row the remote has been followed; all of them where both have the same rows.
fn follow<K: Replicated>(broker: &Broker<K>, remote: &RemoteInfo, is_same: bool) -> Result<i64, DbError> {
    let point = broker.sync_point(&remote.id, Direction::Incoming)?;
    if !is_same || point >= remote.max_row {
        return Ok(point);
    }
    let reached = SyncPoint { remote_id: remote.id.clone(), sync_point: remote.max_row };
    broker.merge_sync_points(&[reached], Direction::Incoming)?;
    Ok(remote.max_row)
}

/// Takes over the remote's times where they are not those of `info`.
pub fn merge_times<K: Replicated>(
    broker: &Broker<K>,
    info: &Map<String, Value>,
    remote: &RemoteInfo,
) -> Result<(), DbError> {
    let times = [remote.created_at, remote.put_timestamp, remote.delete_timestamp];
    if ["created_at", "put_timestamp", "delete_timestamp"].map(|name| time_of(info, name)) == times {
        return Ok(());
    }
    let [created_at, put_timestamp, delete_timestamp] = times;
    broker.merge_timestamps(created_at, put_timestamp, delete_timestamp)
}

/// Takes over what of the remote's metadata is newer.
pub fn merge_metadata<K: Replicated>(broker: &Broker<K>, text: &str) -> Result<(), DbError> {
    match Metadata::from_json(text) {
        Ok(metadata) => broker.update_metadata(metadata.entries().to_vec(), None),
        // As in Swift, a replica whose metadata is broken still gives its rows.
        Err(why) => {
            tracing::error!(dir = %broker.dir().path().display(), why, "Unable to decode remote metadata");
            Ok(())
        }
    }
}

/// A text among the facts; empty where there is none.
pub fn text_of<'a>(facts: &'a Map<String, Value>, name: &str) -> &'a str {
    facts.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A time among the facts; what is none is the epoch.
pub fn time_of(facts: &Map<String, Value>, name: &str) -> Timestamp {
    text_of(facts, name).parse().unwrap_or(Timestamp::ZERO)
}
