//! What an answer says of an account.

use super::state::State;
use crate::database::answer::of_error;
use crate::database::metadata::Kept;
use crate::http::{Headers, Response};
use swiftlet_storage::db::AccountBroker;
use swiftlet_types::Timestamp;

/// The header fields that accounts keep.
pub(super) const KEPT: Kept = Kept { user: "x-account-meta-", system: "x-account-sysmeta-", others: &[] };

/// Counts, times, totals by policy and metadata.
pub(super) fn of_account(broker: &AccountBroker, state: &State) -> Result<Headers, Response> {
    let info = broker.info().map_err(of_error)?;
    let mut headers = Headers::new();
    headers.set_int("X-Account-Container-Count", info.container_count);
    headers.set_int("X-Account-Object-Count", info.object_count);
    headers.set_int("X-Account-Bytes-Used", info.bytes_used);
    headers.set("X-Timestamp", normal(&info.created_at));
    headers.set("X-PUT-Timestamp", normal(&info.put_timestamp));
    for stat in broker.policy_stats().map_err(of_error)? {
        let index = u32::try_from(stat.storage_policy_index).ok();
        let Some(policy) = index.and_then(|index| state.swift.policies.by_index(index)) else { continue };
        let prefix = format!("X-Account-Storage-Policy-{}", policy.name());
        headers.set_int(format!("{prefix}-Container-Count"), stat.container_count);
        headers.set_int(format!("{prefix}-Object-Count"), stat.object_count);
        headers.set_int(format!("{prefix}-Bytes-Used"), stat.bytes_used);
    }
    // Whatever is in the database is shown: only what is kept ever got there.
    for (key, value) in broker.metadata().map_err(of_error)?.iter() {
        headers.set(key.to_owned(), value.to_owned());
    }
    Ok(headers)
}

fn normal(timestamp: &str) -> String {
    timestamp.parse().unwrap_or(Timestamp::ZERO).normal()
}
