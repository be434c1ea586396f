//! `kubectl swift ring diff`.

use super::store::{self, Generation};
use crate::kubectl::table::{Table, count};
use crate::kubectl::target::Where;
use std::collections::BTreeSet;
use std::fmt::Write;
use swiftlet_plan::forecast::{DeviceMoves, Moves, compare};
use swiftlet_ring::Builder;

/// What `ring diff` is told.
#[derive(clap::Args)]
pub struct Options {
    /// A generation.
    before: u64,
    /// Another one; by default the one in use.
    after: Option<u64>,
}

/// Prints what differs.
pub async fn run(place: &Where, options: Options) -> anyhow::Result<()> {
    let store = store::read(&place.target().await?).await?;
    show!("{}", text(store.get(Some(options.before))?, store.get(options.after)?));
    Ok(())
}

/// What differs between two generations, ring by ring.
pub(super) fn text(before: &Generation, after: &Generation) -> String {
    let names: BTreeSet<&String> = before.builders.keys().chain(after.builders.keys()).collect();
    let mut text = String::new();
    for name in names {
        match (before.builders.get(name), after.builders.get(name)) {
            (Some(old), Some(new)) => ring(&mut text, name, old, new),
            (None, Some(new)) => {
                let _ = writeln!(text, "ring {name}: new, {} partitions", count(new.part_count() as u64));
            }
            (Some(_), None) => {
                let _ = writeln!(text, "ring {name}: gone");
            }
            (None, None) => {}
        }
    }
    text
}

fn ring(text: &mut String, name: &str, old: &Builder, new: &Builder) {
    let settings = settings(old, new);
    let Some(moves) = compare(&old.ring(), &new.ring()) else {
        let _ = writeln!(text, "ring {name}: {}", settings.join(", "));
        return;
    };
    let changed: Vec<_> = moves.devices.iter().filter(|(_, device)| is_changed(device)).collect();
    if settings.is_empty() && changed.is_empty() {
        let _ = writeln!(text, "ring {name}: no difference");
        return;
    }
    let _ = writeln!(text, "ring {name}: {}", summary(&settings, &moves));
    let mut table =
        Table::new(&["  NODE", "DEVICE", "ZONE", "WEIGHT", "PARTITION REPLICAS", "GIVES", "TAKES"]);
    for ((host, device), moves) in changed {
        table.push([
            format!("  {}", host.split('.').next().filter(|_| host.ends_with(".svc")).unwrap_or(host)),
            device.clone(),
            format!("r{}z{}", moves.region, moves.zone),
            weights(moves),
            arrow(&count(moves.parts_before), &count(moves.parts_after)),
            count(moves.gives),
            count(moves.takes),
        ]);
    }
    let _ = write!(text, "{table}");
}

fn settings(old: &Builder, new: &Builder) -> Vec<String> {
    let mut changes = Vec::new();
    let mut note = |name: &str, old: String, new: String| {
        if old != new {
            changes.push(format!("{name} {old} -> {new}"));
        }
    };
    note("partPower", old.part_power().to_string(), new.part_power().to_string());
    note("replicas", old.replicas().to_string(), new.replicas().to_string());
    note("minPartHours", old.min_part_hours().to_string(), new.min_part_hours().to_string());
    note("overload", old.overload().to_string(), new.overload().to_string());
    changes
}

fn summary(settings: &[String], moves: &Moves) -> String {
    let count_of = |which: fn(&DeviceMoves) -> bool| moves.devices.values().filter(|d| which(d)).count();
    let mut parts = settings.to_vec();
    for (number, what) in [
        (count_of(|d| d.weight_before.is_none()), "devices added"),
        (count_of(|d| d.weight_after.is_none()), "devices removed"),
        (count_of(|d| d.weight_before.zip(d.weight_after).is_some_and(|(a, b)| a != b)), "weights changed"),
    ] {
        if number > 0 {
            parts.push(format!("{} {what}", count(number as u64)));
        }
    }
    parts.push(format!("{} partition replicas moved", count(moves.replicas)));
    parts.join(", ")
}

fn is_changed(device: &DeviceMoves) -> bool {
    device.weight_before != device.weight_after || device.gives + device.takes > 0
}

fn weights(device: &DeviceMoves) -> String {
    let text = |weight: Option<f64>| weight.map_or("-".to_string(), |weight| format!("{weight:.2}"));
    arrow(&text(device.weight_before), &text(device.weight_after))
}

fn arrow(before: &str, after: &str) -> String {
    if before == after { before.to_string() } else { format!("{before} -> {after}") }
}

#[cfg(test)]
mod tests {
    use super::super::store::tests::{generation, next};
    use super::*;

    #[test]
    fn a_new_device_takes_what_the_others_give() {
        let before = generation(1, 3);
        let after = next(&before, 4);
        let told = text(&before, &after);
        assert!(told.starts_with("ring object: 1 devices added, 48 partition replicas moved\n"), "{told}");
        let rows: Vec<Vec<&str>> =
            told.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[3], ["demo-rack3-0", "d1", "r1z4", "-", "->", "1.00", "0", "->", "48", "0", "48"]);
        let given: u64 = rows[..3].iter().map(|row| row[row.len() - 2].parse::<u64>().unwrap()).sum();
        assert_eq!(given, 48);
        assert_eq!(text(&before, &before), "ring object: no difference\n");
    }
}
