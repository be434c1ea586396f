//! What leaves: devices that are in the rings or on nodes and that nobody asks for any more.
//!
//! A device leaves in this order: weight 0 in every ring, partitions move away, its node counts nothing on it any more,
//! it leaves the rings, its node goes on without it (or goes altogether), its volume goes by policy. A device that is
//! said to be dead leaves the rings at once: what it held is gone already.

mod room;

use crate::rings::{LoadedRings, Members};
use crate::validate::{ValidatedCluster, ValidatedDevice};
use crate::world::{ObservedDevice, World};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use swiftlet_ring::Device;

/// Host and device, as rings name it.
pub(crate) type Place = (String, String);

/// Where a device of a ring is.
pub(crate) fn place_of(device: &Device) -> Place {
    (device.ip.clone(), device.device.clone())
}

/// What leaves, and what may not.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    /// Devices that are drained, or being drained.
    pub(crate) draining: BTreeSet<Place>,
    /// Those of them that nothing is assigned to in any ring, and that hold nothing of any: they leave all rings at once.
    pub(crate) drained: BTreeSet<Place>,
    /// Devices that are dead, or whose volume is gone: nothing is waited for.
    pub(crate) lost: BTreeSet<Place>,
    /// Devices that stay in the rings although nobody asks for them, by node: why.
    pub(crate) refused: BTreeMap<String, String>,
    /// Devices that live nodes keep until they are empty, by node.
    pub(crate) kept: BTreeMap<String, Vec<ValidatedDevice>>,
    /// Names of nodes, by host.
    names: HashMap<String, String>,
}

impl Leaving {
    /// Finds what leaves.
    pub(crate) fn find(cluster: &ValidatedCluster, world: &World, rings: &LoadedRings) -> Self {
        let names = world.addresses.iter().map(|(name, address)| (address.host.clone(), name.clone()));
        let mut leaving = Self { names: names.collect(), ..Self::default() };
        leaving.find_in_rings(cluster, world, rings);
        leaving.drained = leaving
            .draining
            .iter()
            .filter(|place| leaving.is_drained(world, rings, place))
            .cloned()
            .collect();
        leaving.find_on_nodes(cluster, world, rings);
        leaving
    }

    /// The node that a device of a ring is on, by the name it has or had.
    pub(crate) fn node_of<'a>(&'a self, device: &'a Device) -> &'a str {
        self.names.get(&device.ip).map_or(device.meta.as_str(), String::as_str)
    }

    /// Nodes with devices that are being drained, of which nothing exists but volumes.
    pub(crate) fn unseen(&self, world: &World) -> BTreeSet<String> {
        let hosts = self.draining.iter().map(|(host, _)| host);
        let names = hosts.filter_map(|host| self.names.get(host));
        names.filter(|name| !world.nodes.contains_key(*name)).cloned().collect()
    }

    fn is_drained(&self, world: &World, rings: &LoadedRings, (host, device): &Place) -> bool {
        let assigned = rings.iter().any(|(_, ring)| {
            let found = ring.device(host, device);
            found.is_some_and(|found| found.weight > 0.0 || ring.builder.parts_held(found.id) > 0)
        });
        let node = self.names.get(host).and_then(|name| world.nodes.get(name));
        let holdings = node.and_then(|node| node.devices.get(device)?.holdings.as_ref());
        !assigned && holdings.is_some_and(|rings| rings.values().all(|holding| holding.partitions == 0))
    }

    fn find_in_rings(&mut self, cluster: &ValidatedCluster, world: &World, rings: &LoadedRings) {
        let wanted = Members::of_all(cluster, world, rings);
        let mut by_zone: BTreeMap<String, (BTreeSet<String>, BTreeSet<Place>)> = BTreeMap::new();
        for (name, ring) in rings.iter() {
            for device in ring.builder.devices().filter(|device| !wanted.contains(name, device)) {
                let node = self.node_of(device).to_string();
                let place = place_of(device);
                if is_of_refused_zone(cluster, world, &node) {
                    continue;
                }
                if is_lost(cluster, world, &node, &device.device) {
                    self.lost.insert(place);
                } else if device.weight <= 0.0 {
                    self.draining.insert(place);
                } else {
                    let zone = world.nodes.get(&node).map_or_else(|| node.clone(), |seen| seen.zone.clone());
                    let (nodes, places) = by_zone.entry(zone).or_default();
                    nodes.insert(node);
                    places.insert(place);
                }
            }
        }
        // Zone by Zone: half of what shall leave one would crowd into the rest of it.
        for (nodes, places) in by_zone.into_values() {
            let all: BTreeSet<Place> = self.draining.union(&self.lost).cloned().collect();
            match room::refusal((cluster, world), rings, &self.names, (&all, &places)) {
                None => self.draining.extend(places),
                Some(reason) => self.refused.extend(nodes.into_iter().map(|node| (node, reason.clone()))),
            }
        }
    }

    fn find_on_nodes(&mut self, cluster: &ValidatedCluster, world: &World, rings: &LoadedRings) {
        for (_, node) in cluster.nodes() {
            let (Some(seen), Some(address)) = (world.nodes.get(&node.name), world.addresses.get(&node.name))
            else {
                continue;
            };
            for (name, device) in &seen.devices {
                let is_wanted = node.devices.iter().any(|wanted| wanted.name == *name);
                let is_done = || is_empty(device) && rings.with(&address.host, name).is_empty();
                if !is_wanted && device.mounted && !is_lost(cluster, world, &node.name, name) && !is_done() {
                    self.kept.entry(node.name.clone()).or_default().push(kept(name, device));
                }
            }
        }
    }
}

/// Whether a node has counted, and found nothing on the device that would be missed.
pub(crate) fn is_empty(device: &ObservedDevice) -> bool {
    device.held() == Some(0)
}

/// Whether a device is said to be dead, or is not there any more: its node goes on without it, or neither node nor
/// volume exist.
pub(crate) fn is_lost(cluster: &ValidatedCluster, world: &World, node: &str, device: &str) -> bool {
    let said = cluster.zones.iter().any(|zone| zone.lost.get(node).is_some_and(|lost| lost.contains(device)));
    said || match world.nodes.get(node) {
        Some(seen) => !seen.devices.contains_key(device),
        None => !world.volumes.contains(&(node.to_string(), device.to_string())),
    }
}

/// Whether a node is of a Zone whose manifest has a problem: what exists of it stays as it is.
pub(crate) fn is_of_refused_zone(cluster: &ValidatedCluster, world: &World, node: &str) -> bool {
    if let Some(seen) = world.nodes.get(node) {
        return cluster.refused_zones.contains(&seen.zone);
    }
    let zone_of = |node: &str| {
        let rest = node.strip_prefix(&cluster.name)?.strip_prefix('-')?;
        rest.rsplit_once('-').map(|(zone, _)| zone.to_string())
    };
    zone_of(node).is_some_and(|zone| cluster.refused_zones.contains(&zone))
}

/// A device that is not asked for any more, as its node goes on having it.
fn kept(name: &str, device: &ObservedDevice) -> ValidatedDevice {
    ValidatedDevice {
        name: name.to_string(),
        size_bytes: device.requested_bytes,
        size: device.requested_bytes.to_string(),
        storage_class_name: None,
        weight_percent: 0,
        rings: Some(BTreeSet::new()),
        replacement: device.replacement,
        failed: false,
        replaced_dead: false,
    }
}
