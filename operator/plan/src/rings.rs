//! When rings are built, rebalanced and published.
//!
//! A ring is rebalanced once for all that changed, and only when everybody holds the last one. As nothing moves
//! data yet, a ring in use is rebalanced a single time after its first: then each partition has moved one
//! replica at most, and the others still hold the data.

mod build;
mod members;

pub(crate) use build::table_of;

use crate::plan::{BuiltRing, HoldReason, Plan, RingGeneration, Step, time_of_day};
use crate::revision;
use crate::validate::{RingSettings, ValidatedCluster, ValidatedNode, ValidatedZone};
use crate::world::{PublishedRing, PublishedRings, World};
use build::{Built, Change};
use std::collections::BTreeMap;

/// The files of the rings that are published, made from their builders once more.
pub fn made_again(published: &PublishedRings) -> Result<BTreeMap<String, BuiltRing>, String> {
    with_unchanged(BTreeMap::new(), Some(&published.rings))
}

/// How long Zones must not have changed before the first rings are built.
pub const QUIET_S: i64 = 5;

/// Plans the rings; whether `plan` now publishes some.
pub(crate) fn plan(cluster: &ValidatedCluster, world: &World, now_s: i64, plan: &mut Plan) -> bool {
    let old = world.rings.as_ref().map(|rings| &rings.rings);
    if old.is_none() && is_first_too_early(cluster, world, now_s, plan) {
        return false;
    }
    let mut built = BTreeMap::new();
    let mut changes = Vec::new();
    for ring in &cluster.rings {
        let next = match old.and_then(|rings| rings.get(&ring.name)) {
            None => build::first(cluster, world, ring, now_s).map(Some),
            Some(published) => next_of(cluster, world, (ring, published), now_s, plan),
        };
        match next {
            Ok(Some(next)) => {
                changes.push(format!("{}: {}", ring.name, next.summary));
                built.insert(ring.name.clone(), next.ring);
            }
            Ok(None) => {}
            Err(message) => {
                plan.hold(
                    "PublishRings",
                    &ring.name,
                    None,
                    HoldReason::RingRefused,
                    format!("ring {}: {message}", ring.name),
                );
                return false;
            }
        }
    }
    if changes.is_empty() {
        return false;
    }
    match with_unchanged(built, old) {
        Ok(rings) => {
            let generation = world.rings.as_ref().map_or(1, |rings| rings.generation + 1);
            plan.steps.push(Step::PublishRings(RingGeneration {
                generation,
                rings,
                summary: changes.join("; "),
            }));
            true
        }
        Err(message) => {
            plan.hold("PublishRings", "rings", None, HoldReason::RingRefused, message);
            false
        }
    }
}

/// The first rings decide where everything goes: they wait for Zones that can hold all replicas and stand still.
fn is_first_too_early(cluster: &ValidatedCluster, world: &World, now_s: i64, plan: &mut Plan) -> bool {
    for ring in &cluster.rings {
        let devices = members::wanted(cluster, world, ring).len();
        let needed = ring.replicas.ceil() as usize;
        if devices < needed {
            let message = format!(
                "ring {} needs {needed} devices for {} replicas, the Zones have {devices}; add Zones, nodes or devices",
                ring.name, ring.replicas
            );
            plan.hold("PublishRings", &ring.name, None, HoldReason::WaitingForZones, message);
            return true;
        }
    }
    let quiet_s = now_s.saturating_sub(world.zones_changed_at_s);
    if quiet_s < QUIET_S {
        let message = format!(
            "Zones changed a moment ago; the first rings are built {QUIET_S} s after the last change"
        );
        plan.hold("PublishRings", "rings", None, HoldReason::WaitingForQuiet, message);
        return true;
    }
    false
}

/// The next version of a ring that exists: `None` where nothing changed or it has to wait.
fn next_of(
    cluster: &ValidatedCluster,
    world: &World,
    (ring, published): (&RingSettings, &PublishedRing),
    now_s: i64,
    plan: &mut Plan,
) -> Result<Option<Built>, String> {
    let change = Change::find(cluster, world, ring, published)?;
    for (node, device) in &change.leaving {
        let message = format!(
            "device {device} of {node} stays in ring {}: it holds data, and draining is not built yet",
            ring.name
        );
        plan.hold("RemoveDevice", node, None, HoldReason::DrainNotBuilt, message);
    }
    if change.is_none() {
        return Ok(None);
    }
    if let Some((reason, message)) = reason_to_wait(cluster, world, published, &change, now_s) {
        plan.hold(
            "PublishRings",
            &ring.name,
            None,
            reason,
            format!("ring {}, {change}: {message}", ring.name),
        );
        return Ok(None);
    }
    change.apply(published, now_s).map(Some)
}

/// What speaks against rebalancing a ring in use now.
fn reason_to_wait(
    cluster: &ValidatedCluster,
    world: &World,
    published: &PublishedRing,
    change: &Change,
    now_s: i64,
) -> Option<(HoldReason, String)> {
    if published.moves > 0 {
        let message = "it was rebalanced once since it was first used, and replication, which would bring the data after, is not built yet";
        return Some((HoldReason::ReplicationNotBuilt, message.to_string()));
    }
    // A node has a new device, and the device its real size, once it runs with the revision that names it.
    let serves = |zone: &ValidatedZone, node: &ValidatedNode| {
        let revision = revision::of_node(cluster, zone, node);
        world.nodes.get(&node.name).is_some_and(|seen| seen.ready && seen.revision == revision)
    };
    let missing: Vec<&str> = cluster
        .nodes()
        .filter(|(zone, node)| !serves(zone, node))
        .map(|(_, node)| node.name.as_str())
        .collect();
    if !missing.is_empty() {
        return Some((HoldReason::WaitingForNodes, format!("waits for {}", missing.join(", "))));
    }
    let behind = world.behind_on_rings();
    if !behind.is_empty() {
        return Some((
            HoldReason::RingNotInStep,
            format!("waits until {} hold the current rings", behind.join(", ")),
        ));
    }
    let left_s = change.min_part_seconds_left(now_s);
    (left_s > 0).then(|| {
        let message = format!("minPartHours ends at {}", time_of_day(now_s.saturating_add_unsigned(left_s)));
        (HoldReason::MinPartHours, message)
    })
}

/// The rings that changed, and the files of those that did not.
fn with_unchanged(
    mut built: BTreeMap<String, BuiltRing>,
    old: Option<&BTreeMap<String, PublishedRing>>,
) -> Result<BTreeMap<String, BuiltRing>, String> {
    for (name, published) in old.into_iter().flatten() {
        if !built.contains_key(name) {
            built.insert(name.clone(), build::unchanged(name, published)?);
        }
    }
    Ok(built)
}
