//! Which header fields go along with a copy, and which tell of it.

use super::request::Copy;
use crate::http::headers::has_prefix;
use crate::http::{Headers, Response};
use crate::proxy::meta::ServerKind;
use swiftlet_types::names::quote;

/// Fields of the source's answer that do not become the destination's: they are set apart from the rest, or tell
/// of the answer and not of the object.
const NOT_COPIED: [&str; 12] = [
    "x-static-large-object",
    "x-object-manifest",
    "etag",
    "content-type",
    "x-timestamp",
    "x-backend-timestamp",
    "x-backend-storage-policy-index",
    "content-length",
    "content-range",
    "transfer-encoding",
    "connection",
    "date",
];
/// What a filter wants a container's listing to say instead of what the object server knows.
const LISTING_OVERRIDE: &str = "x-object-sysmeta-container-update-override-";
const TRANSIENT_SYSMETA: &str = "x-object-transient-sysmeta-";

/// The header of the destination's PUT: what came with the source, under what the client says itself. With
/// `fresh`, only system metadata comes along.
pub fn sink(client: &Headers, source: &Response, fresh: bool, raw_manifest: bool) -> Headers {
    let mut sink = Headers::new();
    for (name, value) in source.headers.iter() {
        let copied = match fresh {
            true => ServerKind::Object.system_meta_name(name).is_some(),
            false => !NOT_COPIED.iter().any(|skip| name.eq_ignore_ascii_case(skip.as_bytes())),
        };
        if copied {
            sink.set(name.clone(), value.clone());
        }
    }
    client.iter().for_each(|(name, value)| sink.set(name.clone(), value.clone()));
    for name in ["X-Copy-From", "X-Copy-From-Account", "Transfer-Encoding"] {
        sink.remove(name);
    }
    let manifest = source.headers.get("X-Object-Manifest");
    if let Some(manifest) = manifest.filter(|_| raw_manifest) {
        sink.set("X-Object-Manifest", manifest.to_vec());
    }
    // The ETag lets the copy be checked, where it is that of the very bytes that are copied.
    let is_whole = source.status == 200;
    let is_plain = !source.headers.contains("X-Static-Large-Object") && (manifest.is_none() || raw_manifest);
    match source.headers.get("Etag").filter(|_| is_whole && is_plain) {
        Some(etag) => sink.set("Etag", etag.iter().copied().filter(|b| *b != b'"').collect::<Vec<u8>>()),
        None => sink.retain(|name, _| !has_prefix(name, LISTING_OVERRIDE)),
    }
    if client.get("Content-Type").is_none_or(<[u8]>::is_empty)
        && let Some(content_type) = source.headers.get("Content-Type")
    {
        sink.set("Content-Type", content_type.to_vec());
    }
    sink
}

/// The fields that tell the client what was copied, metadata included.
pub fn copied_from(copy: &Copy, source: &Headers, sink: &Headers) -> Headers {
    let mut told = Headers::new();
    told.set("X-Copied-From-Account", quote(&copy.account));
    told.set("X-Copied-From", quote(&copy.container_and_object));
    for (from, to) in [
        ("Last-Modified", "X-Copied-From-Last-Modified"),
        ("X-Object-Version-Id", "X-Copied-From-Version-Id"),
    ] {
        if let Some(value) = source.get(from) {
            told.set(to, value.to_vec());
        }
    }
    for (name, value) in sink.iter() {
        let is_meta = ServerKind::Object.user_meta_name(name).is_some()
            || ServerKind::Object.system_meta_name(name).is_some()
            || (has_prefix(name, TRANSIENT_SYSMETA) && name.len() > TRANSIENT_SYSMETA.len());
        if is_meta || name.eq_ignore_ascii_case(b"x-delete-at") {
            told.set(name.clone(), value.clone());
        }
    }
    told
}
