//! Whether what stays can take what leaves: enough devices, replicas as far apart as before, room for the bytes.

use super::{Place, place_of};
use crate::rings::{LoadedRing, LoadedRings};
use crate::validate::ValidatedCluster;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use swiftlet_ring::Device;

/// Devices are not filled beyond this many percent by what moves to them.
const FULL_PERCENT: u128 = 90;

/// Why `next` may not leave beside what leaves `already`; `None`: it may. `names` are nodes by host.
pub(super) fn refusal(
    (cluster, world): (&ValidatedCluster, &World),
    rings: &LoadedRings,
    names: &HashMap<String, String>,
    (already, next): (&BTreeSet<Place>, &BTreeSet<Place>),
) -> Option<String> {
    let leaves = |device: &Device| {
        let place = place_of(device);
        already.contains(&place) || next.contains(&place)
    };
    rings
        .iter()
        .find_map(|(name, ring)| too_close(cluster, name, ring, leaves))
        .or_else(|| no_room((world, names), rings, next, leaves))
}

/// A tier's name, and which part of it a device is in.
type Tier = (&'static str, fn(&Device) -> String);

/// The tiers between which replicas are kept apart, the outermost first.
const TIERS: [Tier; 4] = [
    ("region", |device| device.region.to_string()),
    ("zone", |device| format!("{}/{}", device.region, device.zone)),
    ("node", |device| format!("{}/{}/{}", device.region, device.zone, device.ip)),
    ("device", |device| device.id.to_string()),
];

fn too_close(
    cluster: &ValidatedCluster,
    name: &str,
    ring: &LoadedRing,
    leaves: impl Fn(&Device) -> bool,
) -> Option<String> {
    let replicas = ring.builder.replicas().ceil() as usize;
    let holding = |device: &&Device| ring.builder.parts_held(device.id) > 0;
    let staying = |device: &&Device| device.weight > 0.0 && !leaves(device);
    for (tier, place) in TIERS {
        let before: BTreeSet<String> = ring.builder.devices().filter(holding).map(place).collect();
        let after: BTreeSet<String> = ring.builder.devices().filter(staying).map(place).collect();
        if tier == "device" && after.len() < replicas {
            return Some(format!(
                "ring {name} needs {replicas} devices for its replicas, and {} would stay; add devices first",
                after.len()
            ));
        }
        let (apart, left) = (before.len().min(replicas), after.len().min(replicas));
        if left < apart && !cluster.allow_reduced_separation {
            return Some(format!(
                "ring {name} keeps {replicas} replicas apart in {apart} {tier}s, and {left} would stay; add {tier}s \
                 first, or set spec.rings.allowReducedSeparation"
            ));
        }
    }
    None
}

/// Bytes of one zone.
#[derive(Clone, Copy, Default)]
struct Bytes {
    leaving: u128,
    used: u128,
    size: u128,
}

impl Bytes {
    fn add(&mut self, other: Bytes) {
        self.leaving += other.leaving;
        self.used += other.used;
        self.size += other.size;
    }

    fn overflows(self) -> bool {
        (self.leaving + self.used) * 100 > self.size * FULL_PERCENT
    }
}

/// What leaves a zone goes to the rest of it where there are no more zones than replicas, else anywhere.
fn no_room(
    (world, names): (&World, &HashMap<String, String>),
    rings: &LoadedRings,
    next: &BTreeSet<Place>,
    leaves: impl Fn(&Device) -> bool,
) -> Option<String> {
    let mut zones: BTreeMap<(u32, u32), Bytes> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut replicas = 0.0_f64;
    for (_, ring) in rings.iter() {
        replicas = replicas.max(ring.builder.replicas());
        for device in ring.builder.devices() {
            if !seen.insert((device.ip.as_str(), device.device.as_str())) {
                continue;
            }
            let node = names.get(&device.ip).and_then(|name| world.nodes.get(name));
            let Some(found) = node.and_then(|node| node.devices.get(&device.device)) else { continue };
            let used = u128::from(found.used_bytes.unwrap_or(0));
            let bytes = zones.entry((device.region, device.zone)).or_default();
            if leaves(device) {
                bytes.leaving += used;
            } else {
                bytes.used += used;
                bytes.size += u128::from(found.real_bytes.unwrap_or(found.requested_bytes));
            }
        }
    }
    let concerned = zones.iter().filter(|(_, bytes)| bytes.leaving > 0 && bytes.size > 0);
    let staying = zones.values().filter(|bytes| bytes.size > 0).count();
    let mut all = Bytes::default();
    zones.values().for_each(|bytes| all.add(*bytes));
    let full = if staying as f64 <= replicas.ceil() {
        concerned
            .map(|((region, zone), bytes)| (format!("region {region} zone {zone}"), *bytes))
            .find(|b| b.1.overflows())
    } else {
        None
    };
    let (place, bytes) = full.or_else(|| all.overflows().then(|| ("the cluster".to_string(), all)))?;
    let devices: Vec<&str> = next.iter().map(|(_, device)| device.as_str()).collect();
    Some(format!(
        "{} bytes on {} would go to the rest of {place}, where {} of {} bytes are in use: more than {FULL_PERCENT} % \
         would be; add devices first",
        bytes.leaving,
        devices.join(", "),
        bytes.used,
        bytes.size
    ))
}
