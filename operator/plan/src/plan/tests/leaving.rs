//! What leaves: drained first, refused where the rest cannot take it, and back again where a mind was changed.

use super::{names, reasons};
use crate::plan::{HoldReason, Step};
use crate::resources::{DeviceOverride, DeviceState, NodeOverride, VolumeClaimDeletion};
use crate::testing::{desired, simulation::Simulation};

fn settled(zones: u32, nodes: u32) -> Simulation {
    let mut sim = Simulation::new(desired(zones, nodes));
    sim.settle();
    assert!(sim.plan().is_settled(), "{:?}", sim.plan().held);
    sim
}

fn drained(ordinal: u32) -> NodeOverride {
    NodeOverride { ordinal, drain: true, replacement: None, devices: Vec::new() }
}

fn of_device(ordinal: u32, name: &str, state: DeviceState, replacement: Option<u32>) -> NodeOverride {
    let device = DeviceOverride { name: name.to_string(), state, replacement };
    NodeOverride { ordinal, drain: false, replacement: None, devices: vec![device] }
}

#[test]
fn a_zone_shrinks_once_its_last_node_is_empty() {
    let mut sim = settled(3, 2);
    let mut smaller = desired(3, 2);
    smaller.zones[0].spec.nodes = 1;
    sim.change(smaller);
    let plan = sim.plan();
    assert_eq!(names(&plan), ["PublishRings"]);
    assert_eq!(reasons(&plan), [HoldReason::Draining], "{:?}", plan.held);
    sim.replicates = false;
    sim.tick(usize::MAX);
    sim.tick(usize::MAX);
    assert_eq!(names(&sim.plan()), [""; 0]);
    sim.replicates = true;
    sim.settle();
    assert!(sim.plan().is_settled(), "{:?}", sim.plan().held);
    assert!(!sim.world.nodes.contains_key("demo-rack1-1"));
    assert_eq!(sim.world.nodes.len(), 5);
    assert_eq!(sim.restarted, Vec::<String>::new(), "nobody else is restarted");
}

#[test]
fn any_node_may_leave_and_another_comes_in_its_place() {
    let mut sim = settled(3, 2);
    let mut drain = desired(3, 2);
    drain.zones[1].spec.node_overrides = vec![drained(0)];
    sim.change(drain);
    assert_eq!(names(&sim.plan())[0], "StartNode");
    sim.settle();
    let rack2: Vec<&String> = sim.world.nodes.keys().filter(|name| name.contains("rack2")).collect();
    assert_eq!(rack2, ["demo-rack2-1", "demo-rack2-2"]);
    assert!(sim.plan().is_settled());
}

#[test]
fn a_mind_changed_half_way_brings_the_node_back() {
    let mut sim = settled(3, 2);
    let mut smaller = desired(3, 2);
    smaller.zones[0].spec.nodes = 1;
    sim.change(smaller);
    sim.tick(usize::MAX);
    sim.change(desired(3, 2));
    sim.settle();
    assert!(sim.plan().is_settled(), "{:?}", sim.plan().held);
    assert_eq!(sim.world.nodes.len(), 6);
    let rings = crate::rings::LoadedRings::read(&sim.world).unwrap();
    for (_, ring) in rings.iter() {
        assert!(ring.builder.devices().all(|device| ring.builder.parts_held(device.id) > 0));
    }
}

#[test]
fn a_device_leaves_every_node_and_its_volumes_go_by_policy() {
    let mut sim = settled(3, 2);
    let mut fewer = desired(3, 2);
    fewer.zones[2].spec.devices.truncate(1);
    fewer.zones[2].spec.volume_claim_deletion = VolumeClaimDeletion::Delete;
    sim.change(fewer);
    let mut steps = Vec::new();
    for _ in 0..40 {
        steps.extend(sim.plan().steps);
        sim.tick(usize::MAX);
    }
    assert!(sim.plan().is_settled(), "{:?}", sim.plan().held);
    let removed = steps.iter().filter(|step| matches!(step, Step::RemoveDevice { delete_volume: true, .. }));
    assert_eq!(removed.count(), 2);
    assert_eq!(sim.restarted, ["demo-rack3-0", "demo-rack3-1"]);
    assert!(sim.world.nodes["demo-rack3-0"].devices.keys().eq(["d1"]));
}

#[test]
fn a_deleted_zone_drains_before_it_goes() {
    let mut sim = settled(4, 1);
    sim.change(desired(3, 1));
    assert!(sim.deleting.contains("rack4"));
    sim.settle();
    assert!(sim.deleting.is_empty());
    assert_eq!(sim.world.nodes.len(), 3);
    assert!(sim.plan().is_settled());
}

#[test]
fn replicas_stay_apart_unless_a_person_allows_it() {
    let mut sim = settled(3, 2);
    sim.change(desired(2, 2));
    let plan = sim.plan();
    assert_eq!(names(&plan), [""; 0]);
    assert!(plan.held.iter().any(|held| {
        held.reason == HoldReason::DrainRefused && held.message.contains("allowReducedSeparation")
    }));
    sim.desired.cluster.spec.rings.allow_reduced_separation = true;
    sim.settle();
    assert!(sim.plan().is_settled(), "{:?}", sim.plan().held);
    assert_eq!(sim.world.nodes.len(), 4);
}

#[test]
fn what_the_rest_has_no_room_for_stays() {
    let mut sim = settled(3, 2);
    for node in sim.world.nodes.values_mut() {
        node.devices.values_mut().for_each(|seen| seen.used_bytes = Some(seen.requested_bytes / 3 * 2));
    }
    let mut smaller = desired(3, 2);
    smaller.zones[0].spec.nodes = 1;
    sim.change(smaller);
    let plan = sim.plan();
    assert_eq!(names(&plan), [""; 0]);
    assert!(
        plan.held.iter().any(|held| held.message.contains("the rest of region 1 zone 1")),
        "{:?}",
        plan.held
    );
}

#[test]
fn a_dead_disk_leaves_the_rings_at_once_whatever_else_is_wrong() {
    let mut sim = settled(3, 2);
    sim.world.nodes.get_mut("demo-rack2-0").unwrap().ready = false;
    let mut failed = desired(3, 2);
    failed.zones[0].spec.node_overrides = vec![of_device(0, "d2", DeviceState::Failed, None)];
    sim.change(failed);
    assert_eq!(names(&sim.plan()), ["PublishRings"]);
    sim.settle();
    assert!(sim.plan().is_settled(), "{:?}", sim.plan().held);
    assert!(sim.world.nodes["demo-rack1-0"].devices.keys().eq(["d1"]));
}

#[test]
fn a_replaced_disk_keeps_its_place_and_is_refilled_before_anything_else_moves() {
    let mut sim = settled(3, 2);
    let rings = sim.world.rings.clone();
    let mut replaced = desired(3, 2);
    replaced.zones[0].spec.node_overrides = vec![of_device(0, "d2", DeviceState::Failed, Some(1))];
    sim.change(replaced.clone());
    assert_eq!(names(&sim.plan()), ["ReplaceDevices"]);
    sim.replicates = false;
    sim.tick(usize::MAX);
    assert_eq!(names(&sim.plan()), ["ReplaceDevices"], "the old volume is gone, a new one is made");
    sim.tick(usize::MAX);
    assert_eq!(sim.world.rings, rings);
    replaced.zones[1].spec.nodes = 3;
    sim.change(replaced);
    sim.tick(usize::MAX);
    let refilling = sim.plan().held.iter().any(|held| held.reason == HoldReason::Refilling);
    assert!(refilling, "{:?}", sim.plan().held);
    sim.replicates = true;
    sim.settle();
    assert!(sim.plan().is_settled());
}

#[test]
fn a_working_disk_is_replaced_only_while_all_others_are_whole() {
    let mut sim = settled(3, 2);
    sim.world.nodes.get_mut("demo-rack2-0").unwrap().ready = false;
    let mut replaced = desired(3, 2);
    replaced.zones[0].spec.node_overrides = vec![of_device(0, "d2", DeviceState::Healthy, Some(1))];
    sim.change(replaced);
    assert_eq!(names(&sim.plan()), [""; 0]);
    assert_eq!(reasons(&sim.plan()), [HoldReason::OtherZoneDown]);
    sim.now_s += 60;
    sim.recover();
    assert_eq!(
        reasons(&sim.plan()),
        [HoldReason::RingConverging],
        "what came back may lack what this disk has"
    );
    sim.replicate();
    assert_eq!(names(&sim.plan()), ["ReplaceDevices"]);
}

#[test]
fn a_node_that_does_not_answer_is_not_taken_away() {
    let mut sim = settled(3, 2);
    let mut smaller = desired(3, 2);
    smaller.zones[0].spec.nodes = 1;
    sim.change(smaller);
    for _ in 0..10 {
        sim.tick(usize::MAX);
        if let Some(node) = sim.world.nodes.get_mut("demo-rack1-1") {
            (node.ready, node.ring_generation) = (false, None);
            node.devices.values_mut().for_each(|seen| seen.holdings = None);
        }
    }
    let plan = sim.plan();
    assert!(sim.world.nodes.contains_key("demo-rack1-1"));
    assert!(plan.held.iter().any(|held| held.step == "RemoveNode"), "{:?}", plan.held);
}
