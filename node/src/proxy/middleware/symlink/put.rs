//! What a PUT of a symlink must be, and what is kept of it.

use super::SOURCE;
use super::follow::Follower;
use crate::http::{Headers, Method, Response};
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::subrequest;
use crate::proxy::symlinks::{
    EMPTY_ETAG, KEPT_TARGET, KEPT_TARGET_ACCOUNT, KEPT_TARGET_BYTES, KEPT_TARGET_ETAG, LISTED_ETAG, TARGET,
    TARGET_ACCOUNT, TARGET_BYTES, TARGET_ETAG,
};
use bytes::Bytes;
use swiftlet_types::names::{quote, split_path, unquote};

const BAD_TARGET: &str = "X-Symlink-Target header must be of the form <container name>/<object name>";
/// The size of a large object, and the ETag that clients see of it.
const SLO_SIZE: &str = "X-Object-Sysmeta-Slo-Size";
const SLO_ETAG: &str = "X-Object-Sysmeta-Slo-Etag";

/// Refuses a symlink with a body.
pub async fn refuse_body(request: &mut ProxyRequest) -> Result<(), Response> {
    let told =
        request.http.headers.get_str("Content-Length").and_then(|length| length.trim().parse::<u64>().ok());
    let has_body = match told {
        Some(length) => length > 0,
        None => match request.http.body.next().await {
            Ok(chunk) => chunk.is_some(),
            Err(_) => return Err(Response::standard(499)),
        },
    };
    match has_body {
        true => Err(Response::plain(400, "Symlink requests require a zero byte body")),
        false => Ok(()),
    }
}

/// What a client wants a symlink to stand for.
pub struct Link {
    /// The path of the target with its version, not percent-encoded.
    pub path: Vec<u8>,
    /// The ETag that it must have: the link is static then.
    pub etag: Option<Bytes>,
}

impl Link {
    /// Reads the link that a PUT wants, and gives its header the form that is kept.
    pub fn of(request: &mut ProxyRequest) -> Result<Self, Response> {
        let segments = split_path(&request.http.path, 4, 4, true);
        let Some(&[_, own_account, own_container, own_object]) = segments.as_deref() else {
            return Err(Response::standard(404));
        };
        let headers = &mut request.http.headers;
        let target = unquote(headers.get(TARGET).unwrap_or_default());
        if target.starts_with(b"/") {
            return Err(Response::plain(412, BAD_TARGET));
        }
        let absolute = [b"/", &target[..]].concat();
        let Some(&[container, object]) = split_path(&absolute, 2, 2, true).as_deref() else {
            return Err(Response::html(412, BAD_TARGET));
        };
        let account = headers.get(TARGET_ACCOUNT).map(account_name).transpose()?;
        headers.set(TARGET, quote([container, b"/", object].concat()));
        if let Some(account) = &account {
            headers.set(TARGET_ACCOUNT, quote(account));
        }
        let account = account.as_deref().unwrap_or(own_account);
        if (account, container, object) == (own_account, own_container, own_object) {
            return Err(Response::plain(400, "Symlink cannot target itself"));
        }
        let etag = headers.get(TARGET_ETAG).map(crate::http::conditions::normalize_etag);
        let etag = etag.filter(|etag| !etag.is_empty()).map(Bytes::copy_from_slice);
        // these would end the parameter that holds it in listings
        if etag.iter().flatten().any(|b| matches!(b, b';' | b'"' | b'\\')) {
            return Err(Response::plain(400, "Bad X-Symlink-Target-Etag format"));
        }
        let path = [b"/v1/", account, b"/", container, b"/", object].concat();
        if etag.is_none() && headers.get("Content-Type").is_none_or(<[u8]>::is_empty) {
            headers.set("Content-Type", "application/symlink");
        }
        Ok(Self { path, etag })
    }
}

fn account_name(quoted: &[u8]) -> Result<Vec<u8>, Response> {
    let name = unquote(quoted);
    if name.is_empty() {
        return Err(Response::html(412, "Account name cannot be empty"));
    }
    match name.contains(&b'/') {
        true => Err(Response::html(412, "Account name cannot contain slashes")),
        false => Ok(name),
    }
}

/// Refuses a static link to what is not there or has another ETag; keeps what it links to.
pub async fn check_target(
    next: &dyn App,
    symloop_max: i64,
    request: &mut ProxyRequest,
    target: &[u8],
    etag: &Bytes,
) -> Result<(), Response> {
    let mut head = subrequest::with_same_rights(request, Method::Head, target.to_vec(), SOURCE);
    if crate::proxy::meta::is_true(&request.http.headers, "X-Backend-Allow-Reserved-Names") {
        head.http.headers.set("X-Backend-Allow-Reserved-Names", "true");
    }
    let mut follower = Follower::new(next, symloop_max);
    follower.last_target = Some(target.to_vec());
    let found = follower.reach(head, Some(etag.clone()), false).await?;
    if found.status == 404 {
        return Err(follower.conflict("X-Symlink-Target does not exist".to_owned()));
    }
    if !found.is_success() {
        return Err(Response::standard(found.status));
    }
    let headers = &mut request.http.headers;
    // what a large object's listing entry says of itself, the link's says too
    let parameters = match (found.headers.get_str(LISTED_ETAG), found.headers.get_str(SLO_ETAG)) {
        (Some(listed), _) => listed.find(';').map(|at| listed[at..].to_owned()).or(Some(String::new())),
        (None, Some(slo_etag)) => Some(format!("; slo_etag={slo_etag}")),
        (None, None) => None,
    };
    if let Some(parameters) = parameters.filter(|_| !headers.contains(LISTED_ETAG)) {
        headers.set(LISTED_ETAG, format!("{EMPTY_ETAG}{parameters}"));
    }
    let size = found.headers.get(SLO_SIZE).or(found.headers.get("Content-Length")).unwrap_or(b"0");
    headers.set(KEPT_TARGET_BYTES, size.to_vec());
    headers.set(KEPT_TARGET_ETAG, etag.clone());
    if headers.get("Content-Type").is_none_or(<[u8]>::is_empty)
        && let Some(content_type) = found.headers.get("Content-Type")
    {
        headers.set("Content-Type", content_type.to_vec());
    }
    Ok(())
}

/// Keeps what another cluster says of a static link's target, which may not be here yet.
pub fn take_target(headers: &mut Headers, etag: &Bytes) -> Result<(), Response> {
    let Some(size) = headers.get(TARGET_BYTES).map(Bytes::copy_from_slice) else {
        return Err(Response::plain(400, "Missing X-Symlink-Target-Bytes header"));
    };
    headers.set(KEPT_TARGET_ETAG, etag.clone());
    headers.set(KEPT_TARGET_BYTES, size);
    Ok(())
}

/// Turns what the client said of a link into what is kept: system metadata, and parameters of its listing entry.
pub fn keep(headers: &mut Headers) {
    for (said, kept) in [(TARGET, KEPT_TARGET), (TARGET_ACCOUNT, KEPT_TARGET_ACCOUNT)] {
        if let Some(value) = headers.remove(said) {
            headers.set(kept, value);
        }
    }
    let mut listed = headers.get(LISTED_ETAG).unwrap_or(EMPTY_ETAG.as_bytes()).to_vec();
    for (parameter, kept) in [
        ("symlink_target", KEPT_TARGET),
        ("symlink_target_account", KEPT_TARGET_ACCOUNT),
        ("symlink_target_etag", KEPT_TARGET_ETAG),
        ("symlink_target_bytes", KEPT_TARGET_BYTES),
    ] {
        if let Some(value) = headers.get(kept) {
            listed.extend([b"; ", parameter.as_bytes(), b"=", value].concat());
        }
    }
    headers.set(LISTED_ETAG, listed);
}
