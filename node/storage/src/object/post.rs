//! What a POST's metadata makes of an object's.

use super::metadata::Metadata;
use swiftlet_types::Timestamp;

/// Takes the content type of `other`, an older `.meta` file, where it is the newest of all.
pub(crate) fn take_content_type(post: &mut Metadata, other: &Metadata, data: &Metadata) {
    let key = "Content-Type-Timestamp";
    let time = other.get_timestamp(key);
    let newer = time > post.get_timestamp(key) && time > data.get_timestamp("X-Timestamp");
    if let (true, Some(value), Some(when)) = (newer, other.get("Content-Type"), other.get(key)) {
        post.set("Content-Type", value.clone());
        post.set(key, when.clone());
    }
}

/// What a client sees of an object that was posted to: the POST's fields, and from the PUT what a POST cannot
/// change.
pub(crate) fn merge_post(data: &Metadata, post: &Metadata, data_timestamp: Timestamp) -> Metadata {
    let mut merged = post.clone();
    for (name, value) in data.iter() {
        let lower = name.to_ascii_lowercase();
        let fixed = matches!(&lower[..], b"content-length" | b"deleted" | b"etag" | b"x-static-large-object");
        if fixed || lower.starts_with(b"x-object-sysmeta-") {
            merged.set(name.clone(), value.clone());
        }
    }
    if let Some(content_type) = data.get("Content-Type")
        && Some(data_timestamp) > post.get_timestamp("Content-Type-Timestamp")
    {
        merged.set("Content-Type", content_type.clone());
        merged.remove("Content-Type-Timestamp");
    }
    merged
}
