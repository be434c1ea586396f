//! Vets a generation of rings against the one before it, by their tables alone.

use super::{Rule, Violations};
use crate::plan::{BuiltRing, RingGeneration};
use crate::rings::table_of;
use crate::world::{PublishedRing, World};
use std::collections::BTreeSet;
use swiftlet_ring::{Device, RingData, format};

/// Vets publishing `next` in `world`.
pub(super) fn check(world: &World, next: &RingGeneration, violations: &mut Violations) {
    let last = world.rings.as_ref().map_or(0, |rings| rings.generation);
    if next.generation != last + 1 {
        violations.add(Rule::RingsKeepTheirData, format!("generation {} follows {last}", next.generation));
    }
    for (name, built) in &next.rings {
        match format::read(&built.ring) {
            Ok(table) => check_table(name, &table, violations),
            Err(error) => {
                violations.add(Rule::RingsKeepTheirData, format!("ring {name} cannot be read: {error}"))
            }
        }
    }
    for (name, old) in world.rings.iter().flat_map(|rings| &rings.rings) {
        match next.rings.get(name) {
            Some(new) => check_change(world, name, (old, new), violations),
            None => violations.add(Rule::RingsKeepTheirData, format!("ring {name} leaves")),
        }
    }
}

/// No partition has two replicas on one device, and none is without one.
fn check_table(name: &str, table: &RingData, violations: &mut Violations) {
    if table.assignments.is_empty() {
        violations.add(Rule::RingsKeepTheirData, format!("ring {name} assigns nothing"));
    }
    for part in 0..table.part_count() {
        let devices: Vec<_> = table.assignments.iter().filter_map(|row| row.get(part)).collect();
        if devices.iter().collect::<BTreeSet<_>>().len() < devices.len() {
            violations.add(
                Rule::RingsKeepTheirData,
                format!("ring {name}: two replicas of partition {part} on one device"),
            );
            return;
        }
    }
}

fn check_change(
    world: &World,
    name: &str,
    (old, new): (&PublishedRing, &BuiltRing),
    violations: &mut Violations,
) {
    let (Ok(before), Ok(after)) = (table_of(&old.builder), format::read(&new.ring)) else {
        violations.add(Rule::RingsKeepTheirData, format!("ring {name}: its last builder cannot be read"));
        return;
    };
    if before.part_power != after.part_power {
        violations.add(Rule::RingsKeepTheirData, format!("ring {name}: partPower changes"));
        return;
    }
    for device in before.devices.iter().flatten() {
        let same = |other: &Device| {
            let place = |d: &Device| (d.ip.clone(), d.device.clone(), d.region, d.zone);
            place(other) == place(device)
        };
        let still = after.devices.get(device.id as usize).and_then(Option::as_ref);
        if holds_partitions(&before, device) && !still.is_some_and(same) {
            violations
                .add(Rule::RingsKeepTheirData, format!("ring {name}: {device} leaves or becomes another"));
        }
    }
    let moved = most_moved(&before, &after);
    if moved == 0 {
        return;
    }
    let behind = world.behind_on_rings();
    if moved > 1 {
        violations.add(
            Rule::RebalanceIsSafe,
            format!("ring {name}: {moved} replicas of one partition move at once"),
        );
    }
    if old.moves > 0 || new.moves != old.moves + 1 {
        violations.add(
            Rule::RebalanceIsSafe,
            format!("ring {name} moves for time {}, counted {}", old.moves + 1, new.moves),
        );
    }
    if !behind.is_empty() {
        violations
            .add(Rule::RebalanceIsSafe, format!("ring {name} while {} hold older rings", behind.join(", ")));
    }
}

fn holds_partitions(table: &RingData, device: &Device) -> bool {
    table.assignments.iter().any(|row| row.iter().any(|id| id == device.id))
}

/// The most replicas of any one partition that are on another device after than before.
fn most_moved(before: &RingData, after: &RingData) -> usize {
    let devices = |table: &RingData, part| -> BTreeSet<u32> {
        table.assignments.iter().filter_map(|row| row.get(part)).collect()
    };
    let lost = |part| devices(before, part).difference(&devices(after, part)).count();
    (0..before.part_count()).map(lost).max().unwrap_or(0)
}
