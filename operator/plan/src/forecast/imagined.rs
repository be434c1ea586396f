//! A cluster that does at once what steps say, and takes as long over the rest as is assumed.

use super::{Assumptions, Place, Totals, clock, compare};
use crate::plan::{NodeStep, Plan, ProxyStep, RingGeneration, Step};
use crate::validate::ValidatedCluster;
use crate::world::{
    Holding, ObservedDevice, ObservedNode, ObservedProxies, PASS_KINDS, PublishedRing, PublishedRings, World,
    server_of,
};
use std::collections::{BTreeMap, BTreeSet};
use swiftlet_ring::{RingData, builder::file, format};

/// The cluster.
pub(super) struct Imagined<'a> {
    pub(super) cluster: ValidatedCluster,
    pub(super) world: World,
    pub(super) now_s: i64,
    assumptions: &'a Assumptions,
    /// The tables in use, by ring.
    pub(super) tables: BTreeMap<String, RingData>,
    /// Bytes of one partition replica of objects; `None`: nobody knows how full the devices are.
    pub(super) bytes_per_replica: Option<u64>,
    /// What is on each device by ring, whether its node is up to tell or not.
    held: BTreeMap<Place, BTreeMap<String, Holding>>,
    /// When nodes that were started serve.
    nodes_up_at_s: BTreeMap<String, i64>,
    /// When pools of proxies that were started serve.
    pools_up_at_s: BTreeMap<String, i64>,
    /// When every pod that serves uses the rings published last.
    spread_at_s: Option<i64>,
    /// When the replication pass under way began, and when it ends.
    pass: Option<(i64, i64)>,
}

impl<'a> Imagined<'a> {
    /// `world` as it is now.
    pub(super) fn new(
        cluster: &ValidatedCluster,
        world: &World,
        now_s: i64,
        assumptions: &'a Assumptions,
    ) -> Self {
        let published = world.rings.iter().flat_map(|rings| &rings.rings);
        let table = |(name, ring): (&String, &PublishedRing)| {
            Some((name.clone(), file::read(&ring.builder).ok()?.ring()))
        };
        let mut imagined = Self {
            cluster: cluster.clone(),
            world: world.clone(),
            now_s,
            assumptions,
            tables: published.filter_map(table).collect(),
            bytes_per_replica: None,
            held: BTreeMap::new(),
            nodes_up_at_s: BTreeMap::new(),
            pools_up_at_s: BTreeMap::new(),
            spread_at_s: None,
            pass: None,
        };
        for (name, node) in &world.nodes {
            let Some(address) = world.addresses.get(name) else { continue };
            for (device, seen) in &node.devices {
                let holdings = seen.holdings.clone().unwrap_or_default();
                imagined.held.insert((address.host.clone(), device.clone()), holdings);
            }
        }
        imagined.bytes_per_replica = imagined.average();
        if !imagined.world.behind_on_rings().is_empty() {
            imagined.spread_at_s = Some(now_s + assumptions.spread_s);
        }
        imagined
    }

    /// Bytes in use, spread evenly over the partition replicas of objects: databases weigh little beside them.
    fn average(&self) -> Option<u64> {
        let devices = || self.world.nodes.values().flat_map(|node| node.devices.values());
        let used = devices().filter_map(|device| device.used_bytes).reduce(u64::saturating_add)?;
        let objects = self.tables.iter().filter(|(name, _)| server_of(name) == "object");
        let replicas: usize = objects.flat_map(|(_, table)| &table.assignments).map(|row| row.len()).sum();
        used.checked_div(replicas as u64)
    }

    /// Bytes of so many partition replicas of a ring.
    pub(super) fn bytes_of(&self, ring: &str, replicas: u64) -> u64 {
        match (server_of(ring), self.bytes_per_replica) {
            ("object", Some(bytes)) => bytes.saturating_mul(replicas),
            _ => 0,
        }
    }

    /// The partition replicas that the rings have on each device, by ring.
    pub(super) fn parts(&self) -> BTreeMap<Place, BTreeMap<String, u64>> {
        let mut parts: BTreeMap<Place, BTreeMap<String, u64>> = BTreeMap::new();
        for (name, table) in &self.tables {
            let mut counts = vec![0u64; table.devices.len()];
            for id in table.assignments.iter().flat_map(|row| row.iter()) {
                if let Some(count) = counts.get_mut(id as usize) {
                    *count += 1;
                }
            }
            for (device, count) in table.devices.iter().zip(counts) {
                if let Some(device) = device {
                    let place = (device.ip.clone(), device.device.clone());
                    parts.entry(place).or_default().insert(name.clone(), count);
                }
            }
        }
        parts
    }

    /// How full a device is before anything.
    pub(super) fn totals_of(&self, place: &Place) -> Totals {
        let node = self.world.addresses.iter().find(|(_, address)| address.host == place.0);
        let seen = node.and_then(|(name, _)| self.world.nodes.get(name)?.devices.get(&place.1));
        Totals {
            used_before_bytes: seen.and_then(|seen| seen.used_bytes).unwrap_or(0),
            size_bytes: seen.map_or(0, |seen| seen.real_bytes.unwrap_or(seen.requested_bytes)),
            ..Totals::default()
        }
    }

    /// Moves the clock on to what happens next by itself; whether anything does.
    pub(super) fn happens_next(&mut self) -> bool {
        if self.pass.is_none() && self.spread_at_s.is_none() && self.needs_a_pass() {
            self.pass = Some((self.now_s, self.now_s + self.pass_duration_s()));
        }
        let up = self.nodes_up_at_s.values().chain(self.pools_up_at_s.values()).copied();
        let pass = self.pass.map(|(_, ends_at_s)| ends_at_s);
        let Some(next_s) = up.chain(self.spread_at_s).chain(pass).min() else { return false };
        self.now_s = self.now_s.max(next_s);
        self.come_up();
        if self.spread_at_s.is_some_and(|at_s| at_s <= self.now_s) {
            self.spread_at_s = None;
            self.take_rings();
        }
        if let Some((began_s, _)) = self.pass.filter(|(_, ends_at_s)| *ends_at_s <= self.now_s) {
            self.pass = None;
            self.finish_pass(began_s);
        }
        self.count();
        true
    }

    /// Moves the clock on to the next moment at which waiting may end; whether there is one.
    pub(super) fn waits(&mut self) -> bool {
        let next = clock::next_moment(&self.cluster, &self.world, self.now_s);
        self.now_s = next.unwrap_or(self.now_s);
        next.is_some()
    }

    fn come_up(&mut self) {
        let now_s = self.now_s;
        let generation = self.world.rings.as_ref().map(|rings| rings.generation);
        let up: BTreeSet<String> = take_due(&mut self.nodes_up_at_s, now_s);
        for name in up {
            if let Some(node) = self.world.nodes.get_mut(&name) {
                node.ready = true;
                node.ready_since_s = Some(now_s);
                node.ring_generation = generation;
                node.ring_since_s = Some(now_s);
            }
        }
        for pool in take_due(&mut self.pools_up_at_s, now_s) {
            if let Some(pool) = self.world.proxies.get_mut(&pool) {
                pool.ready = pool.replicas;
                pool.ring_generations = generation.into_iter().collect();
            }
        }
    }

    fn take_rings(&mut self) {
        let generation = self.world.rings.as_ref().map(|rings| rings.generation);
        let behind = |node: &&mut ObservedNode| node.ready && node.ring_generation != generation;
        for node in self.world.nodes.values_mut().filter(behind) {
            node.ring_generation = generation;
            node.ring_since_s = Some(self.now_s);
        }
        for pool in self.world.proxies.values_mut().filter(|pool| pool.ready > 0) {
            pool.ring_generations = generation.into_iter().collect();
        }
    }

    /// Whether anything waits for a replication pass.
    fn needs_a_pass(&self) -> bool {
        let lags = |node: &ObservedNode| {
            let since_s = node.ring_since_s.unwrap_or(i64::MAX);
            node.ready && !PASS_KINDS.iter().all(|kind| node.began_after(kind, since_s))
        };
        let holdings = self.held.values().flat_map(BTreeMap::values);
        self.world.nodes.values().any(lags)
            || self.world.refilling().next().is_some()
            || holdings.into_iter().any(|holding| holding.misplaced > 0)
    }

    /// As long as the device takes that has most to give or to take.
    fn pass_duration_s(&self) -> i64 {
        let mut most = 0;
        for (place, parts) in self.parts() {
            let held = self.held.get(&place);
            let (mut gives, mut takes) = (0u64, 0u64);
            for (ring, parts) in parts {
                let holding = held.and_then(|held| held.get(&ring)).copied().unwrap_or_default();
                let right = holding.partitions.saturating_sub(holding.misplaced);
                gives = gives.saturating_add(self.bytes_of(&ring, holding.misplaced));
                takes = takes.saturating_add(self.bytes_of(&ring, parts.saturating_sub(right)));
            }
            most = most.max(gives).max(takes);
        }
        let moving_s = most.div_ceil(self.assumptions.device_bytes_per_s.max(1));
        self.assumptions.pass_s.saturating_add_unsigned(moving_s)
    }

    /// Everything is where the rings have it.
    fn finish_pass(&mut self, began_s: i64) {
        for node in self.world.nodes.values_mut().filter(|node| node.ready) {
            node.passes = PASS_KINDS.iter().map(|kind| (kind.to_string(), began_s)).collect();
            node.devices.values_mut().for_each(|device| device.async_pendings = 0);
        }
        let mut all = self.parts();
        let places: Vec<Place> = self.held.keys().cloned().collect();
        for place in places {
            let parts = all.remove(&place).unwrap_or_default();
            let bytes: u64 = parts.iter().map(|(ring, parts)| self.bytes_of(ring, *parts)).sum();
            let whole = |(ring, partitions)| (ring, Holding { partitions, misplaced: 0 });
            self.held.insert(place.clone(), parts.into_iter().map(whole).collect());
            if let Some(device) = self.device_at(&place).filter(|device| device.used_bytes.is_some()) {
                device.used_bytes = Some(bytes);
            }
        }
    }

    fn device_at(&mut self, (host, device): &Place) -> Option<&mut ObservedDevice> {
        let (name, _) = self.world.addresses.iter().find(|(_, address)| address.host == *host)?;
        self.world.nodes.get_mut(name)?.devices.get_mut(device)
    }

    /// Nodes that are up tell what they hold.
    fn count(&mut self) {
        for (name, node) in &mut self.world.nodes {
            let Some(address) = self.world.addresses.get(name) else { continue };
            for (device, seen) in &mut node.devices {
                let held = self.held.get(&(address.host.clone(), device.clone()));
                seen.holdings = held.filter(|_| node.ready && seen.mounted).cloned();
            }
        }
    }

    /// Takes all steps of a plan.
    pub(super) fn carry_out(&mut self, plan: &Plan) {
        self.world.rollout.clone_from(&plan.rollout);
        let completed = plan.completed(&self.cluster);
        for step in &plan.steps {
            match step {
                Step::PublishRings(next) => self.publish(next),
                Step::GrowDevice { node, device, size_bytes, .. } => {
                    let node = self.world.nodes.get_mut(node);
                    if let Some(device) = node.and_then(|node| node.devices.get_mut(device)) {
                        device.requested_bytes = *size_bytes;
                        device.real_bytes = Some(*size_bytes);
                    }
                }
                Step::StartNode(step) => self.start(&completed, step, None),
                Step::RestartNode(step) => self.start(&completed, step, Some(self.now_s)),
                Step::ReplaceDevices(step) => {
                    for (device, replacement) in &step.devices {
                        self.forget(&step.node, device);
                        let node = self.world.nodes.get_mut(&step.node);
                        if let Some(node) = node {
                            let seen = node.devices.entry(device.clone()).or_default();
                            (seen.replacement, seen.made_at_s) = (*replacement, self.now_s);
                            seen.used_bytes = seen.used_bytes.map(|_| 0);
                        }
                    }
                    self.take_down(&step.node);
                }
                Step::RemoveNode { node, devices, .. } => {
                    devices.iter().for_each(|device| self.drop_device(node, device));
                    self.world.nodes.remove(node);
                    self.nodes_up_at_s.remove(node);
                }
                Step::RemoveDevice { node, device, .. } => self.drop_device(node, device),
                Step::ReleaseZone { zone } => {
                    self.cluster.zones.retain(|other| other.name != *zone);
                    self.cluster.upgrade.zone_order.retain(|other| other != zone);
                }
                Step::StartProxies(step) | Step::ScaleProxies(step) | Step::RestartProxies(step) => {
                    self.start_proxies(step);
                }
                Step::StopProxies { pool } => {
                    self.world.proxies.remove(pool);
                    self.pools_up_at_s.remove(pool);
                }
            }
        }
        self.count();
    }

    fn publish(&mut self, next: &RingGeneration) {
        for (name, built) in &next.rings {
            let Ok(after) = format::read(&built.ring) else { continue };
            if let Some(moves) = self.tables.get(name).and_then(|before| compare(before, &after)) {
                for (place, device) in moves.devices {
                    let holding = self.held.entry(place).or_default().entry(name.clone()).or_default();
                    holding.misplaced = (holding.misplaced + device.gives).min(holding.partitions);
                }
            }
            self.tables.insert(name.clone(), after);
        }
        let ring = |(name, ring): (&String, &crate::plan::BuiltRing)| {
            (name.clone(), PublishedRing { builder: ring.builder.clone() })
        };
        let rings = next.rings.iter().map(ring).collect();
        self.world.rings = Some(PublishedRings { generation: next.generation, rings });
        self.world.has_data = true;
        self.spread_at_s = Some(self.now_s + self.assumptions.spread_s);
        // A pass that began with other rings counts for nothing.
        self.pass = None;
    }

    fn start(&mut self, cluster: &ValidatedCluster, step: &NodeStep, restarted_at_s: Option<i64>) {
        let Some((_, node)) = cluster.nodes().find(|(_, node)| node.name == step.node) else { return };
        let old = self.world.nodes.get(&step.node).cloned().unwrap_or_default();
        let mut devices = old.devices;
        devices.values_mut().for_each(|device| device.mounted = false);
        for device in &node.devices {
            let fresh = || ObservedDevice {
                requested_bytes: device.size_bytes,
                real_bytes: Some(device.size_bytes),
                replacement: device.replacement,
                made_at_s: self.now_s,
                used_bytes: self.bytes_per_replica.map(|_| 0),
                ..ObservedDevice::default()
            };
            devices.entry(device.name.clone()).or_insert_with(fresh).mounted = true;
            if let Some(address) = self.world.addresses.get(&step.node) {
                self.held.entry((address.host.clone(), device.name.clone())).or_default();
            }
        }
        let observed = ObservedNode {
            zone: step.zone.clone(),
            revision: step.revision.clone(),
            version: cluster.version.clone().unwrap_or(old.version),
            ready_since_s: old.ready_since_s,
            restarted_at_s,
            devices,
            passes: old.passes,
            ..ObservedNode::default()
        };
        self.world.nodes.insert(step.node.clone(), observed);
        self.take_down(&step.node);
    }

    /// It serves again when its pod is up.
    fn take_down(&mut self, node: &str) {
        if let Some(seen) = self.world.nodes.get_mut(node) {
            seen.ready = false;
            seen.ring_generation = None;
        }
        self.nodes_up_at_s.insert(node.to_string(), self.now_s + self.assumptions.start_s);
    }

    fn start_proxies(&mut self, step: &ProxyStep) {
        let old = self.world.proxies.get(&step.pool);
        let observed = ObservedProxies {
            revision: step.revision.clone(),
            replicas: step.replicas,
            scaled_by: old.and_then(|pool| pool.scaled_by.clone()),
            ..ObservedProxies::default()
        };
        self.world.proxies.insert(step.pool.clone(), observed);
        self.pools_up_at_s.insert(step.pool.clone(), self.now_s + self.assumptions.start_s);
    }

    fn drop_device(&mut self, node: &str, device: &str) {
        if let Some(address) = self.world.addresses.get(node) {
            self.held.remove(&(address.host.clone(), device.to_string()));
        }
        if let Some(node) = self.world.nodes.get_mut(node) {
            node.devices.remove(device);
        }
    }

    /// What is on a device is gone.
    fn forget(&mut self, node: &str, device: &str) {
        if let Some(address) = self.world.addresses.get(node) {
            self.held.insert((address.host.clone(), device.to_string()), BTreeMap::new());
        }
    }
}

/// The names whose time has come.
fn take_due(at_s: &mut BTreeMap<String, i64>, now_s: i64) -> BTreeSet<String> {
    let due: BTreeSet<String> =
        at_s.iter().filter(|(_, at_s)| **at_s <= now_s).map(|(name, _)| name.clone()).collect();
    at_s.retain(|name, _| !due.contains(name));
    due
}
