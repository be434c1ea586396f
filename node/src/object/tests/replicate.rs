//! REPLICATE, asked by Python Swift's own replicator and by requests that cannot be right.

use super::{Node, recent};
use crate::http::{Body, Method, Request, ServerOptions, server};
use crate::object::many_partitions;
use serde_json::json;
use swiftlet_testing::run_python;
use swiftlet_types::pickle::{self, Value};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/object/tests/object_replicator.py");

impl Node {
    async fn replicate(&self, path: &str) -> (u16, Option<Value>) {
        let answer = self.send(Request::new(Method::Replicate, path.to_owned())).await;
        (answer.status, pickle::decode(&answer.body).ok())
    }
}

#[tokio::test]
async fn pythons_replicator_finds_what_python_would_tell_it() {
    python_replicates("rsync").await;
}

#[tokio::test]
async fn pythons_replicator_pushes_by_ssync() {
    python_replicates("ssync").await;
}

async fn python_replicates(method: &'static str) {
    let (node, own) = (Node::new(), tempfile::tempdir().unwrap());
    std::fs::create_dir(own.path().join("sda")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let stop = CancellationToken::new();
    let serving = server::serve(listener, None, ServerOptions::default(), node.server.clone(), stop.clone());
    let serving = tokio::spawn(serving);
    let (own, theirs) = (own.path().to_owned(), node.root.path().to_owned());
    let python = move || {
        let arguments = [own.to_str().unwrap(), theirs.to_str().unwrap(), &port, method];
        run_python(&std::fs::read_to_string(SCRIPT).unwrap(), &arguments, "")
    };
    let seen = tokio::task::spawn_blocking(python).await.unwrap();
    stop.cancel();
    serving.await.unwrap();
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    let expected = json!({
        "before": {}, "no_device": 507, "first": [1, 0, 0], "second": [0, 1, 0], "same": true, "pushed": true,
        "noted": null, "without_old": true, "old_is_there": false, "anew": true, "suffixes": 30,
    });
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn noted_suffixes_are_hashed_when_hashes_are_asked_for() {
    let node = Node::new();
    assert_eq!(node.put(&recent(0), "one", &[]).await.status, 201);
    let (status, hashes) = node.replicate("/sda/7").await;
    let hashes = hashes.expect("a pickle");
    let [(suffix, before)] = &hashes.as_dict().unwrap().entries[..] else { panic!("one suffix: {hashes:?}") };
    assert_eq!(status, 200);
    let partition = node.root.path().join("sda/objects/7");
    let suffix = suffix.as_str().unwrap();
    let hash_dir = std::fs::read_dir(partition.join(suffix)).unwrap().next().unwrap().unwrap().path();
    std::fs::write(hash_dir.join(format!("{}.ts", recent(5))), "").unwrap();
    assert_eq!(node.replicate("/sda/7").await.1, Some(hashes.clone()), "nobody noted a change");
    let path = format!("/sda/7/{suffix}-..-zzz-{suffix}");
    assert_eq!(node.replicate(&path).await, (200, Some(Value::None)));
    assert!(!std::fs::read_to_string(partition.join("hashes.invalid")).unwrap().contains(".."));
    let (_, after) = node.replicate("/sda/7").await;
    assert_ne!(after.unwrap().as_dict().unwrap().entries[0].1, *before);
}

#[tokio::test]
async fn several_partitions_are_answered_at_once() {
    let node = Node::new();
    assert_eq!(node.put(&recent(0), "one", &[]).await.status, 201);
    let with = async |more: &'static str| {
        let mut request = Request::new(Method::Replicate, "/sda/7");
        request.headers.set(many_partitions::HEADER, more);
        node.send(request).await
    };
    let alone = node.send(Request::new(Method::Replicate, "/sda/7")).await.body;
    let answer = with("11, 7,99999").await;
    assert_eq!((answer.status, answer.header(many_partitions::HEADER)), (200, "4"));
    let none = pickle::encode(&pickle::Dict::default().into());
    let parts = many_partitions::read(answer.body.into()).expect("an answer");
    let parts: Vec<_> = parts.iter().map(|(number, pickled)| (*number, &pickled[..])).collect();
    assert_eq!(parts, [(7, &alone[..]), (11, &none), (7, &alone), (99_999, &none)]);
    for senseless in ["x", "1,", "-1"] {
        assert_eq!(with(senseless).await.body, alone, "{senseless}");
    }
}

#[tokio::test]
async fn bad_paths_and_policies_are_refused() {
    let node = Node::new();
    for path in ["/sda", "/sda/x", "/../7", "/sda/../abc", "/sda/-1"] {
        assert_eq!(node.replicate(path).await.0, 400, "{path}");
    }
    assert_eq!(node.replicate("/sdb/7/abc").await.0, 507);
    let mut request = Request::new(Method::Replicate, "/sda/7");
    request.headers.set("X-Backend-Storage-Policy-Index", "9");
    assert_eq!(node.send(request).await.status, 503);
    assert!(!node.root.path().join("sda/objects").exists(), "nothing was made");
}

#[tokio::test]
async fn a_server_for_clients_only_leaves_replicators_to_another() {
    let node = Node::with("replication_server", "no");
    assert_eq!(node.replicate("/sda/7").await.0, 405);
    let options = node.call(Method::Options, &[], Body::empty()).await;
    assert_eq!(options.header("Allow"), "DELETE, GET, HEAD, OPTIONS, POST, PUT");
}
