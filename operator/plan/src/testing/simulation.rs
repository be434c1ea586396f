//! An executor without a cluster: it does to a [`World`] what steps say, moves partitions as replicators would, and
//! watches that nothing is lost as it goes.

use super::data::Data;
use super::hash_path;
use crate::plan::{NodeStep, Plan, ReplaceStep, Step, plan};
use crate::validate::{Desired, ValidatedCluster, validate};
use crate::world::{
    NodeAddress, ObservedDevice, ObservedNode, ObservedProxies, PASS_KINDS, PublishedRing, PublishedRings,
    World,
};
use proptest::sample::Index;
use std::collections::{BTreeMap, BTreeSet};

/// What a tick lasts.
const TICK_S: i64 = 60;
/// More ticks than any change takes, soak included.
const MOST_TICKS: usize = 600;

/// A simulated cluster.
pub(crate) struct Simulation {
    pub(crate) desired: Desired,
    pub(crate) world: World,
    pub(crate) now_s: i64,
    /// Nodes and proxies that were taken down to be replaced, in order.
    pub(crate) restarted: Vec<String>,
    /// What is on the disks.
    pub(crate) data: Data,
    /// Zones that are deleted and held by their finalizer.
    pub(crate) deleting: BTreeSet<String>,
    /// Whether replicators do their work.
    pub(crate) replicates: bool,
    /// The devices each node was started with.
    mounted: BTreeMap<String, BTreeSet<String>>,
}

impl Simulation {
    /// Nothing but a wish.
    pub(crate) fn new(desired: Desired) -> Self {
        let mut sim = Self {
            desired,
            world: World::default(),
            now_s: 1_700_000_000,
            restarted: Vec::new(),
            data: Data::default(),
            deleting: BTreeSet::new(),
            replicates: true,
            mounted: BTreeMap::new(),
        };
        sim.change(sim.desired.clone());
        sim.now_s += 100;
        sim
    }

    /// Other wishes. Zones that are no longer among them are deleted, and drain first.
    pub(crate) fn change(&mut self, desired: Desired) {
        let gone = self.desired.zones.iter().filter(|old| {
            let is_there = desired.zones.iter().any(|new| new.name() == old.name());
            !is_there && self.world.nodes.values().any(|node| node.zone == old.name())
        });
        let mut gone: Vec<_> = gone.cloned().collect();
        for zone in &mut gone {
            zone.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".to_string());
            self.deleting.insert(zone.name().to_string());
        }
        // A deletion cannot be taken back; a Zone of that name comes when the old one is gone.
        let mut zones = desired.zones.clone();
        zones.retain(|zone| !self.deleting.contains(zone.name()));
        zones.extend(gone);
        let held = self.desired.zones.iter().filter(|zone| self.deleting.contains(zone.name()));
        for zone in held {
            if !zones.iter().any(|other| other.name() == zone.name()) {
                zones.push(zone.clone());
            }
        }
        self.desired = Desired { hash_path: Some(hash_path()), zones, ..desired };
        self.name_addresses();
        self.world.zones_changed_at_s = self.now_s;
    }

    fn name_addresses(&mut self) {
        for (_, node) in self.cluster().nodes() {
            let address = NodeAddress::in_kubernetes(&node.name, "default");
            self.world.addresses.insert(node.name.clone(), address);
        }
    }

    pub(crate) fn cluster(&self) -> ValidatedCluster {
        validate(&self.desired).cluster.expect("changes keep the cluster valid")
    }

    pub(crate) fn plan(&self) -> Plan {
        plan(&self.cluster(), &self.world, self.now_s)
    }

    /// One pass of the loop, its executor killed after `steps` steps; then time goes on.
    pub(crate) fn tick(&mut self, steps: usize) {
        let mut plan = self.plan();
        plan.steps.truncate(steps);
        self.carry_out(&plan);
        self.now_s += TICK_S;
        self.recover();
        self.replicate();
    }

    /// Passes until nothing is left to do or to wait for by time alone.
    pub(crate) fn settle(&mut self) {
        let mut idle = 0;
        for _ in 0..MOST_TICKS {
            // Soaking and quiet take time in which there are no steps.
            idle = if self.plan().steps.is_empty() { idle + 1 } else { 0 };
            if idle > 15 {
                return;
            }
            self.tick(usize::MAX);
        }
        panic!("does not settle: {:?}", self.plan());
    }

    /// Everything that is down comes up, with the current rings.
    pub(crate) fn recover(&mut self) {
        let generation = self.world.rings.as_ref().map(|rings| rings.generation);
        for (name, node) in &mut self.world.nodes {
            // A pod does not start while one of its volumes is missing.
            if self.mounted[name].iter().any(|device| !node.devices.contains_key(device)) {
                continue;
            }
            if !node.ready {
                node.ready = true;
                node.ready_since_s = Some(self.now_s);
            }
            if node.ring_generation != generation {
                node.ring_generation = generation;
                node.ring_since_s = Some(self.now_s);
            }
        }
        for pool in self.world.proxies.values_mut() {
            pool.ready = pool.replicas;
            pool.ring_generations = generation.into_iter().collect();
        }
        self.count();
    }

    /// Clients write, and every node that is up finishes a replication pass.
    pub(crate) fn replicate(&mut self) {
        let up = self.up();
        if self.replicates {
            self.data.write(&up);
            self.data.replicate(&up);
            for node in self.world.nodes.values_mut().filter(|node| node.ready) {
                node.passes = PASS_KINDS.iter().map(|kind| (kind.to_string(), self.now_s)).collect();
            }
        }
        self.count();
    }

    /// Host and device of all disks of nodes that are up.
    fn up(&self) -> BTreeSet<(String, String)> {
        let ready = self.world.nodes.iter().filter(|(_, node)| node.ready);
        let disks = ready.flat_map(|(name, node)| {
            let host = self.world.addresses[name].host.clone();
            let mounted = self.mounted[name].iter().filter(|device| node.devices.contains_key(*device));
            mounted.map(move |device| (host.clone(), device.clone()))
        });
        disks.collect()
    }

    /// Nodes tell what they hold.
    fn count(&mut self) {
        let up = self.up();
        for (name, node) in &mut self.world.nodes {
            let host = &self.world.addresses[name].host;
            for (device, seen) in &mut node.devices {
                let place = (host.clone(), device.clone());
                seen.holdings = up.contains(&place).then(|| self.data.holdings(&place));
            }
        }
    }

    /// A node goes down by itself.
    pub(crate) fn crash(&mut self, index: Index) {
        let count = self.world.nodes.len();
        if let Some(node) =
            (count > 0).then(|| self.world.nodes.values_mut().nth(index.index(count))).flatten()
        {
            node.ready = false;
            node.ring_generation = None;
        }
        self.count();
    }

    /// Somebody removes all that tells of a node; its volumes stay.
    pub(crate) fn forget(&mut self, index: Index) {
        let names: Vec<String> = self.world.nodes.keys().cloned().collect();
        let wanted = |name: &&String| self.cluster().nodes().any(|(_, node)| node.name == **name);
        let names: Vec<&String> = names.iter().filter(wanted).collect();
        if !names.is_empty() {
            self.world.nodes.remove(names[index.index(names.len())]);
        }
    }

    pub(crate) fn carry_out(&mut self, plan: &Plan) {
        self.world.rollout.clone_from(&plan.rollout);
        let cluster = plan.completed(&self.cluster());
        for step in &plan.steps {
            if let Step::RestartProxies(step) = step {
                self.restarted.push(format!("proxies {}", step.pool));
            }
            match step {
                Step::PublishRings(next) => {
                    let ring = |(name, ring): (&String, &crate::plan::BuiltRing)| {
                        (name.clone(), PublishedRing { builder: ring.builder.clone() })
                    };
                    let rings = next.rings.iter().map(ring).collect();
                    self.data.publish(&next.rings);
                    self.world.rings = Some(PublishedRings { generation: next.generation, rings });
                    self.world.has_data = true;
                }
                Step::GrowDevice { node, device, size_bytes, .. } => {
                    let device = self.world.nodes.get_mut(node).and_then(|node| node.devices.get_mut(device));
                    device.expect("only devices that exist grow").requested_bytes = *size_bytes;
                }
                Step::StartNode(step) => self.start(&cluster, step, None),
                Step::RestartNode(step) => {
                    if self.world.nodes[&step.node].ready {
                        assert_eq!(self.world.down_elsewhere(&step.zone), None, "two zones down: {step:?}");
                        self.restarted.push(step.node.clone());
                    }
                    self.start(&cluster, step, Some(self.now_s));
                }
                Step::ReplaceDevices(step) => self.replace(step),
                Step::RemoveNode { node, devices, .. } => {
                    devices.iter().for_each(|device| self.take(node, device));
                    self.world.nodes.remove(node);
                    self.mounted.remove(node);
                }
                Step::RemoveDevice { node, device, .. } => {
                    self.take(node, device);
                    self.world.nodes.get_mut(node).expect("it exists").devices.remove(device);
                }
                Step::ReleaseZone { zone } => {
                    self.deleting.remove(zone);
                    self.desired.zones.retain(|other| other.name() != zone);
                }
                Step::StartProxies(step) | Step::ScaleProxies(step) | Step::RestartProxies(step) => {
                    let observed = ObservedProxies {
                        revision: step.revision.clone(),
                        replicas: step.replicas,
                        ..ObservedProxies::default()
                    };
                    self.world.proxies.insert(step.pool.clone(), observed);
                }
                Step::StopProxies { pool } => {
                    self.world.proxies.remove(pool);
                }
            }
        }
        self.count();
    }

    fn take(&mut self, node: &str, device: &str) {
        let host = self.world.addresses[node].host.clone();
        self.data.take(&(host, device.to_string()));
        self.world.volumes.remove(&(node.to_string(), device.to_string()));
    }

    fn replace(&mut self, step: &ReplaceStep) {
        let cluster = self.cluster();
        let wanted = cluster.nodes().find(|(_, node)| node.name == step.node).expect("only live nodes").1;
        for (device, replacement) in &step.devices {
            let size_bytes = wanted.devices.iter().find(|d| d.name == *device).map_or(0, |d| d.size_bytes);
            self.take(&step.node, device);
            let node = self.world.nodes.get_mut(&step.node).expect("it exists");
            node.ready = false;
            node.ring_generation = None;
            // What is there goes first; a new one is made by a later step.
            if node.devices.remove(device).is_none() {
                let seen = ObservedDevice {
                    requested_bytes: size_bytes,
                    real_bytes: Some(size_bytes / 8 * 9),
                    replacement: *replacement,
                    made_at_s: self.now_s,
                    mounted: true,
                    ..ObservedDevice::default()
                };
                node.devices.insert(device.clone(), seen);
                self.world.volumes.insert((step.node.clone(), device.clone()));
            }
        }
    }

    fn start(&mut self, cluster: &ValidatedCluster, step: &NodeStep, restarted_at_s: Option<i64>) {
        let (_, node) =
            cluster.nodes().find(|(_, node)| node.name == step.node).expect("only known nodes start");
        let old = self.world.nodes.get(&step.node).cloned().unwrap_or_default();
        let new =
            node.devices.iter().filter(|device| !old.devices.contains_key(&device.name)).map(|device| {
                let seen = ObservedDevice {
                    requested_bytes: device.size_bytes,
                    // Volumes are rarely as large as was asked.
                    real_bytes: Some(device.size_bytes / 8 * 9),
                    replacement: device.replacement,
                    made_at_s: self.now_s,
                    ..ObservedDevice::default()
                };
                (device.name.clone(), seen)
            });
        let mut devices: BTreeMap<String, ObservedDevice> = new.chain(old.devices.clone()).collect();
        let volumes = devices.keys().map(|device| (step.node.clone(), device.clone()));
        self.world.volumes.extend(volumes);
        let mounted: BTreeSet<String> = node.devices.iter().map(|device| device.name.clone()).collect();
        devices.iter_mut().for_each(|(name, seen)| seen.mounted = mounted.contains(name));
        self.mounted.insert(step.node.clone(), mounted);
        let observed = ObservedNode {
            zone: step.zone.clone(),
            revision: step.revision.clone(),
            version: cluster.version.clone().unwrap_or_default(),
            restarted_at_s,
            devices,
            passes: old.passes,
            ..ObservedNode::default()
        };
        self.world.nodes.insert(step.node.clone(), observed);
    }
}
