//! The other side of the database formats is the real one: Python Swift's brokers on the same files.
//!
//! Needs a virtualenv with swift 2.38.3 (`SWIFT_VENV`, or `target/venv`) and, for older tables, its sdist
//! (`SWIFT_SDIST`, or `target/swift-2.38.3`); `tests/setup` makes both.

mod common;

use common::PythonSwift;
use serde_json::{Value, json};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use swiftlet_storage::db::{
    AccountBroker, BrokerOptions, Connections, ContainerBroker, ContainerEntry, ContainerRecord, DbDir,
    DbError, ListingQuery, MetadataEntry, ObjectEntry, ObjectFilter, ObjectRecord, ShardQuery,
};
use swiftlet_types::{HashConf, Timestamp};

const T1: &str = "1402464677.04188";
const T2: &str = "1402464678.00000";
const T3: &str = "1402464679.50000";

/// A device with one account and one container, ours and Python's.
struct Device {
    root: tempfile::TempDir,
    connections: Arc<Connections>,
}

impl Device {
    fn new() -> Self {
        let connections = Connections::new(NonZeroUsize::new(8).unwrap());
        Self { root: tempfile::tempdir().unwrap(), connections }
    }

    fn python(&self) -> PythonSwift {
        PythonSwift::run("db_agent.py", self.root.path())
    }

    fn container(&self) -> ContainerBroker {
        let hash = HashConf { prefix: vec![], suffix: b"endcap".to_vec() }.container("a", "c");
        let dir = DbDir::new(&self.root.path().join("sda"), ContainerBroker::DATA_DIR, "7", &hash);
        ContainerBroker::new("a", "c", dir, Arc::clone(&self.connections), BrokerOptions::default())
    }

    fn account(&self) -> AccountBroker {
        let hash = HashConf { prefix: vec![], suffix: b"endcap".to_vec() }.account("a");
        let dir = DbDir::new(&self.root.path().join("sda"), AccountBroker::DATA_DIR, "7", &hash);
        AccountBroker::new("a", dir, Arc::clone(&self.connections), BrokerOptions::default())
    }

    fn container_path(&self) -> PathBuf {
        self.container().dir().plain_file()
    }

    fn account_path(&self) -> PathBuf {
        self.account().dir().plain_file()
    }
}

fn ts(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn object(name: &str, timestamp: &str, size: i64) -> ObjectRecord {
    ObjectRecord {
        name: name.into(),
        created_at: timestamp.into(),
        size,
        content_type: "text/plain".into(),
        etag: "etag".into(),
        deleted: false,
        storage_policy_index: 0,
        content_type_timestamp: None,
        meta_timestamp: None,
    }
}

/// As Python's `list_objects_iter` gives them.
fn objects(broker: &ContainerBroker, query: &ListingQuery) -> Value {
    let mut entries = Vec::new();
    broker
        .list_objects(query, ObjectFilter::live(0), &mut |entry| {
            entries.push(match entry {
                ObjectEntry::Object { name, modified, size, content_type, etag, .. } => {
                    json!([name, modified.internal(), size, content_type, etag])
                }
                ObjectEntry::Subdir { name } => json!([name, "0", 0, null, ""]),
            })
        })
        .unwrap();
    entries.into()
}

fn all() -> ListingQuery {
    ListingQuery { limit: 10_000, ..ListingQuery::default() }
}

#[test]
fn python_reads_the_container_we_wrote() {
    let device = Device::new();
    let mut python = device.python();
    let broker = device.container();
    broker.initialize(ts(T1), 1).unwrap();
    assert!(matches!(device.container().initialize(ts(T2), 0), Err(DbError::AlreadyExists { .. })));
    broker.set_storage_policy_index(0, ts(T1)).unwrap();
    broker.put_object(object("ünï/1", T1, 5)).unwrap();
    broker.put_object(object("gone", T1, 7)).unwrap();
    broker.put_object(ObjectRecord::tombstone("gone", ts(T2), 0)).unwrap();
    let path = device.container_path();
    assert!(!std::fs::read(broker.dir().pending_file()).unwrap().is_empty(), "rows wait in the pending file");

    let info = python.ask(json!({"do": "info", "path": path}));
    assert_eq!((&info["object_count"], &info["bytes_used"]), (&json!(1), &json!(5)));
    assert_eq!(info["hash"], python.ask(json!({"do": "row_hash", "path": path})));
    assert_eq!(info["put_timestamp"], T1);
    assert_eq!(std::fs::read(broker.dir().pending_file()).unwrap(), b"", "Python merged them");
    let listing = python.ask(json!({"do": "listing", "path": path}));
    assert_eq!(listing, json!([["ünï/1", T1, 5, "text/plain", "etag"]]));
    assert_eq!(objects(&broker, &all()), listing);

    let entry = |key: &str, value: &str, t: &str| MetadataEntry {
        key: key.into(),
        value: value.into(),
        timestamp: t.into(),
    };
    broker
        .update_metadata(vec![entry("X-Container-Meta-Ü", "1\u{1f600}", T1), entry("B", "", T2)], None)
        .unwrap();
    let before = python.ask(json!({"do": "metadata", "path": path}));
    assert_eq!(before["map"], json!({"X-Container-Meta-Ü": ["1\u{1f600}", T1], "B": ["", T2]}));
    python.tell(json!({"do": "update_metadata", "path": path, "metadata": {"C": ["x", T1]}}));
    let after = python.ask(json!({"do": "metadata", "path": path}));
    assert!(
        after["raw"].as_str().unwrap().starts_with(before["raw"].as_str().unwrap().trim_end_matches('}'))
    );
}

#[test]
fn we_read_the_container_python_wrote() {
    let device = Device::new();
    let mut python = device.python();
    let path = device.container_path();
    python.tell(json!({"do": "create", "path": path, "timestamp": T1}));
    let put = |row: Value| json!({"do": "put_object", "path": path, "row": row});
    python.tell(put(json!(["a/1", T1, 5, "text/plain; charset=utf8", "e1"])));
    python.tell(put(json!(["a/2", T1, 6, "a/b", "e2", 0, 0, T2, T3])));
    python.tell(put(json!(["other policy", T1, 6, "a/b", "e2", 0, 1])));
    let broker = device.container();
    let info = broker.info().unwrap();
    assert_eq!((info.object_count, info.bytes_used, info.put_timestamp.as_str()), (2, 11, T1));
    assert_eq!(json!(info.hash), python.ask(json!({"do": "row_hash", "path": path})));
    assert_eq!(objects(&broker, &all())[1], json!(["a/2", T3, 6, "a/b", "e2"]));
    for query in [
        json!({}),
        json!({"delimiter": "/"}),
        json!({"prefix": "a/", "reverse": true}),
        json!({"path": "a", "marker": "a/1"}),
    ] {
        let text = |key: &str| query[key].as_str().unwrap_or_default().to_owned();
        let ours = ListingQuery {
            marker: text("marker"),
            prefix: text("prefix"),
            delimiter: text("delimiter"),
            path: query["path"].as_str().map(str::to_owned),
            reverse: query["reverse"] == true,
            ..all()
        };
        let theirs = python.ask(json!({"do": "listing", "path": path, "query": query}));
        assert_eq!(objects(&broker, &ours), theirs, "{query}");
    }
    assert_eq!(broker.policy_stats().unwrap().len(), 2);
    assert!(!broker.is_empty().unwrap());

    assert_eq!(python.ask(json!({"do": "delete", "path": path, "timestamp": T3})), false, "objects are left");
    broker.put_object(ObjectRecord::tombstone("a/1", ts(T3), 0)).unwrap();
    broker.put_object(ObjectRecord::tombstone("a/2", ts(T3), 0)).unwrap();
    assert!(broker.is_deleted().unwrap());
}

#[test]
fn tables_are_those_of_python() {
    let (ours, theirs) = (Device::new(), Device::new());
    let mut python = ours.python();
    ours.container().initialize(ts(T1), 0).unwrap();
    ours.account().initialize(ts(T1), 0).unwrap();
    for (kind, our_path, their_path) in [
        ("container", ours.container_path(), theirs.container_path()),
        ("account", ours.account_path(), theirs.account_path()),
    ] {
        python.tell(json!({"do": "create", "kind": kind, "path": their_path, "timestamp": T1}));
        let tables = |python: &mut PythonSwift, path: PathBuf| {
            let schema = python.ask(json!({"do": "schema", "kind": kind, "path": path}));
            // Blanks within parentheses are a matter of taste.
            schema.to_string().replace("( ", "(").replace(" )", ")").replace(" (", "(")
        };
        assert_eq!(tables(&mut python, our_path), tables(&mut python, their_path), "{kind}");
    }
}

#[test]
fn both_write_one_container_at_once() {
    const EACH: i64 = 400;
    let device = Device::new();
    device.container().initialize(ts(T1), 0).unwrap();
    let path = device.container_path();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let put = json!({"do": "put_many", "path": path, "count": EACH, "timestamp": T1});
            device.python().tell(put);
        });
        for thread in 0..2 {
            let device = &device;
            scope.spawn(move || {
                for i in 0..EACH / 2 {
                    let broker = device.container();
                    broker.put_object(object(&format!("rs-{thread}-{i:04}"), T1, 1)).unwrap();
                    if i % 20 == 0 {
                        broker.info().unwrap();
                    }
                }
            });
        }
    });
    let mut python = device.python();
    let info = device.container().info().unwrap();
    assert_eq!((info.object_count, info.bytes_used), (2 * EACH, 2 * EACH));
    assert_eq!(json!(info.hash), python.ask(json!({"do": "row_hash", "path": path})));
    assert_eq!(python.ask(json!({"do": "rows", "path": path})).as_array().unwrap().len() as i64, 2 * EACH);
}

#[test]
fn accounts_agree() {
    let device = Device::new();
    let mut python = device.python();
    let path = device.account_path();
    let broker = device.account();
    broker.initialize(ts(T1), 0).unwrap();
    let record = |name: &str, put: &str, deleted: &str, objects, policy| ContainerRecord {
        name: name.into(),
        put_timestamp: put.into(),
        delete_timestamp: deleted.into(),
        object_count: objects,
        bytes_used: objects * 10,
        deleted: false,
        storage_policy_index: policy,
    };
    broker.put_container(record("ours", T1, "0", 2, 1)).unwrap();
    broker.put_container(record("gone", T1, T2, 0, 0)).unwrap();
    let put = |row: Value| json!({"do": "put_container", "path": path, "row": row});
    // A Python account server passes header values on as text.
    python.tell(put(json!(["theirs", T2, "0", "3", "30", "0"])));
    let info = broker.info().unwrap();
    assert_eq!((info.container_count, info.object_count, info.bytes_used), (2, 5, 50));
    let theirs = python.ask(json!({"do": "info", "kind": "account", "path": path}));
    assert_eq!((&theirs["hash"], &theirs["object_count"]), (&json!(info.hash), &json!(5)));
    let stats = python.ask(json!({"do": "policy_stats", "kind": "account", "path": path}));
    assert_eq!(stats["1"], json!({"container_count": 1, "object_count": 2, "bytes_used": 20}));
    let mut names = Vec::new();
    let mut emit = |entry: ContainerEntry<'_>| {
        let ContainerEntry::Container { name, object_count, .. } = entry else {
            panic!("no delimiter was given")
        };
        names.push((name.to_owned(), object_count));
    };
    broker.list_containers(&all(), &mut emit).unwrap();
    assert_eq!(names, [("ours".to_owned(), 2), ("theirs".to_owned(), 3)]);
    // An older report changes the counts, which only the reporter knows, but no later time.
    broker.put_container(record("theirs", T1, "0", 4, 0)).unwrap();
    let rows = python.ask(json!({"do": "rows", "kind": "account", "path": path}));
    broker.commit_pending().unwrap();
    let merged = python.ask(json!({"do": "rows", "kind": "account", "path": path}));
    assert_eq!(rows.as_array().unwrap().len(), 3);
    let theirs = merged.as_array().unwrap().iter().find(|row| row["name"] == "theirs").unwrap();
    assert_eq!((&theirs["object_count"], &theirs["put_timestamp"]), (&json!(4), &json!(T2)));
}

#[test]
fn old_containers_are_migrated_as_python_does() {
    for before in ["metadata", "sync", "policy"] {
        let (ours, theirs) = (Device::new(), Device::new());
        let mut python = ours.python();
        for device in [&ours, &theirs] {
            python.tell(json!({"do": "old_container", "before": before, "path": device.container_path(),
                "timestamp": T1, "objects": ["a", "b"]}));
        }
        let broker = ours.container();
        let info = broker.info().unwrap();
        assert_eq!((info.object_count, info.bytes_used, info.storage_policy_index), (2, 6, 0), "{before}");
        broker.put_object(object("c", T2, 1)).unwrap();
        python.tell(json!({"do": "put_object", "path": theirs.container_path(), "row": ["c", T2, 1, "text/plain", "etag"]}));
        let their_info = python.ask(json!({"do": "info", "path": theirs.container_path()}));
        assert_eq!(json!(broker.info().unwrap().hash), their_info["hash"], "{before}");
        assert_eq!(python.ask(json!({"do": "info", "path": ours.container_path()}))["object_count"], 3);
        assert_eq!(broker.shard_ranges(&ShardQuery::default()).unwrap(), []);
    }
}

#[test]
fn old_accounts_are_migrated_as_python_does() {
    for before in ["metadata", "policy", "count"] {
        let device = Device::new();
        let mut python = device.python();
        let path = device.account_path();
        python.tell(
            json!({"do": "old_account", "kind": "account", "before": before, "path": path, "timestamp": T1,
            "containers": ["a", "b"]}),
        );
        let broker = device.account();
        let stats = broker.policy_stats().unwrap();
        assert_eq!(
            (stats[0].container_count, stats[0].object_count, stats[0].bytes_used),
            (2, 6, 18),
            "{before}"
        );
        python.tell(json!({"do": "put_container", "path": path, "row": ["c", T2, "0", 1, 1, 0]}));
        let entry = MetadataEntry { key: "K".into(), value: "v".into(), timestamp: T1.into() };
        broker.update_metadata(vec![entry], None).unwrap();
        assert_eq!(broker.policy_stats().unwrap()[0].container_count, 3, "{before}");
        assert_eq!(
            python.ask(json!({"do": "metadata", "kind": "account", "path": path}))["map"]["K"][0],
            "v"
        );
    }
}

#[test]
fn shard_ranges_agree() {
    let device = Device::new();
    let mut python = device.python();
    device.container().initialize(ts(T1), 0).unwrap();
    let path = device.container_path();
    let range = |name: &str, lower: &str, upper: &str, state: i64| {
        json!({"name": name, "timestamp": T1, "lower": lower, "upper": upper, "object_count": 1, "bytes_used": 2,
            "meta_timestamp": T1, "deleted": 0, "state": state, "state_timestamp": T1, "epoch": null,
            "reported": 0, "tombstones": -1})
    };
    python.tell(json!({"do": "merge_shard_ranges", "path": path,
        "ranges": [range(".shards_a/c-2", "m", "", 40), range(".shards_a/c-1", "", "m", 40)]}));
    let broker = device.container();
    let names = |query: ShardQuery| -> Vec<String> {
        broker.shard_ranges(&query).unwrap().into_iter().map(|range| range.name).collect()
    };
    assert_eq!(names(ShardQuery::default()), [".shards_a/c-1", ".shards_a/c-2"]);
    assert_eq!(names(ShardQuery { includes: "m".into(), ..ShardQuery::default() }), [".shards_a/c-1"]);
    assert_eq!(names(ShardQuery { marker: "m".into(), ..ShardQuery::default() }), [".shards_a/c-2"]);
    let shrunk = swiftlet_storage::db::ShardRange::from_json(&range(".shards_a/c-2", "m", "", 80)).unwrap();
    broker.merge_shard_ranges(vec![shrunk]).unwrap();
    let theirs = python.ask(json!({"do": "shard_ranges", "path": path}));
    assert_eq!(theirs[1]["state"], 80);
    let filled = ShardQuery {
        states: vec![swiftlet_storage::db::ShardState::Active],
        fill_gaps: true,
        ..ShardQuery::default()
    };
    assert_eq!(names(filled), [".shards_a/c-1", "a/c"]);
}

#[test]
fn a_file_that_is_no_database_is_quarantined() {
    let device = Device::new();
    let broker = device.container();
    std::fs::create_dir_all(broker.dir().path()).unwrap();
    std::fs::write(
        device.container_path(),
        "not a database at all, and long enough to be sure of it".repeat(99),
    )
    .unwrap();
    let error = broker.info().unwrap_err();
    assert!(
        matches!(&error, DbError::Quarantined { reason, .. } if reason == "corrupted database"),
        "{error}"
    );
    let to =
        device.root.path().join("sda/quarantined/containers").join(broker.dir().path().file_name().unwrap());
    assert!(to.join(device.container_path().file_name().unwrap()).exists());
    assert!(matches!(device.container().info(), Err(DbError::Missing { .. })));
}
