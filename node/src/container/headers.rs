//! What an answer says of a container, and what a request says of its storage policy.

use crate::database::metadata::Kept;
use crate::http::dates::format_http_date;
use crate::http::{Headers, Response};
use swiftlet_storage::db::ContainerInfo;
use swiftlet_types::{Policies, Timestamp};

/// The header fields that containers keep.
pub(super) const KEPT: Kept = Kept {
    user: "x-container-meta-",
    system: "x-container-sysmeta-",
    others: &["x-container-read", "x-container-write", "x-container-sync-key", "x-container-sync-to"],
};

pub(super) const POLICY_INDEX: &str = "X-Backend-Storage-Policy-Index";

/// Times, policy, counts and state; only the backend's own fields where the container is deleted.
pub(super) fn of_container(info: Option<&ContainerInfo>, is_deleted: bool) -> Headers {
    let time = |text: Option<&str>| text.and_then(|t| t.parse().ok()).unwrap_or(Timestamp::ZERO);
    let field = |get: fn(&ContainerInfo) -> &String| time(info.map(|info| get(info).as_str()));
    let (created, put) = (field(|i| &i.created_at), field(|i| &i.put_timestamp));
    let mut headers = Headers::new();
    headers.set("X-Backend-Timestamp", created.internal());
    headers.set("X-Backend-PUT-Timestamp", put.internal());
    headers.set("X-Backend-DELETE-Timestamp", field(|i| &i.delete_timestamp).internal());
    headers.set("X-Backend-Status-Changed-At", field(|i| &i.status_changed_at).internal());
    headers.set_int(POLICY_INDEX, info.map_or(0, |info| info.storage_policy_index));
    if let Some(info) = info.filter(|_| !is_deleted) {
        headers.set_int("X-Container-Object-Count", info.object_count);
        headers.set_int("X-Container-Bytes-Used", info.bytes_used);
        headers.set("X-Timestamp", created.normal());
        headers.set("X-PUT-Timestamp", put.normal());
        headers.set("X-Backend-Sharding-State", info.db_state.name());
        headers.set("Last-Modified", format_http_date(put.seconds_ceil()));
    }
    headers
}

/// The storage policy that a request names, if it does; 400 where there is none such.
pub(super) fn requested_policy(headers: &Headers, policies: &Policies) -> Result<Option<i64>, Response> {
    let Some(value) = headers.get(POLICY_INDEX) else { return Ok(None) };
    let text = String::from_utf8_lossy(value);
    let index: Option<u32> = text.trim().parse().ok();
    match index.filter(|index| policies.by_index(*index).is_some()) {
        Some(index) => Ok(Some(i64::from(index))),
        None => {
            // As Python shows it: a number as it is, anything else in quotes.
            let shown = index.map_or_else(|| format!("'{text}'"), |index| index.to_string());
            Err(Response::plain(400, format!("Invalid {POLICY_INDEX} {shown}")))
        }
    }
}
