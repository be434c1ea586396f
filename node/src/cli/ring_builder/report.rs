//! What the tool says of a ring when given no command.

use std::path::Path;

use swiftlet_ring::builder::Builder;
use swiftlet_ring::{Device, RingData, bracketed, load_data};

use super::{Exit, Outcome, Session};

impl Session<'_> {
    pub(super) fn report(&mut self) -> Outcome {
        let now_secs = self.console.now_secs();
        let lines = {
            let builder = self.builder()?;
            let ring = builder.ring();
            let written = written_ring(&self.files.ring);
            let mut lines = summary(builder, &self.files.builder, now_secs);
            lines.push(written.line(&self.files.ring, &ring));
            lines.extend(table(builder));
            lines.extend(part_power_advice(builder, written.is(&ring)));
            if let Err(empty) = builder.balance() {
                lines.push(empty.to_string());
            }
            lines
        };
        for line in lines {
            self.print(&line);
        }
        Ok(Exit::Success)
    }

    pub(super) fn note_default_format(&mut self, version: Option<swiftlet_ring::format::FormatVersion>) {
        if version.is_none() {
            self.print(
                "Defaulting to --format-version=1. This ensures the ring\nwritten will be readable by older versions \
                 of Swift.\nIn a future release, the default will change to\n--format-version=2\n",
            );
        }
    }
}

/// The ring file that goes with a builder.
enum Written {
    Missing,
    Invalid(String),
    Ring(Box<RingData>),
}

fn written_ring(path: &Path) -> Written {
    match load_data(path) {
        Ok(ring) => Written::Ring(Box::new(ring)),
        Err(_) if !path.exists() => Written::Missing,
        Err(error) => Written::Invalid(error.to_string()),
    }
}

impl Written {
    /// Whether it is this ring, however wide its ids are written.
    fn is(&self, ring: &RingData) -> bool {
        let Written::Ring(written) = self else { return false };
        let rows = written.assignments.iter().zip(&ring.assignments);
        written.assignments.len() == ring.assignments.len()
            && rows.into_iter().all(|(a, b)| a.iter().eq(b.iter()))
            && (written.part_power, &written.devices) == (ring.part_power, &ring.devices)
            && (written.version, written.next_part_power) == (ring.version, ring.next_part_power)
    }

    fn line(&self, path: &Path, ring: &RingData) -> String {
        let path = path.display();
        match self {
            Written::Missing => format!("Ring file {path} not found, probably it hasn't been written yet"),
            Written::Invalid(error) => format!("Ring file {path} is invalid: {error}"),
            Written::Ring(_) if self.is(ring) => format!("Ring file {path} is up-to-date"),
            Written::Ring(_) => format!("Ring file {path} is obsolete"),
        }
    }
}

fn summary(builder: &Builder, path: &Path, now_secs: u64) -> Vec<String> {
    let count = |mut keys: Vec<(u32, u32)>| {
        keys.sort_unstable();
        keys.dedup();
        keys.len()
    };
    let regions = count(builder.devices().map(|device| (device.region, 0)).collect());
    let zones = count(builder.devices().map(|device| (device.region, device.zone)).collect());
    let dispersion = builder.dispersion().map(|d| format!(", {d:.2} dispersion")).unwrap_or_default();
    vec![
        format!(
            "{}, build version {}, id {}",
            path.display(),
            builder.version(),
            builder.id().unwrap_or("(not assigned)")
        ),
        format!(
            "{} partitions, {:.6} replicas, {regions} regions, {zones} zones, {} devices, {}-byte IDs, {:.2} \
             balance{dispersion}",
            builder.part_count(),
            builder.replicas(),
            builder.devices().count(),
            builder.id_bytes(),
            builder.balance().unwrap_or(0.0),
        ),
        format!(
            "The minimum number of hours before a partition can be reassigned is {} ({} remaining)",
            builder.min_part_hours(),
            duration(builder.min_part_secs_left(now_secs))
        ),
        format!("The overload factor is {:.2}% ({:.6})", builder.overload() * 100.0, builder.overload()),
    ]
}

/// Seconds as Python prints a `timedelta`.
pub(super) fn duration(secs: u64) -> String {
    let (days, secs) = (secs / 86_400, secs % 86_400);
    let clock = format!("{}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60);
    match days {
        0 => clock,
        1 => format!("1 day, {clock}"),
        days => format!("{days} days, {clock}"),
    }
}

/// The widest of some texts, or more if there is a reason.
fn width<'a>(
    devices: impl Iterator<Item = &'a Device>,
    least: usize,
    text: impl Fn(&Device) -> String,
) -> usize {
    devices.map(|device| text(device).len()).fold(least, usize::max)
}

fn table(builder: &Builder) -> Vec<String> {
    let devices = || builder.devices();
    let brackets = |is_v6: bool| if is_v6 { 2 } else { 0 };
    let ip = width(devices(), 10, |d| d.ip.clone()) + brackets(devices().any(|d| d.ip.contains(':')));
    let replication_ip = width(devices(), 14, |d| d.replication_ip.clone())
        + brackets(devices().any(|d| d.replication_ip.contains(':')));
    let port = width(devices(), 4, |d| d.port.to_string());
    let replication_port = width(devices(), 4, |d| d.replication_port.to_string());
    let weight = width(devices(), 6, |d| format!("{:6.2}", d.weight));
    let mut lines = vec![format!(
        "Devices:{:>5} {:>6} {:>4} {:>ip$}:{:<port$} {:>replication_ip$}:{:<replication_port$} {:>5} {:>weight$} \
         {:>10} {:>7} {:>5} meta",
        "id",
        "region",
        "zone",
        "ip address",
        "port",
        "replication ip",
        "port",
        "name",
        "weight",
        "partitions",
        "balance",
        "flags",
    )];
    let mut sorted: Vec<&Device> = devices().collect();
    sorted.sort_by_key(|d| (d.region, d.zone, &d.ip, &d.device));
    lines.extend(sorted.into_iter().map(|d| {
        format!(
            "{:>13} {:>6} {:>4} {:>ip$}:{:<port$} {:>replication_ip$}:{:<replication_port$} {:>5} {:>weight$.2} \
             {:>10} {:>7.2} {:>5} {}",
            d.id,
            d.region,
            d.zone,
            bracketed(&d.ip),
            d.port,
            bracketed(&d.replication_ip),
            d.replication_port,
            d.device,
            d.weight,
            builder.parts_held(d.id),
            builder.device_balance(d).unwrap_or(0.0),
            if builder.is_removed(d.id) { "DEL" } else { "" },
            d.meta,
        )
    }));
    lines
}

/// Which step of a partition power increase is due.
fn part_power_advice(builder: &Builder, ring_is_current: bool) -> Vec<String> {
    let power = builder.part_power();
    let mut lines = Vec::new();
    match builder.next_part_power() {
        Some(next) if next == power + 1 => {
            lines.push(format!("\nPreparing increase of partition power ({power} -> {next})"));
            lines.push(
                "Run \"swift-object-relinker relink\" on all nodes before moving on to increase_partition_power."
                    .into(),
            );
        }
        Some(next) if next == power => {
            lines.push(format!("\nIncreased partition power ({power} -> {next})"));
            if !ring_is_current {
                lines.push(
                    "First run \"swift-ring-builder <builderfile> write_ring\" now and copy the updated .ring.gz file \
                     to all nodes."
                        .into(),
                );
            }
            lines.push(
                "Run \"swift-object-relinker cleanup\" on all nodes before moving on to \
                 finish_increase_partition_power."
                    .into(),
            );
        }
        _ => {}
    }
    lines
}
