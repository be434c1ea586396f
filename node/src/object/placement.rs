//! What a backend request's path and headers say about which object is meant and when.

use super::handlers::insufficient_storage;
use crate::http::{Headers, Request, Response};
use swiftlet_storage::device::DeviceError;
use swiftlet_storage::object::{Location, ObjectPath, ObjectStore};
use swiftlet_types::conf::is_true;
use swiftlet_types::names::{is_reserved, quote, split_path};
use swiftlet_types::{Policies, Timestamp};

/// The object that a request is about: `/device/partition/account/container/object` and the policy's header.
#[derive(Debug, Clone)]
pub(super) struct Placement {
    pub device: String,
    pub partition: u64,
    pub path: ObjectPath,
    pub policy: u32,
}

impl Placement {
    /// Reads it from `request`; the error is the answer.
    pub fn of(request: &Request, policies: &Policies) -> Result<Self, Response> {
        let policy = policy_of(request, policies)?;
        let segments = split_path(&request.path, 5, 5, true).ok_or_else(|| bad_path(request))?;
        let text = |at: usize| text_at(&segments, at).ok_or_else(|| bad_path(request));
        let (device, partition) = device_and_partition(text(0)?, &text(1)?)?;
        let path = ObjectPath { account: text(2)?, container: text(3)?, object: text(4)? };
        check_reserved_names(&path)?;
        Ok(Self { device, partition, path, policy })
    }

    /// Where it lies, if its device may be used now.
    pub fn locate(&self, store: &ObjectStore) -> Result<Location, DeviceError> {
        store.locate(&self.device, self.partition, self.policy, &self.path)
    }

    /// The answer while the device cannot be used.
    pub fn insufficient_storage(&self) -> Response {
        insufficient_storage(&self.device)
    }
}

/// The partition that a replicator's request is about: `/device/partition[/suffix[-suffix]…]` and the policy's
/// header.
#[derive(Debug, Clone)]
pub(super) struct PartitionPlacement {
    pub device: String,
    pub partition: u64,
    pub policy: u32,
    /// As they stand in the path.
    pub suffixes: Vec<String>,
}

impl PartitionPlacement {
    /// Reads it from `request`; the error is the answer.
    pub fn of(request: &Request, policies: &Policies) -> Result<Self, Response> {
        let policy = policy_of(request, policies)?;
        let segments = split_path(&request.path, 2, 3, true).ok_or_else(|| bad_path(request))?;
        let text = |at: usize| text_at(&segments, at).ok_or_else(|| bad_path(request));
        let (device, partition) = device_and_partition(text(0)?, &text(1)?)?;
        let suffixes = match text(2)? {
            none if none.is_empty() => Vec::new(),
            some => some.split('-').map(str::to_owned).collect(),
        };
        Ok(Self { device, partition, policy, suffixes })
    }
}

/// The index of the policy that the request's header names.
fn policy_of(request: &Request, policies: &Policies) -> Result<u32, Response> {
    let index = request.headers.get_str("X-Backend-Storage-Policy-Index");
    let Some(policy) = policies.by_header(index) else {
        let text = format!("No policy with index {}", index.unwrap_or("None"));
        return Err(Response::plain(503, text));
    };
    Ok(policy.index)
}

fn bad_path(request: &Request) -> Response {
    Response::plain(400, format!("Invalid path: {}", quote(&request.path)))
}

/// A segment as text, empty where there is none; `None` where it is not UTF-8.
fn text_at(segments: &[&[u8]], at: usize) -> Option<String> {
    std::str::from_utf8(segments.get(at).copied().unwrap_or_default()).map(str::to_owned).ok()
}

fn device_and_partition(device: String, partition: &str) -> Result<(String, u64), Response> {
    if device == "." || device == ".." {
        return Err(Response::plain(400, format!("Invalid device: {device}")));
    }
    let partition =
        partition.parse().map_err(|_| Response::plain(400, format!("Invalid partition: {partition}")))?;
    Ok((device, partition))
}

/// Names of the reserved name space (those with a NUL) begin with it, and containers and objects agree on it.
fn check_reserved_names(path: &ObjectPath) -> Result<(), Response> {
    let refuse = |text: String| Err(Response::html(400, text));
    let own_kind = |name: &str, kind: &str| match name.contains('\0') && !is_reserved(name.as_bytes()) {
        true => refuse(format!("Invalid reserved-namespace {kind}")),
        false => Ok(()),
    };
    own_kind(&path.account, "account")?;
    own_kind(&path.container, "container")?;
    if path.account.starts_with('.') {
        return Ok(());
    }
    own_kind(&path.object, "object")?;
    match (is_reserved(path.container.as_bytes()), is_reserved(path.object.as_bytes())) {
        (true, false) => refuse("Invalid user-namespace object in reserved-namespace container".to_owned()),
        (false, true) => refuse("Invalid reserved-namespace object in user-namespace container".to_owned()),
        _ => Ok(()),
    }
}

/// The request's X-Timestamp, which a change must carry.
pub(super) fn timestamp(headers: &Headers) -> Result<Timestamp, Response> {
    let text =
        headers.get_str("X-Timestamp").ok_or_else(|| Response::plain(400, "Missing X-Timestamp header"))?;
    text.parse().map_err(|_| Response::plain(400, "Invalid X-Timestamp header"))
}

/// The request's X-Timestamp, or now: what decides whether an object has expired for a reader.
pub(super) fn timestamp_or_now(headers: &Headers) -> Timestamp {
    headers.get_str("X-Timestamp").and_then(|text| text.parse().ok()).unwrap_or_else(Timestamp::now)
}

/// Whether a header says yes.
pub(super) fn says_yes(headers: &Headers, name: &str) -> bool {
    headers.get_str(name).is_some_and(is_true)
}

/// Whether expired objects are to be opened as if they were not.
pub(super) fn opens_expired(headers: &Headers) -> bool {
    says_yes(headers, "X-Backend-Open-Expired") || says_yes(headers, "X-Backend-Replication")
}

/// The partition power that the cluster is growing to, if it is.
pub(super) fn next_part_power(headers: &Headers) -> Option<u32> {
    headers.get_str("X-Backend-Next-Part-Power")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Method;
    use swiftlet_types::Policies;

    fn place(path: &[u8]) -> Result<Placement, u16> {
        let request = Request::new(Method::Get, path.to_vec());
        Placement::of(&request, &Policies::new(vec![]).expect("policy 0")).map_err(|answer| answer.status)
    }

    #[test]
    fn paths_name_device_partition_and_object() {
        let placement = place(b"/sda/42/a/c/o/p").unwrap();
        assert_eq!((placement.device.as_str(), placement.partition), ("sda", 42));
        assert_eq!(placement.path.name(), "/a/c/o/p");
        for bad in [&b"/sda/42/a/c"[..], b"/sda/x/a/c/o", b"/../42/a/c/o", b"sda/42/a/c/o", b"//42/a/c/o"] {
            assert_eq!(place(bad).unwrap_err(), 400, "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn reserved_names_keep_to_themselves() {
        assert!(place(b"/sda/1/a/\0c/\0o").is_ok());
        assert!(place(b"/sda/1/.a/c/\0o").is_ok());
        for bad in [&b"/sda/1/a/c/\0o"[..], b"/sda/1/a/\0c/o", b"/sda/1/a/c/o\0", b"/sda/1/a\0/c/o"] {
            assert_eq!(place(bad).unwrap_err(), 400, "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn an_unknown_policy_is_503() {
        let mut request = Request::new(Method::Get, "/sda/1/a/c/o");
        request.headers.set("X-Backend-Storage-Policy-Index", "7");
        let answer = Placement::of(&request, &Policies::new(vec![]).expect("policy 0")).unwrap_err();
        assert_eq!(answer.status, 503);
    }
}
