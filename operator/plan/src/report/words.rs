//! The words and figures of the columns.

use super::{Findings, Usage};
use crate::plan::{Held, Plan};
use crate::revision;
use crate::validate::{Problem, ValidatedCluster, ValidatedZone};
use crate::world::World;

/// What a resource is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Phase {
    /// One word for the column; empty where it simply does what its spec asks.
    pub(super) word: &'static str,
    /// One word for the condition.
    pub(super) reason: &'static str,
    /// For a person.
    pub(super) message: String,
}

fn phase(word: &'static str, reason: &'static str, message: impl Into<String>) -> Phase {
    Phase { word, reason, message: message.into() }
}

/// What the cluster is doing; what matters most comes first.
pub(super) fn cluster_phase(findings: Findings<'_>, problems: &[&Problem]) -> Phase {
    let Findings { validation, world, plan, .. } = findings;
    if let Some(blocked) = blocked_by(problems, plan.held.iter()) {
        return blocked;
    }
    let Some(cluster) = &validation.cluster else {
        return phase("Blocked", "Invalid", "the spec has problems");
    };
    if world.rings.is_none() {
        let waits = plan.held.iter().find(|held| held.step == "PublishRings");
        return phase(
            "Creating",
            "NoRings",
            waits.map_or("the first rings are made", |held| held.message.as_str()),
        );
    }
    if let Some(nodes) = nodes_phase(cluster, &cluster.zones, world) {
        return nodes;
    }
    for pool in &cluster.proxies {
        let observed = world.proxies.get(&pool.name);
        let there_are = observed.map_or(pool.replicas, |observed| observed.replicas);
        let wanted = pool.wanted_replicas(observed).unwrap_or(there_are);
        if !observed.is_some_and(|o| o.ready >= wanted && o.revision == revision::of_proxies(cluster, pool)) {
            let message =
                format!("proxies {}: {}/{wanted} ready", pool.name, observed.map_or(0, |o| o.ready));
            return phase(
                if observed.is_some() { "Rolling" } else { "Creating" },
                "ProxiesNotReady",
                message,
            );
        }
    }
    rings_phase(world, plan).unwrap_or_else(|| phase("", "AsAsked", format!("{} serves", cluster.name)))
}

/// What one Zone is doing.
pub(super) fn zone_phase(
    findings: Findings<'_>,
    zone: Option<&ValidatedZone>,
    problems: &[&Problem],
    name: &str,
) -> Phase {
    let Findings { validation, world, plan, .. } = findings;
    let held = plan.held.iter().filter(|held| held.zone.as_deref() == Some(name));
    if let Some(blocked) = blocked_by(problems, held) {
        return blocked;
    }
    let (Some(cluster), Some(zone)) = (&validation.cluster, zone) else {
        return phase("Blocked", "ClusterBlocked", "its SwiftCluster has problems");
    };
    nodes_phase(cluster, std::slice::from_ref(zone), world)
        .unwrap_or_else(|| phase("", "AsAsked", "all nodes serve"))
}

/// What a person has to put right, all of it in one message.
fn blocked_by<'a>(problems: &[&Problem], held: impl Iterator<Item = &'a Held>) -> Option<Phase> {
    let held: Vec<&Held> = held.filter(|held| held.reason.needs_a_person()).collect();
    let reason = problems.first().map(|p| p.reason).or(held.first().map(|h| h.reason.as_str()))?;
    let problems = problems.iter().map(ToString::to_string);
    let all: Vec<String> = problems.chain(held.iter().map(|held| held.message.clone())).collect();
    Some(phase("Blocked", reason, all.join("; ")))
}

/// What is going on with nodes that are not all up with what they should run.
fn nodes_phase(cluster: &ValidatedCluster, zones: &[ValidatedZone], world: &World) -> Option<Phase> {
    let (mut absent, mut stale, mut down) = (0, 0, Vec::new());
    for (zone, node) in zones.iter().flat_map(|zone| zone.nodes.iter().map(move |node| (zone, node))) {
        match world.nodes.get(&node.name) {
            None => absent += 1,
            Some(observed) => {
                stale += usize::from(observed.revision != revision::of_node(cluster, zone, node));
                if !observed.ready {
                    down.push(node.name.as_str());
                }
            }
        }
    }
    if stale > 0 {
        return Some(phase("Rolling", "NodesOutdated", format!("{stale} nodes to go")));
    }
    if absent > 0 {
        return Some(phase("Creating", "NodesMissing", format!("{absent} nodes to start")));
    }
    let never_served = |name: &&str| world.nodes.get(*name).is_some_and(|node| node.ready_since_s.is_none());
    match down.as_slice() {
        [] => None,
        all if all.iter().all(never_served) => {
            Some(phase("Starting", "NodesNotReady", format!("not ready yet: {}", down.join(", "))))
        }
        _ => Some(phase("Degraded", "NodesNotReady", format!("down: {}", down.join(", ")))),
    }
}

fn rings_phase(world: &World, plan: &Plan) -> Option<Phase> {
    if let Some(held) = plan.held.iter().find(|held| held.step == "PublishRings") {
        return Some(phase("Rebalancing", held.reason.as_str(), &held.message));
    }
    if let Some(step) = plan.steps.iter().find(|step| step.name() == "PublishRings") {
        return Some(phase("Rebalancing", "Publishing", step.to_string()));
    }
    let behind = world.behind_on_rings();
    (!behind.is_empty())
        .then(|| phase("Rebalancing", "RingNotInStep", format!("not there yet: {}", behind.join(", "))))
}

/// The nodes and pools of proxies that are down.
pub(super) fn down(world: &World) -> Vec<String> {
    let nodes = world.nodes.iter().filter(|(_, node)| !node.ready).map(|(name, _)| name.clone());
    let pools = world.proxies.iter().filter(|(_, pool)| pool.replicas > 0 && pool.ready == 0);
    nodes.chain(pools.map(|(name, _)| format!("proxies {name}"))).collect()
}

/// Zones all of whose nodes serve, of all Zones: `3/3`.
pub(super) fn zones_ready(cluster: Option<&ValidatedCluster>, world: &World) -> String {
    let Some(cluster) = cluster else { return String::new() };
    let is_ready = |zone: &&ValidatedZone| zone.nodes.iter().all(|node| serves(world, &node.name));
    let ready = cluster.zones.iter().filter(is_ready).count();
    format!("{ready}/{}", cluster.zones.len() + cluster.refused_zones.len())
}

/// Nodes that serve, of those that shall: `12/12`.
pub(super) fn nodes_ready(zones: &[ValidatedZone], world: &World) -> String {
    let nodes: Vec<_> = zones.iter().flat_map(|zone| &zone.nodes).collect();
    let ready = nodes.iter().filter(|node| serves(world, &node.name)).count();
    format!("{ready}/{}", nodes.len())
}

/// Devices of nodes that serve, of those that shall be: `48/48`.
pub(super) fn devices_ready(zones: &[ValidatedZone], world: &World) -> String {
    let (mut ready, mut wanted) = (0, 0);
    for node in zones.iter().flat_map(|zone| &zone.nodes) {
        let known =
            |name: &str| world.nodes.get(&node.name).is_some_and(|n| n.ready && n.devices.contains_key(name));
        ready += node.devices.iter().filter(|device| known(&device.name)).count();
        wanted += node.devices.len();
    }
    format!("{ready}/{wanted}")
}

fn serves(world: &World, node: &str) -> bool {
    world.nodes.get(node).is_some_and(|node| node.ready)
}

/// The rings in a word or two.
pub(super) fn rings(world: &World, plan: &Plan) -> String {
    let Some(rings) = &world.rings else { return "waiting".to_string() };
    if plan.steps.iter().any(|step| step.name() == "PublishRings") {
        return "publishing".to_string();
    }
    let answering = world.nodes.values().filter_map(|node| node.ring_generation);
    let answering: Vec<u64> =
        answering.chain(world.proxies.values().flat_map(|p| p.ring_generations.clone())).collect();
    let current = answering.iter().filter(|generation| **generation >= rings.generation).count();
    if current < answering.len() {
        return format!("spreading {current}/{}", answering.len());
    }
    let held = plan.held.iter().any(|held| held.step == "PublishRings");
    if held { "rebalance held" } else { "in step" }.to_string()
}

/// Percent of all bytes in use, `31%`; nothing where nobody knows. What is `shown` stays until it is a whole percent
/// off: on the edge between two figures it would be written again and again.
pub(super) fn used<'a>(usage: impl IntoIterator<Item = &'a Usage>, shown: &str) -> String {
    let (mut used, mut size) = (0u128, 0u128);
    for usage in usage {
        used += u128::from(usage.used_bytes);
        size += u128::from(usage.size_bytes);
    }
    let was = shown.strip_suffix('%').and_then(|percent| percent.parse::<u8>().ok()).map(u128::from);
    if was.is_some_and(|percent| (used * 100).abs_diff(percent * size) < size) {
        return shown.to_owned();
    }
    // Rounded to the nearest.
    (used * 200 + size).checked_div(size * 2).map_or(String::new(), |percent| format!("{percent}%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_is_shown_anew_once_it_is_a_whole_percent_off() {
        let shown = |used_bytes, shown| used(&[Usage { used_bytes, size_bytes: 1000 }], shown);
        assert_eq!((shown(24, ""), shown(25, "")), ("2%".into(), "3%".into()));
        for used_bytes in 11..30 {
            assert_eq!(shown(used_bytes, "2%"), "2%", "{used_bytes}");
        }
        assert_eq!(
            (shown(10, "2%"), shown(30, "2%"), shown(500, "2%")),
            ("1%".into(), "3%".into(), "50%".into())
        );
        assert_eq!(used(&[], "2%"), "", "nobody knows");
    }
}
