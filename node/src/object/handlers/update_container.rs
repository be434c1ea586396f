//! What every handler that changed an object does last.

use super::super::container_update::{Update, UpdateContext};
use super::super::placement::Placement;
use super::super::server::ObjectServer;
use crate::http::{Headers, Method};
use futures_util::future::join_all;
use std::time::Duration;
use swiftlet_storage::object::Change;

impl ObjectServer {
    /// Tells the container servers that the request names of `change`, which is settled then. Waits for them no
    /// longer than `container_update_timeout`; what takes longer goes on behind the answer.
    pub(super) async fn update_container(
        &self,
        op: Method,
        context: &UpdateContext,
        placement: &Placement,
        row: Headers,
        change: Change,
    ) {
        let mut headers = row;
        for (name, value) in context.common_headers(placement.policy).iter() {
            headers.set(name.clone(), value.clone());
        }
        let update = Update {
            op,
            path: placement.path.clone(),
            container_path: context.container_path(),
            headers,
            db_state: context.headers.get_str("X-Container-Root-Db-State").map(str::to_owned),
            device: placement.device.clone(),
            policy: placement.policy,
        };
        let (updates, targets) = (self.updates.clone(), context.targets());
        let sending = tokio::spawn(async move {
            let each = targets.into_iter().map(|target| updates.send_or_save(target, update.clone()));
            if join_all(each).await.into_iter().all(|settled| settled) {
                change.settle();
            }
        });
        let timeout: Duration = self.config.container_update_timeout;
        if tokio::time::timeout(timeout, sending).await.is_err() {
            tracing::debug!(?timeout, path = %placement.path.name(), "Container update timeout");
        }
    }
}
