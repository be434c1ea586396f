//! A container's listings, of objects and of shard ranges, in each of their forms.

use crate::database::answer::of_error;
use crate::database::listing::{Form, JsonArray};
use crate::http::Response;
use bytes::Bytes;
use std::borrow::Cow;
use swiftlet_storage::db::{
    ContainerBroker, ListingQuery, ObjectEntry, ObjectFilter, ShardRange, split_swift_bytes,
};
use swiftlet_types::listing::{ContainerEntry, Subdir, container_to_xml, to_text};

/// The body of the listing of objects.
pub(super) fn objects(
    broker: &ContainerBroker,
    query: &ListingQuery,
    filter: ObjectFilter,
    form: Form,
    container: &str,
) -> Result<Bytes, Response> {
    if form == Form::Json {
        return objects_as_json(broker, query, filter);
    }
    let mut entries = Vec::new();
    let mut emit = |entry: ObjectEntry<'_>| entries.push(owned(entry));
    broker.list_objects(query, filter, &mut emit).map_err(of_error)?;
    Ok(match form {
        Form::Xml(_) => container_to_xml(container, &entries).into(),
        _ => to_text(&entries).into(),
    })
}

fn objects_as_json(
    broker: &ContainerBroker,
    query: &ListingQuery,
    filter: ObjectFilter,
) -> Result<Bytes, Response> {
    let mut array = JsonArray::default();
    let mut emit = |entry: ObjectEntry<'_>| {
        array.begin();
        match entry {
            ObjectEntry::Subdir { name } => array.text("subdir", name),
            ObjectEntry::Object { name, modified, size, content_type, etag, .. } => {
                let (content_type, bytes) = shown(content_type, size);
                array.int("bytes", bytes);
                array.text("hash", etag);
                array.text("name", name);
                array.text("content_type", &content_type);
                array.text("last_modified", &modified.isoformat());
            }
        }
        array.end();
    };
    broker.list_objects(query, filter, &mut emit).map_err(of_error)?;
    Ok(array.finish())
}

fn owned(entry: ObjectEntry<'_>) -> ContainerEntry<'static> {
    match entry {
        ObjectEntry::Subdir { name } => ContainerEntry::Subdir(Subdir { subdir: name.to_owned().into() }),
        ObjectEntry::Object { name, modified, size, content_type, etag, .. } => {
            let (content_type, bytes) = shown(content_type, size);
            ContainerEntry::Object {
                name: name.to_owned().into(),
                hash: etag.to_owned().into(),
                bytes,
                content_type: content_type.into_owned().into(),
                last_modified: modified.isoformat().into(),
            }
        }
    }
}

/// Content type and size as a listing shows them: the size that a large object's manifest stands for.
fn shown(content_type: &str, size: i64) -> (Cow<'_, str>, i64) {
    let (content_type, swift_bytes) = split_swift_bytes(content_type);
    (content_type, swift_bytes.and_then(|bytes| bytes.parse().ok()).unwrap_or(size))
}

/// The body of a listing of shard ranges: all that is known of each, or only its name and bounds.
pub(super) fn shard_ranges(ranges: &[ShardRange], full: bool) -> Bytes {
    let mut array = JsonArray::default();
    for range in ranges {
        array.begin();
        array.text("name", &range.name);
        if full {
            array.text("timestamp", &range.timestamp.normal());
        }
        array.text("lower", &range.lower);
        array.text("upper", &range.upper);
        if full {
            array.int("object_count", range.object_count);
            array.int("bytes_used", range.bytes_used);
            array.text("meta_timestamp", &range.meta_timestamp.normal());
            array.int("deleted", i64::from(range.deleted));
            array.int("state", range.state.number());
            array.text("state_timestamp", &range.state_timestamp.normal());
            match range.epoch {
                Some(epoch) => array.text("epoch", &epoch.normal()),
                None => array.null("epoch"),
            }
            array.int("reported", i64::from(range.reported));
            array.int("tombstones", range.tombstones);
            array.text("last_modified", &range.timestamp.isoformat());
        }
        array.end();
    }
    array.finish()
}
