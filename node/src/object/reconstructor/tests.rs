//! Reconstructors of several nodes, each with its object server and its disk.

use super::{EcPolicy, ObjectReconstructor, ReconstructorConfig, Scheme};
use crate::daemon::{Daemon, HowToRun, ReconCache};
use crate::http::{Body, Client, ClientOptions, Method, Request, ServerOptions, server};
use crate::object::replication::PolicyRing;
use crate::object::replicator::tests::{host, ring_data};
use crate::object::tests::fragments::ec_policies;
use crate::object::tests::{Node, recent};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use swiftlet_ring::SharedRing;
use swiftlet_ring::format::{self, FormatVersion};
use swiftlet_storage::object::ObjectPath;
use swiftlet_types::conf::Options;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

const NODES: u32 = 7;
/// More than two segments of 1 MiB, and a few bytes.
const SIZES: [usize; 3] = [0, 5, (2 << 20) + 12_345];

/// Seven nodes, six of which have a fragment of each object (4+2).
struct Cluster {
    nodes: Vec<Node>,
    ports: Vec<u16>,
    ring: Arc<SharedRing>,
    scheme: Arc<Scheme>,
    dir: tempfile::TempDir,
    options: Vec<(&'static str, &'static str)>,
    _serving: Vec<DropGuard>,
}

impl Cluster {
    async fn new(options: &[(&'static str, &'static str)]) -> Self {
        let node = |_| Node::with_policies("replication_concurrency_per_device", "0", ec_policies());
        let nodes: Vec<Node> = (0..NODES).map(node).collect();
        let (mut ports, mut serving) = (Vec::new(), Vec::new());
        for (at, node) in (0..).zip(&nodes) {
            let listener = TcpListener::bind((host(at), 0)).await.unwrap();
            ports.push(listener.local_addr().unwrap().port());
            let stop = CancellationToken::new();
            let service = node.server.clone();
            tokio::spawn(server::serve(listener, None, ServerOptions::default(), service, stop.clone()));
            serving.push(stop.drop_guard());
        }
        let dir = tempfile::tempdir().unwrap();
        let data = ring_data(3, 6, NODES, |id| (ports[id as usize], 1));
        let path = dir.path().join("object-1.ring.gz");
        std::fs::write(&path, format::write(&data, FormatVersion::V1).unwrap()).unwrap();
        let ring = Arc::new(SharedRing::load(path).unwrap());
        let policies = ec_policies();
        let scheme = Scheme::of(policies.by_index(1).unwrap(), false).unwrap().unwrap();
        let options = options.to_vec();
        Self { nodes, ports, ring, scheme: Arc::new(scheme), dir, options, _serving: serving }
    }

    /// One pass of a node's reconstructor; what recon was told.
    async fn reconstruct(&self, node: usize) -> Value {
        let recon_dir = self.dir.path().join(format!("recon{node}"));
        std::fs::create_dir_all(&recon_dir).unwrap();
        let mut options = Options::new("object-server.conf", "object-reconstructor")
            .with("bind_ip", &host(node as u32))
            .with("bind_port", &self.ports[node].to_string())
            .with("recon_cache_path", &recon_dir.display().to_string())
            .with("conn_timeout", "30")
            .with("concurrency", "4");
        for (name, value) in &self.options {
            options = options.with(name, value);
        }
        let ring = PolicyRing { index: 1, ring: self.ring.clone() };
        let reconstructor = ObjectReconstructor::new(
            ReconstructorConfig::from_options(&options).unwrap(),
            self.nodes[node].server.store.clone(),
            vec![EcPolicy { ring, scheme: self.scheme.clone() }],
            self.nodes[node].pools.clone(),
            Client::new(ClientOptions::default()),
            ReconCache::from_options(&options, "object"),
            HowToRun { once: true, ..HowToRun::default() },
        );
        reconstructor.pass().await;
        serde_json::from_slice(&std::fs::read(recon_dir.join("object.recon")).expect("recon")).unwrap()
    }

    async fn reconstruct_all(&self) {
        for node in 0..self.nodes.len() {
            self.reconstruct(node).await;
        }
    }

    fn partition_of(&self, object: &str) -> u32 {
        let path = ObjectPath { account: "a".into(), container: "c".into(), object: object.into() };
        self.ring.get().partition(&path.hash(&self.nodes[0].server.store.config().hash))
    }

    /// The nodes that a partition belongs on, by index of their fragments; and the one that is left.
    fn places(&self, object: &str) -> (Vec<usize>, usize) {
        let partition = self.partition_of(object);
        let primaries: Vec<usize> =
            self.ring.get().nodes(partition).map(|device| device.id as usize).collect();
        let handoff = (0..self.nodes.len()).find(|node| !primaries.contains(node)).unwrap();
        (primaries, handoff)
    }

    fn request(&self, method: Method, object: &str) -> Request {
        let mut request = Request::new(method, format!("/sda/{}/a/c/{object}", self.partition_of(object)));
        request.headers.set("X-Backend-Storage-Policy-Index", "1");
        request.headers.set("X-Backend-Replication", "True");
        request
    }

    /// Stores the fragment `index` of an object on a node.
    async fn put(
        &self,
        node: usize,
        object: &str,
        index: usize,
        time: &str,
        size: usize,
        is_committed: bool,
    ) {
        let mut request = self.request(Method::Put, object);
        let archive = self.archives(size).swap_remove(index);
        for (name, value) in [
            ("X-Timestamp", time.to_owned()),
            ("Content-Type", "a/b".to_owned()),
            ("X-Object-Meta-Colour", "blü".to_owned()),
            ("X-Object-Sysmeta-Ec-Etag", format!("etag of {size}")),
            ("X-Object-Sysmeta-Ec-Content-Length", size.to_string()),
            ("X-Object-Sysmeta-Ec-Frag-Index", index.to_string()),
            ("X-Backend-Ssync-Frag-Index", index.to_string()),
        ] {
            request.headers.set(name, value);
        }
        if !is_committed {
            request.headers.set("X-Backend-No-Commit", "True");
        }
        request.headers.set_int("Content-Length", archive.len());
        request.body = Body::full(archive);
        assert_eq!(self.nodes[node].send(request).await.status, 201);
    }

    /// The same wherever it belongs.
    async fn put_everywhere(&self, object: &str, time: &str, size: usize) {
        for (index, node) in self.places(object).0.into_iter().enumerate() {
            self.put(node, object, index, time, size, true).await;
        }
    }

    /// What a node has of an object: which fragment, and whether its bytes are what they should be.
    async fn has(&self, node: usize, object: &str, size: usize) -> Option<usize> {
        let answer = self.nodes[node].send(self.request(Method::Get, object)).await;
        if answer.status != 200 {
            return None;
        }
        let index = answer.header("X-Object-Sysmeta-Ec-Frag-Index").parse().unwrap();
        assert!(answer.body == self.archives(size)[index], "{object} on node {node}");
        assert_eq!(answer.header("X-Object-Meta-Colour").as_bytes(), "blü".as_bytes());
        Some(index)
    }

    fn archives(&self, size: usize) -> Vec<Vec<u8>> {
        let data: Vec<u8> = (0..size).map(|at| (at * 31 % 251) as u8).collect();
        let mut archives = vec![Vec::new(); 6];
        for segment in data.chunks(self.scheme.segment_len) {
            for (archive, fragment) in archives.iter_mut().zip(self.scheme.codec.encode(segment)) {
                archive.extend(fragment);
            }
        }
        archives
    }

    fn partition_dir(&self, node: usize, object: &str) -> PathBuf {
        self.nodes[node].root.path().join(format!("sda/objects-1/{}", self.partition_of(object)))
    }
}

#[tokio::test]
async fn what_a_wiped_device_held_is_made_again() {
    let cluster = Cluster::new(&[]).await;
    for size in SIZES {
        cluster.put_everywhere(&format!("o{size}"), &recent(0), size).await;
    }
    for node in [2, 5] {
        let _ = std::fs::remove_dir_all(cluster.nodes[node].root.path().join("sda/objects-1"));
    }
    cluster.reconstruct_all().await;
    for size in SIZES {
        let object = format!("o{size}");
        for (index, node) in cluster.places(&object).0.into_iter().enumerate() {
            assert_eq!(cluster.has(node, &object, size).await, Some(index), "{object}");
        }
    }
}

#[tokio::test]
async fn a_handoff_hands_its_fragment_over_and_its_partition_goes() {
    let cluster = Cluster::new(&[("handoffs_only", "yes")]).await;
    let (primaries, handoff) = cluster.places("o");
    cluster.put(handoff, "o", 3, &recent(0), 5, true).await;
    assert_eq!(cluster.has(primaries[3], "o", 5).await, None);
    let recon = cluster.reconstruct(handoff).await;
    assert!(recon["object_reconstruction_last"].as_f64() > Some(1e9), "{recon}");
    assert_eq!(cluster.has(primaries[3], "o", 5).await, Some(3));
    assert_eq!(cluster.has(handoff, "o", 5).await, None);
    cluster.reconstruct(handoff).await;
    assert!(!cluster.partition_dir(handoff, "o").exists());
}

#[tokio::test]
async fn a_fragment_in_the_wrong_place_of_a_primary_goes_to_the_right_one() {
    let cluster = Cluster::new(&[("reconstructor_workers", "1")]).await;
    let (primaries, _) = cluster.places("o");
    let time = recent(0);
    cluster.put(primaries[0], "o", 4, &time, 5, true).await;
    cluster.put(primaries[0], "o", 0, &time, 5, true).await;
    let recon = cluster.reconstruct(primaries[0]).await;
    assert!(recon["object_reconstruction_per_disk"]["sda"]["pid"].is_number(), "{recon}");
    assert_eq!(cluster.has(primaries[4], "o", 5).await, Some(4));
    assert_eq!(cluster.has(primaries[0], "o", 5).await, Some(0));
}

#[tokio::test]
async fn deletions_come_everywhere() {
    let cluster = Cluster::new(&[]).await;
    cluster.put_everywhere("o", &recent(0), 5).await;
    let (primaries, handoff) = cluster.places("o");
    let mut request = cluster.request(Method::Delete, "o");
    request.headers.set("X-Timestamp", recent(50));
    assert_eq!(cluster.nodes[handoff].send(request).await.status, 404, "nothing was there");
    cluster.reconstruct(handoff).await;
    cluster.reconstruct_all().await;
    for node in primaries {
        assert_eq!(cluster.has(node, "o", 5).await, None);
    }
    assert!(!cluster.partition_dir(handoff, "o").exists(), "it was handed over");
}

#[tokio::test]
async fn what_was_not_committed_goes_home_and_stays_so() {
    let cluster = Cluster::new(&[]).await;
    let (primaries, handoff) = cluster.places("o");
    cluster.put(handoff, "o", 1, &recent(0), 5, false).await;
    cluster.reconstruct(handoff).await;
    assert_eq!(cluster.has(primaries[1], "o", 5).await, None, "it does not count");
    let mut request = cluster.request(Method::Get, "o");
    request.headers.set("X-Backend-Fragment-Preferences", "[]");
    assert_eq!(cluster.nodes[primaries[1]].send(request).await.status, 200);
    // it may yet be committed here
    assert!(cluster.partition_dir(handoff, "o").exists());
}

#[tokio::test]
async fn only_so_many_are_handed_over_in_a_pass() {
    let cluster = Cluster::new(&[("max_objects_per_revert", "2"), ("handoffs_only", "yes")]).await;
    let partition = cluster.partition_of("o");
    let others = (0..).map(|n| format!("o{n}")).filter(|name| cluster.partition_of(name) == partition);
    let names: Vec<String> = others.take(5).collect();
    let (primaries, handoff) = cluster.places("o");
    for name in &names {
        cluster.put(handoff, name, 2, &recent(0), 5, true).await;
    }
    for handed_over in [2, 4, 5] {
        cluster.reconstruct(handoff).await;
        let mut found = 0;
        for name in &names {
            found += usize::from(cluster.has(primaries[2], name, 5).await.is_some());
        }
        assert_eq!(found, handed_over);
    }
}

#[tokio::test]
async fn the_last_fragment_of_an_object_is_set_aside_only_where_told_to() {
    for (threshold, is_kept) in [("0", true), ("1", false)] {
        let cluster = Cluster::new(&[("quarantine_threshold", threshold), ("quarantine_age", "0")]).await;
        let (primaries, _) = cluster.places("o");
        cluster.put(primaries[0], "o", 0, &recent(0), 5, true).await;
        cluster.reconstruct(primaries[0]).await;
        assert_eq!(cluster.has(primaries[0], "o", 5).await.is_some(), is_kept);
        let aside = cluster.nodes[primaries[0]].root.path().join("sda/quarantined/objects-1");
        assert_eq!(!aside.exists(), is_kept);
    }
}
