use super::super::{BrokerOptions, ContainerRecord, DbState, ObjectRecord};
use super::*;
use std::collections::BTreeMap;
use swiftlet_types::Timestamp;

fn container(root: &Path) -> Broker<Container> {
    let dir = DbDir::new(root, "containers", "7", &PathHash([0xab; 16]));
    let broker = Broker::<Container>::new("a", "c", dir, connections(), BrokerOptions::default());
    broker.initialize("1".parse().unwrap(), 0).unwrap();
    broker
}

fn object(name: &str, created_at: &str, size: i64) -> ObjectRecord {
    ObjectRecord {
        name: name.into(),
        created_at: created_at.into(),
        size,
        content_type: "text/plain".into(),
        etag: "e".into(),
        deleted: false,
        storage_policy_index: 0,
        content_type_timestamp: None,
        meta_timestamp: None,
    }
}

/// Every file below `folder`, with its bytes and time of change.
fn contents(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(contents(&entry.path())),
            false => {
                let changed = entry.metadata().unwrap().modified().unwrap();
                found.insert(entry.path(), (std::fs::read(entry.path()).unwrap(), changed));
            }
        }
    }
    found
}

#[test]
fn what_waits_is_counted_and_nothing_is_touched() {
    let root = tempfile::tempdir().unwrap();
    let broker = container(root.path());
    broker.merge_records(vec![object("x", "2", 5), object("y", "2", 7)]).unwrap();
    broker.put_object(object("y", "3", 70)).unwrap();
    broker.put_object(object("z", "3", 100)).unwrap();
    let before = contents(root.path());

    let file = broker.file().unwrap();
    let snapshot = Snapshot::of_container(&file).unwrap();
    let info = snapshot.info().unwrap();
    assert_eq!((info.object_count, info.bytes_used), (3, 175));
    assert_eq!((snapshot.account(), snapshot.container()), ("a", "c"));
    assert_eq!(info.db_state, DbState::Unsharded);
    assert_eq!(contents(root.path()), before);

    let copied = snapshot._folder.path().to_owned();
    drop(snapshot);
    assert!(!copied.exists());
    // The broker itself comes to the same figures, hash of rows included.
    let own = broker.info().unwrap();
    assert_eq!((own.object_count, own.bytes_used, own.hash), (3, 175, info.hash));
}

#[test]
fn an_account_is_copied_too() {
    let root = tempfile::tempdir().unwrap();
    let dir = DbDir::new(root.path(), "accounts", "7", &PathHash([0xab; 16]));
    let broker = Broker::<Account>::new("a", dir, connections(), BrokerOptions::default());
    broker.initialize("1".parse().unwrap(), 0).unwrap();
    let record = ContainerRecord {
        name: "c".into(),
        put_timestamp: Timestamp::now().internal(),
        delete_timestamp: "0".into(),
        object_count: 3,
        bytes_used: 4,
        deleted: false,
        storage_policy_index: 0,
    };
    broker.put_container(record).unwrap();
    let before = contents(root.path());
    let info = Snapshot::of_account(&broker.file().unwrap()).unwrap().info().unwrap();
    assert_eq!((info.account.as_str(), info.container_count, info.object_count), ("a", 1, 3));
    assert_eq!(contents(root.path()), before);
}

#[test]
fn what_is_no_database_is_refused_and_left_where_it_is() {
    let root = tempfile::tempdir().unwrap();
    let file = container(root.path()).file().unwrap();
    let whole = std::fs::read(&file).unwrap();
    for damaged in [
        &b"garbage that is longer than the head of a database".repeat(9)[..],
        &whole[..5000],
        b"",
        &whole[..7],
    ] {
        std::fs::write(&file, damaged).unwrap();
        let facts = Snapshot::of_container(&file).and_then(|snapshot| snapshot.info());
        assert!(facts.is_err(), "{} bytes", damaged.len());
        assert_eq!(std::fs::read(&file).unwrap(), damaged);
    }
}
