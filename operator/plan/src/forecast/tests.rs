//! What is foretold is what the planner then does, breaks no rule, and says how long it takes.

use super::*;
use crate::check::check;
use crate::resources::{DeviceOverride, DeviceState, NodeOverride};
use crate::testing::{desired, simulation::Simulation};
use crate::validate::Desired;
use crate::world::NodeAddress;
use std::collections::BTreeMap;

const MIB: u64 = 1 << 20;

fn settled(zones: u32, nodes: u32) -> Simulation {
    let mut sim = Simulation::new(desired(zones, nodes));
    sim.settle();
    sim
}

/// Foretells what `wanted` comes to, each plan checked.
fn foretold(sim: &mut Simulation, wanted: Desired, assumptions: &Assumptions) -> Forecast {
    sim.change(wanted);
    run(&sim.cluster(), &sim.world, sim.now_s, assumptions, |imagined, plan| {
        assert_eq!(check(&imagined.cluster, &imagined.world, plan), vec![], "{plan:?}");
    })
}

/// The steps by name, those of one kind in a row counted once: how many nodes go at once is a matter of time.
fn names<'a>(steps: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = steps.map(str::to_string).collect();
    names.dedup();
    names
}

/// What the planner does, when its steps are carried out.
fn done(sim: &mut Simulation) -> Vec<String> {
    let mut steps = Vec::new();
    for _ in 0..200 {
        steps.extend(sim.plan().steps.iter().map(|step| step.name().to_string()));
        sim.tick(usize::MAX);
    }
    assert!(sim.plan().is_settled(), "{:?}", sim.plan().held);
    names(steps.iter().map(String::as_str))
}

fn steps_of(forecast: &Forecast) -> Vec<String> {
    names(forecast.stages.iter().flat_map(|stage| &stage.steps).map(|step| step.name))
}

fn fill(sim: &mut Simulation, used_bytes: u64) {
    for device in sim.world.nodes.values_mut().flat_map(|node| node.devices.values_mut()) {
        device.used_bytes = Some(used_bytes);
    }
}

#[test]
fn a_settled_cluster_has_nothing_before_it() {
    let mut sim = settled(3, 1);
    let forecast = foretold(&mut sim, desired(3, 1), &Assumptions::default());
    assert_eq!((forecast.stages.len(), forecast.replicas, forecast.duration_s), (0, 0, 0));
    assert_eq!(forecast.left, vec![]);
}

#[test]
fn a_first_cluster_is_foretold_too() {
    let mut sim = Simulation::new(desired(3, 1));
    let wanted = sim.desired.clone();
    sim.world.zones_changed_at_s = 0;
    let forecast = foretold(&mut sim, wanted, &Assumptions::default());
    assert_eq!(steps_of(&forecast), ["PublishRings", "StartNode", "StartProxies"]);
    assert_eq!(forecast.left, vec![]);
    assert_eq!(forecast.replicas, 0, "nothing moves that was nowhere");
}

#[test]
fn growing_shrinking_draining_and_replacing_come_as_foretold() {
    let drain = NodeOverride { ordinal: 0, drain: true, replacement: None, devices: Vec::new() };
    let device = DeviceOverride { name: "d1".into(), state: DeviceState::Healthy, replacement: Some(1) };
    let replace = NodeOverride { ordinal: 1, drain: false, replacement: None, devices: vec![device] };
    let change = |edit: &dyn Fn(&mut Desired)| {
        let mut wanted = desired(3, 2);
        edit(&mut wanted);
        wanted
    };
    let changes: BTreeMap<&str, Desired> = BTreeMap::from([
        ("grow", change(&|wanted| wanted.zones[0].spec.nodes = 3)),
        ("shrink", change(&|wanted| wanted.zones[1].spec.nodes = 1)),
        ("drain", change(&|wanted| wanted.zones[2].spec.node_overrides = vec![drain.clone()])),
        ("replace", change(&|wanted| wanted.zones[0].spec.node_overrides = vec![replace.clone()])),
    ]);
    for (name, wanted) in changes {
        let mut sim = settled(3, 2);
        let forecast = foretold(&mut sim, wanted, &Assumptions::default());
        assert_eq!(forecast.left, vec![], "{name}");
        assert!(forecast.replicas > 0, "{name}");
        assert_eq!(steps_of(&forecast), done(&mut sim), "{name}");
    }
}

#[test]
fn a_leaving_node_gives_everything_and_takes_as_long_as_its_bytes() {
    let mut sim = settled(3, 2);
    fill(&mut sim, 100 * MIB);
    let mut wanted = desired(3, 2);
    wanted.zones[0].spec.nodes = 1;
    let slow = Assumptions { device_bytes_per_s: 1024, ..Assumptions::default() };
    let host = NodeAddress::in_kubernetes("demo-rack1-1", "default").host;
    let forecast = foretold(&mut sim, wanted, &slow);
    let leaving: Vec<&Totals> =
        forecast.devices.iter().filter(|(place, _)| place.0 == host).map(|(_, totals)| totals).collect();
    assert_eq!(leaving.len(), 2);
    assert!(leaving.iter().all(|totals| totals.gives > 0 && totals.takes == 0), "{leaving:?}");
    assert!(leaving.iter().all(|totals| totals.used_before_bytes == 100 * MIB));
    let given: u64 = forecast.devices.values().map(|totals| totals.gives_bytes).sum();
    assert_eq!(forecast.bytes, Some(given), "what is given is taken");
    let most = forecast.devices.values().map(|d| d.gives_bytes.max(d.takes_bytes)).max().unwrap();
    let moving_s = i64::try_from(most / slow.device_bytes_per_s).unwrap();
    assert!(forecast.duration_s >= moving_s, "{} < {moving_s}", forecast.duration_s);
    assert!(forecast.duration_s < moving_s + 3600, "{} > {moving_s}", forecast.duration_s);
    let last = forecast.stages.last().unwrap();
    assert_eq!(last.steps[0].name, "RemoveNode");
    assert!(last.at_s >= moving_s);
}

#[test]
fn min_part_hours_and_soaks_are_waited_for_and_named() {
    let mut sim = settled(3, 1);
    let mut wanted = desired(3, 1);
    wanted.cluster.spec.rings.min_part_hours = 24;
    wanted.cluster.spec.version = Some("0.1.1".into());
    wanted.cluster.spec.upgrade.soak = "2h".into();
    let forecast = foretold(&mut sim, wanted.clone(), &Assumptions::default());
    assert_eq!(steps_of(&forecast), ["RestartNode", "RestartProxies"]);
    assert!((4 * 3600..5 * 3600).contains(&forecast.duration_s), "two soaks: {}", forecast.duration_s);
    let gates: Vec<HoldReason> = forecast.stages[1].gates.iter().map(|held| held.reason).collect();
    assert!(gates.contains(&HoldReason::Soaking), "{gates:?}");

    let mut sim = settled(3, 1);
    wanted.cluster.spec.version = sim.desired.cluster.spec.version.clone();
    let mut more = desired(4, 1);
    more.cluster = wanted.cluster;
    let forecast = foretold(&mut sim, more, &Assumptions::default());
    assert!(forecast.duration_s >= 23 * 3600, "{forecast:?}");
    let gates = forecast.stages.iter().flat_map(|stage| &stage.gates);
    assert!(gates.into_iter().any(|held| held.reason == HoldReason::MinPartHours), "{forecast:?}");
    assert_eq!(forecast.left, vec![]);
}

#[test]
fn what_must_not_be_done_is_told_and_nothing_moves() {
    let mut sim = settled(3, 1);
    let forecast = foretold(&mut sim, desired(2, 1), &Assumptions::default());
    assert_eq!(forecast.replicas, 0);
    let needs: Vec<HoldReason> = forecast.needs_a_person().map(|held| held.reason).collect();
    assert_eq!(needs, [HoldReason::DrainRefused], "{forecast:?}");
}

#[test]
fn a_paused_upgrade_ends_where_it_waits() {
    let mut sim = settled(3, 1);
    let mut wanted = desired(3, 1);
    wanted.cluster.spec.version = Some("0.1.1".into());
    wanted.cluster.spec.upgrade.paused = true;
    let forecast = foretold(&mut sim, wanted, &Assumptions::default());
    assert_eq!((forecast.stages.len(), forecast.duration_s), (0, 0));
    assert!(forecast.left.iter().any(|held| held.reason == HoldReason::Paused));
}
