//! The rings as the proxy uses them: devices as nodes to ask, shared by the requests that ask them.

use super::affinity::Location;
use parking_lot::RwLock;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_ring::{Device, LoadError, Ring, SharedRing, bracketed};
use swiftlet_types::{PathHash, Policies};

/// A device of a ring, as something to send requests to.
#[derive(Debug)]
pub struct Node {
    device: Device,
    key: String,
}

impl Node {
    fn new(device: &Device) -> Self {
        let key = format!("{}:{}/{}", bracketed(&device.ip), device.port, device.device);
        Self { device: device.clone(), key }
    }

    /// Its index in the ring.
    pub fn id(&self) -> usize {
        self.device.id as usize
    }

    /// `<ip>:<port>/<device>`: what error limiting and log lines know it by.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The name of its device.
    pub fn device(&self) -> &str {
        &self.device.device
    }

    /// Where it is.
    pub fn place(&self) -> Location {
        Location { region: self.device.region, zone: self.device.zone }
    }

    /// The address that clients of its servers use.
    pub fn ip(&self) -> &str {
        &self.device.ip
    }

    /// Host and port, of the replication network where that is to be used.
    pub fn address(&self, use_replication: bool) -> (&str, u16) {
        match use_replication {
            true => (&self.device.replication_ip, self.device.replication_port),
            false => (&self.device.ip, self.device.port),
        }
    }

    /// `<ip>:<port>` as headers name it to other servers.
    pub fn host(&self, use_replication: bool) -> String {
        let (host, port) = self.address(use_replication);
        format!("{host}:{port}")
    }

    #[cfg(test)]
    pub(super) fn for_tests(id: usize) -> Self {
        let address = |id: usize| format!("127.0.0.{}", id + 1);
        Self::new(&Device {
            device: "sda".to_owned(),
            id: id as u32,
            ip: address(id),
            meta: String::new(),
            port: 6200,
            region: 1,
            replication_ip: address(id),
            replication_port: 6200,
            weight: 1.0,
            zone: id as u32,
        })
    }
}

/// One generation of a ring, with its nodes.
#[derive(Debug)]
pub struct RingView {
    ring: Arc<Ring>,
    nodes: Vec<Option<Arc<Node>>>,
}

impl RingView {
    fn new(ring: Arc<Ring>) -> Self {
        let nodes = ring.data().devices.iter().map(|d| d.as_ref().map(|d| Arc::new(Node::new(d)))).collect();
        Self { ring, nodes }
    }

    /// The partition of a name.
    pub fn partition(&self, hash: &PathHash) -> u32 {
        self.ring.partition(hash)
    }

    /// How many replicas a partition has, at most.
    pub fn replica_count(&self) -> usize {
        self.ring.max_replicas()
    }

    /// The partition power after an increase under way.
    pub fn next_part_power(&self) -> Option<u32> {
        self.ring.next_part_power()
    }

    /// The nodes that hold a partition.
    pub fn primaries(&self, partition: u32) -> Vec<Arc<Node>> {
        self.ring.nodes(partition).filter_map(|device| self.node(device)).collect()
    }

    /// The nodes that stand in for them, in order.
    pub fn handoffs(&self, partition: u32) -> impl Iterator<Item = Arc<Node>> {
        self.ring.handoffs(partition).filter_map(|device| self.node(device))
    }

    fn node(&self, device: &Device) -> Option<Arc<Node>> {
        self.nodes.get(device.id as usize)?.clone()
    }
}

/// A ring that follows its file.
struct ProxyRing {
    shared: Arc<SharedRing>,
    view: RwLock<Arc<RingView>>,
}

impl ProxyRing {
    fn new(shared: Arc<SharedRing>) -> Self {
        let view = RwLock::new(Arc::new(RingView::new(shared.get())));
        Self { shared, view }
    }

    fn view(&self) -> Arc<RingView> {
        let ring = self.shared.get();
        let view = self.view.read().clone();
        if Arc::ptr_eq(&view.ring, &ring) {
            return view;
        }
        let view = Arc::new(RingView::new(ring));
        *self.view.write() = view.clone();
        view
    }
}

/// The rings of accounts, of containers and of each storage policy.
pub struct Rings {
    account: ProxyRing,
    container: ProxyRing,
    objects: BTreeMap<u32, ProxyRing>,
}

impl Rings {
    /// Loads every ring from `swift_dir`.
    pub fn load(swift_dir: &Path, policies: &Policies) -> Result<Self, LoadError> {
        let load = |name: &str| SharedRing::load(swift_dir.join(format!("{name}.ring.gz"))).map(Arc::new);
        let objects = policies.iter().map(|p| Ok((p.index, load(&p.path_name("object"))?)));
        Ok(Self::from_shared(
            load("account")?,
            load("container")?,
            objects.collect::<Result<_, LoadError>>()?,
        ))
    }

    /// Rings that are loaded already, those of objects by policy index.
    pub fn from_shared(
        account: Arc<SharedRing>,
        container: Arc<SharedRing>,
        objects: BTreeMap<u32, Arc<SharedRing>>,
    ) -> Self {
        Self {
            account: ProxyRing::new(account),
            container: ProxyRing::new(container),
            objects: objects.into_iter().map(|(index, ring)| (index, ProxyRing::new(ring))).collect(),
        }
    }

    /// The accounts' ring.
    pub fn account(&self) -> Arc<RingView> {
        self.account.view()
    }

    /// The containers' ring.
    pub fn container(&self) -> Arc<RingView> {
        self.container.view()
    }

    /// The containers' ring as one that others share and that follows its file with these.
    pub fn shared_container(&self) -> Arc<SharedRing> {
        self.container.shared.clone()
    }

    /// The addresses of all servers in them.
    pub fn servers(&self) -> BTreeSet<(String, u16)> {
        let all = [&self.account, &self.container].into_iter().chain(self.objects.values());
        let rings: Vec<Arc<Ring>> = all.map(|ring| ring.shared.get()).collect();
        rings.iter().flat_map(|ring| ring.devices()).map(|device| (device.ip.clone(), device.port)).collect()
    }

    /// The ring of a storage policy's objects.
    pub fn object(&self, policy_index: u32) -> Option<Arc<RingView>> {
        self.objects.get(&policy_index).map(ProxyRing::view)
    }

    /// Looks every `interval` whether files have changed, for as long as it is let run. A file that cannot be
    /// read is logged, and the ring in use stays.
    pub async fn keep_up_to_date(self: Arc<Self>, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            self.clone().look().await;
        }
    }

    /// Looks once whether files have changed.
    pub async fn look(self: Arc<Self>) {
        let looked = tokio::task::spawn_blocking(move || self.reload_if_changed()).await;
        if let Err(error) = looked {
            tracing::error!("looking for changed rings failed: {error}");
        }
    }

    fn reload_if_changed(&self) {
        for ring in [&self.account, &self.container].into_iter().chain(self.objects.values()) {
            match ring.shared.reload_if_changed() {
                Ok(true) => tracing::info!("ring {} reloaded", ring.shared.path().display()),
                Ok(false) => {}
                Err(error) => tracing::error!("{error}; the ring in use stays"),
            }
        }
    }
}
