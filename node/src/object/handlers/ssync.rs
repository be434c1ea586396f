//! SSYNC: another node's replicator brings a partition up to date.

use super::super::fragments;
use super::super::placement::PartitionPlacement;
use super::super::server::ObjectServer;
use super::super::ssync::receiver::{Place, Receiver};
use super::{insufficient_storage, job_failed};
use crate::http::{Body, Request, Response};
use std::sync::Arc;
use swiftlet_storage::object::{Layout, partition_dir};

impl ObjectServer {
    /// Answers at once; all that follows is in the answer's body.
    pub(in super::super) async fn ssync(&self, request: Request) -> Result<Response, Response> {
        let asked = PartitionPlacement::of(&request, &self.policies)?;
        if !asked.suffixes.is_empty() {
            return Err(Response::plain(400, "Invalid path: an SSYNC is about a whole partition"));
        }
        let PartitionPlacement { device, partition, policy, .. } = asked;
        let fragment_index = match fragments::ssync_index(&request.headers)? {
            Some(_) if self.store.config().layouts.of_policy(policy) == Layout::Whole => None,
            index => index,
        };
        let (store, name) = (self.store.clone(), device.clone());
        let check = move || store.config().devices.check(&name);
        let checked = self.pools.run(&device, check).await.map_err(job_failed)?;
        let device_dir = checked.map_err(|_| insufficient_storage(&device))?;
        let partition_dir = partition_dir(&device_dir, policy, partition);
        let place = Place { device, device_dir, partition_dir, partition, policy, fragment_index };
        let receiver = Receiver::new(Arc::new(self.clone()), place, request.peer, request.body);
        let answer = Response::new(200).with_body(Body::stream(None, receiver));
        // It is understood that a fragment may be sent before it is committed.
        Ok(answer.with("X-Backend-Accept-No-Commit", "True"))
    }
}
