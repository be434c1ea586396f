//! REPLICATE: the hashes of a partition's suffixes, by which replicators see where nodes differ.

use super::super::placement::PartitionPlacement;
use super::super::server::ObjectServer;
use super::{insufficient_storage, job_failed};
use crate::http::{Request, Response};
use bytes::Bytes;
use swiftlet_storage::object::{ObjectStore, hashes};
use swiftlet_types::pickle::{self, Dict, Value};

impl ObjectServer {
    /// Without suffixes in the path, the pickled dict of all hashes. With some, these are noted as changed (the
    /// replicator has just pushed files into them), and the answer is a pickled `None`.
    ///
    /// Takes no replication lock, as in Swift: only what moves files does.
    pub(in super::super) async fn replicate(&self, request: Request) -> Result<Response, Response> {
        let asked = PartitionPlacement::of(&request, &self.policies)?;
        let (store, device) = (self.store.clone(), asked.device.clone());
        let pickled = self.pools.run(&device, move || answer(&store, &asked)).await.map_err(job_failed)??;
        Ok(Response::html(200, pickled))
    }
}

fn answer(store: &ObjectStore, asked: &PartitionPlacement) -> Result<Bytes, Response> {
    let config = store.config();
    let device = config.devices.check(&asked.device).map_err(|_| insufficient_storage(&asked.device))?;
    let failed = |error| {
        tracing::error!(%error, device = asked.device, partition = asked.partition, "ERROR suffix hashes");
        Response::standard(500)
    };
    let value = match asked.suffixes.is_empty() {
        false => {
            let suffixes = asked.suffixes.iter().map(String::as_str);
            hashes::invalidate_suffixes(&device, asked.policy, asked.partition, suffixes).map_err(failed)?;
            Value::None
        }
        true => {
            let layout = config.layouts.of_policy(asked.policy);
            let (_, found) = hashes::get_hashes_as(
                layout,
                &device,
                asked.policy,
                asked.partition,
                &[],
                config.reclaim_age,
            )
            .map_err(failed)?;
            let hashes: Dict =
                found.iter().map(|(suffix, hash)| (suffix.as_str(), Value::from(hash.as_ref()))).collect();
            hashes.into()
        }
    };
    Ok(pickle::encode(&value).into())
}
