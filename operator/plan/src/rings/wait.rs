//! What a ring in use waits for before partitions move again.

use super::LoadedRing;
use super::build::Change;
use super::members::Member;
use crate::leaving::{Leaving, is_lost};
use crate::plan::{HoldReason, time_of_day};
use crate::validate::ValidatedCluster;
use crate::world::{ObservedNode, World, server_of};
use std::collections::BTreeSet;

/// For how long new nodes are waited for, so that those that come together share one rebalance. One that never comes
/// does not stop the others for longer.
pub(crate) const LATE_NODES_S: i64 = 600;

/// The names of the nodes that `members` are on.
pub(super) fn nodes_of(members: &[Member]) -> String {
    let nodes: BTreeSet<&str> = members.iter().map(|member| member.node.as_str()).collect();
    some(nodes.into_iter())
}

/// Whether all changes wait for these new nodes.
pub(super) fn for_late_nodes(late: &[Member], world: &World, now_s: i64) -> bool {
    let is_young = now_s.saturating_sub(world.zones_changed_at_s) < LATE_NODES_S;
    let comes_up = |member: &Member| world.nodes.get(&member.node).is_none_or(|node| !node.ready);
    // A node that serves without its new device is restarted with it, in its Zone's turn.
    is_young && late.iter().any(comes_up)
}

/// What speaks against moving partitions of `ring` now, minPartHours aside.
pub(super) fn reason(
    cluster: &ValidatedCluster,
    world: &World,
    leaving: &Leaving,
    (ring, loaded): (&str, &LoadedRing),
) -> Option<(HoldReason, String)> {
    let wanted: BTreeSet<&str> = cluster.nodes().map(|(_, node)| node.name.as_str()).collect();
    let in_ring: BTreeSet<&str> = loaded.builder.devices().map(|device| leaving.node_of(device)).collect();
    // One that nobody sees at all is down as well: it is about to be started again.
    let down = wanted.into_iter().filter(|name| match world.nodes.get(*name) {
        Some(node) => is_down(node),
        None => in_ring.contains(name),
    });
    let down = some(down);
    if !down.is_empty() {
        let message = format!("{down} is down: what is there cannot be moved, and every replica left counts");
        return Some((HoldReason::Unhealthy, message));
    }
    let refilling = some(world.refilling().map(|(node, _, _)| node));
    if !refilling.is_empty() {
        return Some((HoldReason::Refilling, format!("a new volume of {refilling} is refilled first")));
    }
    let behind = world.behind_on_rings();
    if !behind.is_empty() {
        let behind = some(behind.iter().map(String::as_str));
        return Some((HoldReason::RingNotInStep, format!("waits until {behind} hold the current rings")));
    }
    let converging =
        world.nodes.iter().filter_map(|(name, node)| not_converged((cluster, world), (name, node), ring));
    converging.into_iter().next().map(|message| (HoldReason::RingConverging, message))
}

/// Why the data of `ring` on a node that answers is not known to be where the current ring has it.
fn not_converged(
    (cluster, world): (&ValidatedCluster, &World),
    (name, node): (&str, &ObservedNode),
    ring: &str,
) -> Option<String> {
    node.ring_generation?;
    let kind = server_of(ring);
    if !node.ring_since_s.is_some_and(|since_s| node.began_after(kind, since_s)) {
        return Some(format!(
            "{name} has not finished a replication pass of {kind} data with the current rings yet"
        ));
    }
    let mut all_moved = true;
    for (device, seen) in &node.devices {
        match seen.holding(ring) {
            Some(holding) => all_moved &= holding.misplaced == 0,
            // A dead disk tells nothing, and nothing is waited for.
            None if is_lost(cluster, world, name, device) => {}
            None => return Some(format!("{name} does not tell what device {device} holds")),
        }
    }
    (!all_moved).then(|| format!("{name} still holds {kind} partitions that belong elsewhere"))
}

/// Whether partitions moved too recently.
pub(super) fn for_min_part_hours(change: &Change, now_s: i64) -> Option<(HoldReason, String)> {
    let left_s = change.min_part_seconds_left(now_s);
    (left_s > 0).then(|| {
        let message = format!("minPartHours ends at {}", time_of_day(now_s.saturating_add_unsigned(left_s)));
        (HoldReason::MinPartHours, message)
    })
}

/// A node that served once and does not now.
fn is_down(node: &ObservedNode) -> bool {
    !node.ready && node.ready_since_s.is_some()
}

/// The first few of `names`, each once.
fn some<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: BTreeSet<&str> = names.collect();
    let first: Vec<&str> = names.iter().copied().take(3).collect();
    match names.len().saturating_sub(first.len()) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
