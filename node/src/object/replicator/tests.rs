//! Replicators of several nodes, each with its object server and its disk.

mod handoffs;
mod python;

use super::{ObjectReplicator, ReplicatorConfig};
use crate::daemon::{Daemon, HowToRun, ReconCache};
use crate::http::{Body, Client, ClientOptions, Method, Request, Response, ServerOptions, Service, server};
use crate::object::ObjectServer;
use crate::object::replication::PolicyRing;
use crate::object::tests::{Node, recent};
use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_ring::format::{self, FormatVersion};
use swiftlet_ring::{Device, DeviceIds, Ring, RingData, SharedRing};
use swiftlet_storage::object::summary::{Summary, suffixes, summarize};
use swiftlet_storage::object::{CleanupRules, ObjectPath};
use swiftlet_types::conf::Options;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The address of a node: nodes are told apart by it, and by the names of devices, which are all the same.
pub(in crate::object) fn host(node: u32) -> String {
    format!("127.0.0.{}", node + 1)
}

/// A ring of 2^`part_power` partitions, whose replicas lie on devices that follow one another: `p`, `p + 1`, …
pub(in crate::object) fn ring_data(
    part_power: u32,
    replicas: u32,
    devices: u32,
    at: impl Fn(u32) -> (u16, u32),
) -> RingData {
    let device = |id: u32| {
        let (port, region) = at(id);
        Some(Device {
            device: "sda".into(),
            id,
            ip: host(id),
            meta: String::new(),
            port,
            region,
            replication_ip: host(id),
            replication_port: port,
            weight: 1.0,
            zone: id,
        })
    };
    let row = |replica: u32| {
        let ids: Vec<u32> = (0..1u32 << part_power).map(|part| (part + replica) % devices).collect();
        DeviceIds::collect(2, ids.into_iter())
    };
    RingData {
        part_power,
        devices: (0..devices).map(device).collect(),
        assignments: (0..replicas).map(row).collect(),
        version: Some(1),
        next_part_power: None,
    }
}

pub(in crate::object) fn ring(
    part_power: u32,
    replicas: u32,
    devices: u32,
    port: impl Fn(u32) -> u16,
) -> Ring {
    Ring::new(ring_data(part_power, replicas, devices, |id| (port(id), 1))).unwrap()
}

/// An object server, and the REPLICATE requests that it got.
struct Watched {
    server: Arc<ObjectServer>,
    asked: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl Service for Watched {
    async fn call(&self, request: Request) -> Response {
        if request.method == Method::Replicate {
            self.asked.lock().push(request.path.escape_ascii().to_string());
        }
        self.server.call(request).await
    }
}

/// Nodes with a ring of 8 partitions in 3 replicas.
struct Cluster {
    nodes: Vec<Node>,
    /// The paths of REPLICATE requests to servers of ours.
    asked: Arc<Mutex<Vec<String>>>,
    ports: Vec<u16>,
    /// Dropped, a server stops.
    serving: Vec<Option<DropGuard>>,
    ring: Arc<SharedRing>,
    dir: tempfile::TempDir,
    options: Vec<(&'static str, String)>,
}

impl Cluster {
    async fn new(nodes: u32, options: &[(&'static str, &str)]) -> Self {
        Self::in_regions(nodes, options, |_| 1).await
    }

    async fn in_regions(nodes: u32, options: &[(&'static str, &str)], region: impl Fn(u32) -> u32) -> Self {
        let nodes: Vec<Node> =
            (0..nodes).map(|_| Node::with("replication_concurrency_per_device", "0")).collect();
        let (mut ports, mut serving) = (Vec::new(), Vec::new());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        for (at, node) in (0..).zip(&nodes) {
            let listener = TcpListener::bind((host(at), 0)).await.unwrap();
            ports.push(listener.local_addr().unwrap().port());
            let stop = CancellationToken::new();
            let service = Arc::new(Watched { server: node.server.clone(), asked: asked.clone() });
            tokio::spawn(server::serve(listener, None, ServerOptions::default(), service, stop.clone()));
            serving.push(Some(stop.drop_guard()));
        }
        Self { asked, ..Self::of(nodes, ports, serving, options, region) }
    }

    fn of(
        nodes: Vec<Node>,
        ports: Vec<u16>,
        serving: Vec<Option<DropGuard>>,
        options: &[(&'static str, &str)],
        region: impl Fn(u32) -> u32,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = ring_data(3, 3, nodes.len() as u32, |id| (ports[id as usize], region(id)));
        let path = dir.path().join("object.ring.gz");
        std::fs::write(&path, format::write(&data, FormatVersion::V1).unwrap()).unwrap();
        let ring = Arc::new(SharedRing::load(path).unwrap());
        let options = options.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { nodes, asked: Arc::default(), ports, serving, ring, dir, options }
    }

    fn device(&self, node: usize) -> PathBuf {
        self.nodes[node].root.path().join("sda")
    }

    /// One pass of a node's replicator; what recon was told, if it was.
    async fn replicate_with(&self, node: usize, how: HowToRun) -> Option<Value> {
        let recon_dir = self.dir.path().join(format!("recon{node}"));
        std::fs::create_dir_all(&recon_dir).unwrap();
        let mut options = Options::new("object-server.conf", "object-replicator")
            .with("bind_ip", &host(node as u32))
            .with("bind_port", &self.ports[node].to_string())
            .with("recon_cache_path", &recon_dir.display().to_string())
            .with("conn_timeout", "30")
            .with("concurrency", "4");
        for (name, value) in &self.options {
            options = options.with(name, value);
        }
        let replicator = ObjectReplicator::new(
            ReplicatorConfig::from_options(&options).unwrap(),
            self.nodes[node].server.store.clone(),
            vec![PolicyRing { index: 0, ring: self.ring.clone() }],
            self.nodes[node].pools.clone(),
            Client::new(ClientOptions::default()),
            ReconCache::from_options(&options, "object"),
            how,
        );
        replicator.pass().await;
        let recon = std::fs::read(recon_dir.join("object.recon")).ok()?;
        Some(serde_json::from_slice(&recon).unwrap())
    }

    async fn replicate(&self, node: usize) -> Value {
        self.replicate_with(node, HowToRun { once: true, ..HowToRun::default() }).await.expect("recon")
    }

    fn partition_of(&self, object: &str) -> u32 {
        let path = ObjectPath { account: "a".into(), container: "c".into(), object: object.into() };
        self.ring.get().partition(&path.hash(&self.nodes[0].server.store.config().hash))
    }

    /// The nodes that a partition belongs on.
    fn primaries(&self, partition: u32) -> Vec<usize> {
        self.ring.get().nodes(partition).map(|device| device.id as usize).collect()
    }

    async fn send(
        &self,
        node: usize,
        method: Method,
        object: &str,
        time: &str,
        body: &str,
    ) -> (u16, Vec<u8>) {
        let path = format!("/sda/{}/a/c/{object}", self.partition_of(object));
        let mut request = Request::new(method, path);
        for (name, value) in [("X-Timestamp", time), ("Content-Type", "a/b"), ("X-Object-Meta-Colour", "blü")]
        {
            request.headers.set(name, value.to_owned());
        }
        request.headers.set_int("Content-Length", body.len());
        request.body = Body::full(body.to_owned());
        let answer = self.nodes[node].send(request).await;
        (answer.status, answer.body)
    }

    /// Objects of all kinds, wherever they belong, on one node only.
    async fn fill(&self, node: usize, partitions: impl Fn(u32) -> bool) {
        for n in 0..60u64 {
            let object = format!("ö{n}");
            if !partitions(self.partition_of(&object)) {
                continue;
            }
            let body = "x".repeat(if n % 20 == 7 { 2_000_000 } else { n as usize * 100 });
            assert_eq!(self.send(node, Method::Put, &object, &recent(n), &body).await.0, 201);
            match n % 4 {
                1 => assert_eq!(self.send(node, Method::Post, &object, &recent(100), "").await.0, 202),
                2 => assert_eq!(self.send(node, Method::Delete, &object, &recent(100), "").await.0, 204),
                _ => {}
            }
        }
    }

    /// Everything on a node's device, by partition.
    fn objects(&self, node: usize) -> BTreeMap<u32, Vec<Summary>> {
        let device = self.device(node);
        let of = |partition: u32| {
            let names = suffixes(&device, 0, partition.into()).unwrap();
            let age = Duration::from_secs(604_800);
            let objects = names
                .iter()
                .map(|name| summarize(&device, 0, partition.into(), name, CleanupRules::whole(age)).unwrap());
            (partition, objects.flatten().collect::<Vec<_>>())
        };
        (0..8).map(of).filter(|(_, objects)| !objects.is_empty()).collect()
    }
}

fn stat(recon: &Value, name: &str) -> u64 {
    recon["replication_stats"][name].as_u64().unwrap_or_else(|| panic!("no {name} in {recon}"))
}

#[tokio::test]
async fn wiped_devices_are_filled_and_then_left_alone() {
    let cluster = Cluster::new(3, &[("sync_method", "ssync")]).await;
    cluster.fill(0, |_| true).await;
    let all = cluster.objects(0);
    let first = cluster.replicate(0).await;
    for node in [1, 2] {
        assert_eq!(cluster.objects(node), all);
    }
    let parts = all.len() as u64;
    assert_eq!(
        ["attempted", "rsync", "success", "failure"].map(|n| stat(&first, n)),
        [parts, parts * 2, parts * 2, 0]
    );
    let second = cluster.replicate(1).await;
    assert_eq!(["hashmatch", "rsync", "suffix_sync"].map(|n| stat(&second, n)), [parts * 2, 0, 0]);
    assert_eq!(stat(&second, "suffix_count"), stat(&first, "suffix_count"));
    for name in ["replication_time", "replication_last", "object_replication_time", "object_replication_last"]
    {
        assert!(second[name].is_number(), "{second}");
    }
}

#[tokio::test]
async fn a_node_is_asked_for_all_its_partitions_at_once() {
    let cluster = Cluster::new(3, &[("sync_method", "ssync"), ("concurrency", "1")]).await;
    cluster.fill(0, |_| true).await;
    cluster.replicate(0).await;
    cluster.asked.lock().clear();
    let recon = cluster.replicate(0).await;
    assert_eq!((stat(&recon, "hashmatch"), stat(&recon, "rsync")), (16, 0));
    let asked = std::mem::take(&mut *cluster.asked.lock());
    // Mostly one or two for each other node; more where it is slow.
    assert!(asked.len() < 16, "{asked:?}");

    // what differs is brought, whether it was asked for alone or with others
    cluster.send(2, Method::Delete, "ö3", &recent(200), "").await;
    cluster.send(2, Method::Put, "ö4", &recent(200), "new").await;
    let recon = cluster.replicate(2).await;
    assert_eq!((stat(&recon, "hashmatch"), stat(&recon, "rsync")), (12, 4));
    assert_eq!(cluster.objects(0), cluster.objects(2));
    assert_eq!(cluster.objects(1), cluster.objects(2));
}

#[tokio::test]
async fn workers_share_devices_and_tell_recon_of_each() {
    let cluster = Cluster::new(3, &[("sync_method", "ssync"), ("replicator_workers", "4")]).await;
    cluster.fill(0, |_| true).await;
    let recon = cluster.replicate(0).await;
    let of_disk = &recon["object_replication_per_disk"]["sda"];
    assert_eq!(of_disk["replication_stats"]["attempted"], recon["replication_stats"]["attempted"]);
    assert!(of_disk["object_replication_last"].is_number());
    assert_eq!(cluster.objects(2), cluster.objects(0));
}

#[tokio::test]
async fn an_unmounted_device_is_stood_in_for() {
    let cluster = Cluster::new(4, &[("sync_method", "ssync")]).await;
    // partition 0 belongs on 0, 1 and 2
    cluster.fill(0, |partition| partition == 0).await;
    std::fs::remove_dir_all(cluster.device(1)).unwrap();
    let recon = cluster.replicate(0).await;
    assert_eq!(cluster.objects(3), cluster.objects(0), "a handoff has it");
    assert_eq!((stat(&recon, "success"), stat(&recon, "failure")), (2, 1));
    assert_eq!(recon["replication_stats"]["failure_nodes"]["127.0.0.2"]["sda"], 1);
}

#[tokio::test]
async fn only_partitions_are_touched_and_only_those_asked_for() {
    let cluster = Cluster::new(3, &[("sync_method", "ssync")]).await;
    cluster.fill(0, |_| true).await;
    let some = HowToRun { once: true, partitions: vec![2, 5], ..HowToRun::default() };
    assert!(cluster.replicate_with(0, some).await.is_none(), "that is no figure of the node's");
    assert!(cluster.objects(1).keys().all(|partition| [2, 5].contains(partition)));
    let elsewhere = HowToRun { once: true, devices: vec!["sdb".into()], ..HowToRun::default() };
    cluster.replicate_with(0, elsewhere).await;
    assert!(cluster.objects(1).len() <= 2);

    let objects = cluster.device(0).join("objects");
    let write = |path: PathBuf| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    };
    for kept in ["auditor_status_ALL.json", "x", "99/abc/keep", "../objects-7/1/abc/keep", "../tmp/new"] {
        write(objects.join(kept));
    }
    std::fs::remove_dir_all(objects.join("3")).unwrap();
    write(objects.join("3"));
    write(objects.join("../tmp/old"));
    let old = std::time::SystemTime::now() - Duration::from_secs(700_000);
    std::fs::File::options().write(true).open(objects.join("../tmp/old")).unwrap().set_modified(old).unwrap();
    let recon = cluster.replicate(0).await;
    assert_eq!(stat(&recon, "failure"), 3, "x is nobody's partition, and so everybody's failure");
    for kept in ["auditor_status_ALL.json", "x", "99/abc/keep", "../objects-7/1/abc/keep", "../tmp/new"] {
        assert!(objects.join(kept).exists(), "{kept}");
    }
    assert!(!objects.join("3").exists() && !objects.join("../tmp/old").exists());
}

#[tokio::test]
async fn a_new_ring_ends_the_pass() {
    let cluster = Cluster::new(3, &[("sync_method", "ssync"), ("ring_check_interval", "0")]).await;
    cluster.fill(0, |_| true).await;
    let path = cluster.ring.path().to_owned();
    let mut data = cluster.ring.get().data().clone();
    data.version = Some(2);
    // taken up at the beginning of a pass, so it changes nothing
    std::fs::write(&path, format::write(&data, FormatVersion::V1).unwrap()).unwrap();
    cluster.replicate(0).await;
    assert_eq!(cluster.objects(1), cluster.objects(0));
    assert_eq!(cluster.ring.get().version(), Some(2));
}
