//! Many PUTs of a replicator's, answered as one job on the disk: their objects get their names together.

use super::super::{insufficient_storage, job_failed, write_failed};
use super::store::{Commit, MetadataParts, Preparation};
use crate::http::{Headers, Request, Response};
use crate::object::checks::check_put;
use crate::object::placement::{Placement, timestamp};
use crate::object::server::ObjectServer;
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use swiftlet_storage::object::{ObjectStore, Together, WriteError};

/// A PUT that is understood.
struct Put {
    preparation: Preparation,
    commit: Commit,
}

impl ObjectServer {
    /// The status of the answer to each of `puts`, whose bodies have been read. All are of one device, policy and
    /// partition, of objects that are stored whole and of which nobody is told.
    pub(in crate::object) async fn put_together(&self, puts: Vec<(Request, Bytes)>) -> Vec<u16> {
        let puts: Vec<Result<Put, Response>> =
            puts.into_iter().map(|(request, body)| self.understand(request, body)).collect();
        let Some(first) = puts.iter().flatten().next().map(|put| put.preparation.placement.clone()) else {
            return puts.into_iter().map(|put| put.map_or_else(|refusal| refusal.status, |_| 201)).collect();
        };
        let (store, count) = (self.store.clone(), puts.len());
        let job = {
            let placement = first.clone();
            move || match store.config().devices.check(&placement.device) {
                Ok(root) => store_all(&store, &root, &placement, puts),
                Err(_) => vec![insufficient_storage(&placement.device).status; count],
            }
        };
        match self.pools.run(&first.device, job).await {
            Ok(statuses) => statuses,
            Err(error) => vec![job_failed(error).status; count],
        }
    }

    fn understand(&self, mut request: Request, body: Bytes) -> Result<Put, Response> {
        let placement = Placement::of(&request, &self.policies)?;
        let now = timestamp(&request.headers)?;
        check_put(&mut request, &placement.path.object, now, &self.constraints)?;
        let device = placement.device.clone();
        let preparation = Preparation::of(&request, placement, now)?.of_size(body.len() as u64);
        let allowed = self.config.allowed_headers.clone();
        let metadata = MetadataParts { headers: request.headers, footers: Headers::new(), allowed, now };
        let commit = Commit { device, pending: vec![body], size: preparation.size, metadata, waits: false };
        Ok(Put { preparation, commit })
    }
}

/// Stores what was understood; the statuses of all.
fn store_all(
    store: &Arc<ObjectStore>,
    root: &Path,
    placement: &Placement,
    puts: Vec<Result<Put, Response>>,
) -> Vec<u16> {
    let failed = |error: WriteError| write_failed(&placement.device, error).status;
    let count = puts.len();
    let mut together = match Together::begin(root, placement.policy, placement.partition) {
        Ok(together) => together,
        Err(error) => return vec![failed(error); count],
    };
    let joined: Vec<Result<(), Response>> = puts
        .into_iter()
        .map(|put| {
            let Put { preparation, commit } = put?;
            commit.join(preparation.run(store)?, &mut together)
        })
        .collect();
    let mut staged = match together.stage() {
        Ok(staged) => staged.into_iter(),
        Err(error) => return vec![failed(error); count],
    };
    let status = |joined: Result<(), Response>| match joined.map(|()| staged.next()) {
        Err(refusal) => refusal.status,
        Ok(None) => 500,
        Ok(Some(staged)) => match staged.and_then(|staged| staged.commit()) {
            // Nobody is to be told.
            Ok(change) => {
                change.settle();
                201
            }
            Err(error) => failed(error),
        },
    };
    joined.into_iter().map(status).collect()
}
