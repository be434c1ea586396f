//! Telling the reconciler's queue of objects in another storage policy than their container's.
//!
//! The queue's containers are databases on this very node, be it one of theirs or not: the pass replicates them at its
//! end, and they go where they do not belong.

use crate::container::misplaced::{Operation, QUEUE_ACCOUNT, container_of_row, entry_name};
use crate::database::replicate::text_of;
use crate::database::replicator::{Database, PassContext};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use swiftlet_ring::Device;
use swiftlet_storage::db::{Broker, BrokerOptions, Container, ContainerBroker, DbError, ObjectRecord};
use swiftlet_types::Timestamp;

/// The containers of the queue that a pass wrote to.
#[derive(Default)]
pub struct Queue(Mutex<HashMap<String, Database>>);

impl Queue {
    /// Their databases.
    pub fn databases(&self) -> Vec<Database> {
        self.0.lock().values().cloned().collect()
    }
}

/// Whether a database is one of the queue.
pub(super) fn is_of_queue(info: &Map<String, Value>) -> bool {
    text_of(info, "account") == QUEUE_ACCOUNT
}

/// Writes to the queue which objects of the container are misplaced, from where the last pass came to an end. That is
/// noted only where most replicas have the container's rows: else the next pass does it again.
pub(super) fn tell(
    context: &PassContext<Container>,
    broker: &Broker<Container>,
    info: &Map<String, Value>,
    outcomes: &[bool],
) -> Result<(), DbError> {
    let point = broker.reconciler_sync_point()?;
    let max_row = info.get("max_row").and_then(Value::as_i64).unwrap_or(-1);
    if max_row != point && !broker.has_multiple_policies()? {
        return broker.set_reconciler_sync_point(max_row);
    }
    let reached = enqueue(context, broker, point)?;
    let successes = outcomes.iter().filter(|success| **success).count();
    let is_majority = successes > outcomes.len() / 2;
    if reached > point && is_majority {
        broker.set_reconciler_sync_point(reached)?;
    }
    Ok(())
}

/// The row up to which everything is in the queue.
fn enqueue(context: &PassContext<Container>, broker: &Broker<Container>, point: i64) -> Result<i64, DbError> {
    let max_row = broker.max_row("object")?;
    let root = broker.root_name()?;
    let mut rows = broker.misplaced_since(point, context.per_diff)?;
    if rows.is_empty() {
        return Ok(max_row);
    }
    let (mut reached, mut has_failed) = (point, false);
    while let Some((last, _)) = rows.last() {
        let last = *last;
        let mut batches: BTreeMap<String, Vec<ObjectRecord>> = BTreeMap::new();
        for (_, row) in rows {
            batches.entry(container_of_row(&row.created_at)).or_default().push(entry(&root, row));
        }
        for (container, entries) in batches {
            if let Err(error) = write(context, &container, entries) {
                tracing::error!("Failed to write to reconciler container {container}: {error}");
                has_failed = true;
            }
        }
        if !has_failed {
            reached = last;
        }
        rows = broker.misplaced_since(last, context.per_diff)?;
    }
    Ok(reached)
}

/// The object of the queue for a misplaced one.
fn entry(root: &str, row: ObjectRecord) -> ObjectRecord {
    let operation = if row.deleted { Operation::Delete } else { Operation::Put };
    ObjectRecord {
        name: entry_name(row.storage_policy_index, root, &row.name),
        etag: row.created_at.clone(),
        created_at: row.created_at,
        size: 0,
        content_type: operation.content_type().to_owned(),
        deleted: false,
        storage_policy_index: 0,
        content_type_timestamp: None,
        meta_timestamp: None,
    }
}

fn write(
    context: &PassContext<Container>,
    container: &str,
    entries: Vec<ObjectRecord>,
) -> Result<(), DbError> {
    let partition = context.ring.partition(&context.hash.container(QUEUE_ACCOUNT, container));
    let Some(device) = place(context, partition) else {
        return Err(DbError::Refused("there are no local devices".to_owned()));
    };
    let at = context.store.devices.path_of(&device.device);
    let broker: ContainerBroker = context.store.container(
        at,
        &partition.to_string(),
        QUEUE_ACCOUNT,
        container,
        BrokerOptions::default(),
    );
    if !broker.exists()? {
        let hour: Timestamp = container.parse().unwrap_or(Timestamp::ZERO);
        match broker.initialize(hour, 0) {
            Ok(()) | Err(DbError::AlreadyExists { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let database =
        Database { device: device.device.clone(), device_id: device.id, partition, file: broker.file()? };
    context.queue.0.lock().insert(container.to_owned(), database);
    broker.merge_records(entries)
}

/// The node's device for a partition: one that it belongs on, else one with weight, else any. Always the same one, so
/// that a pass makes no more databases than there are hours.
fn place(context: &PassContext<Container>, partition: u32) -> Option<&Device> {
    let is_own = |id| context.own.iter().find(|own| own.id == id);
    let primary = context.ring.nodes(partition).find_map(|node| is_own(node.id));
    let weighty = || context.own.iter().find(|own| own.weight > 0.0);
    primary.or_else(weighty).or_else(|| context.own.first())
}
