//! The moments at which a plan may change although nothing happens.

use crate::rings::{LATE_NODES_S, QUIET_S};
use crate::validate::ValidatedCluster;
use crate::world::World;
use std::collections::BTreeSet;
use swiftlet_ring::builder::file;

/// The next such moment after `now_s`.
pub(super) fn next_moment(cluster: &ValidatedCluster, world: &World, now_s: i64) -> Option<i64> {
    let mut moments: BTreeSet<i64> = BTreeSet::new();
    moments.extend([QUIET_S, LATE_NODES_S].map(|wait_s| world.zones_changed_at_s.saturating_add(wait_s)));
    moments.extend(cluster.upgrade.windows.iter().map(|window| now_s + window.opens_in_s(now_s)));
    let soak_s = i64::try_from(cluster.upgrade.soak_s).unwrap_or(i64::MAX);
    let ready = world.nodes.values().filter_map(|node| node.ready_since_s);
    moments.extend(ready.map(|since_s| since_s.saturating_add(soak_s)));
    moments.extend(moves_again_at(cluster, world, now_s));
    moments.into_iter().find(|moment| *moment > now_s)
}

/// When minPartHours end, ring by ring.
fn moves_again_at(cluster: &ValidatedCluster, world: &World, now_s: i64) -> Vec<i64> {
    let published = world.rings.iter().flat_map(|rings| &rings.rings);
    let ends = published.flat_map(|(name, ring)| {
        let mut builder = file::read(&ring.builder).ok()?;
        if let Some(settings) = cluster.rings.iter().find(|ring| ring.name == *name) {
            builder.set_min_part_hours(u32::from(settings.min_part_hours));
        }
        let now = u64::try_from(now_s).unwrap_or(0);
        let left = [builder.min_part_secs_left(now), builder.secs_until_all_may_move(now)];
        Some(left.map(|left_s| now_s.saturating_add_unsigned(left_s)))
    });
    ends.flatten().collect()
}
