//! PUT: creates a container or updates its metadata; with an object's name it takes that object's row in.

use super::change::{broker_for_change, check_sync_to, create, put_answer, update_metadata};
use super::put_object::put_object;
use crate::container::account_update::AccountServers;
use crate::container::headers::{KEPT, POLICY_INDEX, requested_policy};
use crate::container::state::{Done, Job, State};
use crate::database::Target;
use crate::database::answer::of_error;
use crate::database::target::{Depth, timestamp};
use crate::http::{Request, Response};
use std::sync::Arc;
use swiftlet_storage::db::ContainerBroker;
use swiftlet_types::Timestamp;

pub(in crate::container) fn put(request: Request, state: Arc<State>) -> Result<Job, Response> {
    let mut target = Target::of(&request, Depth::ContainerOrObject)?;
    let timestamp = timestamp(&request.headers)?;
    if let Some(object) = target.object.take() {
        return put_object(&request, target, object, timestamp, state);
    }
    let updates = KEPT.entries(&request.headers, timestamp)?;
    let policies = &state.swift.policies;
    let requested = requested_policy(&request.headers, policies)?;
    // What the proxy would choose, if it says so.
    let default =
        request.headers.get_str("X-Backend-Storage-Policy-Default").and_then(|text| text.parse().ok());
    let default = default.unwrap_or(i64::from(policies.default_policy().index));
    // Swift looks at these after the container is made; what is wrong with them is known now.
    let servers = AccountServers::of(&request)?;
    let device = target.device.clone();
    let work = move || {
        check_sync_to(&updates, &state)?;
        let broker = broker_for_change(&target, &state)?;
        let created = create_or_update(&broker, timestamp, requested, default)?;
        update_metadata(&broker, updates, &state)?;
        let info = broker.info().map_err(of_error)?;
        let answer = put_answer(created, info.storage_policy_index)?;
        Ok(Done { answer, account_update: Some(servers.report(info)) })
    };
    Ok(Job { device, work: Box::new(work) })
}

/// Makes the container be there as of `timestamp`; whether it was not before.
fn create_or_update(
    broker: &ContainerBroker,
    timestamp: Timestamp,
    requested: Option<i64>,
    default: i64,
) -> Result<bool, Response> {
    let policy = requested.unwrap_or(default);
    if !broker.exists().map_err(of_error)? && create(broker, timestamp, policy)? {
        return Ok(true);
    }
    let recreated = broker.is_deleted().map_err(of_error)?;
    if recreated {
        // Only an empty, deleted container may change its policy.
        broker.set_storage_policy_index(policy, timestamp).map_err(of_error)?;
    } else if let Some(requested) = requested {
        let existing = broker.info().map_err(of_error)?.storage_policy_index;
        if existing != requested {
            return Err(Response::standard(409).with(POLICY_INDEX, existing.to_string()));
        }
    }
    broker.update_put_timestamp(timestamp).map_err(of_error)?;
    if broker.is_deleted().map_err(of_error)? {
        return Err(Response::standard(409));
    }
    if recreated {
        broker.update_status_changed_at(timestamp).map_err(of_error)?;
    }
    Ok(recreated)
}
