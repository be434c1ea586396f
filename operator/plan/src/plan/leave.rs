//! Nodes and devices that leave: stopped and forgotten once they hold nothing, and not before.

use super::{HoldReason, Plan, Step};
use crate::leaving::{Leaving, is_empty, is_lost, is_of_refused_zone};
use crate::resources::VolumeClaimDeletion;
use crate::rings::LoadedRings;
use crate::validate::{ValidatedCluster, ValidatedNode, ValidatedZone};
use crate::world::{ObservedNode, World};

/// Plans what goes. `cluster` is completed: its nodes have the devices they keep.
pub(super) fn plan(
    cluster: &ValidatedCluster,
    world: &World,
    (rings, leaving): (&LoadedRings, &Leaving),
    plan: &mut Plan,
) {
    for (name, seen) in &world.nodes {
        if is_of_refused_zone(cluster, world, name) {
            continue;
        }
        match cluster.nodes().find(|(_, node)| node.name == *name) {
            Some((zone, node)) => remove_devices((cluster, world, rings), (zone, node), seen, plan),
            None => remove_node((cluster, world, rings), name, seen, plan),
        }
    }
    for node in leaving.unseen(world) {
        let message = format!(
            "{node} leaves, its volumes hold data, and nothing runs it; ask for it again until it is drained, or say in \
             spec.nodeOverrides that its devices are Failed"
        );
        plan.hold("DrainNode", &node, None, HoldReason::DrainUnseen, message);
    }
    for zone in cluster.zones.iter().filter(|zone| zone.deleting) {
        let is_left = world.nodes.values().any(|node| node.zone == zone.name);
        if !is_left {
            plan.steps.push(Step::ReleaseZone { zone: zone.name.clone() });
        }
    }
}

type Known<'a> = (&'a ValidatedCluster, &'a World, &'a LoadedRings);

fn remove_node((cluster, world, rings): Known<'_>, name: &str, seen: &ObservedNode, plan: &mut Plan) {
    for device in seen.devices.keys() {
        if let Some((reason, message)) = reason_to_stay((cluster, world, rings), (name, seen), device) {
            plan.hold("RemoveNode", name, Some(&seen.zone), reason, message);
            return;
        }
    }
    if let Some(message) = rings_to_spread(world, plan) {
        plan.hold("RemoveNode", name, Some(&seen.zone), HoldReason::RingNotInStep, message);
        return;
    }
    plan.steps.push(Step::RemoveNode {
        zone: seen.zone.clone(),
        node: name.to_string(),
        devices: seen.devices.keys().cloned().collect(),
        delete_volumes: deletes_volumes(cluster, &seen.zone),
    });
}

/// Devices that a live node shall not have: waited for while it keeps them, forgotten once it runs without them.
fn remove_devices(
    (cluster, world, rings): Known<'_>,
    (zone, node): (&ValidatedZone, &ValidatedNode),
    seen: &ObservedNode,
    plan: &mut Plan,
) {
    let kept = plan.kept.get(&node.name).cloned().unwrap_or_default();
    for device in kept {
        let stays = reason_to_stay((cluster, world, rings), (&node.name, seen), &device.name);
        if let Some((reason, message)) = stays {
            plan.hold("RemoveDevice", &node.name, Some(&zone.name), reason, message);
        }
    }
    let is_wanted = |name: &str| node.devices.iter().any(|device| device.name == name);
    for (device, _) in seen.devices.iter().filter(|(name, found)| !found.mounted && !is_wanted(name)) {
        let host = world.addresses.get(&node.name).map_or("", |address| address.host.as_str());
        let is_done = rings.with(host, device).is_empty();
        if is_done && rings_to_spread(world, plan).is_none() {
            plan.steps.push(Step::RemoveDevice {
                zone: zone.name.clone(),
                node: node.name.clone(),
                device: device.clone(),
                delete_volume: deletes_volumes(cluster, &zone.name),
            });
        }
    }
}

/// Why a device that leaves cannot go yet.
fn reason_to_stay(
    (cluster, world, rings): Known<'_>,
    (name, seen): (&str, &ObservedNode),
    device: &str,
) -> Option<(HoldReason, String)> {
    let host = world.addresses.get(name).map_or("", |address| address.host.as_str());
    let in_rings = rings.with(host, device);
    if !in_rings.is_empty() {
        let message = format!("device {device} of {name} leaves ring {} first", in_rings.join(", "));
        return Some((HoldReason::Draining, message));
    }
    let found = seen.devices.get(device)?;
    // A node goes on without a device only when that is empty.
    if is_lost(cluster, world, name, device) || !found.mounted {
        return None;
    }
    if found.held().is_none() || seen.ring_generation.is_none() {
        let message = format!(
            "{name} does not tell what device {device} holds; if it is gone for good, say so in spec.nodeOverrides: \
             state: Failed"
        );
        return Some((HoldReason::DrainUnseen, message));
    }
    let holds_partitions = found.held() > Some(found.async_pendings);
    (!is_empty(found)).then(|| {
        let what = match holds_partitions {
            true => "data, which is moving away",
            false => "container updates, which the updater sends",
        };
        (HoldReason::Draining, format!("device {device} of {name} still holds {what}"))
    })
}

/// Nobody may look for data on what goes.
fn rings_to_spread(world: &World, plan: &Plan) -> Option<String> {
    let behind = world.behind_on_rings();
    let publishes = plan.steps.iter().any(|step| matches!(step, Step::PublishRings(_)));
    (publishes || !behind.is_empty()).then(|| "the rings without it spread first".to_string())
}

fn deletes_volumes(cluster: &ValidatedCluster, zone: &str) -> bool {
    let zone = cluster.zones.iter().find(|candidate| candidate.name == zone);
    zone.is_some_and(|zone| zone.volume_claim_deletion == VolumeClaimDeletion::Delete)
}
