//! What a container's row says of an object, by the object's state on disk.

use super::container_update::apply_overrides;
use crate::http::Headers;
use bytes::Bytes;
use swiftlet_storage::object::{Metadata, ObjectState};
use swiftlet_types::Timestamp;

/// The row of an object whose bytes and PUT are as in `state`, with this content type, set at `set_at`, and
/// metadata of `meta_timestamp`.
pub(crate) fn container_row(
    state: &ObjectState,
    meta_timestamp: impl Into<Bytes>,
    content_type: &[u8],
    set_at: Timestamp,
) -> Headers {
    let field = |name: &str| state.metadata.get(name).cloned().unwrap_or_default();
    let mut shown_type = content_type.to_vec();
    if set_at != state.data_timestamp
        && let Some(bytes) = swift_bytes(&state.data_metadata)
    {
        // a static large object's size in listings, which its PUT put there
        shown_type.extend_from_slice(b";swift_bytes=");
        shown_type.extend_from_slice(bytes.as_bytes());
    }
    let mut row = Headers::new();
    row.set("X-Size", field("Content-Length"));
    row.set("X-Content-Type", shown_type);
    row.set("X-Timestamp", state.data_timestamp.internal());
    row.set("X-Content-Type-Timestamp", set_at.internal());
    row.set("X-Meta-Timestamp", meta_timestamp.into());
    row.set("X-Etag", field("ETag"));
    for (name, sysmeta) in
        [("X-Etag", "X-Object-Sysmeta-Ec-Etag"), ("X-Size", "X-Object-Sysmeta-Ec-Content-Length")]
    {
        if let Some(value) = state.metadata.get(sysmeta) {
            row.set(name, value.clone());
        }
    }
    apply_overrides(&mut row, state.metadata.iter());
    row
}

/// The parameter `swift_bytes` of the PUT's content type.
fn swift_bytes(data_metadata: &Metadata) -> Option<&str> {
    let parameters = data_metadata.get_str("Content-Type")?.split(';').skip(1);
    parameters.filter_map(|p| p.trim().strip_prefix("swift_bytes=")).last()
}
