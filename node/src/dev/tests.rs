//! A whole cluster in the test's own process.

use super::*;
use crate::http::{Body, Client, ClientOptions, Method, Request, Response, Timeouts};
use std::collections::BTreeSet;
use std::time::Duration;
use swiftlet_ring::SharedRing;

const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(5), node: Duration::from_secs(30) };

fn options(data: &Path, manifests: Vec<PathBuf>) -> DevOptions {
    DevOptions { manifests, data: data.join("data"), listen: "127.0.0.1:0".parse().unwrap() }
}

/// The built-in manifest, edited, as a file of `folder`.
fn manifest(folder: &Path, edit: impl Fn(String) -> String) -> Vec<PathBuf> {
    let path = folder.join("dev.yaml");
    let text = edit(include_str!("../../../deploy/examples/dev.yaml").to_string());
    std::fs::write(&path, text).unwrap();
    vec![path]
}

const FOURTH_ZONE: &str = "
---
apiVersion: swiftlet.io/v1alpha1
kind: Zone
metadata: {name: rack4}
spec: {cluster: dev, zone: 4, nodes: 1, devices: [{name: d1, size: 10Gi}, {name: d2, size: 10Gi}]}
";

/// A client of one user, with their token.
struct User {
    client: Client,
    address: SocketAddr,
    token: String,
}

impl User {
    async fn of(cluster: &DevCluster) -> Self {
        let client = Client::new(ClientOptions::default());
        let mut user = Self { client, address: cluster.address(), token: String::new() };
        let mut request = Request::new(Method::Get, "/auth/v1.0");
        request.headers.set("X-Auth-User", "test:tester");
        request.headers.set("X-Auth-Key", "testing");
        let answer = user.send(request).await;
        user.token = answer.headers.get_str("X-Auth-Token").unwrap().to_string();
        user
    }

    async fn send(&self, mut request: Request) -> Response {
        if !self.token.is_empty() {
            request.headers.set("X-Auth-Token", self.token.clone());
        }
        let host = self.address.ip().to_string();
        self.client.request(&host, self.address.port(), request, &TIMEOUTS).await.unwrap()
    }

    async fn put(&self, path: &str, body: &'static [u8]) -> u16 {
        let mut request = Request::new(Method::Put, format!("/v1/AUTH_test/{path}"));
        request.body = Body::full(body);
        self.send(request).await.status
    }

    async fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let mut answer = self.send(Request::new(Method::Get, format!("/v1/AUTH_test/{path}"))).await;
        (answer.status, answer.body.read_all(1 << 20).await.unwrap().to_vec())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), vec![]);
    let cluster = DevCluster::start(&options).await.unwrap();
    let user = User::of(&cluster).await;
    assert_eq!(user.put("photos", b"").await, 201);
    assert_eq!(user.put("photos/cat", b"meow").await, 201);
    let second = DevCluster::start(&options).await.err().unwrap().to_string();
    assert!(second.contains("is in use by another swiftlet dev"), "{second}");
    cluster.stop().await;

    let before = State::load(&Home::open(&options.data).unwrap(), "dev").unwrap();
    let cluster = DevCluster::start(&options).await.unwrap();
    let user = User::of(&cluster).await;
    assert_eq!(user.get("photos/cat").await, (200, b"meow".to_vec()));
    cluster.stop().await;
    let after = State::load(&Home::open(&options.data).unwrap(), "dev").unwrap();
    assert_eq!(after, before, "a restart changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_more_is_rebalanced_onto_and_a_zone_less_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let options_of = |files| options(folder.path(), files);
    let first = options_of(manifest(folder.path(), |text| text));
    DevCluster::start(&first).await.unwrap().stop().await;

    let grown = options_of(manifest(folder.path(), |text| text + FOURTH_ZONE));
    let cluster = DevCluster::start(&grown).await.unwrap();
    let user = User::of(&cluster).await;
    assert_eq!(user.put("photos", b"").await, 201);
    cluster.stop().await;
    let ring = SharedRing::load(grown.data.join("etc/object.ring.gz")).unwrap().get();
    let zones: BTreeSet<u32> =
        (0..1024).flat_map(|part| ring.nodes(part).map(|d| d.zone).collect::<Vec<_>>()).collect();
    assert_eq!(zones, [1, 2, 3, 4].into());

    let shrunk = options_of(manifest(folder.path(), |text| text));
    let refused = DevCluster::start(&shrunk).await.err().unwrap().to_string();
    assert_eq!(refused, "dev-rack4-0 stays: it holds data, and draining is not built yet");
}

#[tokio::test]
async fn a_mistake_is_told_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let error_of = async |options: &DevOptions| DevCluster::start(options).await.err().unwrap().to_string();

    let misspelt =
        options(folder.path(), manifest(folder.path(), |text| text.replacen("nodes: 1", "node: 1", 1)));
    let error = error_of(&misspelt).await;
    assert!(error.ends_with("dev.yaml: Zone rack1: spec.node: there is no such field"), "{error}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let in_use = DevOptions { listen: taken.local_addr().unwrap(), ..options(folder.path(), vec![]) };
    let error = error_of(&in_use).await;
    assert!(error.starts_with(&format!("cannot listen on {}", in_use.listen)), "{error}");

    let unwritable = DevOptions { data: "/proc/swiftlet".into(), ..options(folder.path(), vec![]) };
    let error = error_of(&unwritable).await;
    assert!(error.starts_with("/proc/swiftlet: cannot make the folder"), "{error}");
    assert!(!folder.path().join("data").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_hash_path_or_builder_is_never_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), vec![]);
    DevCluster::start(&options).await.unwrap().stop().await;
    for file in ["swift.conf", "object.builder"] {
        let path = options.data.join("etc").join(file);
        let kept = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let error = DevCluster::start(&options).await.err().unwrap().to_string();
        assert!(error.contains(&format!("{file}: it is gone")), "{error}");
        std::fs::write(&path, kept).unwrap();
    }
    DevCluster::start(&options).await.unwrap().stop().await;
}
