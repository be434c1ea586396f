//! The screen: a line for the cluster, a table of Zones and nodes, and what is going on.

use super::snapshot::{DeviceSeen, PodSeen, Snapshot, State, ZoneSeen};
use crate::kubectl::table::{Table, bytes, count, duration, percent, plural};
use crate::pod_status::sum;
use std::fmt::Write;

/// With more nodes than this only those are shown that there is something to say about.
const NODES_SHOWN: usize = 12;
/// Lines of what is done and of what waits.
const LINES_SHOWN: usize = 8;
/// What nobody knows.
const UNKNOWN: &str = "-";

/// The screen, with every node where `all` are asked for.
pub fn render(snapshot: &Snapshot, all: bool) -> String {
    let mut text = head(snapshot);
    text.push('\n');
    let _ = write!(text, "{}", table(snapshot, all));
    text.push('\n');
    for (name, lines) in [
        ("RINGS", vec![rings(snapshot)]),
        ("PROXIES", vec![proxies(snapshot)]),
        ("ROLLOUT", vec![rollout(snapshot)]),
        ("DOING", doing(snapshot)),
        ("WAITING", waiting(snapshot)),
    ] {
        for (i, line) in lines.iter().enumerate() {
            let name = if i == 0 { name } else { "" };
            let _ = writeln!(text, "{name:<9}{line}");
        }
    }
    text
}

fn head(snapshot: &Snapshot) -> String {
    let devices = || snapshot.zones.iter().flat_map(|zone| &zone.nodes).flat_map(|node| &node.devices);
    let used = sum(devices().map(|device| device.used_bytes));
    let size = sum(devices().map(|device| device.size_bytes));
    let mut line = format!("{}  {}", snapshot.cluster, word(&snapshot.state));
    if !snapshot.state.message.is_empty() {
        let _ = write!(line, " · {}", snapshot.state.message);
    }
    if let (Some(used), Some(size)) = (used, size) {
        let _ = write!(line, " · {} of {} ({})", bytes(used), bytes(size), percent(used, size));
    }
    if !snapshot.version.is_empty() {
        let _ = write!(line, " · version {}", snapshot.version);
    }
    line.push('\n');
    line
}

/// What a resource is doing, in a word.
fn word(state: &State) -> &str {
    match (state.phase.as_str(), state.ready) {
        ("", true) => "Ready",
        ("", false) => "NotReady",
        (phase, _) => phase,
    }
}

fn table(snapshot: &Snapshot, all: bool) -> Table {
    let head = [
        "ZONE",
        "NODES",
        "DEVICES",
        "USED",
        "RING",
        "REPLICATION",
        "ASYNC",
        "QUARANTINED",
        "VERSION",
        "STATE",
    ];
    let mut table = Table::new(&head);
    let nodes: usize = snapshot.zones.iter().map(|zone| zone.nodes.len()).sum();
    for zone in &snapshot.zones {
        table.push(zone_row(zone, snapshot.generation));
        for node in &zone.nodes {
            if all || nodes <= NODES_SHOWN || !remarks(node, snapshot.generation).is_empty() {
                table.push(node_row(node, snapshot.generation));
            }
        }
    }
    table
}

fn zone_row(zone: &ZoneSeen, generation: Option<u64>) -> Vec<String> {
    let total =
        |figure: fn(&DeviceSeen) -> Option<u64>| sum(zone.nodes.iter().map(|node| node.total(figure)));
    let serve = zone.nodes.iter().filter(|node| node.ready).count();
    let nodes = if zone.nodes_ready.is_empty() {
        format!("{serve}/{}", zone.nodes.len())
    } else {
        zone.nodes_ready.clone()
    };
    let mut versions: Vec<&str> = zone.nodes.iter().filter_map(|node| node.version.as_deref()).collect();
    versions.sort_unstable();
    versions.dedup();
    let pass = zone.nodes.iter().filter_map(|node| node.last_pass_age_s).max();
    let misplaced = sum(zone.nodes.iter().map(|node| node.misplaced));
    vec![
        zone.name.clone(),
        nodes,
        or_unknown(Some(zone.devices_ready.clone()).filter(|devices| !devices.is_empty())),
        used(total(|d| d.used_bytes), total(|d| d.size_bytes)),
        held_by(&zone.nodes, generation),
        replication(pass, misplaced),
        or_unknown(total(|d| d.async_pendings).map(count)),
        or_unknown(total(|d| d.quarantined).map(count)),
        if versions.is_empty() { UNKNOWN.to_string() } else { versions.join(" ") },
        state_of_zone(zone),
    ]
}

fn state_of_zone(zone: &ZoneSeen) -> String {
    match (zone.state.ready, zone.state.phase.as_str()) {
        (true, "") => "Ready".to_string(),
        _ => format!("{}: {}", word(&zone.state), zone.state.message),
    }
}

fn node_row(node: &PodSeen, generation: Option<u64>) -> Vec<String> {
    let device = |device: &DeviceSeen| match &device.refused {
        Some(_) => format!("{} !", device.name),
        None => format!("{} {}", device.name, used(device.used_bytes, device.size_bytes)),
    };
    let devices: Vec<String> = node.devices.iter().map(device).collect();
    vec![
        format!("  {}", node.name),
        if node.ready { "up" } else { "down" }.to_string(),
        or_unknown(Some(devices.join(" ")).filter(|devices| !devices.is_empty())),
        used(node.total(|d| d.used_bytes), node.total(|d| d.size_bytes)),
        or_unknown(node.generation.map(|generation| format!("g{generation}"))),
        replication(node.last_pass_age_s, node.misplaced),
        or_unknown(node.total(|d| d.async_pendings).map(count)),
        or_unknown(node.total(|d| d.quarantined).map(count)),
        or_unknown(node.version.clone()),
        remarks(node, generation),
    ]
}

/// What a person should know about a node, if anything.
fn remarks(node: &PodSeen, generation: Option<u64>) -> String {
    let mut remarks = Vec::new();
    if let Some(reason) = &node.silent {
        remarks.push(format!("does not answer: {reason}"));
    }
    for device in &node.devices {
        if let Some(reason) = &device.refused {
            remarks.push(format!("device {} is not used: {reason}", device.name));
        }
        if let Some(misplaced) = device.misplaced.filter(|misplaced| *misplaced > 0) {
            let held = device.partitions.map(|held| format!(" of {}", count(held))).unwrap_or_default();
            remarks.push(format!("{}: {}{held} partitions to move away", device.name, count(misplaced)));
        }
    }
    if node.generation.is_some() && node.generation != generation {
        let why = node.behind.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        remarks.push(format!("holds other rings than g{}{why}", generation.unwrap_or(0)));
    }
    if remarks.is_empty() && !node.ready {
        remarks.push("not ready".to_string());
    }
    remarks.join("; ")
}

fn used(used: Option<u64>, size: Option<u64>) -> String {
    used.zip(size).map_or(UNKNOWN.to_string(), |(used, size)| percent(used, size))
}

fn replication(pass_age_s: Option<i64>, misplaced: Option<u64>) -> String {
    let pass = pass_age_s.map_or(UNKNOWN.to_string(), |age_s| format!("pass {} ago", duration(age_s)));
    match misplaced.unwrap_or(0) {
        0 => pass,
        misplaced => format!("{pass}, {} to move", count(misplaced)),
    }
}

/// How many of `pods` hold the current rings: `g12 4/4`.
fn held_by(pods: &[PodSeen], generation: Option<u64>) -> String {
    let Some(generation) = generation else { return UNKNOWN.to_string() };
    let hold = pods.iter().filter(|pod| pod.generation == Some(generation)).count();
    format!("g{generation} {hold}/{}", pods.len())
}

fn rings(snapshot: &Snapshot) -> String {
    let Some(generation) = snapshot.generation else { return "none yet".to_string() };
    let pods = || snapshot.zones.iter().flat_map(|zone| &zone.nodes).chain(&snapshot.proxies);
    let (hold, others): (Vec<_>, Vec<_>) = pods().partition(|pod| pod.generation == Some(generation));
    let mut line =
        format!("g{generation}, held by {} of {}", hold.len(), plural(pods().count() as u64, "pod"));
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(|pod| pod.name.as_str()).take(LINES_SHOWN).collect();
        let _ = write!(line, "; not by {}", names.join(", "));
        if others.len() > names.len() {
            let _ = write!(line, " and {} more", others.len() - names.len());
        }
    }
    line
}

fn proxies(snapshot: &Snapshot) -> String {
    let ready = snapshot.proxies.iter().filter(|proxy| proxy.ready).count();
    format!("{ready}/{} ready", snapshot.proxies.len())
}

fn rollout(snapshot: &Snapshot) -> String {
    let restarts = |line: &&super::snapshot::HeldLine| line.step.starts_with("Restart");
    let rolling = snapshot.state.phase == "Rolling"
        || snapshot.held.iter().any(|held| restarts(&held))
        || snapshot.steps.iter().any(|step| step.starts_with("Restart"));
    match (rolling, snapshot.paused) {
        (false, false) => "none".to_string(),
        (false, true) => "none; paused (kubectl swift resume)".to_string(),
        (true, false) => format!("under way: {}", snapshot.state.message),
        (true, true) => format!("paused (kubectl swift resume): {}", snapshot.state.message),
    }
}

fn doing(snapshot: &Snapshot) -> Vec<String> {
    shortened(snapshot.steps.clone(), "nothing")
}

fn waiting(snapshot: &Snapshot) -> Vec<String> {
    let line = |held: &super::snapshot::HeldLine| {
        format!("{} {}: {} ({})", held.step, held.subject, held.message, held.reason)
    };
    shortened(snapshot.held.iter().map(line).collect(), "for nothing")
}

fn shortened(mut lines: Vec<String>, none: &str) -> Vec<String> {
    let more = lines.len().saturating_sub(LINES_SHOWN);
    lines.truncate(LINES_SHOWN);
    if more > 0 {
        lines.push(format!("… and {more} more (--output json has all)"));
    }
    if lines.is_empty() { vec![none.to_string()] } else { lines }
}

fn or_unknown(text: Option<String>) -> String {
    text.unwrap_or_else(|| UNKNOWN.to_string())
}

#[cfg(test)]
mod tests;
