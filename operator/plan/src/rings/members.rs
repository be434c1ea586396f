//! The devices that shall be in a ring, with their weights.

use super::LoadedRings;
use crate::leaving::{Place, place_of};
use crate::validate::{ValidatedCluster, ValidatedDevice};
use crate::world::World;
use std::collections::{BTreeMap, HashSet};
use swiftlet_ring::Device;

/// A GiB: what one unit of weight stands for.
const GIB: f64 = (1u64 << 30) as f64;

/// A device that shall be in a ring.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    /// The node's name.
    pub(super) node: String,
    /// The node's address in the ring.
    pub(super) host: String,
    /// The port of the ring's server.
    pub(super) port: u16,
    /// The device.
    pub(super) device: String,
    /// Its region.
    pub(super) region: u32,
    /// Its zone.
    pub(super) zone: u32,
    /// GiB of the real volume x weightPercent / 100.
    pub(super) weight: f64,
    /// Whether the real volume's size is known; else the weight is of the size asked for.
    pub(super) is_measured: bool,
}

/// Host and device of everything that shall be in each ring.
pub(crate) struct Members(BTreeMap<String, HashSet<Place>>);

impl Members {
    /// The members of all published rings.
    pub(crate) fn of_all(cluster: &ValidatedCluster, world: &World, rings: &LoadedRings) -> Self {
        let places =
            |ring| wanted(cluster, world, ring).into_iter().map(|member| (member.host, member.device));
        Self(rings.iter().map(|(name, _)| (name.to_string(), places(name).collect())).collect())
    }

    /// Whether `device` shall be in `ring`.
    pub(crate) fn contains(&self, ring: &str, device: &Device) -> bool {
        self.0.get(ring).is_some_and(|places| places.contains(&place_of(device)))
    }
}

/// The devices that shall be in `ring`, in a stable order. A node without an address is left out.
pub(super) fn wanted(cluster: &ValidatedCluster, world: &World, ring: &str) -> Vec<Member> {
    let mut members = Vec::new();
    for (zone, node) in cluster.nodes() {
        let Some(address) = world.addresses.get(&node.name) else { continue };
        for device in node.devices.iter().filter(|device| device.is_in(ring) && !device.failed) {
            members.push(Member {
                node: node.name.clone(),
                host: address.host.clone(),
                port: address.port_for(ring),
                device: device.name.clone(),
                region: zone.region,
                zone: zone.zone,
                weight: weight(world, &node.name, device),
                is_measured: real_bytes(world, &node.name, device).is_some(),
            });
        }
    }
    members
}

fn real_bytes(world: &World, node: &str, device: &ValidatedDevice) -> Option<u64> {
    world.nodes.get(node)?.devices.get(&device.name)?.real_bytes
}

/// The weight of a device: of its real volume where there is one, else of the size asked for.
fn weight(world: &World, node: &str, device: &ValidatedDevice) -> f64 {
    let bytes = real_bytes(world, node, device).unwrap_or(device.size_bytes) as f64;
    let weight = bytes / GIB * f64::from(device.weight_percent) / 100.0;
    // Two decimals, as Swift's tools print it; a device that should count is never rounded to nothing.
    let rounded = (weight * 100.0).round() / 100.0;
    if weight > 0.0 { rounded.max(0.01) } else { 0.0 }
}
