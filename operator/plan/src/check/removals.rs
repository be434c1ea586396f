//! Vets what is taken away: nodes, devices, volumes, Zones.

use super::{Rule, Violations};
use crate::plan::{Plan, ReplaceStep, Step};
use crate::rings::table_of;
use crate::validate::ValidatedCluster;
use crate::world::World;
use std::collections::BTreeSet;

/// Vets every step of `plan` that takes something away.
pub(super) fn check(cluster: &ValidatedCluster, world: &World, plan: &Plan, violations: &mut Violations) {
    let mut in_rings: Option<BTreeSet<(String, String)>> = None;
    for step in &plan.steps {
        match step {
            Step::RemoveNode { node, devices, .. } => {
                let seen = world.nodes.get(node).map(|seen| seen.devices.keys().cloned().collect::<Vec<_>>());
                if seen.is_some_and(|seen| seen.iter().any(|device| !devices.contains(device))) {
                    violations.add(Rule::NothingGoesWithData, format!("{step} leaves devices behind"));
                }
                let in_rings = in_rings.get_or_insert_with(|| places(world));
                for device in devices {
                    check_removal(cluster, world, in_rings, (node, device), violations);
                }
                if cluster.nodes().any(|(_, wanted)| wanted.name == *node) {
                    violations.add(Rule::NothingGoesWithData, format!("{step} is asked for"));
                }
            }
            Step::RemoveDevice { node, device, .. } => {
                let in_rings = in_rings.get_or_insert_with(|| places(world));
                check_removal(cluster, world, in_rings, (node, device), violations);
            }
            Step::ReplaceDevices(step) => check_replacement(cluster, world, step, violations),
            Step::ReleaseZone { zone } if world.nodes.values().any(|node| node.zone == *zone) => {
                violations.add(Rule::NothingGoesWithData, format!("{step} while nodes of it exist"));
            }
            _ => {}
        }
    }
}

/// Host and device of everything in any ring.
fn places(world: &World) -> BTreeSet<(String, String)> {
    let rings = world.rings.iter().flat_map(|rings| rings.rings.values());
    let tables = rings.filter_map(|ring| table_of(&ring.builder).ok());
    tables
        .flat_map(|table| table.devices.into_iter().flatten())
        .map(|device| (device.ip, device.device))
        .collect()
}

fn check_removal(
    cluster: &ValidatedCluster,
    world: &World,
    in_rings: &BTreeSet<(String, String)>,
    (node, device): (&str, &str),
    violations: &mut Violations,
) {
    let host = world.addresses.get(node).map_or("", |address| address.host.as_str());
    if in_rings.contains(&(host.to_string(), device.to_string())) {
        violations.add(Rule::NothingGoesWithData, format!("{device} of {node} is in a ring"));
    }
    let is_dead =
        cluster.zones.iter().any(|zone| zone.lost.get(node).is_some_and(|lost| lost.contains(device)));
    let seen = world.nodes.get(node).and_then(|seen| seen.devices.get(device));
    if !is_dead && seen.is_some_and(|seen| seen.mounted && seen.held() != Some(0)) {
        violations.add(Rule::NothingGoesWithData, format!("{device} of {node} may hold data"));
    }
}

/// A disk that is said to be dead may always be replaced.
fn check_replacement(
    cluster: &ValidatedCluster,
    world: &World,
    step: &ReplaceStep,
    violations: &mut Violations,
) {
    let found = cluster.nodes().find(|(_, node)| node.name == step.node);
    let devices = found.map(|(_, node)| node.devices.as_slice()).unwrap_or_default();
    let is_there =
        |name: &String| world.nodes.get(&step.node).is_some_and(|node| node.devices.contains_key(name));
    let is_said_dead =
        |name: &String| devices.iter().any(|device| device.name == *name && device.replaced_dead);
    let is_alive = |name: &String| is_there(name) && !is_said_dead(name);
    if !step.devices.keys().any(is_alive) {
        return;
    }
    if let Some((other, _)) = world.nodes.iter().find(|(name, seen)| **name != step.node && !seen.ready) {
        violations.add(Rule::OneReplicaAtATime, format!("{} while {other} is down", step.node));
    }
    let hosts: BTreeSet<&str> = world
        .addresses
        .iter()
        .filter(|(name, _)| world.nodes.contains_key(*name))
        .map(|(_, address)| address.host.as_str())
        .collect();
    if let Some((host, _)) = places(world).iter().find(|(host, _)| !hosts.contains(host.as_str())) {
        violations.add(Rule::OneReplicaAtATime, format!("{} while {host} is not there", step.node));
    }
    if let Some(other) = world.not_spread() {
        violations.add(
            Rule::OneReplicaAtATime,
            format!("{} while {other} may not have spread its data", step.node),
        );
    }
    if let Some((other, _, _)) = world.refilling().find(|(other, _, _)| *other != step.node) {
        violations.add(Rule::OneReplicaAtATime, format!("{} while {other} is refilled", step.node));
    }
}
