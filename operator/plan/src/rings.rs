//! When rings are built, rebalanced and published.
//!
//! A ring in use is rebalanced once for all that changed, and only when everybody holds the last one and has brought
//! the data after ([`wait`]). A device that is dead leaves it at once: waiting would bring nothing back.

mod build;
mod loaded;
mod members;
mod wait;

pub(crate) use build::table_of;
pub(crate) use loaded::{LoadedRing, LoadedRings};
pub(crate) use members::Members;
pub(crate) use wait::LATE_NODES_S;

use crate::leaving::Leaving;
use crate::parallel;
use crate::plan::{BuiltRing, HoldReason, Plan, RingGeneration, Step};
use crate::validate::{RingSettings, ValidatedCluster};
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
pub(crate) fn plan(
    cluster: &ValidatedCluster,
    world: &World,
    (rings, leaving): (&LoadedRings, &Leaving),
    now_s: i64,
    plan: &mut Plan,
) -> bool {
    let old = world.rings.as_ref().map(|rings| &rings.rings);
    if old.is_none() && is_first_too_early(cluster, world, now_s, plan) {
        return false;
    }
    for (node, reason) in &leaving.refused {
        let zone = world.nodes.get(node).map(|seen| seen.zone.as_str());
        plan.hold("DrainNode", node, zone, HoldReason::DrainRefused, format!("{node} stays: {reason}"));
    }
    let mut built = BTreeMap::new();
    let mut changes = Vec::new();
    let all = all_settings(cluster, rings);
    let nexts = parallel::map(&all, |settings| {
        let mut waits = Plan::default();
        let next = match rings.get(&settings.name) {
            None => build::first(cluster, world, settings, now_s).map(Some),
            Some(ring) => next_of(cluster, world, leaving, (settings, ring), now_s, &mut waits),
        };
        (next, waits.held)
    });
    // Each publication makes everybody wait for another replication pass: rings that change together go together.
    let converging =
        nexts.iter().flat_map(|(_, held)| held).find(|held| held.reason == HoldReason::RingConverging);
    let converging = converging.cloned();
    for (settings, (next, held)) in all.into_iter().zip(nexts) {
        plan.held.extend(held);
        match next {
            Ok(Some(Built { may_wait: true, summary, .. })) if converging.is_some() => {
                let other = converging.as_ref().map_or("", |held| held.message.as_str());
                let message = format!("ring {}, {summary}: waits for the others: {other}", settings.name);
                plan.hold("PublishRings", &settings.name, None, HoldReason::RingConverging, message);
            }
            Ok(Some(next)) => {
                changes.push(format!("{}: {}", settings.name, next.summary));
                built.insert(settings.name, next.ring);
            }
            Ok(None) => {}
            Err(message) => {
                let message = format!("ring {}: {message}", settings.name);
                plan.hold("PublishRings", &settings.name, None, HoldReason::RingRefused, message);
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
        let devices = members::wanted(cluster, world, &ring.name).len();
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

/// What each ring is built with: of a policy that is no longer asked for, what it was built with last.
fn all_settings(cluster: &ValidatedCluster, rings: &LoadedRings) -> Vec<RingSettings> {
    let gone = rings.iter().filter(|(name, _)| !cluster.rings.iter().any(|ring| ring.name == *name));
    let gone = gone.map(|(name, ring)| RingSettings {
        name: name.to_string(),
        part_power: u8::try_from(ring.builder.part_power()).unwrap_or(u8::MAX),
        replicas: ring.builder.replicas(),
        min_part_hours: u16::try_from(ring.builder.min_part_hours()).unwrap_or(u16::MAX),
        overload: ring.builder.overload(),
    });
    cluster.rings.iter().cloned().chain(gone).collect()
}

/// The next version of a ring that exists: `None` where nothing changed or it has to wait.
fn next_of(
    cluster: &ValidatedCluster,
    world: &World,
    leaving: &Leaving,
    (settings, ring): (&RingSettings, &LoadedRing),
    now_s: i64,
    plan: &mut Plan,
) -> Result<Option<Built>, String> {
    let name = &settings.name;
    let change = Change::find(cluster, world, leaving, (settings, ring))?;
    if !change.lost.is_empty() {
        let lost = change.lost.clone();
        return change.remove(&lost, "dead", now_s).map(Some);
    }
    if !change.late.is_empty() {
        let message = format!("ring {name} takes {} once they serve", wait::nodes_of(&change.late));
        plan.hold("PublishRings", name, None, HoldReason::WaitingForNodes, message);
        if wait::for_late_nodes(&change.late, world, now_s) {
            return Ok(None);
        }
    }
    if !change.moves() && change.empty.is_empty() {
        return Ok(None);
    }
    let what = change.to_string();
    let mut hold = |(reason, message): (HoldReason, String)| {
        plan.hold("PublishRings", name, None, reason, format!("ring {name}, {what}: {message}"));
        Ok(None)
    };
    if let Some(reason) = wait::reason(cluster, world, leaving, (name, ring)) {
        return hold(reason);
    }
    if !change.empty.is_empty() {
        let empty = change.empty.clone();
        let built = change.remove(&empty, "drained", now_s)?;
        return Ok(Some(Built { may_wait: true, ..built }));
    }
    if let Some(reason) = wait::for_min_part_hours(&change, now_s) {
        return hold(reason);
    }
    let goes_on = change.only_goes_on();
    let built = change.apply(now_s)?;
    if goes_on && built.moved == 0 {
        let message = "what is left on them has no other place; add devices".to_string();
        return hold((HoldReason::DrainRefused, message));
    }
    Ok(Some(built))
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
