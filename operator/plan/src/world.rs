//! The world as an executor observed it: what exists, in the planner's words.

use crate::resources::ServerPorts;
use std::collections::BTreeMap;

/// What exists of one cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// Whether anything exists that was made with a hash path and rings: a ring index, a claim, a device.
    pub has_data: bool,
    /// The rings that nodes and proxies are given; `None` before the first ones.
    pub rings: Option<PublishedRings>,
    /// The nodes that exist, by name.
    pub nodes: BTreeMap<String, ObservedNode>,
    /// The pools of proxies that exist, by name.
    pub proxies: BTreeMap<String, ObservedProxies>,
    /// Where each node is or will be reached, by name: for every node the cluster shall have.
    pub addresses: BTreeMap<String, NodeAddress>,
    /// When a Zone last came, went or changed (Unix time). Executors that take manifests as a whole say 0.
    pub zones_changed_at_s: i64,
}

/// Where a node is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    /// Its address or host name, as rings hold it.
    pub host: String,
    /// Its servers' ports.
    pub ports: ServerPorts,
}

/// The rings that nodes and proxies are given.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedRings {
    /// Counts their publications, from 1.
    pub generation: u64,
    /// Each ring, by name (`account`, `object-1`).
    pub rings: BTreeMap<String, PublishedRing>,
}

/// One ring as it was built.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedRing {
    /// The builder file's bytes.
    pub builder: Vec<u8>,
    /// How often it was rebalanced after its first time: each time partitions moved away from data.
    pub moves: u32,
}

/// A node that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedNode {
    /// Its Zone's name.
    pub zone: String,
    /// What it was last started with (see [`crate::revision`]).
    pub revision: String,
    /// Whether it serves.
    pub ready: bool,
    /// Since when it serves, or served last (Unix time); `None`: it never did.
    pub ready_since_s: Option<i64>,
    /// When it was last restarted for a new revision (Unix time); `None`: it runs with its first.
    pub restarted_at_s: Option<i64>,
    /// The generation of the rings it says it holds; `None`: it does not answer.
    pub ring_generation: Option<u64>,
    /// Its devices, by name.
    pub devices: BTreeMap<String, ObservedDevice>,
}

/// A device that exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObservedDevice {
    /// The size that was asked for.
    pub requested_bytes: u64,
    /// The real volume's size, once there is one.
    pub real_bytes: Option<u64>,
}

/// A pool of proxies that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedProxies {
    /// What they were last started with.
    pub revision: String,
    /// How many there shall be.
    pub replicas: u32,
    /// How many serve.
    pub ready: u32,
    /// The generations of the rings that those that answer say they hold.
    pub ring_generations: Vec<u64>,
}

impl NodeAddress {
    /// Where Kubernetes has a node: its headless Service's name, and Swift's own ports.
    pub fn in_kubernetes(node: &str, namespace: &str) -> Self {
        Self { host: format!("{node}.{namespace}.svc"), ports: ServerPorts::default() }
    }

    /// The port of the server that a ring of this name is for.
    pub fn port_for(&self, ring: &str) -> u16 {
        match ring {
            "account" => self.ports.account,
            "container" => self.ports.container,
            _ => self.ports.object,
        }
    }
}

impl World {
    /// Who, of those that answer, does not hold the current rings.
    pub fn behind_on_rings(&self) -> Vec<String> {
        let Some(rings) = &self.rings else { return Vec::new() };
        let nodes =
            self.nodes.iter().filter(|(_, node)| node.ring_generation.is_some_and(|g| g < rings.generation));
        let proxies = self
            .proxies
            .iter()
            .filter(|(_, pool)| pool.ring_generations.iter().any(|g| *g < rings.generation));
        let proxies = proxies.map(|(name, _)| format!("proxies {name}"));
        nodes.map(|(name, _)| name.clone()).chain(proxies).collect()
    }

    /// The names of the nodes that do not serve, of `zone`.
    pub fn down_in<'a>(&'a self, zone: &'a str) -> impl Iterator<Item = &'a str> {
        self.nodes
            .iter()
            .filter(move |(_, node)| node.zone == zone && !node.ready)
            .map(|(name, _)| name.as_str())
    }

    /// A Zone other than `zone` with a node that does not serve, and that node.
    pub fn down_elsewhere(&self, zone: &str) -> Option<(&str, &str)> {
        let down = self.nodes.iter().find(|(_, node)| node.zone != zone && !node.ready);
        down.map(|(name, node)| (node.zone.as_str(), name.as_str()))
    }
}
