//! The expirer's queue: rows in the containers of `.expiring_objects`, one for each object with a time of deletion.

use super::checks::integer;
use super::config::EXPIRER_CONTAINERS;
use super::container_update::{Target, Update, UpdateContext};
use super::placement::{Placement, says_yes};
use super::server::ObjectServer;
use crate::http::Method;
use swiftlet_storage::object::{ObjectPath, ObjectState};

/// Times of deletion are written with ten digits; later ones are capped.
const MAX_DELETE_AT: i64 = 9_999_999_999;
const MD5_OF_NOTHING: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// A change of an object's time of deletion. Seconds since the epoch; 0 is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeleteAtChange {
    pub old: i64,
    pub new: i64,
    /// The object's bytes, which the queue's rows show.
    pub object_bytes: u64,
}

fn normalize(delete_at: i64) -> String {
    format!("{:010}", delete_at.clamp(0, MAX_DELETE_AT))
}

impl ObjectServer {
    /// Enqueues the new time and takes the old one out of the queue.
    pub(super) async fn update_expirer_queue(
        &self,
        context: &UpdateContext,
        placement: &Placement,
        timestamp: &str,
        row_time: Option<&str>,
        change: DeleteAtChange,
    ) {
        if says_yes(&context.headers, "X-Backend-Replication") {
            return;
        }
        if change.new != 0 {
            self.enqueue(context, placement, timestamp, row_time, change).await;
        }
        if change.old != 0 && change.old != change.new {
            self.dequeue(context, placement, timestamp, change.old).await;
        }
    }

    async fn enqueue(
        &self,
        context: &UpdateContext,
        placement: &Placement,
        timestamp: &str,
        row_time: Option<&str>,
        change: DeleteAtChange,
    ) {
        // Without it, enough other object servers were told to do this.
        let Some(hosts) = context.headers.get_str("X-Delete-At-Host") else { return };
        // The proxy's choice fits the nodes that it named, whatever this node's configuration would choose.
        let container = match context.header("X-Delete-At-Container") {
            "" => self.expirer_container(change.new, &placement.path),
            given => given.parse().map_or_else(|_| given.to_owned(), normalize),
        };
        let partition = context.header("X-Delete-At-Partition");
        let devices = context.header("X-Delete-At-Device").split(',').map(str::trim);
        let pairs = hosts.split(',').map(str::trim).zip(devices);
        let mut targets: Vec<Option<Target>> =
            pairs.filter_map(|(host, device)| Target::parse(host, partition, device)).map(Some).collect();
        if targets.is_empty() {
            targets.push(None);
        }
        let update = self.entry(context, placement, timestamp, row_time, change, container);
        for target in targets {
            self.updates.send_or_save(target, update.clone()).await;
        }
    }

    /// The entry of an object at `placement`, as it is on disk: for whoever has no request that tells more.
    pub(super) fn entry_of(&self, placement: &Placement, state: &ObjectState) -> Option<Update> {
        let new = state.metadata.get("X-Delete-At").and_then(|value| integer(value)).filter(|at| *at > 0)?;
        let change = DeleteAtChange { old: 0, new, object_bytes: state.size };
        let container = self.expirer_container(new, &placement.path);
        let (time, row_time) = (state.timestamp.internal(), state.data_timestamp.internal());
        Some(self.entry(&UpdateContext::own(), placement, &time, Some(&row_time), change, container))
    }

    fn entry(
        &self,
        context: &UpdateContext,
        placement: &Placement,
        timestamp: &str,
        row_time: Option<&str>,
        change: DeleteAtChange,
        container: String,
    ) -> Update {
        let mut update = self.queue_update(Method::Put, context, placement, timestamp, change.new, container);
        update.headers.set_int("X-Size", 0);
        update.headers.set("X-Etag", MD5_OF_NOTHING);
        update
            .headers
            .set("X-Content-Type", format!("text/plain;swift_expirer_bytes={}", change.object_bytes));
        if let Some(time) = row_time {
            update.headers.set("X-Content-Type-Timestamp", time.to_owned());
        }
        update
    }

    /// Always by way of the updater: nobody waits for it.
    async fn dequeue(&self, context: &UpdateContext, placement: &Placement, timestamp: &str, delete_at: i64) {
        let keep = context.headers.contains("X-Backend-Clean-Expiring-Object-Queue")
            && !says_yes(&context.headers, "X-Backend-Clean-Expiring-Object-Queue");
        if keep {
            return;
        }
        let container = self.expirer_container(delete_at, &placement.path);
        let update = self.queue_update(Method::Delete, context, placement, timestamp, delete_at, container);
        self.updates.send_or_save(None, update).await;
    }

    fn queue_update(
        &self,
        op: Method,
        context: &UpdateContext,
        placement: &Placement,
        timestamp: &str,
        delete_at: i64,
        container: String,
    ) -> Update {
        // system accounts are of policy 0
        let mut headers = context.common_headers(0);
        headers.set("X-Timestamp", timestamp.to_owned());
        let ObjectPath { account, container: of, object } = &placement.path;
        let path = ObjectPath {
            account: self.config.expirer_account.clone(),
            container,
            object: format!("{}-{account}/{of}/{object}", normalize(delete_at)),
        };
        Update {
            op,
            path,
            container_path: None,
            headers,
            db_state: None,
            device: placement.device.clone(),
            policy: placement.policy,
        }
    }

    /// The queue's container for an object to be deleted then: the day's, spread over a hundred by the object's hash.
    fn expirer_container(&self, delete_at: i64, path: &ObjectPath) -> String {
        let hash = path.hash(&self.store.config().hash);
        let divisor = self.config.expirer_divisor as i64;
        let shard = u128::from_be_bytes(hash.0) % u128::from(EXPIRER_CONTAINERS);
        normalize(delete_at / divisor * divisor - shard as i64)
    }
}
