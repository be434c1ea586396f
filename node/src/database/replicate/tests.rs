//! Python Swift's replicators push to our servers, and requests that cannot be right are refused.

use super::TAKES_FILES;
use crate::account::AccountServer;
use crate::container::ContainerServer;
use crate::database::Jobs;
use crate::database::testing::{Read, TestNode, ask};
use crate::http::Method::{Options, Put, Replicate};
use crate::http::{Body, Client, ClientOptions, Request, ServerOptions, Service, server};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use swiftlet_testing::run_python;
use swiftlet_types::HashConf;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const T1: &str = "1402464677.04188";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/database/replicate/tests/replicator.py");

struct Node {
    node: TestNode,
    server: Arc<dyn Service>,
    /// `accounts` or `containers`.
    folder: &'static str,
    hash: String,
}

impl Node {
    fn account() -> Self {
        Self::account_with("replication_server", "yes")
    }

    fn account_with(option: &str, value: &str) -> Self {
        let node = TestNode::new();
        let options = node.options("app:account-server").with(option, value);
        let server = AccountServer::from_options(&options, node.swift(), Jobs::default()).unwrap();
        Self { server: Arc::new(server), folder: "accounts", hash: hash().account("a").hex(), node }
    }

    fn container() -> Self {
        let node = TestNode::new();
        let options = node.options("app:container-server");
        let client = Client::new(ClientOptions::default());
        let server = ContainerServer::from_options(&options, node.swift(), Jobs::default(), client).unwrap();
        Self { server: Arc::new(server), folder: "containers", hash: hash().container("a", "c").hex(), node }
    }

    async fn call(&self, body: Value) -> Read {
        self.call_text(&format!("/sda/7/{}", self.hash), &body.to_string()).await
    }

    async fn call_text(&self, path: &str, body: &str) -> Read {
        ask(&*self.server, Replicate, path, &[], body).await
    }

    async fn upload(&self, path: &str, database: &[u8]) -> Read {
        let (path, query) = path.split_once('?').unwrap();
        let mut request = Request::new(Replicate, path.to_owned());
        request.query = query.to_owned().into();
        request.body = Body::full(database.to_vec());
        Read::of(self.server.call(request).await).await
    }

    async fn put(&self) {
        let path = if self.folder == "accounts" { "/sda/7/a" } else { "/sda/7/a/c" };
        assert_eq!(ask(&*self.server, Put, path, &[("X-Timestamp", T1)], "").await.status, 201);
    }

    fn tmp(&self) -> PathBuf {
        self.node.root.path().join("sda/tmp")
    }

    fn database(&self) -> PathBuf {
        let folder = self.node.root.path().join("sda").join(self.folder).join("7");
        folder.join(&self.hash[29..]).join(&self.hash).join(format!("{}.db", self.hash))
    }

    /// What Python's replicator says when it is done with pushing to this server.
    async fn pushed_by_python(&self, kind: &'static str) -> Value {
        let own = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let stop = CancellationToken::new();
        let serving =
            server::serve(listener, None, ServerOptions::default(), self.server.clone(), stop.clone());
        let serving = tokio::spawn(serving);
        let (own, theirs) = (own.path().to_owned(), self.node.root.path().to_owned());
        let python = move || {
            let arguments = [kind, own.to_str().unwrap(), theirs.to_str().unwrap(), &port];
            run_python(&std::fs::read_to_string(SCRIPT).unwrap(), &arguments, "")
        };
        let seen = tokio::task::spawn_blocking(python).await.unwrap();
        stop.cancel();
        serving.await.unwrap();
        serde_json::from_str(&seen).unwrap()
    }
}

fn hash() -> HashConf {
    HashConf { prefix: vec![], suffix: b"endcap".to_vec() }
}

/// What both kinds have in common of a whole series of pushes.
fn expected(kind: &str) -> Value {
    let name = |key: &str| format!("X-{kind}-Meta-{key}");
    json!({
        "missing": [true, "rsync"], "missing rows": true, "missing facts": true,
        "ids differ": true, "in step": true,
        "rows": [true, "diff"], "rows rows": true, "rows facts": true, "rows metadata": true, "rows in step": true,
        "nothing new": [true, "no_change"], "told": ["point"],
        "far behind": [true, "remote_merge"], "far behind rows": true, "far behind points": [17, 0],
        "far behind metadata": {name("Color"): "", name("Size"): "big", name("Shape"): "round"},
        "far behind id": true,
        "after": [true, "diff"], "after rows": true, "after facts": true,
        "deleted": true, "deleted rows": true, "deleted facts": true,
    })
}

#[tokio::test]
async fn pythons_account_replicator_leaves_both_the_same() {
    assert_eq!(Node::account().pushed_by_python("account").await, expected("Account"));
}

#[tokio::test]
async fn pythons_container_replicator_leaves_both_the_same() {
    let mut expected = expected("Container");
    for (key, value) in [("policy", json!([true, 0])), ("shards", json!(true)), ("shards same", json!(3))] {
        expected[key] = value;
    }
    assert_eq!(Node::container().pushed_by_python("container").await, expected);
}

#[tokio::test]
async fn what_cannot_be_right_is_refused_and_changes_nothing() {
    for node in [Node::account(), Node::container()] {
        node.put().await;
        let before = std::fs::read(node.database()).unwrap();
        for body in ["", "[", "{}", "7", "[]", "[7]", r#"["dance"]"#, r#"["__init__", 1]"#, "nonsense \u{0}"]
        {
            let answer = node.call_text(&format!("/sda/7/{}", node.hash), body).await;
            assert_eq!(answer.status, 400, "{body}: {}", answer.body);
        }
        for call in [
            json!(["sync", 1, "hash"]),
            json!(["sync", "1", "hash", "id", T1, T1, T1, ""]),
            json!(["sync", 1, "hash", "id", T1, "yesterday", T1, ""]),
            json!(["merge_items", {"a": 1}, "id"]),
            json!(["merge_items", [{"name": 7}], "id"]),
            json!(["merge_syncs", [{"remote_id": "x", "sync_point": "y"}]]),
            json!(["merge_shard_ranges", [{"name": "no range"}], "id"]),
        ] {
            let answer = node.call(call.clone()).await;
            assert_eq!(answer.status, 400, "{call}: {}", answer.body);
        }
        for path in ["/sda/7/..", "/sda/7/abc", "/../7/x", "/sda/../x", "/sda/7", "/sda/7/x/y"] {
            assert_eq!(node.call_text(path, "[\"sync\"]").await.status, 400, "{path}");
        }
        let missing = format!("/sdz/7/{}", node.hash);
        assert_eq!(node.call_text(&missing, "[\"sync\"]").await.status, 507);
        let huge = format!("[\"merge_items\", [], \"{}\"]", "x".repeat(65 << 20));
        assert_eq!(node.call_text(&format!("/sda/7/{}", node.hash), &huge).await.status, 413);
        assert_eq!(std::fs::read(node.database()).unwrap(), before);
    }
}

#[tokio::test]
async fn files_of_others_are_out_of_reach() {
    let node = Node::container();
    std::fs::create_dir_all(node.tmp()).unwrap();
    let outside = node.node.root.path().join("sda/secret");
    std::fs::write(&outside, "mine").unwrap();
    std::os::unix::fs::symlink(&outside, node.tmp().join("link")).unwrap();
    for operation in ["rsync_then_merge", "complete_rsync"] {
        for name in ["../secret", "..", ".", "", "/etc/passwd", "a/b", "a\u{0}b"] {
            assert_eq!(node.call(json!([operation, name])).await.status, 400, "{name:?}");
        }
        for name in ["link", "not-there"] {
            assert_eq!(node.call(json!([operation, name])).await.status, 404, "{name}");
        }
    }
    std::fs::write(node.tmp().join("id"), "no database").unwrap();
    for to in ["../x.db", "x.db", "..", &format!("{}_x.db", node.hash), &format!("{}.db/../y", node.hash)] {
        assert_eq!(node.call(json!(["complete_rsync", "id", to])).await.status, 400, "{to}");
    }
    assert_eq!(std::fs::read(&outside).unwrap(), b"mine");
    assert_eq!(node.call(json!(["complete_rsync", "id"])).await.status, 500);
    assert!(!node.database().exists() && !node.tmp().join("id").exists());
}

/// What arrived broken goes; what is here stays, and is not quarantined for it.
#[tokio::test]
async fn a_broken_arrival_does_no_harm() {
    for node in [Node::account(), Node::container()] {
        assert_eq!(node.call(json!(["merge_syncs", []])).await.status, 404, "there is no database yet");
        assert!(node.tmp().is_dir(), "rsync needs the folder");
        node.put().await;
        std::fs::write(node.tmp().join("id"), vec![7; 100_000]).unwrap();
        assert_eq!(node.call(json!(["rsync_then_merge", "id"])).await.status, 500);
        assert!(!node.tmp().join("id").exists());
        std::fs::write(node.tmp().join("id"), "again").unwrap();
        assert_eq!(node.call(json!(["complete_rsync", "id"])).await.status, 404, "there is one");
        assert_eq!(node.call(json!(["merge_syncs", []])).await.status, 202);
    }
}

/// The replicator's next step is then to send a whole one.
#[tokio::test]
async fn a_file_without_tables_is_set_aside() {
    for node in [Node::account(), Node::container()] {
        std::fs::create_dir_all(node.database().parent().unwrap()).unwrap();
        std::fs::write(node.database(), "").unwrap();
        let sync = json!(["sync", 1, "hash", "id", T1, T1, "0", ""]);
        assert_eq!(node.call(sync).await.status, 404);
        assert!(!node.database().exists());
        let quarantined = node.node.root.path().join("sda/quarantined").join(node.folder).join(&node.hash);
        assert!(quarantined.exists());
    }
}

#[tokio::test]
async fn a_server_for_clients_only_leaves_replicators_to_another() {
    let node = Node::account_with("replication_server", "no");
    assert_eq!(node.call(json!(["sync"])).await.status, 405);
    let options = ask(&*node.server, Options, "/", &[], "").await;
    assert_eq!(options.header("Allow"), "DELETE, GET, HEAD, OPTIONS, POST, PUT");
}

/// What our replicators send instead of an rsync.
#[tokio::test]
async fn whole_databases_come_by_http() {
    for (node, other) in [(Node::account(), Node::account()), (Node::container(), Node::container())] {
        other.put().await;
        let database = std::fs::read(other.database()).unwrap();
        let path = |name: &str| format!("/sda/7/{}?arrival={name}", node.hash);
        let sent = node.upload(&path("an%20id"), &database).await;
        assert_eq!((sent.status, sent.header(TAKES_FILES)), (202, "yes"), "{}", sent.body);
        assert_eq!(std::fs::read(node.tmp().join("an id")).unwrap(), database);
        assert_eq!(node.call(json!(["complete_rsync", "an id"])).await.status, 204);
        assert!(node.database().exists());
        for (name, bytes, status) in [
            ("cut", &database[..database.len() - 4096], 422),
            ("none", &b"no database"[..], 422),
            ("empty", &b""[..], 422),
            ("..", &database[..], 400),
            ("a%2Fb", &database[..], 400),
            ("", &database[..], 400),
        ] {
            assert_eq!(node.upload(&path(name), bytes).await.status, status, "{name}");
        }
        let left = std::fs::read_dir(node.tmp()).unwrap().count();
        assert_eq!(left, 0, "what is no database is not kept");
        assert_eq!(node.upload("/sdz/7/0123456789abcdef0123456789abcdef?arrival=x", b"").await.status, 507);
        assert_eq!(node.upload("/sda/../x?arrival=x", b"").await.status, 400);
    }
}

/// By every answer a replicator sees that files are taken.
#[tokio::test]
async fn every_answer_says_that_files_are_taken() {
    let node = Node::account();
    assert_eq!(node.call(json!(["merge_syncs", []])).await.header(TAKES_FILES), "yes");
    node.put().await;
    assert_eq!(node.call(json!(["merge_syncs", []])).await.header(TAKES_FILES), "yes");
    assert_eq!(node.call(json!(["dance"])).await.header(TAKES_FILES), "yes");
}
