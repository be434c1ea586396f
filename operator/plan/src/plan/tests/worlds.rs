//! Random worlds and changes: no plan ever breaks a rule, nothing is ever lost, and every sequence ends.

use super::{Held, HoldReason};
use crate::check::check;
use crate::resources::{DeviceOverride, DeviceState, NodeOverride, ZoneSpec};
use crate::testing::{desired, simulation::Simulation};
use crate::validate::{Desired, validate};
use proptest::prelude::*;
use proptest::sample::Index;

#[derive(Clone, Debug)]
enum Event {
    Zones(u32),
    Nodes(u32),
    Devices(usize),
    Version(u8),
    Users(u8),
    Paused(bool),
    MaxUnavailable(u32),
    /// A node is marked drained, or no longer.
    Drain(Index, bool),
    /// A disk dies, and a person says so: with a new one in its place, or without.
    Fail(Index, bool),
    /// A person asks for a new volume in place of one that works.
    Replace(Index),
    Replicates(bool),
    Crash(Index),
    Forget(Index),
    Recover,
    KilledAfter(usize),
    Ticks(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (1u32..5).prop_map(Event::Zones),
        (0u32..4).prop_map(Event::Nodes),
        (1usize..4).prop_map(Event::Devices),
        (1u8..3).prop_map(Event::Version),
        (0u8..4).prop_map(Event::Users),
        any::<bool>().prop_map(Event::Paused),
        (1u32..3).prop_map(Event::MaxUnavailable),
        (any::<Index>(), any::<bool>()).prop_map(|(node, drain)| Event::Drain(node, drain)),
        (any::<Index>(), any::<bool>()).prop_map(|(device, replaced)| Event::Fail(device, replaced)),
        any::<Index>().prop_map(Event::Replace),
        any::<bool>().prop_map(Event::Replicates),
        any::<Index>().prop_map(Event::Crash),
        any::<Index>().prop_map(Event::Forget),
        Just(Event::Recover),
        (0usize..4).prop_map(Event::KilledAfter),
        (1usize..8).prop_map(Event::Ticks),
        (1usize..8).prop_map(Event::Ticks),
    ]
}

/// What is asked for besides what [`Desired`] keeps.
#[derive(Clone, Copy)]
struct Shape {
    zones: u32,
    nodes: u32,
    devices: usize,
}

/// A cluster of this shape, all else as it was.
fn reshaped(old: &Desired, shape: Shape) -> Desired {
    let mut new = desired(shape.zones, shape.nodes);
    new.cluster = old.cluster.clone();
    new.auth_secret.clone_from(&old.auth_secret);
    for zone in &mut new.zones {
        let devices = &mut zone.spec.devices;
        while devices.len() < shape.devices {
            let mut device = devices[0].clone();
            device.name = format!("d{}", devices.len() + 1);
            devices.push(device);
        }
        devices.truncate(shape.devices);
        if let Some(before) = old.zones.iter().find(|other| other.name() == zone.name()) {
            zone.spec.node_overrides.clone_from(&before.spec.node_overrides);
        }
    }
    new
}

/// What is said of a node, to be changed.
fn said(spec: &mut ZoneSpec, ordinal: u32) -> &mut NodeOverride {
    let at = spec.node_overrides.iter().position(|node| node.ordinal == ordinal).unwrap_or_else(|| {
        let none = NodeOverride { ordinal, drain: false, replacement: None, devices: Vec::new() };
        spec.node_overrides.push(none);
        spec.node_overrides.len() - 1
    });
    &mut spec.node_overrides[at]
}

fn drain(sim: &mut Simulation, node: Index, drain: bool) {
    let zones = sim.desired.zones.len();
    let zone = node.index(zones);
    let ordinal = u32::try_from(node.index(zones * 4) / zones).unwrap();
    said(&mut sim.desired.zones[zone].spec, ordinal).drain = drain;
    sim.change(sim.desired.clone());
}

/// A device of a node that exists: zone, ordinal, node, device.
fn pick(sim: &Simulation, device: Index) -> Option<(usize, u32, String, String)> {
    let devices = sim.world.nodes.iter().flat_map(|(name, node)| {
        node.devices.keys().map(move |device| (node.zone.clone(), name.clone(), device.clone()))
    });
    let devices: Vec<_> = devices.collect();
    let (zone, node, device) = devices.get(device.index(devices.len().max(1)))?.clone();
    let ordinal = node.rsplit_once('-')?.1.parse().ok()?;
    let zone = sim.desired.zones.iter().position(|other| other.name() == zone)?;
    Some((zone, ordinal, node, device))
}

fn override_device(sim: &mut Simulation, device: Index, change: impl Fn(&mut DeviceOverride)) {
    let Some((zone, ordinal, _, name)) = pick(sim, device) else { return };
    let node = said(&mut sim.desired.zones[zone].spec, ordinal);
    let at = node.devices.iter().position(|other| other.name == name).unwrap_or_else(|| {
        node.devices.push(DeviceOverride { name, state: DeviceState::Healthy, replacement: None });
        node.devices.len() - 1
    });
    change(&mut node.devices[at]);
    sim.change(sim.desired.clone());
}

/// Nobody declares dead what holds the last copy of something.
fn fail(sim: &mut Simulation, device: Index, replaced: bool) {
    let Some((_, _, node, name)) = pick(sim, device) else { return };
    let place = (sim.world.addresses[&node].host.clone(), name);
    if !sim.data.survives(&place) {
        return;
    }
    sim.data.take(&place);
    override_device(sim, device, |said| {
        said.state = DeviceState::Failed;
        said.replacement = replaced.then(|| said.replacement.unwrap_or(0) + 1);
    });
}

fn happen(sim: &mut Simulation, shape: &mut Shape, event: Event) {
    let before = *shape;
    match event {
        Event::Zones(zones) => *shape = Shape { zones, ..before },
        Event::Nodes(nodes) => *shape = Shape { nodes, ..before },
        Event::Devices(devices) => *shape = Shape { devices, ..before },
        Event::Version(n) => sim.desired.cluster.spec.version = Some(format!("0.{n}.0")),
        Event::Users(n) => {
            sim.desired.auth_secret = Some([("user_a_b".to_string(), format!("key{n}"))].into());
        }
        Event::Paused(paused) => sim.desired.cluster.spec.upgrade.paused = paused,
        Event::MaxUnavailable(n) => sim.desired.cluster.spec.upgrade.max_unavailable = n,
        Event::Drain(node, yes) => drain(sim, node, yes),
        Event::Fail(device, replaced) => fail(sim, device, replaced),
        Event::Replace(device) => {
            override_device(sim, device, |said| said.replacement = Some(said.replacement.unwrap_or(0) + 1));
        }
        Event::Replicates(yes) => sim.replicates = yes,
        Event::Crash(index) => sim.crash(index),
        Event::Forget(index) => sim.forget(index),
        Event::Recover => sim.recover(),
        Event::KilledAfter(steps) => sim.tick(steps),
        Event::Ticks(n) => (0..n).for_each(|_| sim.tick(usize::MAX)),
    }
    if matches!(event, Event::Zones(_) | Event::Nodes(_) | Event::Devices(_)) {
        sim.change(reshaped(&sim.desired.clone(), *shape));
    }
}

/// What a sequence may end with: what time alone does not put right because of what is asked for, and what waits for it.
fn may_end_with(held: &[Held]) -> bool {
    let needs_people = |held: &Held| {
        held.reason.needs_a_person()
            || matches!(held.reason, HoldReason::Paused | HoldReason::WaitingForZones)
    };
    held.is_empty() || held.iter().any(needs_people)
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn any_sequence_of_changes_converges_without_breaking_a_rule(events in prop::collection::vec(event(), 1..16)) {
        let mut shape = Shape { zones: 3, nodes: 1, devices: 2 };
        let mut sim = Simulation::new(desired(shape.zones, shape.nodes));
        for event in events {
            happen(&mut sim, &mut shape, event);
            let plan = sim.plan();
            prop_assert_eq!(check(&sim.cluster(), &sim.world, &plan), vec![]);
            prop_assert_eq!(sim.data.lost(), None);
        }
        sim.replicates = true;
        sim.recover();
        sim.settle();
        prop_assert_eq!(sim.data.lost(), None);
        let plan = sim.plan();
        prop_assert_eq!(&plan.steps, &vec![]);
        prop_assert_eq!(check(&sim.cluster(), &sim.world, &plan), vec![]);
        prop_assert!(may_end_with(&plan.held), "{:?}", plan.held);
        if plan.held.is_empty() {
            let wanted: Vec<String> = sim.cluster().nodes().map(|(_, node)| node.name.clone()).collect();
            let exist: Vec<String> = sim.world.nodes.keys().cloned().collect();
            prop_assert_eq!(wanted, exist);
        }
        prop_assert_eq!(sim.plan(), plan);
        prop_assert!(validate(&sim.desired).cluster.is_some());
    }
}
