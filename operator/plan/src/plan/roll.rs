//! Rollouts: nodes restarted with what they should run, one Zone at a time.

use super::nodes::step;
use super::{HoldReason, Plan, Step, gate, time_of_day};
use crate::revision;
use crate::validate::{ValidatedCluster, ValidatedNode, ValidatedZone};
use crate::world::World;

/// Why nothing restarts in an upgrade that is paused.
const PAUSED: &str = "spec.upgrade.paused is set";

/// Restarts what runs an older revision: what is down already at once, the rest Zone by Zone.
pub(super) fn plan(cluster: &ValidatedCluster, world: &World, now_s: i64, plan: &mut Plan) {
    plan.rollout = gate::rollout(cluster, world);
    let mut zone_before: Option<&str> = None;
    let zones =
        cluster.upgrade.zone_order.iter().filter_map(|name| cluster.zones.iter().find(|z| z.name == *name));
    for zone in zones {
        let (down, up) = stale_nodes(cluster, world, zone);
        for node in &down {
            if cluster.upgrade.paused {
                plan.hold("RestartNode", &node.name, Some(&zone.name), HoldReason::Paused, PAUSED);
            } else if let Some((reason, message)) = gate::skewed(cluster, world) {
                plan.hold("RestartNode", &node.name, Some(&zone.name), reason, message);
            } else {
                // It serves nobody: replacing it can only repair the Zone, whatever happens elsewhere.
                plan.steps.push(Step::RestartNode(step(cluster, zone, node)));
            }
        }
        if !up.is_empty() {
            match zone_before {
                None => roll_zone(cluster, world, now_s, (zone, &up), plan),
                Some(other) => {
                    let message = format!("Zone {other} is done first");
                    plan.hold(
                        "RestartNode",
                        &zone.name,
                        Some(&zone.name),
                        HoldReason::OtherZoneFirst,
                        message,
                    );
                }
            }
        }
        if !up.is_empty() || !down.is_empty() {
            zone_before = zone_before.or(Some(&zone.name));
        }
    }
}

/// The nodes of `zone` that exist with another revision than they should have: those down, those up.
fn stale_nodes<'a>(
    cluster: &ValidatedCluster,
    world: &World,
    zone: &'a ValidatedZone,
) -> (Vec<&'a ValidatedNode>, Vec<&'a ValidatedNode>) {
    let stale = zone.nodes.iter().filter_map(|node| {
        let observed = world.nodes.get(&node.name)?;
        (observed.revision != revision::of_node(cluster, zone, node)).then_some((observed.ready, node))
    });
    let (up, down): (Vec<_>, Vec<_>) = stale.partition(|(ready, _)| *ready);
    let nodes = |list: Vec<(bool, &'a ValidatedNode)>| list.into_iter().map(|(_, node)| node).collect();
    (nodes(down), nodes(up))
}

/// Restarts as many of `stale` as may be down at once, if nothing speaks against it.
fn roll_zone(
    cluster: &ValidatedCluster,
    world: &World,
    now_s: i64,
    (zone, stale): (&ValidatedZone, &[&ValidatedNode]),
    plan: &mut Plan,
) {
    let subject = if stale.len() == 1 { &stale[0].name } else { &zone.name };
    if let Some((reason, message)) = reason_to_wait(cluster, world, now_s, (zone, stale), plan) {
        plan.hold("RestartNode", subject, Some(&zone.name), reason, message);
        return;
    }
    let down = zone.nodes.iter().filter(|node| !world.nodes.get(&node.name).is_some_and(|n| n.ready)).count();
    let budget = cluster.upgrade.max_unavailable.saturating_sub(down);
    for node in stale.iter().take(budget) {
        plan.steps.push(Step::RestartNode(step(cluster, zone, node)));
    }
    if stale.len() > budget {
        let message = format!(
            "{} nodes to go, at most {} down at once",
            stale.len() - budget,
            cluster.upgrade.max_unavailable
        );
        plan.hold("RestartNode", subject, Some(&zone.name), HoldReason::MaxUnavailable, message);
    }
}

/// What speaks against taking a node of `zone` down now.
fn reason_to_wait(
    cluster: &ValidatedCluster,
    world: &World,
    now_s: i64,
    (zone, stale): (&ValidatedZone, &[&ValidatedNode]),
    plan: &Plan,
) -> Option<(HoldReason, String)> {
    if cluster.upgrade.paused {
        return Some((HoldReason::Paused, PAUSED.to_string()));
    }
    if let Some(reason) = gate::reason_to_wait(cluster, world, now_s, plan) {
        return Some(reason);
    }
    if let Some((other, node)) = world.down_elsewhere(&zone.name) {
        return Some((
            HoldReason::OtherZoneDown,
            format!("node {node} of Zone {other} is down; two Zones are never down at once"),
        ));
    }
    if let Some((node, _, device)) = world.refilling().find(|(_, node, _)| node.zone != zone.name) {
        return Some((HoldReason::Refilling, format!("device {device} of {node} is refilled first")));
    }
    let starts = |step: &&Step| match step {
        Step::StartNode(node) => node.zone != zone.name,
        Step::ReplaceDevices(step) => step.zone != zone.name,
        _ => false,
    };
    if let Some(step) = plan.steps.iter().find(starts) {
        return Some((HoldReason::OtherZoneDown, format!("first: {step}")));
    }
    let behind = world.behind_on_rings();
    if !behind.is_empty() || plan.steps.iter().any(|step| matches!(step, Step::PublishRings(_))) {
        return Some((
            HoldReason::RingNotInStep,
            format!("rings spread first, to {}", list(&behind, "every node")),
        ));
    }
    soaking(cluster, world, now_s, (zone, stale))
}

/// Whether a Zone whose turn in this rollout came before that of `zone` was finished too short a while ago.
fn soaking(
    cluster: &ValidatedCluster,
    world: &World,
    now_s: i64,
    (zone, stale): (&ValidatedZone, &[&ValidatedNode]),
) -> Option<(HoldReason, String)> {
    let soak_s = i64::try_from(cluster.upgrade.soak_s).unwrap_or(i64::MAX);
    // A Zone that had its turn was restarted later than what still waits for its own; one that was restarted in a
    // rollout before, or never, only happened to come up.
    let waiting_since =
        stale.iter().filter_map(|node| world.nodes.get(&node.name)).map(|n| n.restarted_at_s).min();
    let had_its_turn = |name: &&String| {
        let restarted = world.nodes.values().filter(|n| n.zone == **name).map(|n| n.restarted_at_s).max();
        restarted.flatten() > waiting_since.flatten()
    };
    let earlier =
        cluster.upgrade.zone_order.iter().take_while(|name| **name != zone.name).filter(had_its_turn);
    let since = |name: &String| {
        world.nodes.values().filter(|n| n.zone == *name).filter_map(|n| n.ready_since_s).max()
    };
    let (name, done_at_s) =
        earlier.filter_map(|name| Some((name, since(name)?))).max_by_key(|(_, at)| *at)?;
    let left_s = done_at_s.saturating_add(soak_s).saturating_sub(now_s);
    let until = || time_of_day(now_s.saturating_add(left_s));
    (left_s > 0).then(|| (HoldReason::Soaking, format!("Zone {name} is watched until {}", until())))
}

/// The first few of `names`.
fn list(names: &[String], none: &str) -> String {
    match names {
        [] => none.to_string(),
        [first, second, _, _, ..] => format!("{first}, {second} and {} more", names.len() - 2),
        few => few.join(", "),
    }
}
