//! `kubectl swift ring show`.

use super::node_of;
use super::store::{self, Generation};
use crate::kubectl::table::{Table, count, duration};
use crate::kubectl::target::Where;
use std::collections::BTreeMap;
use std::fmt::Write;
use swiftlet_ring::Builder;

/// What `ring show` is told.
#[derive(clap::Args)]
pub struct Options {
    /// `account`, `container`, `object` or `object-<policy index>`.
    ring: String,
    /// An earlier generation.
    #[arg(long, value_name = "N")]
    generation: Option<u64>,
    /// Every device.
    #[arg(long)]
    devices: bool,
}

/// Prints a ring.
pub async fn run(place: &Where, options: Options) -> anyhow::Result<()> {
    let store = store::read(&place.target().await?).await?;
    let generation = store.get(options.generation)?;
    let builder = generation.builder(&options.ring)?;
    let in_use = store.current == Some(generation.number);
    show!("{}", head(&options.ring, generation, builder, in_use));
    say!("");
    show!("{}", if options.devices { devices(builder) } else { zones(builder) });
    Ok(())
}

fn head(ring: &str, generation: &Generation, builder: &Builder, in_use: bool) -> String {
    let now = u64::try_from(super::now_s()).unwrap_or(0);
    let mut text = format!(
        "ring {ring}  generation {}{}  builder version {}, id {}\n",
        generation.number,
        if in_use { " (in use)" } else { "" },
        builder.version(),
        builder.id().unwrap_or("-"),
    );
    let _ = writeln!(
        text,
        "{} partitions (partPower {}), {} replicas, {} devices, overload {:.0}%, minPartHours {} ({} left)",
        count(builder.part_count() as u64),
        builder.part_power(),
        builder.replicas(),
        builder.devices().count(),
        builder.overload() * 100.0,
        builder.min_part_hours(),
        duration(i64::try_from(builder.min_part_secs_left(now)).unwrap_or(i64::MAX)),
    );
    let balance = builder.balance().map_or("-".to_string(), |balance| format!("{balance:.2}"));
    let dispersion = builder.dispersion().map_or("-".to_string(), |dispersion| format!("{dispersion:.2}"));
    let _ = writeln!(text, "balance {balance}, dispersion {dispersion}");
    text
}

fn zones(builder: &Builder) -> String {
    #[derive(Default)]
    struct Sum {
        nodes: std::collections::BTreeSet<String>,
        devices: u64,
        weight: f64,
        parts: u64,
    }
    let mut zones: BTreeMap<(u32, u32), Sum> = BTreeMap::new();
    for device in builder.devices() {
        let sum = zones.entry((device.region, device.zone)).or_default();
        sum.nodes.insert(node_of(device).to_string());
        sum.devices += 1;
        sum.weight += device.weight;
        sum.parts += u64::from(builder.parts_held(device.id));
    }
    let mut table = Table::new(&["REGION", "ZONE", "NODES", "DEVICES", "WEIGHT", "PARTITION REPLICAS"]);
    for ((region, zone), sum) in zones {
        table.push([
            region.to_string(),
            zone.to_string(),
            count(sum.nodes.len() as u64),
            count(sum.devices),
            format!("{:.2}", sum.weight),
            count(sum.parts),
        ]);
    }
    table.to_string()
}

fn devices(builder: &Builder) -> String {
    let mut table = Table::new(&[
        "ID",
        "REGION",
        "ZONE",
        "NODE",
        "DEVICE",
        "PORT",
        "WEIGHT",
        "PARTITION REPLICAS",
        "BALANCE",
    ]);
    let mut all: Vec<_> = builder.devices().collect();
    all.sort_by_key(|device| (device.region, device.zone, node_of(device), &device.device));
    for device in all {
        let balance = builder.device_balance(device).map_or("-".into(), |balance| format!("{balance:.2}"));
        table.push([
            device.id.to_string(),
            device.region.to_string(),
            device.zone.to_string(),
            node_of(device).to_string(),
            device.device.clone(),
            device.port.to_string(),
            format!("{:.2}", device.weight),
            count(u64::from(builder.parts_held(device.id))),
            balance,
        ]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::super::store::tests::generation;
    use super::*;

    fn cells(text: &str) -> Vec<Vec<&str>> {
        text.lines().map(|line| line.split_whitespace().collect()).collect()
    }

    #[test]
    fn a_ring_is_shown_by_zone_or_by_device() {
        let generation = generation(5, 4);
        let builder = &generation.builders["object"];
        let head = head("object", &generation, builder, true);
        assert!(head.starts_with("ring object  generation 5 (in use)  builder version 5, id id\n"), "{head}");
        assert!(head.contains("64 partitions (partPower 6), 3 replicas, 4 devices"), "{head}");
        assert_eq!(cells(&zones(builder))[1], ["1", "1", "1", "1", "1.00", "48"]);
        let devices = devices(builder);
        assert_eq!(cells(&devices)[4], ["3", "1", "4", "demo-rack3-0", "d1", "6200", "1.00", "48", "0.00"]);
    }
}
