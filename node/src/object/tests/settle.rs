//! What is owed is paid, once, by whoever comes next.

use super::{Node, T1};
use bytes::Bytes;
use std::sync::Arc;
use swiftlet_storage::object::async_pending::AsyncPending;
use swiftlet_storage::object::{Change, Location, Metadata, ObjectPath, ObjectStore};
use swiftlet_storage::run_mark::RunMark;

impl Node {
    fn at(&self, store: &ObjectStore, object: &str) -> Location {
        let path = ObjectPath { account: "a".into(), container: "c".into(), object: object.into() };
        store.locate("sda", 7, 0, &path).expect("a usable device")
    }

    /// Changes of a process that is killed before it tells anyone, on a device that loses what was not synced.
    fn die_after(&self, changes: impl FnOnce(&Arc<ObjectStore>) -> Vec<Change>) {
        let store = Arc::new(ObjectStore::new(self.server.store.config().clone()));
        drop(changes(&store));
        drop(store);
        let _ = std::fs::write(self.root.path().join("sda/objects/7/hashes.invalid"), "");
    }

    fn marks(&self) -> usize {
        let names = std::fs::read_dir(self.root.path().join("sda/.swiftlet/runs")).into_iter().flatten();
        names.filter(|entry| !entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.')).count()
    }

    fn noted_suffixes(&self) -> String {
        std::fs::read_to_string(self.root.path().join("sda/objects/7/hashes.invalid")).unwrap()
    }
}

fn put(store: &Arc<ObjectStore>, at: &Location, extra: &[(&'static str, &'static str)]) -> Change {
    let mut writer = store.create(at, Some(3)).unwrap();
    writer.write(vec![Bytes::from_static(b"abc")]).unwrap();
    let (_, etag) = writer.digest();
    let mut metadata: Metadata =
        [("X-Timestamp", T1), ("Content-Type", "t/t"), ("Content-Length", "3")].into_iter().collect();
    metadata.set("ETag", etag);
    extra.iter().for_each(|(name, value)| metadata.set(*name, *value));
    writer.commit(metadata).unwrap()
}

fn field<'a>(update: &'a AsyncPending, name: &str) -> &'a Bytes {
    &update.headers.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no {name}")).1
}

#[tokio::test]
async fn what_a_killed_run_changed_is_noted_and_its_containers_are_told() {
    let node = Node::new();
    let deleted_at = super::recent(0);
    node.die_after(|store| {
        let gone = store.delete(&node.at(store, "gone"), deleted_at.parse().unwrap(), None).unwrap();
        vec![put(store, &node.at(store, "o"), &[("X-Delete-At", "9999999999")]), gone]
    });
    assert_eq!(node.marks(), 1);

    node.server.settle_abandoned("sda").await.unwrap();
    let updates = node.async_pendings();
    let of = |name: &str| updates.iter().find(|u| u.path.object == name).unwrap_or_else(|| panic!("{name}"));
    assert_eq!(of("o").op, "PUT");
    assert_eq!(field(of("o"), "X-Size"), "3");
    assert_eq!(field(of("o"), "X-Timestamp"), T1);
    assert_eq!(field(of("o"), "X-Etag"), "900150983cd24fb0d6963f7d28e17f72");
    assert_eq!(field(of("o"), "X-Backend-Storage-Policy-Index"), "0");
    assert_eq!((of("gone").op.as_str(), field(of("gone"), "X-Timestamp")), ("DELETE", &deleted_at.into()));
    assert_eq!(of("9999999999-a/c/o").path.account, ".expiring_objects");
    assert_eq!(updates.len(), 3);
    for object in ["o", "gone"] {
        let suffix = node.at(&node.server.store, object).hash.suffix();
        assert!(node.noted_suffixes().lines().any(|line| line == suffix), "{object}");
    }
    assert_eq!(node.marks(), 0);
}

#[tokio::test]
async fn what_was_settled_long_ago_is_left_alone() {
    let node = Node::new();
    node.die_after(|store| vec![put(store, &node.at(store, "o"), &[])]);
    for mark in RunMark::abandoned(&node.root.path().join("sda")).unwrap() {
        mark.stamp(std::time::SystemTime::now() + std::time::Duration::from_secs(60)).unwrap();
    }
    node.server.settle_abandoned("sda").await.unwrap();
    assert!(node.async_pendings().is_empty());
}

#[tokio::test]
async fn a_change_that_nobody_came_to_settle_is_settled_in_this_run_and_keeps_its_mark_until_then() {
    let node = Node::new();
    let store = &node.server.store;
    drop(put(store, &node.at(store, "o"), &[]));
    assert!(!store.changes().finish(&node.root.path().join("sda")).unwrap());
    node.server.clone().finish("sda".to_owned()).await.unwrap();
    assert_eq!(node.async_pendings().len(), 1);
    assert_eq!(node.marks(), 0);
}

#[tokio::test]
async fn a_request_marks_its_device_and_a_clean_end_takes_the_mark_away() {
    let node = Node::new();
    assert_eq!(node.put(T1, "x", &[]).await.status, 201);
    assert_eq!(node.marks(), 1);
    node.server.clone().finish("sda".to_owned()).await.unwrap();
    assert_eq!(node.marks(), 0);
    assert!(node.async_pendings().is_empty());
}

#[tokio::test]
async fn a_stopped_server_ends_its_run() {
    let node = Node::new();
    assert_eq!(node.put(T1, "x", &[]).await.status, 201);
    let ended = tokio_util::sync::CancellationToken::new();
    ended.cancel();
    node.server.clone().look_after_devices(ended).await;
    assert_eq!(node.marks(), 0);
}
