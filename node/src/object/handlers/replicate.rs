//! REPLICATE: the hashes of a partition's suffixes, by which replicators see where nodes differ.

use super::super::many_partitions;
use super::super::placement::PartitionPlacement;
use super::super::server::ObjectServer;
use super::{insufficient_storage, job_failed};
use crate::http::{Request, Response};
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use swiftlet_storage::object::ObjectStore;
use swiftlet_storage::object::hashes::{self, HashesError};
use swiftlet_types::pickle::{self, Dict, Value};

/// No further partition is added to an answer that took so long, or is so long.
const LONG_ENOUGH: Duration = Duration::from_millis(500);
const LARGE_ENOUGH: usize = 1 << 20;

impl ObjectServer {
    /// Without suffixes in the path, the pickled dict of all hashes. With some, these are noted as changed (the
    /// replicator has just pushed files into them), and the answer is a pickled `None`.
    ///
    /// Takes no replication lock, as in Swift: only what moves files does.
    pub(in super::super) async fn replicate(&self, request: Request) -> Result<Response, Response> {
        let asked = PartitionPlacement::of(&request, &self.policies)?;
        let more = many_partitions::named(&request.headers).filter(|_| asked.suffixes.is_empty());
        let (store, device) = (self.store.clone(), asked.device.clone());
        let answer = move || match more {
            Some(more) => many(&store, asked, &more),
            None => one(&store, &asked),
        };
        self.pools.run(&device, answer).await.map_err(job_failed)?
    }
}

fn one(store: &ObjectStore, asked: &PartitionPlacement) -> Result<Response, Response> {
    let device = device(store, asked)?;
    if asked.suffixes.is_empty() {
        let hashes = pickled_hashes(store, &device, asked).map_err(|error| failed(error, asked))?;
        return Ok(Response::html(200, Bytes::from(hashes)));
    }
    let suffixes = asked.suffixes.iter().map(String::as_str);
    let noted = hashes::invalidate_suffixes(&device, asked.policy, asked.partition, suffixes);
    noted.map_err(|error| failed(error, asked))?;
    Ok(Response::html(200, Bytes::from(pickle::encode(&Value::None))))
}

/// The hashes of the partition that was asked for, and of as many of `more` as there is time and room for.
fn many(store: &ObjectStore, asked: PartitionPlacement, more: &[u64]) -> Result<Response, Response> {
    let (device, begun) = (device(store, &asked)?, Instant::now());
    let (mut answer, mut count) = (Vec::new(), 1);
    let hashes = pickled_hashes(store, &device, &asked).map_err(|error| failed(error, &asked))?;
    many_partitions::write(&mut answer, asked.partition, &hashes);
    let mut next = asked;
    for partition in more {
        if begun.elapsed() > LONG_ENOUGH || answer.len() > LARGE_ENOUGH {
            break;
        }
        next.partition = *partition;
        match pickled_hashes(store, &device, &next) {
            Ok(hashes) => {
                many_partitions::write(&mut answer, *partition, &hashes);
                count += 1;
            }
            // The one who asks finds out when it asks for this one alone.
            Err(error) => drop(failed(error, &next)),
        }
    }
    Ok(Response::html(200, Bytes::from(answer)).with(many_partitions::HEADER, count.to_string()))
}

fn device(store: &ObjectStore, asked: &PartitionPlacement) -> Result<PathBuf, Response> {
    store.config().devices.check(&asked.device).map_err(|_| insufficient_storage(&asked.device))
}

fn pickled_hashes(
    store: &ObjectStore,
    device: &Path,
    asked: &PartitionPlacement,
) -> Result<Vec<u8>, HashesError> {
    let config = store.config();
    let layout = config.layouts.of_policy(asked.policy);
    let (_, found) =
        hashes::get_hashes_as(layout, device, asked.policy, asked.partition, &[], config.reclaim_age)?;
    let hashes: Dict =
        found.iter().map(|(suffix, hash)| (suffix.as_str(), Value::from(hash.as_ref()))).collect();
    Ok(pickle::encode(&hashes.into()))
}

fn failed(error: HashesError, asked: &PartitionPlacement) -> Response {
    tracing::error!(%error, device = asked.device, partition = asked.partition, "ERROR suffix hashes");
    Response::standard(500)
}
