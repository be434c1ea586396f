//! REPLICATE: by which replicators bring the replicas of an account's or a container's database in step.
//!
//! A request names a database by its hash, `/device/partition/hash`, and calls one operation ([`call`]). What the two
//! kinds of database have of their own is in [`Replicated`]; all the rest is here. Beyond Swift's protocol, whole files
//! may also come by HTTP ([`upload`]), which every answer says by [`TAKES_FILES`].

mod call;
mod files;
mod sync;
mod upload;

pub use call::{RemoteInfo, RemotePolicy, Sent};
pub use sync::{merge_metadata, merge_times, replication_info, text_of, time_of};
pub use upload::{ARRIVAL, is_upload, receive};

use super::answer::{of_error, refuse};
use super::body::read_body;
use super::target::check_placement;
use super::{DatabaseStore, Outcome};
use crate::http::{Request, Response};
use bytes::Bytes;
use call::Call;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::path::Path;
use std::sync::Arc;
use swiftlet_storage::db::{Broker, Connections, DbDir, DbError, Direction, Kind};
use swiftlet_types::PathHash;
use swiftlet_types::names::{quote, split_path};

/// The header field by which our answers say that databases may be sent by HTTP. Python Swift's have none.
pub const TAKES_FILES: &str = "X-Backend-Swiftlet-Takes-Databases";

/// A kind of database as replicators see it.
pub trait Replicated: Kind {
    /// A row as it is sent.
    type Row: DeserializeOwned + Serialize + Into<Self::Record> + From<Self::Record> + Send;

    /// What a replica is told of this one, under Swift's names, but for what both kinds have
    /// (`metadata`, `max_row`, `point`).
    fn facts(broker: &Broker<Self>) -> Result<Map<String, Value>, DbError>;

    /// Takes over the storage policy of a replica that knows better; whether it did.
    fn take_policy(
        _broker: &Broker<Self>,
        _ours: &Map<String, Value>,
        _remote: &RemoteInfo,
    ) -> Result<bool, DbError> {
        Ok(false)
    }

    /// Merges shard ranges as they are sent; `None`: this kind has none.
    fn merge_shard_ranges(_broker: &Broker<Self>, _sent: &[Value]) -> Option<Outcome> {
        None
    }

    /// All shard ranges as JSON; `None`: this kind has none.
    fn shard_ranges(_broker: &Broker<Self>) -> Option<Result<Vec<Value>, DbError>> {
        None
    }
}

/// Which database a request is about.
struct DatabaseTarget {
    device: String,
    partition: String,
    hash: PathHash,
}

impl DatabaseTarget {
    /// Reads the path; the error is the answer.
    fn of(request: &Request) -> Result<Self, Response> {
        let path = &request.path;
        let bad_path = || Response::plain(400, format!("Invalid path: {}", quote(path)));
        let segments = split_path(path, 3, 3, false).ok_or_else(bad_path)?;
        let text = |at: usize| {
            let segment = segments.get(at).and_then(|segment| std::str::from_utf8(segment).ok());
            segment.map(str::to_owned).ok_or_else(bad_path)
        };
        let (device, partition, hash) = (text(0)?, text(1)?, text(2)?);
        check_placement(&device, &partition)?;
        let hash = PathHash::from_hex(&hash)
            .ok_or_else(|| Response::plain(400, format!("Invalid hash: {}", quote(hash.as_bytes()))))?;
        Ok(Self { device, partition, hash })
    }
}

/// A request that was read.
pub struct Replication {
    /// The device.
    pub device: String,
    partition: String,
    hash: PathHash,
    body: Bytes,
}

impl Replication {
    /// Reads path and body; the error is the answer.
    pub async fn read(request: &mut Request) -> Result<Self, Response> {
        let DatabaseTarget { device, partition, hash } = DatabaseTarget::of(request)?;
        let body = read_body(request).await?;
        Ok(Self { device, partition, hash, body })
    }

    /// Does what is asked for, within a job on the device's pool.
    pub fn run<K: Replicated>(self, store: &DatabaseStore) -> Outcome {
        let says_so = |answer: Response| answer.with(TAKES_FILES, "yes");
        self.call::<K>(store).map(says_so).map_err(says_so)
    }

    fn call<K: Replicated>(self, store: &DatabaseStore) -> Outcome {
        let device = store.device_with_room(&self.device)?;
        let call = Call::<K::Row>::parse(&self.body).map_err(|why| Response::plain(400, why))?;
        let dir = DbDir::new(&device, K::DATA_DIR, &self.partition, &self.hash);
        let connections = Arc::clone(store.connections());
        let done = match call {
            Call::CompleteRsync { arrival, file } => files::complete_rsync(
                &Broker::<K>::unnamed(dir, connections),
                &device,
                &arrival,
                file.as_deref(),
            ),
            Call::RsyncThenMerge { arrival } => {
                files::rsync_then_merge(|| existing::<K>(dir, connections), &device, &arrival)
            }
            call => {
                make_room_for_arrivals(&device)?;
                existing::<K>(dir.clone(), Arc::clone(&connections))
                    .map_err(Fault::from)
                    .and_then(|broker| with_existing(&broker, call))
                    .map_err(|fault| set_aside_what_is_none(fault, || Broker::<K>::unnamed(dir, connections)))
            }
        };
        done.map_err(|fault| match fault {
            Fault::Db(error) => of_error(error),
            Fault::Answer(answer) => answer,
        })
    }
}

/// The database in `dir`, the newest of its files, with the names that it holds.
fn existing<K: Kind>(dir: DbDir, connections: Arc<Connections>) -> Result<Broker<K>, DbError> {
    let file = dir.files()?.pop().unwrap_or_else(|| dir.plain_file());
    Broker::of_existing(&file, connections)
}

/// Why nothing was done: a database's error, or an answer as it is.
enum Fault {
    Db(DbError),
    Answer(Response),
}

impl From<DbError> for Fault {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl From<Response> for Fault {
    fn from(answer: Response) -> Self {
        Self::Answer(answer)
    }
}

/// A replicator that finds no database here sends a file to `tmp` next, by an rsync that makes no folders.
fn make_room_for_arrivals(device: &Path) -> Result<(), Response> {
    let tmp = device.join("tmp");
    std::fs::create_dir_all(&tmp).map_err(|error| {
        tracing::error!(path = %tmp.display(), %error, "cannot make the folder for arrivals");
        Response::standard(500)
    })
}

fn with_existing<K: Replicated>(broker: &Broker<K>, call: Call<K::Row>) -> Result<Response, Fault> {
    let accepted = || Ok(Response::standard(202));
    let unknown = |operation: &str| Fault::Answer(refuse(400, format!("Unknown operation {operation:?}")));
    match call {
        Call::Sync(remote) => Ok(sync::sync(broker, &remote)?),
        Call::MergeSyncs(points) => {
            broker.merge_sync_points(&points, Direction::Incoming)?;
            accepted()
        }
        Call::MergeItems { rows, source } => {
            merge_items(broker, rows, source)?;
            accepted()
        }
        Call::MergeShardRanges(sent) => K::merge_shard_ranges(broker, &sent)
            .ok_or_else(|| unknown("merge_shard_ranges"))?
            .map_err(Fault::from),
        Call::GetShardRanges => {
            let ranges = K::shard_ranges(broker).ok_or_else(|| unknown("get_shard_ranges"))??;
            let body = Value::from(ranges).to_string();
            Ok(Response::new(200).with("Content-Type", "application/json").with_body(body))
        }
        Call::Unknown(operation) => Err(unknown(&operation)),
        Call::CompleteRsync { .. } | Call::RsyncThenMerge { .. } => Err(unknown("on files")),
    }
}

/// Merges rows and, where they say which database they come from, notes how far it has been followed.
fn merge_items<K: Replicated>(
    broker: &Broker<K>,
    rows: Vec<Sent<K::Row>>,
    source: Option<String>,
) -> Result<(), Fault> {
    let last = rows.last().map(|sent| sent.row_id);
    let records: Vec<K::Record> = rows.into_iter().map(|sent| sent.row.into()).collect();
    match (source, last) {
        (_, None) => {}
        (None, _) => broker.merge_records(records)?,
        (Some(source), Some(Some(row_id))) => broker.merge_rows_from(records, &source, row_id)?,
        (Some(_), Some(None)) => return Err(refuse(400, "The last row has no ROWID").into()),
    }
    Ok(())
}

/// A file without the tables of its kind is set aside, so that the replicator's next copy takes its place.
fn set_aside_what_is_none<K: Kind>(fault: Fault, broker: impl FnOnce() -> Broker<K>) -> Fault {
    match fault {
        Fault::Db(error) if error.is_no_such_table() => {
            let error = broker().quarantine(&error.to_string());
            tracing::error!(%error, "not a database of its kind");
            Fault::Answer(Response::standard(404))
        }
        fault => fault,
    }
}

#[cfg(test)]
mod tests;
