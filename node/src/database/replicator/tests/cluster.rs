//! Nodes with one device each, in a ring that gives the first ones everything; the last one has handoffs.

use crate::account::AccountServer;
use crate::container::ContainerServer;
use crate::daemon::{Daemon, HowToRun};
use crate::database::Jobs;
use crate::database::replicate::{Replicated, text_of};
use crate::database::replicator::{DatabaseReplicator, Replica, Surroundings};
use crate::database::testing::TestNode;
use crate::http::{Client, ClientOptions, ServerOptions, Service, server};
use crate::serve::DevicePools;
use serde_json::Value;
use std::num::NonZeroUsize;
use std::sync::Arc;
use swiftlet_ring::format::{FormatVersion, replace_file, write};
use swiftlet_ring::{Device, DeviceIds, Ring, RingData, SharedRing};
use swiftlet_storage::db::{
    Account, Broker, BrokerOptions, Connections, Container, ContainerBroker, ContainerRecord, DbDir,
    ObjectRecord,
};
use swiftlet_types::{HashConf, PathHash, Timestamp};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Rows of a kind, for tests.
pub trait Rows: Replica {
    fn server(node: &TestNode) -> Arc<dyn Service>;
    fn own_hash() -> PathHash;
    fn broker(dir: DbDir) -> Broker<Self>;
    /// Puts things of these names.
    fn put(broker: &Broker<Self>, names: &[String]);
    /// How many there are.
    fn count(broker: &Broker<Self>) -> i64;
}

pub fn hash() -> HashConf {
    HashConf { prefix: vec![], suffix: b"endcap".to_vec() }
}

fn connections() -> Arc<Connections> {
    Connections::new(NonZeroUsize::new(4).unwrap())
}

impl Rows for Account {
    fn server(node: &TestNode) -> Arc<dyn Service> {
        let options = node.options("app:account-server");
        Arc::new(AccountServer::from_options(&options, node.swift(), Jobs::default()).unwrap())
    }

    fn own_hash() -> PathHash {
        hash().account("a")
    }

    fn broker(dir: DbDir) -> Broker<Self> {
        Broker::<Account>::new("a", dir, connections(), BrokerOptions::default())
    }

    fn put(broker: &Broker<Self>, names: &[String]) {
        for name in names {
            let record = ContainerRecord {
                name: name.clone(),
                put_timestamp: Timestamp::now().internal(),
                delete_timestamp: "0".into(),
                object_count: 3,
                bytes_used: 30,
                deleted: false,
                storage_policy_index: 0,
            };
            broker.put_container(record).unwrap();
        }
    }

    fn count(broker: &Broker<Self>) -> i64 {
        broker.info().unwrap().container_count
    }
}

impl Rows for Container {
    fn server(node: &TestNode) -> Arc<dyn Service> {
        let options = node.options("app:container-server");
        let client = Client::new(ClientOptions::default());
        Arc::new(ContainerServer::from_options(&options, node.swift(), Jobs::default(), client).unwrap())
    }

    fn own_hash() -> PathHash {
        hash().container("a", "c")
    }

    fn broker(dir: DbDir) -> Broker<Self> {
        Broker::<Container>::new("a", "c", dir, connections(), BrokerOptions::default())
    }

    fn put(broker: &Broker<Self>, names: &[String]) {
        for name in names {
            let record = ObjectRecord {
                size: 5,
                content_type: "a/b".into(),
                etag: "etag".into(),
                deleted: false,
                ..ObjectRecord::tombstone(name, Timestamp::now(), 0)
            };
            broker.put_object(record).unwrap();
        }
    }

    fn count(broker: &Broker<Self>) -> i64 {
        broker.info().unwrap().object_count
    }
}

struct Node {
    node: TestNode,
    port: u16,
    stop: Option<CancellationToken>,
}

pub struct Cluster<K: Rows> {
    nodes: Vec<Node>,
    replicas: usize,
    ring: Arc<SharedRing>,
    options: Vec<(&'static str, String)>,
    kind: std::marker::PhantomData<K>,
}

/// The ring of devices at these ports, of which the first `replicas` have all partitions.
pub fn ring_of(ports: &[u16], replicas: usize) -> RingData {
    let device = |(id, port): (usize, &u16)| Device {
        device: format!("sda{id}"),
        id: id as u32,
        ip: "127.0.0.1".into(),
        meta: String::new(),
        port: *port,
        region: 1,
        replication_ip: "127.0.0.1".into(),
        replication_port: *port,
        weight: 1.0,
        zone: id as u32,
    };
    RingData {
        part_power: 1,
        devices: ports.iter().enumerate().map(device).map(Some).collect(),
        assignments: (0..replicas).map(|id| DeviceIds::U16(vec![id as u16; 2])).collect(),
        ..RingData::default()
    }
}

impl<K: Rows> Cluster<K> {
    /// Nodes of ours, one more than there are replicas, with these options of the replicator.
    pub async fn new(replicas: usize, options: &[(&'static str, &str)]) -> Self {
        let mut nodes = Vec::new();
        for id in 0..=replicas {
            let node = TestNode::new();
            std::fs::rename(node.root.path().join("sda"), node.root.path().join(format!("sda{id}"))).unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let stop = Some(serve::<K>(&node, listener));
            nodes.push(Node { node, port, stop });
        }
        let ports: Vec<u16> = nodes.iter().map(|node| node.port).collect();
        let path = nodes[0].node.root.path().join("ring.gz");
        replace_file(&path, &write(&ring_of(&ports, replicas), FormatVersion::V1).unwrap()).unwrap();
        let ring = Arc::new(SharedRing::load(path).unwrap());
        let options = options.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { nodes, replicas, ring, options, kind: std::marker::PhantomData }
    }

    pub fn node(&self, id: usize) -> &TestNode {
        &self.nodes[id].node
    }

    pub fn ring(&self) -> Arc<Ring> {
        self.ring.get()
    }

    pub fn partition(&self) -> u32 {
        self.ring().partition(&K::own_hash())
    }

    pub fn port(&self, id: usize) -> u16 {
        self.nodes[id].port
    }

    /// Sets an option of the replicator.
    pub fn set(&mut self, name: &'static str, value: String) {
        self.options.push((name, value));
    }

    /// The replica on a node, whether it is there or not.
    pub fn at(&self, id: usize) -> Broker<K> {
        let device = self.node(id).root.path().join(format!("sda{id}"));
        K::broker(DbDir::new(&device, K::DATA_DIR, &self.partition().to_string(), &K::own_hash()))
    }

    pub fn create(&self, id: usize) -> Broker<K> {
        let broker = self.at(id);
        broker.initialize(Timestamp::now(), 0).unwrap();
        broker
    }

    /// One pass of a node's replicator: its figures.
    pub async fn pass(&self, id: usize) -> Value {
        self.pass_of(id, &[], &[]).await
    }

    /// The same over these devices and partitions alone.
    pub async fn pass_of(&self, id: usize, devices: &[&str], partitions: &[u32]) -> Value {
        let Node { node, port, .. } = &self.nodes[id];
        let mut options = node
            .options("replicator")
            .with("recon_cache_path", &node.root.path().display().to_string())
            .with("databases_per_second", "0")
            .with("per_diff", "50")
            .with("bind_ip", "127.0.0.1")
            .with("bind_port", &port.to_string());
        for (name, value) in &self.options {
            options = options.with(name, value);
        }
        let how = HowToRun {
            once: true,
            devices: devices.iter().map(|name| (*name).to_owned()).collect(),
            partitions: partitions.to_vec(),
            ..HowToRun::default()
        };
        let with = Surroundings {
            swift: node.swift(),
            ring: Arc::clone(&self.ring),
            client: Client::new(ClientOptions::default()),
            pools: DevicePools::default(),
            how,
        };
        DatabaseReplicator::<K>::from_options(&options, with).unwrap().pass().await;
        self.recon(id)["replication_stats"].clone()
    }

    /// What a node's replicator left for recon.
    pub fn recon(&self, id: usize) -> Value {
        let file = self.node(id).root.path().join(format!("{}.recon", K::SERVER));
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
    }

    /// Whether all primaries are there and say the same.
    pub fn are_same(&self) -> bool {
        let facts = |id| {
            let info = K::facts(&self.at(id)).unwrap();
            let told = ["hash", "created_at", "put_timestamp", "delete_timestamp"];
            told.map(|name| text_of(&info, name).to_owned())
        };
        let first = facts(0);
        (1..self.replicas).all(|id| facts(id) == first)
    }

    pub fn ids_differ(&self) -> bool {
        let id = |id| text_of(&K::facts(&self.at(id)).unwrap(), "id").to_owned();
        (1..self.replicas).all(|other| id(other) != id(0))
    }

    pub fn stop(&mut self, id: usize) {
        self.nodes[id].stop.take().unwrap().cancel();
    }

    pub async fn start(&mut self, id: usize) {
        // The one of before may still be closing.
        let address = format!("127.0.0.1:{}", self.nodes[id].port);
        let listener = loop {
            match TcpListener::bind(&address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            }
        };
        self.nodes[id].stop = Some(serve::<K>(&self.nodes[id].node, listener));
    }
}

impl Cluster<Container> {
    /// The shard ranges of a replica.
    pub fn shards(&self, id: usize) -> Vec<Value> {
        Container::shard_ranges(&self.at(id)).unwrap().unwrap()
    }
}

fn serve<K: Rows>(node: &TestNode, listener: TcpListener) -> CancellationToken {
    let stop = CancellationToken::new();
    tokio::spawn(server::serve(listener, None, ServerOptions::default(), K::server(node), stop.clone()));
    stop
}

/// A container's replica on a node.
pub fn container(node: &TestNode, id: usize, ring: Arc<Ring>, account: &str, name: &str) -> ContainerBroker {
    let hash = hash().container(account, name);
    let device = node.root.path().join(format!("sda{id}"));
    let dir = DbDir::new(&device, "containers", &ring.partition(&hash).to_string(), &hash);
    ContainerBroker::new(account, name, dir, connections(), BrokerOptions::default())
}
