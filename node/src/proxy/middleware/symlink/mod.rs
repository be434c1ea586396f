//! `symlink`: objects that stand for other objects, static (bound to one ETag) or dynamic.
//!
//! A symlink is an empty object whose target is kept in system metadata, and in the ETag of its listing entry.

mod follow;
mod listing;
mod put;

use super::{FilterError, Layer, Setup};
use crate::http::{Headers, Method, Response};
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::meta::ServerKind;
use crate::proxy::query::Params;
use crate::proxy::symlinks::{
    KEPT_TARGET, KEPT_TARGET_ACCOUNT, KEPT_TARGET_BYTES, KEPT_TARGET_ETAG, TARGET, TARGET_ACCOUNT,
    TARGET_BYTES, TARGET_ETAG,
};
use async_trait::async_trait;
use follow::Follower;
use serde_json::json;
use std::sync::Arc;
use swiftlet_types::conf::Options;
use swiftlet_types::names::{quote, split_path};

/// What the access log calls the requests made here.
const SOURCE: &str = "SYM";
/// How many links are followed where the section does not say.
const DEFAULT_SYMLOOP_MAX: i64 = 2;

struct Symlink {
    next: Arc<dyn App>,
    /// The most links that a read follows one after the other.
    symloop_max: i64,
}

/// Reads the section.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let symloop_max = match section.int("symloop_max", DEFAULT_SYMLOOP_MAX)? {
        too_few if too_few < 1 => DEFAULT_SYMLOOP_MAX,
        told => told,
    };
    setup.info.register("symlink", json!({"symloop_max": symloop_max, "static_links": true}));
    Ok(Box::new(move |next| Arc::new(Symlink { next, symloop_max })))
}

#[async_trait]
impl App for Symlink {
    async fn call(&self, request: ProxyRequest) -> Response {
        let is_object = match split_path(&request.http.path, 3, 4, true).map(|segments| segments.len()) {
            None => return self.next.call(request).await,
            Some(segments) => segments == 4,
        };
        let answer = match request.http.method {
            Method::Get if !is_object => Ok(listing::answer(&*self.next, request).await),
            Method::Get | Method::Head if is_object => self.read(request).await,
            Method::Put if is_object && request.http.headers.contains(TARGET) => self.put(request).await,
            Method::Post if is_object => self.post(request).await,
            _ => Ok(self.next.call(request).await),
        };
        answer.unwrap_or_else(|refusal| refusal)
    }
}

impl Symlink {
    async fn read(&self, request: ProxyRequest) -> Result<Response, Response> {
        if Params::parse(&request.http.query).get("symlink") != Some(b"get") {
            return Follower::new(&*self.next, self.symloop_max).read(request).await;
        }
        let mut response = self.next.call(request).await;
        show(&mut response.headers);
        Ok(response)
    }

    async fn put(&self, mut request: ProxyRequest) -> Result<Response, Response> {
        put::refuse_body(&mut request).await?;
        let link = put::Link::of(&mut request)?;
        if let Some(etag) = link.etag.as_ref().filter(|_| request.env.synchronized) {
            put::take_target(&mut request.http.headers, etag)?;
        } else if let Some(etag) = &link.etag {
            put::check_target(&*self.next, self.symloop_max, &mut request, &link.path, etag).await?;
        }
        put::keep(&mut request.http.headers);
        Ok(self.next.call(request).await)
    }

    /// A POST changes the symlink and not its target, whichever the client meant: it learns where that is.
    async fn post(&self, request: ProxyRequest) -> Result<Response, Response> {
        if request.http.headers.contains(TARGET) {
            return Err(Response::plain(400, "A PUT request is required to set a symlink target"));
        }
        let path = request.http.path.clone();
        let response = self.next.call(request).await;
        let Some(target) = response.headers.get(KEPT_TARGET).filter(|_| response.is_success()) else {
            return Ok(response);
        };
        let account = response.headers.get(KEPT_TARGET_ACCOUNT);
        let location = target_path(&path, account, target);
        let said = "The requested POST was applied to a symlink. POST directly to the target to apply \
                    requested metadata.";
        let mut redirect = Response::html(307, said).with("Location", location);
        if let Some(etag) = response.headers.get(KEPT_TARGET_ETAG) {
            redirect.headers.set(TARGET_ETAG, etag.to_vec());
        }
        for (name, value) in response.headers.iter() {
            if ServerKind::Object.system_meta_name(name).is_some() {
                redirect.headers.set(name.clone(), value.clone());
            }
        }
        Ok(redirect)
    }
}

/// Shows a client what is kept of a symlink.
fn show(headers: &mut Headers) {
    for (kept, shown) in [
        (KEPT_TARGET, TARGET),
        (KEPT_TARGET_ACCOUNT, TARGET_ACCOUNT),
        (KEPT_TARGET_ETAG, TARGET_ETAG),
        (KEPT_TARGET_BYTES, TARGET_BYTES),
    ] {
        if let Some(value) = headers.remove(kept) {
            headers.set(shown, value);
        }
    }
}

/// The path of a target, percent-encoded as it was given, in the version and, if none is told, the account of `path`.
fn target_path(path: &[u8], account: Option<&[u8]>, target: &[u8]) -> Vec<u8> {
    let segments = split_path(path, 2, 3, true).unwrap_or_default();
    let segment = |index: usize| segments.get(index).copied().unwrap_or_default();
    let own = quote(segment(1));
    let account = account.filter(|account| !account.is_empty()).unwrap_or(own.as_bytes());
    let first = target.iter().position(|b| *b != b'/').unwrap_or(target.len());
    [b"/", segment(0), b"/", account, b"/", &target[first..]].concat()
}

#[cfg(test)]
mod tests;
