//! A forecast in words, and as JSON.

use crate::kubectl::table::{Table, bytes, count, duration, percent, plural};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use swiftlet_plan::forecast::{Assumptions, Forecast, ForecastStep, Place, Stage, Totals};
use swiftlet_plan::plan::Held;
use swiftlet_plan::world::World;

/// Devices that are shown unless all are asked for: those that give or take most.
const DEVICES_SHOWN: usize = 12;
/// Steps of one kind at one moment that are told one by one.
const STEPS_SHOWN: usize = 4;

/// The steps with their times, what moves, and what was assumed.
pub fn text(told: &Forecast, world: &World, assumptions: &Assumptions, all_devices: bool) -> String {
    let mut text = String::new();
    if told.stages.is_empty() {
        text.push_str("\nNothing to do.\n");
    } else {
        text.push('\n');
    }
    for (number, stage) in told.stages.iter().enumerate() {
        write_stage(&mut text, number + 1, stage);
    }
    if !told.left.is_empty() {
        text.push_str("\nThen it waits, and time alone does not end that:\n");
        for held in &told.left {
            let _ = writeln!(text, "- {}", gate(held));
        }
    }
    if !told.devices.is_empty() {
        let _ = write!(text, "\n{}", devices(told, world, all_devices));
    }
    if !told.stages.is_empty() {
        let _ = writeln!(text, "\n{}\n{}", summary(told), assumed(told, assumptions));
    }
    text
}

fn write_stage(text: &mut String, number: usize, stage: &Stage) {
    let waits = if number == 1 { "first waits" } else { "then waits" };
    for line in gates(&stage.gates) {
        let _ = writeln!(text, "            {waits}: {line}");
    }
    let at = match stage.at_s {
        0 => "now".to_string(),
        at_s => format!("+{}", duration(at_s)),
    };
    for (i, line) in lines(&stage.steps).into_iter().enumerate() {
        let _ = match i {
            0 => writeln!(text, "{number:>3}. {at:<6} {line}"),
            _ => writeln!(text, "            {line}"),
        };
    }
}

/// Steps one by one, or many of a kind in one line.
fn lines(steps: &[ForecastStep]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = steps;
    while let Some(first) = rest.first() {
        let same = rest.iter().take_while(|step| step.name == first.name).count();
        let (group, after) = rest.split_at(same);
        rest = after;
        lines.extend(group.iter().take(STEPS_SHOWN).map(line));
        if group.len() > STEPS_SHOWN {
            lines.push(format!("… and {} {} more", group.len() - STEPS_SHOWN, first.name));
        }
    }
    lines
}

fn line(step: &ForecastStep) -> String {
    let moves = |(ring, replicas): (&String, &u64)| format!("{} of {ring}", count(*replicas));
    let moves: Vec<String> = step.moves.iter().map(moves).collect();
    if moves.is_empty() {
        step.what.clone()
    } else {
        format!("{} [partition replicas that move: {}]", step.what, moves.join(", "))
    }
}

/// What was waited for: of several things that waited for the same reason, such as every ring, one speaks for all.
fn gates(held: &[Held]) -> Vec<String> {
    let mut lines: Vec<(&Held, usize)> = Vec::new();
    for held in held {
        match lines.iter_mut().find(|(first, _)| (first.step, first.reason) == (held.step, held.reason)) {
            Some((_, others)) => *others += 1,
            None => lines.push((held, 0)),
        }
    }
    let line = |(held, others): (&Held, usize)| match others {
        0 => gate(held),
        others => format!("{}, and {others} more alike", gate(held)),
    };
    lines.into_iter().map(line).collect()
}

fn gate(held: &Held) -> String {
    format!("{} {}: {} ({})", held.step, held.subject, held.message, held.reason)
}

fn devices(told: &Forecast, world: &World, all: bool) -> String {
    let names: BTreeMap<&str, &str> =
        world.addresses.iter().map(|(name, address)| (address.host.as_str(), name.as_str())).collect();
    let mut devices: Vec<(&Place, &Totals)> = told.devices.iter().collect();
    if !all {
        devices.sort_by_key(|(place, totals)| (std::cmp::Reverse(totals.gives + totals.takes), *place));
    }
    let shown = if all { devices.len() } else { DEVICES_SHOWN };
    let head = ["NODE", "DEVICE", "GIVES", "TAKES", "GIVES BYTES", "TAKES BYTES", "USED", "THEN"];
    let mut table = Table::new(&head);
    for ((host, device), totals) in devices.iter().take(shown) {
        let then =
            totals.used_before_bytes.saturating_add(totals.takes_bytes).saturating_sub(totals.gives_bytes);
        let is_known = told.bytes.is_some();
        let figure = |bytes_: u64| if is_known { bytes(bytes_) } else { "-".to_string() };
        table.push([
            names.get(host.as_str()).map_or(host.as_str(), |name| name).to_string(),
            device.clone(),
            count(totals.gives),
            count(totals.takes),
            figure(totals.gives_bytes),
            figure(totals.takes_bytes),
            if is_known { percent(totals.used_before_bytes, totals.size_bytes) } else { "-".into() },
            if is_known { percent(then, totals.size_bytes) } else { "-".into() },
        ]);
    }
    let more = devices.len().saturating_sub(shown);
    let more = if more > 0 {
        format!("… and {} (--devices shows all)\n", plural(more as u64, "more device"))
    } else {
        String::new()
    };
    format!("{table}{more}")
}

fn summary(told: &Forecast) -> String {
    let mut parts = vec![format!("moves {}", plural(told.replicas, "partition replica"))];
    if let Some(moved) = told.bytes.filter(|_| told.replicas > 0) {
        parts[0] += &format!(", {}", bytes(moved));
    }
    parts.push(format!("{} in turn", plural(told.stages.len() as u64, "step")));
    parts.push(match (told.duration_s, told.left.is_empty()) {
        (0, _) => "at once".to_string(),
        (time_s, true) => format!("about {} in all", duration(time_s)),
        (time_s, false) => format!("about {} until it waits", duration(time_s)),
    });
    parts.join(" · ")
}

fn assumed(told: &Forecast, assumptions: &Assumptions) -> String {
    let mut text = format!(
        "Assumed: every node stays up, {}/s from or to each device, a replication pass takes {} and what it moves, \
         pods serve after {}, rings are everywhere after {}",
        bytes(assumptions.device_bytes_per_s),
        duration(assumptions.pass_s),
        duration(assumptions.start_s),
        duration(assumptions.spread_s),
    );
    text += match told.bytes {
        Some(_) => "; what is in use now is spread evenly over the objects' partitions.",
        None => "; nobody tells how full the devices are, so moving takes no time here.",
    };
    text
}

/// All of it.
pub fn json(told: &Forecast, assumptions: &Assumptions) -> Value {
    let held = |held: &Held| {
        json!({"step": held.step, "subject": held.subject, "zone": held.zone,
               "reason": held.reason.as_str(), "message": held.message})
    };
    let step = |step: &ForecastStep| json!({"step": step.name, "what": step.what, "moves": step.moves});
    let stage = |stage: &Stage| {
        json!({"atSeconds": stage.at_s, "waited": stage.gates.iter().map(held).collect::<Vec<_>>(),
               "steps": stage.steps.iter().map(step).collect::<Vec<_>>()})
    };
    let device = |((host, device), totals): (&Place, &Totals)| {
        json!({"host": host, "device": device, "gives": totals.gives, "takes": totals.takes,
               "givesBytes": totals.gives_bytes, "takesBytes": totals.takes_bytes,
               "usedBytes": totals.used_before_bytes, "sizeBytes": totals.size_bytes})
    };
    json!({
        "stages": told.stages.iter().map(stage).collect::<Vec<_>>(),
        "devices": told.devices.iter().map(device).collect::<Vec<_>>(),
        "left": told.left.iter().map(held).collect::<Vec<_>>(),
        "partitionReplicas": told.replicas, "bytes": told.bytes, "durationSeconds": told.duration_s,
        "assumed": {
            "deviceBytesPerSecond": assumptions.device_bytes_per_s, "passSeconds": assumptions.pass_s,
            "startSeconds": assumptions.start_s, "spreadSeconds": assumptions.spread_s,
        },
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use swiftlet_plan::documents::Documents;
    use swiftlet_plan::plan::HoldReason;
    use swiftlet_plan::validate::Desired;
    use swiftlet_plan::world::NodeAddress;

    /// A cluster as a person declares it.
    pub fn cluster(zones: u32, nodes: u32) -> Desired {
        let mut text =
            "{apiVersion: swiftlet.io/v1alpha1, kind: SwiftCluster, metadata: {name: demo}, spec: \
            {version: 0.1.0, rings: {partPower: 6}, auth: {tempauth: {usersSecretName: users}}}}\n---\n\
            {apiVersion: v1, kind: Secret, metadata: {name: users}, stringData: {user_a_b: key .admin}}\n"
                .to_string();
        for n in 1..=zones {
            text += &format!(
                "---\n{{apiVersion: swiftlet.io/v1alpha1, kind: Zone, metadata: {{name: rack{n}}}, spec: {{cluster: demo, \
                 zone: {n}, nodes: {nodes}, devices: [{{name: d1, size: 1Gi}}, {{name: d2, size: 2Gi}}]}}}}\n"
            );
        }
        let mut documents = Documents::default();
        documents.read("test", &text).unwrap();
        documents.desired().unwrap()
    }

    fn held(reason: HoldReason) -> Held {
        Held {
            step: "PublishRings",
            subject: "object".into(),
            zone: None,
            reason,
            message: "minPartHours ends at noon".into(),
        }
    }

    fn step(name: &'static str, what: &str) -> ForecastStep {
        ForecastStep { name, what: what.into(), moves: BTreeMap::new() }
    }

    fn told() -> Forecast {
        let place = ("demo-rack1-1.default.svc".to_string(), "d1".to_string());
        let totals = Totals {
            gives: 3276,
            gives_bytes: 30 << 30,
            used_before_bytes: 31 << 30,
            size_bytes: 100 << 30,
            ..Totals::default()
        };
        let rings = ForecastStep {
            moves: BTreeMap::from([("object".to_string(), 3276)]),
            ..step("PublishRings", "PublishRings generation 13: object: 1 devices to drain")
        };
        let restarts =
            (0..6).map(|n| step("RestartNode", &format!("RestartNode demo-rack1-{n} revision r2")));
        Forecast {
            stages: vec![
                Stage { at_s: 0, gates: vec![], steps: vec![rings] },
                Stage {
                    at_s: 93_600,
                    gates: vec![held(HoldReason::MinPartHours)],
                    steps: restarts.collect(),
                },
            ],
            devices: BTreeMap::from([(place, totals)]),
            replicas: 3276,
            bytes: Some(30 << 30),
            duration_s: 93_660,
            left: vec![],
        }
    }

    fn world() -> World {
        let address = NodeAddress::in_kubernetes("demo-rack1-1", "default");
        World { addresses: BTreeMap::from([("demo-rack1-1".to_string(), address)]), ..World::default() }
    }

    #[test]
    fn steps_come_with_their_times_what_they_waited_for_and_what_moves() {
        let text = text(&told(), &world(), &Assumptions::default(), false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1],
            "  1. now    PublishRings generation 13: object: 1 devices to drain [partition replicas that move: 3,276 of object]"
        );
        assert_eq!(
            lines[2].trim(),
            "then waits: PublishRings object: minPartHours ends at noon (MinPartHours)"
        );
        assert_eq!(lines[3], "  2. +26h   RestartNode demo-rack1-0 revision r2");
        assert_eq!(lines[7].trim(), "… and 2 RestartNode more");
        let device = lines.iter().find(|line| line.starts_with("demo-rack1-1")).unwrap();
        let cells: Vec<&str> = device.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(cells, ["demo-rack1-1", "d1", "3,276", "0", "30.0 GiB", "0 B", "31%", "1%"]);
        assert!(text.contains("moves 3,276 partition replicas, 30.0 GiB · 2 steps in turn"), "{text}");
        assert!(text.contains("about 26h1m in all"), "{text}");
        assert!(text.contains("80.0 MiB/s from or to each device"), "{text}");
    }

    #[test]
    fn what_stays_undone_is_told() {
        let stuck = Forecast { left: vec![held(HoldReason::DrainRefused)], ..Forecast::default() };
        let text = text(&stuck, &World::default(), &Assumptions::default(), false);
        assert!(text.contains("Nothing to do.") && text.contains("- PublishRings object: "), "{text}");
        assert!(super::super::refused(&stuck).unwrap_err().to_string().contains("minPartHours ends at noon"));
        assert!(super::super::refused(&told()).is_ok());
        let json = json(&stuck, &Assumptions::default());
        assert_eq!(json["left"][0]["reason"], "DrainRefused");
    }
}
