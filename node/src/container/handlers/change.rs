//! What the handlers that change a container have in common.

use crate::container::headers::POLICY_INDEX;
use crate::container::state::State;
use crate::database::answer::of_error;
use crate::database::metadata::limits;
use crate::database::{Outcome, Target};
use crate::http::{Headers, Response};
use swiftlet_storage::db::{BrokerOptions, ContainerBroker, DbError, MetadataEntry};
use swiftlet_types::Timestamp;
use swiftlet_types::conf::is_true;

const SYNC_TO: &str = "X-Container-Sync-To";

/// The broker of the request's container, on a device that has room for changes.
pub(super) fn broker_for_change(target: &Target, state: &State) -> Result<ContainerBroker, Response> {
    let path = state.store.device_with_room(&target.device)?;
    let (account, container) = (&target.account, target.container());
    Ok(state.store.container(path, &target.partition, account, container, BrokerOptions::default()))
}

/// Whether a missing container is created for what the request brings.
pub(super) fn auto_creates(target: &Target, headers: &Headers, state: &State) -> bool {
    if let Some(word) = headers.get_str("X-Backend-Auto-Create").filter(|word| !word.is_empty()) {
        return is_true(word);
    }
    let prefix = &state.swift.constraints.auto_create_account_prefix;
    // Only the sharder makes shards, and it says so; an update sent to one that is gone must not.
    let is_shard =
        target.account.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with("shards_"));
    target.account.starts_with(prefix.as_str()) && !is_shard
}

/// Creates the container where it is missing and `auto_create` says so, with a policy that the request must
/// name then; whether it was created. 404 where it is still missing.
pub(super) fn ensure_exists(
    broker: &ContainerBroker,
    auto_create: bool,
    timestamp: Timestamp,
    policy: Option<i64>,
) -> Result<bool, Response> {
    if broker.exists().map_err(of_error)? {
        return Ok(false);
    }
    if !auto_create {
        return Err(Response::standard(404));
    }
    let needed = || Response::html(400, "X-Backend-Storage-Policy-Index header is required");
    create(broker, timestamp.normalized(), policy.ok_or_else(needed)?)
}

/// Creates the database; `false` where another request was first.
pub(super) fn create(broker: &ContainerBroker, timestamp: Timestamp, policy: i64) -> Result<bool, Response> {
    match broker.initialize(timestamp, policy) {
        Ok(()) => Ok(true),
        Err(DbError::AlreadyExists { .. }) => Ok(false),
        Err(error) => Err(of_error(error)),
    }
}

/// Merges the request's metadata in, and what follows from a change of the sync target.
pub(super) fn update_metadata(
    broker: &ContainerBroker,
    updates: Vec<MetadataEntry>,
    state: &State,
) -> Result<(), Response> {
    if updates.is_empty() {
        return Ok(());
    }
    if let Some(target) = updates.iter().find(|update| update.key == SYNC_TO) {
        let stored = broker.metadata().map_err(of_error)?;
        let is_same = stored.entries().iter().any(|e| e.key == SYNC_TO && e.value == target.value);
        if !is_same {
            broker.set_container_sync_points(Some(-1), Some(-1)).map_err(of_error)?;
        }
    }
    broker.update_metadata(updates, Some(limits(&state.swift.constraints))).map_err(of_error)?;
    update_sync_store(broker);
    Ok(())
}

/// Brings the list of containers to sync in step. Its failure is nothing to the client.
pub(super) fn update_sync_store(broker: &ContainerBroker) {
    if let Err(error) = broker.update_sync_store() {
        tracing::error!(%error, "the list of synced containers was not updated");
    }
}

/// Refuses an X-Container-Sync-To that names what is not allowed.
pub(super) fn check_sync_to(updates: &[MetadataEntry], state: &State) -> Result<(), Response> {
    match updates.iter().find(|update| update.key == SYNC_TO) {
        Some(target) => state.sync_targets.check(&target.value).map_err(|why| Response::html(400, why)),
        None => Ok(()),
    }
}

/// 201 or 202, with the container's policy.
pub(super) fn put_answer(created: bool, policy: i64) -> Outcome {
    let mut answer = Response::standard(if created { 201 } else { 202 });
    answer.headers.set_int(POLICY_INDEX, policy);
    Ok(answer)
}
