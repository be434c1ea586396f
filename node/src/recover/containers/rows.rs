//! Rows of objects by the objects' own files.

use super::{ContainersError, Places, Report};
use crate::object::container_row;
use crate::recover::inventory::{Copies, Index, Indexed, Standing, State};
use crate::recover::problems::Problems;
use crate::recover::progress::{Progress, Style};
use swiftlet_storage::db::{BrokerOptions, ContainerBroker, ObjectRecord};
use swiftlet_storage::object::{ObjectPath, ObjectState};
use swiftlet_storage::salvage::read_metadata;
use swiftlet_types::Timestamp;

/// Objects between two notes of how far the work has come.
const BATCH: usize = 5_000;

/// A row, and where it belongs.
struct Entry {
    path: ObjectPath,
    record: ObjectRecord,
    timestamp: Timestamp,
}

/// Merges a row for every object of `index` into its container.
pub(super) fn merge(
    places: &Places<'_>,
    index: &Index,
    style: Style,
    report: &mut Report,
    problems: &mut Problems,
) -> Result<(), ContainersError> {
    let mut progress = Progress::new(style, "merging objects' rows", index.counts()?.found, "objects");
    let mut after = (String::new(), -1);
    loop {
        let objects = index.objects(State::Found, &after, BATCH)?;
        let Some(last) = objects.last() else { break };
        after = (last.name.clone().unwrap_or_default(), last.id);
        let mut entries = Vec::with_capacity(objects.len());
        for object in &objects {
            entries.extend(entry(object, Copies::new(object.hash, index.files(object.id)?), problems));
        }
        // by name: those of a container are together
        let same = |a: &Entry, b: &Entry| {
            (&a.path.account, &a.path.container) == (&b.path.account, &b.path.container)
        };
        for of_container in entries.chunk_by(same) {
            merge_into_container(places, of_container, report)?;
        }
        let done: Vec<_> = objects.iter().map(|object| (object.id, State::Recovered)).collect();
        index.set_states(&done)?;
        progress.add(objects.len() as u64);
    }
    progress.finish();
    Ok(())
}

fn entry(object: &Indexed, copies: Copies, problems: &mut Problems) -> Option<Entry> {
    let Some(path) = object.name.as_deref().and_then(ObjectPath::from_name) else {
        problems.note(format_args!("object {}: no file of it tells its name", object.hash));
        return None;
    };
    match copies.standing() {
        Standing::Nothing => None,
        Standing::Deleted { timestamp, policy } => {
            let record = ObjectRecord::tombstone(path.object.clone(), timestamp, policy.into());
            Some(Entry { path, record, timestamp })
        }
        Standing::There(version) => {
            let metadata = version.data.iter().find_map(|(_, copy)| problems.ok(read_metadata(copy)));
            let Some(metadata) = metadata else {
                problems.note(format_args!("{}: no copy of it can be read", path.name()));
                return None;
            };
            let size =
                metadata.get_str("Content-Length").and_then(|len| len.trim().parse().ok()).unwrap_or(0);
            let state = version.state(metadata, size, problems);
            let record = record(&path.object, &state, version.policy);
            Some(Entry { path, record, timestamp: version.timestamp })
        }
    }
}

/// What the object server would tell of it.
fn record(name: &str, state: &ObjectState, policy: u32) -> ObjectRecord {
    let content_type = state.metadata.get("Content-Type").cloned().unwrap_or_default();
    let set_at = state.content_type_timestamp;
    let row = container_row(state, state.timestamp.internal(), &content_type, set_at);
    let text = |field: &str| row.get(field).map(|value| String::from_utf8_lossy(value).into_owned());
    ObjectRecord {
        name: name.to_owned(),
        created_at: state.data_timestamp.internal(),
        size: text("X-Size").and_then(|size| size.trim().parse().ok()).unwrap_or(0),
        content_type: text("X-Content-Type").unwrap_or_default(),
        etag: text("X-Etag").unwrap_or_default(),
        deleted: false,
        storage_policy_index: policy.into(),
        content_type_timestamp: text("X-Content-Type-Timestamp"),
        meta_timestamp: text("X-Meta-Timestamp"),
    }
}

/// Merges rows of one container. One that no database knows is made, as of its first object; not for tombstones alone.
fn merge_into_container(
    places: &Places<'_>,
    entries: &[Entry],
    report: &mut Report,
) -> Result<(), ContainersError> {
    let Some(Entry { path: ObjectPath { account, container, .. }, .. }) = entries.first() else {
        return Ok(());
    };
    let dir = places.container(account, container);
    let connections = places.connections.clone();
    let broker = ContainerBroker::new(
        account.as_str(),
        container.as_str(),
        dir,
        connections,
        BrokerOptions::default(),
    );
    if !broker.exists()? {
        let live = entries.iter().filter(|entry| !entry.record.deleted);
        let Some(first) = live.min_by_key(|entry| entry.timestamp) else { return Ok(()) };
        broker.initialize(first.timestamp, first.record.storage_policy_index)?;
        report.containers_by_objects += 1;
    }
    let tombstones = entries.iter().filter(|entry| entry.record.deleted).count() as u64;
    report.tombstones += tombstones;
    report.objects += entries.len() as u64 - tombstones;
    Ok(broker.merge_records(entries.iter().map(|entry| entry.record.clone()).collect())?)
}
