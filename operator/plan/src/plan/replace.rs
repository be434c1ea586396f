//! Volumes that are replaced: a new one in the same place of the rings, refilled by replication.

use super::{HoldReason, Plan, ReplaceStep, Step};
use crate::leaving::Leaving;
use crate::revision;
use crate::rings::LoadedRings;
use crate::validate::{ValidatedCluster, ValidatedDevice, ValidatedNode, ValidatedZone};
use crate::world::{ObservedNode, World};
use std::collections::BTreeMap;

/// Plans replacements and volumes that somebody took away, one node at a time where data is given up that still exists.
pub(super) fn plan(
    cluster: &ValidatedCluster,
    world: &World,
    (rings, leaving): (&LoadedRings, &Leaving),
    plan: &mut Plan,
) {
    let in_rings = rings.iter().flat_map(|(_, ring)| ring.builder.devices());
    let unseen = in_rings.map(|device| leaving.node_of(device)).find(|node| !world.nodes.contains_key(*node));
    let mut gives_up_data = false;
    for (zone, node) in cluster.nodes() {
        let Some(seen) = world.nodes.get(&node.name) else { continue };
        // A node that is yet to be restarted gets its new volumes then.
        let is_current = seen.revision == revision::of_node(cluster, zone, node);
        let due: Vec<&ValidatedDevice> =
            node.devices.iter().filter(|device| is_due(seen, device, is_current)).collect();
        if due.is_empty() {
            continue;
        }
        let all_dead = due.iter().all(|device| is_dead(seen, device));
        if !all_dead {
            let earlier =
                gives_up_data.then(|| (HoldReason::Refilling, "another node's comes first".to_string()));
            if let Some((reason, message)) =
                earlier.or_else(|| reason_to_wait(world, unseen, (zone, node), plan))
            {
                plan.hold("ReplaceDevices", &node.name, Some(&zone.name), reason, message);
                continue;
            }
            gives_up_data = true;
        }
        plan.steps.push(Step::ReplaceDevices(ReplaceStep {
            zone: zone.name.clone(),
            node: node.name.clone(),
            devices: due
                .iter()
                .map(|device| (device.name.clone(), device.replacement))
                .collect::<BTreeMap<_, _>>(),
        }));
    }
}

/// Whether the volume is an earlier one than is asked for, or is gone.
fn is_due(seen: &ObservedNode, device: &ValidatedDevice, is_current: bool) -> bool {
    seen.devices.get(&device.name).map_or(is_current, |found| found.replacement < device.replacement)
}

/// Whether there is nothing to give up: a person said that it is dead, or it is gone.
fn is_dead(seen: &ObservedNode, device: &ValidatedDevice) -> bool {
    device.replaced_dead || !seen.devices.contains_key(&device.name)
}

/// What speaks against giving up a replica that still exists.
fn reason_to_wait(
    world: &World,
    unseen: Option<&str>,
    (zone, node): (&ValidatedZone, &ValidatedNode),
    plan: &Plan,
) -> Option<(HoldReason, String)> {
    if let Some(name) = unseen {
        let message =
            format!("node {name}, which is in the rings, is not there: this may be the only replica");
        return Some((HoldReason::OtherZoneDown, message));
    }
    let down = world.nodes.iter().find(|(name, seen)| **name != node.name && !seen.ready);
    if let Some((name, _)) = down {
        let message = format!("node {name} is down; every replica counts until it is back");
        return Some((HoldReason::OtherZoneDown, message));
    }
    if let Some((other, _, device)) = world.refilling().find(|(other, _, _)| *other != node.name) {
        return Some((HoldReason::Refilling, format!("device {device} of {other} is refilled first")));
    }
    let restarts =
        plan.steps.iter().find(|step| matches!(step, Step::RestartNode(other) if other.zone != zone.name));
    if let Some(step) = restarts {
        return Some((HoldReason::OtherZoneDown, format!("first: {step}")));
    }
    let behind = world.behind_on_rings();
    if !behind.is_empty() || plan.steps.iter().any(|step| matches!(step, Step::PublishRings(_))) {
        return Some((HoldReason::RingNotInStep, "rings spread first".to_string()));
    }
    if let Some(name) = world.not_spread() {
        let message = format!("{name} has not finished a replication pass since all nodes are up");
        return Some((HoldReason::RingConverging, message));
    }
    let converging = world.nodes.iter().find(|(name, seen)| **name != node.name && holds_misplaced(seen));
    converging.map(|(name, _)| {
        let message = format!("{name} still holds data that belongs elsewhere, perhaps there");
        (HoldReason::RingConverging, message)
    })
}

fn holds_misplaced(seen: &ObservedNode) -> bool {
    let holdings = seen.devices.values().filter_map(|device| device.holdings.as_ref());
    holdings.flat_map(|rings| rings.values()).any(|holding| holding.misplaced > 0)
}
