//! The gates of a rollout: nothing healthy is restarted while one of them is shut.

use super::{HoldReason, Plan, time_of_day};
use crate::revision;
use crate::validate::ValidatedCluster;
use crate::world::{Rollout, World};
use sha2::{Digest, Sha256};

/// So many more container updates than before a rollout may wait to be sent: a restart leaves some.
const ASYNC_PENDINGS_MORE: u64 = 1000;

/// The rollout that is under way: the one of before as long as its target stays, else one that begins now.
pub(super) fn rollout(cluster: &ValidatedCluster, world: &World) -> Option<Rollout> {
    let stale = cluster.nodes().any(|(zone, node)| {
        let seen = world.nodes.get(&node.name);
        seen.is_some_and(|seen| seen.revision != revision::of_node(cluster, zone, node))
    });
    let stale_pool = cluster.proxies.iter().any(|pool| {
        let seen = world.proxies.get(&pool.name);
        seen.is_some_and(|seen| seen.revision != revision::of_proxies(cluster, pool))
    });
    if !stale && !stale_pool {
        return None;
    }
    let target = target(cluster);
    match &world.rollout {
        Some(rollout) if rollout.target == target => Some(rollout.clone()),
        _ => {
            let (async_pendings, quarantined) = figures(world);
            Some(Rollout { target, async_pendings, quarantined })
        }
    }
}

/// All that nodes shall run, in a word.
fn target(cluster: &ValidatedCluster) -> String {
    let mut digest = Sha256::new();
    for (zone, node) in cluster.nodes() {
        digest.update(revision::of_node(cluster, zone, node));
    }
    hex::encode(&digest.finalize()[..5])
}

/// Async pendings and what is quarantined, of the whole cluster.
fn figures(world: &World) -> (u64, u64) {
    let devices = world.nodes.values().flat_map(|node| node.devices.values());
    devices.fold((0, 0), |(pendings, quarantined): (u64, u64), device| {
        (pendings.saturating_add(device.async_pendings), quarantined.saturating_add(device.quarantined))
    })
}

/// What speaks against restarting anything that serves, whichever Zone it is of.
pub(super) fn reason_to_wait(
    cluster: &ValidatedCluster,
    world: &World,
    now_s: i64,
    plan: &Plan,
) -> Option<(HoldReason, String)> {
    skewed(cluster, world).or_else(|| outside_windows(cluster, now_s)).or_else(|| got_worse(world, plan))
}

/// Why the version asked for may not be given to nodes: only neighbouring minor versions work side by side.
pub(super) fn skewed(cluster: &ValidatedCluster, world: &World) -> Option<(HoldReason, String)> {
    let asked = cluster.version.as_deref()?;
    let (major, minor) = major_minor(asked)?;
    let far = |version: &str| {
        let found = major_minor(version);
        found.is_some_and(|found| found.0 != major || found.1.abs_diff(minor) > 1)
    };
    let (name, node) = world.nodes.iter().find(|(_, node)| far(&node.version))?;
    let message = format!(
        "{name} runs {}, and {asked} is more than one minor version away; go there one minor version at a time",
        node.version
    );
    Some((HoldReason::VersionSkew, message))
}

fn major_minor(version: &str) -> Option<(u64, u64)> {
    let mut parts = version.trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Why no restart begins at this time of the week.
pub(super) fn outside_windows(cluster: &ValidatedCluster, now_s: i64) -> Option<(HoldReason, String)> {
    let opens_in_s = cluster.upgrade.windows.iter().map(|window| window.opens_in_s(now_s)).min()?;
    (opens_in_s > 0).then(|| {
        let opens = time_of_day(now_s.saturating_add(opens_in_s));
        (HoldReason::OutsideWindow, format!("the next of spec.upgrade.windows opens at {opens}"))
    })
}

/// Which figure got worse since the rollout began.
fn got_worse(world: &World, plan: &Plan) -> Option<(HoldReason, String)> {
    let before = plan.rollout.as_ref()?;
    let (async_pendings, quarantined) = figures(world);
    if quarantined > before.quarantined {
        let message = format!(
            "quarantined rose from {} to {quarantined} since the rollout began; look at what was set aside, or change \
             the spec",
            before.quarantined
        );
        return Some((HoldReason::GateFailed, message));
    }
    let most = before.async_pendings.saturating_mul(2).saturating_add(ASYNC_PENDINGS_MORE);
    (async_pendings > most).then(|| {
        let message = format!(
            "async pendings rose from {} to more than {most} since the rollout began; it goes on when they drain",
            before.async_pendings
        );
        (HoldReason::GateFailed, message)
    })
}
