//! The other side of the disk format is the real one: Python Swift's DiskFile on the same device.
//!
//! Needs a virtualenv with swift 2.38.3: `SWIFT_VENV`, or `target/venv` below the workspace (`tests/setup`).

mod common;

use common::{Node, PythonSwift, metadata};
use serde_json::{Value, json};
use swiftlet_storage::object::async_pending::AsyncPending;
use swiftlet_storage::object::{ObjectPath, OpenError, hashes};
use swiftlet_types::Timestamp;

const T1: &str = "1402464677.04188";
const T2: &str = "1402464678.00000";
const T3: &str = "1402464679.00000_0000000000000001";

#[test]
fn we_read_what_python_wrote() {
    let node = Node::new();
    let mut python = PythonSwift::start(&node);
    python.ask(json!({"do": "put", "partition": 7, "object": "o/é", "timestamp": T1, "body": "hello",
        "metadata": {"X-Object-Meta-Colour": "bl\u{e4}u", "X-Object-Sysmeta-A": "kept"}}));
    let opened = node.open(7, "o/é").unwrap();
    let state = &opened.state;
    assert_eq!(state.metadata.get("X-Object-Meta-Colour").unwrap(), &b"bl\xe4u"[..]);
    assert_eq!(state.metadata.get_str("name"), Some("/a/c/o/é"));
    assert_eq!((state.size, state.timestamp.internal().as_str()), (5, T1));
    let (_, mut reader) = opened.into_reader(&node.store, true, true);
    assert_eq!(&reader.read(100).unwrap()[..], b"hello");

    python.ask(json!({"do": "post", "partition": 7, "object": "o/é", "timestamp": T2,
        "metadata": {"X-Object-Meta-Size": "big", "Content-Type": "a/b", "Content-Type-Timestamp": T2}}));
    let state = node.open(7, "o/é").unwrap().state;
    assert_eq!(state.metadata.get_str("X-Object-Meta-Size"), Some("big"));
    assert_eq!(state.metadata.get_str("X-Object-Sysmeta-A"), Some("kept"));
    assert_eq!(state.metadata.get("X-Object-Meta-Colour"), None);
    assert_eq!(state.metadata.get_str("Content-Type"), Some("a/b"));
    assert_eq!(state.content_type_timestamp.internal(), T2);

    python.ask(json!({"do": "delete", "partition": 7, "object": "o/é", "timestamp": T3}));
    let error = node.open(7, "o/é").unwrap_err();
    assert!(matches!(error, OpenError::Deleted { timestamp } if timestamp.internal() == T3), "{error}");
}

#[test]
fn python_reads_what_we_wrote() {
    let node = Node::new();
    let mut python = PythonSwift::start(&node);
    let fields = [
        ("X-Object-Meta-Colour", &b"bl\xe4u"[..]),
        ("X-Object-Meta-Empty", b""),
        ("X-Object-Meta-One", b"1"),
    ];
    node.put(7, "o/é", T1, b"hello", &fields).unwrap();
    let read = python.ask(json!({"do": "read", "partition": 7, "object": "o/é"}));
    assert_eq!(read["body"], "hello");
    assert_eq!(read["metadata"]["X-Object-Meta-Colour"], "bl\u{e4}u");
    assert_eq!(read["metadata"]["name"], "/a/c/o/é");
    assert_eq!(read["metadata"]["ETag"], "5d41402abc4b2a76b9719d911017c592");

    let post = metadata(
        T3,
        &[("X-Object-Meta-New", b"x"), ("Content-Type", b"a/b"), ("Content-Type-Timestamp", T2.as_bytes())],
    );
    node.store.write_post(&node.at(7, "o/é"), post, None).unwrap();
    let read = python.ask(json!({"do": "read", "partition": 7, "object": "o/é"}));
    assert_eq!(read["metadata"]["X-Object-Meta-New"], "x");
    assert_eq!(read["metadata"]["Content-Type"], "a/b");

    let gone = "1402464690.00000";
    node.store.delete(&node.at(7, "o/é"), gone.parse().unwrap(), None).unwrap();
    assert_eq!(python.ask(json!({"do": "read", "partition": 7, "object": "o/é"})), json!({"deleted": gone}));
}

#[test]
fn suffix_hashes_agree_whoever_changed_and_whoever_hashed() {
    let node = Node::new();
    let mut python = PythonSwift::start(&node);
    let now = Timestamp::now().ticks();
    let at = |n: u64| Timestamp::from_ticks(now - 1_000_000 + n).unwrap().internal();
    for n in 0..20_u64 {
        let object = format!("o{}", n % 12);
        match n % 4 {
            0 => node.put(3, &object, &at(n), b"ours", &[]).unwrap(),
            1 => python.tell(
                json!({"do": "put", "partition": 3, "object": object, "timestamp": at(n), "body": "x"}),
            ),
            2 => node.store.delete(&node.at(3, &object), at(n).parse().unwrap(), None).unwrap().settle(),
            _ => python.tell(json!({"do": "post", "partition": 3, "object": object, "timestamp": at(n),
                "metadata": {"Content-Type": "t/t", "Content-Type-Timestamp": at(n)}})),
        }
        if n % 5 == 4 {
            assert_eq!(python.ask(json!({"do": "hashes", "partition": 3})), node.hashes(3), "after {n}");
        }
    }
    let incremental = node.hashes(3);
    std::fs::remove_file(node.device().join("objects/3/hashes.pkl")).unwrap();
    assert_eq!(python.ask(json!({"do": "hashes", "partition": 3})), incremental);
    std::fs::remove_file(node.device().join("objects/3/hashes.pkl")).unwrap();
    assert_eq!(node.hashes(3), incremental);
    assert!(incremental.as_object().is_some_and(|hashes| hashes.len() > 8));
}

/// Both sides change and rehash one partition at once. Lost notes would leave a stale hash in the pickle.
#[test]
fn both_write_one_partition_at_the_same_time() {
    let node = Node::new();
    let mut python = PythonSwift::start(&node);
    let now = Timestamp::now().ticks();
    let at = |n: u64| Timestamp::from_ticks(now + n).unwrap().internal();
    std::thread::scope(|scope| {
        let node = &node;
        scope.spawn(move || {
            for n in 0..150_u64 {
                node.put(5, &format!("o{}", n % 10), &at(2 * n), b"ours", &[]).unwrap();
                if n % 10 == 0 {
                    node.hashes(5);
                }
            }
        });
        for n in 0..150_u64 {
            let object = format!("o{}", n % 10);
            python.ask(json!({"do": "put", "partition": 5, "object": object, "timestamp": at(2 * n + 1), "body": "theirs"}));
            if n % 10 == 5 {
                python.ask(json!({"do": "hashes", "partition": 5}));
            }
        }
    });
    let incremental = node.hashes(5);
    assert_eq!(python.ask(json!({"do": "hashes", "partition": 5})), incremental);
    std::fs::remove_file(node.device().join("objects/5/hashes.pkl")).unwrap();
    assert_eq!(node.hashes(5), incremental, "a full rehash finds what the notes told");
    for n in 0..10 {
        let read = python.ask(json!({"do": "read", "partition": 5, "object": format!("o{n}")}));
        assert_eq!(read["body"], "theirs");
        let names: Vec<_> = std::fs::read_dir(node.at(5, &format!("o{n}")).dir).unwrap().collect();
        assert_eq!(names.len(), 1, "older files are gone");
    }
}

#[test]
fn async_pendings_go_both_ways() {
    let node = Node::new();
    let mut python = PythonSwift::start(&node);
    python.tell(json!({"do": "async_pending", "object": "é", "timestamp": T1, "headers": {"x-size": "5", "X-Etag": "\u{e4}"}}));
    let dir = node.device().join("async_pending");
    let suffix = std::fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
    let file = std::fs::read_dir(suffix).unwrap().next().unwrap().unwrap().path();
    let theirs = AsyncPending::read(&file).unwrap().unwrap();
    assert_eq!(theirs.path.object, "é");
    assert_eq!(
        theirs.headers,
        [("X-Size".into(), "5".into()), ("X-Etag".into(), bytes::Bytes::from_static(b"\xe4"))]
    );
    std::fs::remove_file(file).unwrap();

    let path = ObjectPath { account: "a".into(), container: "c".into(), object: "ö".into() };
    let ours = AsyncPending { path, successes: vec![2], ..theirs };
    ours.save(&node.device(), 0, &node.store.config().hash, T2.parse().unwrap()).unwrap();
    let loaded = python.ask(json!({"do": "load_async_pending"}));
    assert_eq!(loaded[0]["obj"], "ö");
    assert_eq!(loaded[0]["headers"], json!({"X-Size": "5", "X-Etag": "\u{e4}"}));
    assert_eq!(loaded[0]["successes"], json!([2]));
}

/// On ext4 without ea_inode; where the file system has room, Python reads the same metadata.
#[test]
fn python_never_reads_half_of_large_metadata() {
    let node = Node::new();
    let mut python = PythonSwift::start(&node);
    let long = vec![b'x'; 20_000];
    node.put(7, "o", T1, b"hello", &[("X-Object-Sysmeta-Long", &long)]).unwrap();
    assert_eq!(node.open(7, "o").unwrap().state.metadata.get("X-Object-Sysmeta-Long").unwrap(), &long);
    let full_room = node.store.has_full_xattr_room(&node.device());
    let read = python.ask(json!({"do": "read", "partition": 7, "object": "o"}));
    if full_room {
        assert_eq!(read["metadata"]["X-Object-Sysmeta-Long"].as_str().map(str::len), Some(20_000));
    } else {
        assert!(read["quarantined"].as_str().is_some_and(|why| why.contains("metadata")), "{read}");
        assert!(matches!(node.open(7, "o"), Err(OpenError::NotFound)));
    }
}

#[test]
fn python_understands_our_invalidations() {
    let node = Node::new();
    let mut python = PythonSwift::start(&node);
    node.put(9, "o", &Timestamp::now().internal(), b"1", &[]).unwrap();
    let before = python.ask(json!({"do": "hashes", "partition": 9}));
    node.put(9, "o", &Timestamp::now().internal(), b"2", &[]).unwrap();
    hashes::invalidate(&node.at(9, "o").suffix_dir()).unwrap();
    let after: Value = python.ask(json!({"do": "hashes", "partition": 9}));
    assert_ne!(before, after);
    assert_eq!(after, node.hashes(9));
}
