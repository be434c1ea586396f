//! What a client is told of an object, by what its fragments say.

use super::{CONTENT_LENGTH, ETAG, SYSMETA};
use crate::http::headers::has_prefix;
use crate::http::{Headers, Response};
use bytes::Bytes;

/// Turns a node's answer about a fragment into one about the object.
pub(super) fn of_object(response: &mut Response) {
    let headers = &mut response.headers;
    let value = |headers: &Headers, name: &str| headers.get(name).map(Bytes::copy_from_slice);
    if let Some(etag) = value(headers, ETAG) {
        headers.set("Etag", etag);
    }
    let length = value(headers, CONTENT_LENGTH);
    if let (200..=299, Some(length)) = (response.status, &length) {
        headers.set("Content-Length", length.clone());
    }
    hide(headers);
}

/// Takes off what only this room knows of.
pub(super) fn hide(headers: &mut Headers) {
    let is_ours = |name: &Bytes| has_prefix(name, "x-object-sysmeta-ec-") && name.len() > SYSMETA.len();
    let ours: Vec<Bytes> = headers.iter().map(|(name, _)| name.clone()).filter(is_ours).collect();
    for name in ours.iter().filter_map(|name| std::str::from_utf8(name).ok()) {
        headers.remove(name);
    }
}
