//! Vets a generation of rings against the one before it, by their tables alone.

use super::{Rule, Violations};
use crate::plan::{BuiltRing, RingGeneration};
use crate::rings::table_of;
use crate::validate::ValidatedCluster;
use crate::world::{ObservedNode, PublishedRing, World};
use std::collections::BTreeSet;
use swiftlet_ring::{Device, RingData, format};

/// Vets publishing `next` in `world`.
pub(super) fn check(
    (cluster, world): (&ValidatedCluster, &World),
    next: &RingGeneration,
    violations: &mut Violations,
) {
    let last = world.rings.as_ref().map_or(0, |rings| rings.generation);
    if next.generation != last + 1 {
        violations.add(Rule::RingsKeepTheirData, format!("generation {} follows {last}", next.generation));
    }
    for (name, built) in &next.rings {
        match format::read(&built.ring) {
            Ok(table) => check_table(name, &table, violations),
            Err(error) => {
                violations.add(Rule::RingsKeepTheirData, format!("ring {name} cannot be read: {error}"))
            }
        }
    }
    for (name, old) in world.rings.iter().flat_map(|rings| &rings.rings) {
        match next.rings.get(name) {
            Some(new) => check_change((cluster, world), name, (old, new), violations),
            None => violations.add(Rule::RingsKeepTheirData, format!("ring {name} leaves")),
        }
    }
}

/// No partition has two replicas on one device, and none is without one.
fn check_table(name: &str, table: &RingData, violations: &mut Violations) {
    if table.assignments.is_empty() {
        violations.add(Rule::RingsKeepTheirData, format!("ring {name} assigns nothing"));
    }
    for part in 0..table.part_count() {
        let devices: Vec<_> = table.assignments.iter().filter_map(|row| row.get(part)).collect();
        if devices.iter().collect::<BTreeSet<_>>().len() < devices.len() {
            violations.add(
                Rule::RingsKeepTheirData,
                format!("ring {name}: two replicas of partition {part} on one device"),
            );
            return;
        }
    }
}

fn check_change(
    (cluster, world): (&ValidatedCluster, &World),
    name: &str,
    (old, new): (&PublishedRing, &BuiltRing),
    violations: &mut Violations,
) {
    let (Ok(before), Ok(after)) = (table_of(&old.builder), format::read(&new.ring)) else {
        violations.add(Rule::RingsKeepTheirData, format!("ring {name}: its last builder cannot be read"));
        return;
    };
    if before.part_power != after.part_power {
        violations.add(Rule::RingsKeepTheirData, format!("ring {name}: partPower changes"));
        return;
    }
    let holding = holding_devices(&before);
    let mut dead = BTreeSet::new();
    for device in before.devices.iter().flatten() {
        let same = |other: &Device| {
            let place = |d: &Device| (d.ip.clone(), d.device.clone(), d.region, d.zone);
            place(other) == place(device)
        };
        let still = after.devices.get(device.id as usize).and_then(Option::as_ref);
        if still.is_some_and(same) {
            continue;
        }
        if is_dead(cluster, world, device) {
            dead.insert(device.id);
        } else if holding.contains(&device.id) {
            violations
                .add(Rule::RingsKeepTheirData, format!("ring {name}: {device} leaves or becomes another"));
        } else if !is_found_empty(world, device, name) {
            violations
                .add(Rule::RingsKeepTheirData, format!("ring {name}: {device} leaves and may hold data"));
        }
    }
    let moved = most_moved(&before, &after, &dead);
    if moved == 0 {
        return;
    }
    if moved > 1 {
        violations.add(
            Rule::RebalanceIsSafe,
            format!("ring {name}: {moved} replicas of one partition move at once"),
        );
    }
    let behind = world.behind_on_rings();
    if !behind.is_empty() {
        violations
            .add(Rule::RebalanceIsSafe, format!("ring {name} while {} hold older rings", behind.join(", ")));
    }
    let in_ring: BTreeSet<&str> = before.devices.iter().flatten().map(|device| device.ip.as_str()).collect();
    let unseen = cluster.nodes().find(|(_, node)| {
        let host = world.addresses.get(&node.name).map_or("", |address| address.host.as_str());
        in_ring.contains(host) && !world.nodes.contains_key(&node.name)
    });
    if let Some((_, node)) = unseen {
        violations.add(Rule::RebalanceIsSafe, format!("ring {name} while nobody sees {}", node.name));
    }
    if let Some((node, _)) = world.nodes.iter().find(|(_, node)| !has_brought_data(node, name)) {
        violations.add(
            Rule::RebalanceIsSafe,
            format!("ring {name} while {node} has not brought its data to where the last one has it"),
        );
    }
}

/// Whether a person said that the device is dead, or its volume is gone from a node that is there.
fn is_dead(cluster: &ValidatedCluster, world: &World, device: &Device) -> bool {
    let said = |node: &str| {
        cluster.zones.iter().any(|z| z.lost.get(node).is_some_and(|lost| lost.contains(&device.device)))
    };
    match node_of(world, device) {
        Some((name, node)) => said(name) || !node.devices.contains_key(&device.device),
        None => said(&device.meta) || !world.volumes.contains(&(device.meta.clone(), device.device.clone())),
    }
}

fn node_of<'a>(world: &'a World, device: &Device) -> Option<(&'a String, &'a ObservedNode)> {
    let name = world.addresses.iter().find(|(_, address)| address.host == device.ip)?.0;
    world.nodes.get_key_value(name)
}

fn is_found_empty(world: &World, device: &Device, ring: &str) -> bool {
    let found = node_of(world, device).and_then(|(_, node)| node.devices.get(&device.device));
    found.and_then(|found| found.holdings.as_ref()?.get(ring)).is_none_or(|holding| holding.partitions == 0)
        && found.is_some_and(|found| found.holdings.is_some())
}

/// Whether a node that answers has finished a pass since it has the rings.
fn has_brought_data(node: &ObservedNode, ring: &str) -> bool {
    let kind = if ring.starts_with("object") { "object" } else { ring };
    let began = node.passes.get(kind).copied();
    node.ring_generation.is_none()
        || node.ring_since_s.is_some_and(|since| began.is_some_and(|at| at >= since))
}

fn holding_devices(table: &RingData) -> BTreeSet<u32> {
    let all = |row: &swiftlet_ring::DeviceIds| {
        (0..table.part_count()).filter_map(|part| row.get(part)).collect::<Vec<_>>()
    };
    table.assignments.iter().flat_map(all).collect()
}

/// The most replicas of any one partition that are on another device after than before, those of `dead` ones aside.
fn most_moved(before: &RingData, after: &RingData, dead: &BTreeSet<u32>) -> usize {
    let devices = |table: &RingData, part| -> BTreeSet<u32> {
        table.assignments.iter().filter_map(|row| row.get(part)).collect()
    };
    let lost = |part| {
        devices(before, part).difference(&devices(after, part)).filter(|id| !dead.contains(id)).count()
    };
    (0..before.part_count()).map(lost).max().unwrap_or(0)
}
