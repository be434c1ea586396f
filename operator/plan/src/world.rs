//! The world as an executor observed it: what exists, in the planner's words.

use crate::resources::ServerPorts;
use std::collections::{BTreeMap, BTreeSet};

/// The servers whose data replicators look after, each in passes of its own.
pub const PASS_KINDS: [&str; 3] = ["account", "container", "object"];

/// What exists of one cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// Whether anything exists that was made with a hash path and rings: a ring index, a claim, a device.
    pub has_data: bool,
    /// The rings that nodes and proxies are given; `None` before the first ones.
    pub rings: Option<PublishedRings>,
    /// The nodes that exist, by name.
    pub nodes: BTreeMap<String, ObservedNode>,
    /// The volumes that exist, node and device, whether or not their node does.
    pub volumes: BTreeSet<(String, String)>,
    /// The pools of proxies that exist, by name.
    pub proxies: BTreeMap<String, ObservedProxies>,
    /// Where each node is or will be reached, by name: for every node the cluster shall have.
    pub addresses: BTreeMap<String, NodeAddress>,
    /// When a Zone last came, went or changed (Unix time). Executors that take manifests as a whole say 0.
    pub zones_changed_at_s: i64,
    /// The rollout that is under way, as it was when it began.
    pub rollout: Option<Rollout>,
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
    /// Since when it holds them (Unix time, by its own clock).
    pub ring_since_s: Option<i64>,
    /// When its last finished replication pass began, by server type (Unix time, by its own clock).
    pub passes: BTreeMap<String, i64>,
    /// The version it says it runs; empty where it does not say.
    pub version: String,
    /// Its devices, by name.
    pub devices: BTreeMap<String, ObservedDevice>,
}

/// A device that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedDevice {
    /// The size that was asked for.
    pub requested_bytes: u64,
    /// The real volume's size, once there is one.
    pub real_bytes: Option<u64>,
    /// How often it was replaced.
    pub replacement: u32,
    /// When its volume was made (Unix time).
    pub made_at_s: i64,
    /// Whether its node was started with it last.
    pub mounted: bool,
    /// Bytes in use on it, as its node says.
    pub used_bytes: Option<u64>,
    /// What it holds by ring, as its node counted with the rings it says it has; `None`: it does not say.
    pub holdings: Option<BTreeMap<String, Holding>>,
    /// Container updates that wait on it to be sent.
    pub async_pendings: u64,
    /// What was set aside on it as broken.
    pub quarantined: u64,
}

/// What a device holds of one ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// Partitions that it holds something of.
    pub partitions: u64,
    /// Those of them that the ring has elsewhere.
    pub misplaced: u64,
}

/// A rollout as it began: what its gates compare with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollout {
    /// What nodes are given, in a word: another target is another rollout.
    pub target: String,
    /// Container updates that waited to be sent, of the whole cluster.
    pub async_pendings: u64,
    /// What had been set aside as broken, in the whole cluster.
    pub quarantined: u64,
}

/// A pool of proxies that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedProxies {
    /// What they were last started with.
    pub revision: String,
    /// How many there shall be.
    pub replicas: u32,
    /// Who else says how many there shall be (an autoscaler, a person); `None`: nobody.
    pub scaled_by: Option<String>,
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

impl ObservedNode {
    /// Whether a replication pass of `kind` that began at `since_s` or later is finished.
    pub fn began_after(&self, kind: &str, since_s: i64) -> bool {
        self.passes.get(kind).is_some_and(|began_s| *began_s >= since_s)
    }

    /// Whether it serves with `device`, and says so.
    pub fn serves_with(&self, device: &str) -> bool {
        self.ready && self.devices.get(device).is_some_and(|seen| seen.holdings.is_some())
    }
}

impl ObservedDevice {
    /// What it holds of a ring; `None`: nobody knows.
    pub fn holding(&self, ring: &str) -> Option<Holding> {
        Some(self.holdings.as_ref()?.get(ring).copied().unwrap_or_default())
    }

    /// Partitions of any ring, and container updates, that it holds; `None`: nobody knows.
    pub fn held(&self) -> Option<u64> {
        let partitions = self.holdings.as_ref()?.values().map(|holding| holding.partitions);
        Some(partitions.fold(self.async_pendings, u64::saturating_add))
    }
}

/// The kind of servers that a ring is for.
pub fn server_of(ring: &str) -> &str {
    match ring {
        "account" | "container" => ring,
        _ => "object",
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

    /// A node of which it is not known that all it holds is also where the rings have it: it, or what it would give its
    /// data to, came up after its last finished passes began.
    pub fn not_spread(&self) -> Option<&str> {
        let latest_s = self.nodes.values().filter_map(|node| node.ready_since_s).max().unwrap_or(i64::MIN);
        let spread = |node: &ObservedNode| {
            let since_s = node.ring_since_s.unwrap_or(i64::MAX).max(latest_s);
            PASS_KINDS.iter().all(|kind| node.began_after(kind, since_s))
        };
        self.nodes.iter().find(|(_, node)| !spread(node)).map(|(name, _)| name.as_str())
    }

    /// Devices whose volume is a new one that is not known to be refilled: every other node that answers has yet to
    /// finish a pass of each kind that began with the device in place.
    pub fn refilling(&self) -> impl Iterator<Item = (&str, &ObservedNode, &str)> {
        let devices = self.nodes.iter().flat_map(|(name, node)| {
            node.devices.iter().map(move |(device, seen)| (name.as_str(), node, device.as_str(), seen))
        });
        let fresh = devices.filter(|(name, node, _, seen)| {
            seen.replacement > 0
                && !self.is_refilled(name, node.ready_since_s.unwrap_or(i64::MAX).max(seen.made_at_s))
        });
        fresh.map(|(name, node, device, _)| (name, node, device))
    }

    /// Whether node `name` has been given what it missed before `since_s` (Unix time): every other node that answers
    /// finished a pass of each kind that began later.
    pub fn is_refilled(&self, name: &str, since_s: i64) -> bool {
        let others =
            self.nodes.iter().filter(|(other, node)| *other != name && node.ring_generation.is_some());
        let passed = |node: &ObservedNode| PASS_KINDS.iter().all(|kind| node.began_after(kind, since_s));
        others.into_iter().all(|(_, node)| passed(node))
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
