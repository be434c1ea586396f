use super::*;
use crate::testing::{desired, hash_path, simulation::Simulation};

mod leaving;
mod worlds;

fn names(plan: &Plan) -> Vec<&'static str> {
    plan.steps.iter().map(Step::name).collect()
}

fn reasons(plan: &Plan) -> Vec<HoldReason> {
    plan.held.iter().map(|held| held.reason).collect()
}

#[test]
fn a_new_cluster_gets_rings_then_nodes_then_proxies() {
    let mut sim = Simulation::new(desired(3, 1));
    let plan = sim.plan();
    assert_eq!(names(&plan), ["PublishRings", "StartNode", "StartNode", "StartNode", "StartProxies"]);
    sim.settle();
    assert!(sim.plan().is_settled());
}

#[test]
fn the_first_rings_wait_for_zones_that_can_hold_all_replicas_and_stand_still() {
    let mut sim = Simulation::new(desired(1, 1));
    assert_eq!(sim.plan().steps, vec![]);
    assert!(sim.plan().held[0].message.contains("needs 3 devices for 3 replicas, the Zones have 2"));
    sim.change(desired(3, 1));
    sim.world.zones_changed_at_s = sim.now_s - 3;
    assert_eq!(reasons(&sim.plan())[0], HoldReason::WaitingForQuiet);
    sim.now_s += 2;
    assert_eq!(names(&sim.plan())[0], "PublishRings");
}

#[test]
fn a_grown_zone_is_started_then_rebalanced_once_and_then_no_more() {
    let mut sim = Simulation::new(desired(3, 1));
    sim.settle();
    sim.change(desired(3, 2));
    assert_eq!(names(&sim.plan()), ["StartNode", "StartNode", "StartNode"]);
    sim.settle();
    let rings = sim.world.rings.clone().unwrap();
    assert_eq!(rings.generation, 2);
    assert!(sim.plan().is_settled());

    sim.change(desired(3, 3));
    sim.settle();
    assert_eq!(sim.world.rings.as_ref().unwrap().generation, rings.generation + 1);
    assert!(sim.plan().is_settled());
}

#[test]
fn a_second_rebalance_waits_until_replication_has_brought_the_data() {
    let mut sim = Simulation::new(desired(3, 1));
    sim.settle();
    sim.change(desired(3, 2));
    sim.tick(usize::MAX);
    assert_eq!(names(&sim.plan()), ["PublishRings"]);
    sim.replicates = false;
    sim.tick(usize::MAX);
    sim.change(desired(3, 3));
    sim.tick(usize::MAX);
    assert_eq!(reasons(&sim.plan()), [HoldReason::RingConverging; 3]);
    sim.replicates = true;
    sim.replicate();
    assert_eq!(names(&sim.plan()), ["PublishRings"]);
}

#[test]
fn a_node_that_never_comes_up_holds_the_rings_up_for_a_while_only() {
    let mut sim = Simulation::new(desired(3, 1));
    sim.settle();
    sim.change(desired(3, 2));
    let plan = sim.plan();
    sim.carry_out(&plan);
    sim.recover();
    let broken = sim.world.nodes.get_mut("demo-rack1-1").unwrap();
    (broken.ready, broken.ready_since_s, broken.ring_generation) = (false, None, None);
    sim.replicate();
    assert_eq!(reasons(&sim.plan()), [HoldReason::WaitingForNodes; 3]);
    sim.now_s += 700;
    assert_eq!(names(&sim.plan()), ["PublishRings"]);
}

#[test]
fn a_ring_takes_a_device_once_its_node_serves_with_it() {
    let mut sim = Simulation::new(desired(3, 1));
    sim.settle();
    let mut grown = desired(3, 1);
    let devices = &mut grown.zones[0].spec.devices;
    let mut device = devices[0].clone();
    device.name = "d3".into();
    devices.push(device);
    sim.change(grown);
    assert_eq!(names(&sim.plan()), ["RestartNode"]);
    sim.settle();
    assert_eq!(sim.world.rings.as_ref().unwrap().generation, 2);
    assert!(sim.plan().is_settled());
}

#[test]
fn a_rebalance_waits_for_min_part_hours() {
    let slow = |nodes| {
        let mut desired = desired(3, nodes);
        desired.cluster.spec.rings.min_part_hours = 24;
        desired
    };
    let mut sim = Simulation::new(slow(1));
    sim.settle();
    sim.change(slow(2));
    sim.settle();
    assert_eq!(reasons(&sim.plan()), [HoldReason::MinPartHours; 3]);
    sim.now_s += 24 * 3600;
    assert_eq!(names(&sim.plan()), ["PublishRings"]);
}

#[test]
fn a_lost_identity_stops_everything() {
    let mut sim = Simulation::new(desired(3, 1));
    sim.settle();
    sim.desired.hash_path = None;
    assert_eq!(reasons(&sim.plan()), [HoldReason::IdentityMissing]);
    assert_eq!(sim.plan().steps, vec![]);
    sim.desired.hash_path = Some(hash_path());
    sim.world.rings = None;
    assert_eq!(reasons(&sim.plan()), [HoldReason::IdentityMissing]);
}

#[test]
fn a_new_version_rolls_zone_by_zone_and_reaches_the_proxies_last() {
    let mut sim = Simulation::new(desired(3, 2));
    sim.settle();
    sim.now_s += 3600;
    sim.desired.cluster.spec.version = Some("0.2.0".into());
    sim.desired.cluster.spec.upgrade.canary_zone = Some("rack2".into());
    sim.settle();
    let order: Vec<&str> = sim.restarted.iter().map(String::as_str).collect();
    let nodes =
        ["demo-rack2-0", "demo-rack2-1", "demo-rack1-0", "demo-rack1-1", "demo-rack3-0", "demo-rack3-1"];
    assert_eq!(order, [&nodes[..], &["proxies default"]].concat());
}

#[test]
fn a_paused_upgrade_restarts_nothing() {
    let mut sim = Simulation::new(desired(3, 1));
    sim.settle();
    sim.desired.cluster.spec.version = Some("0.2.0".into());
    sim.desired.cluster.spec.upgrade.paused = true;
    sim.settle();
    assert_eq!(sim.restarted, Vec::<String>::new());
    assert!(reasons(&sim.plan()).contains(&HoldReason::Paused));
}

#[test]
fn a_paused_upgrade_gives_no_node_its_new_revision_not_even_one_that_is_down() {
    let mut sim = Simulation::new(desired(3, 1));
    sim.settle();
    sim.desired.cluster.spec.version = Some("0.2.0".into());
    sim.desired.cluster.spec.upgrade.paused = true;
    sim.world.nodes.get_mut("demo-rack1-0").unwrap().ready = false;
    let plan = sim.plan();
    assert_eq!(plan.steps, vec![]);
    assert!(
        plan.held.iter().any(|h| h.subject == "demo-rack1-0" && h.reason == HoldReason::Paused),
        "{plan:?}"
    );
}

#[test]
fn a_zone_is_watched_after_its_turn_in_this_rollout_and_for_nothing_else() {
    let mut sim = Simulation::new(desired(3, 1));
    let soaks = |sim: &Simulation| reasons(&sim.plan()).contains(&HoldReason::Soaking);
    let configure = |sim: &mut Simulation, zone: usize, value: &str| {
        let section = [("concurrency".to_string(), value.to_string())].into();
        let file = [("object-replicator".to_string(), section)].into();
        sim.desired.zones[zone].spec.config = [("object-server.conf".to_string(), file)].into();
    };
    let serve_only_now = |sim: &mut Simulation| {
        let now_s = sim.now_s;
        sim.world.nodes.values_mut().for_each(|node| node.ready_since_s = Some(now_s));
    };
    sim.settle();
    serve_only_now(&mut sim);
    configure(&mut sim, 1, "2");
    assert!(
        matches!(&sim.plan().steps[..], [Step::RestartNode(step)] if step.node == "demo-rack2-0"),
        "new nodes"
    );
    sim.settle();

    sim.desired.cluster.spec.version = Some("0.2.0".into());
    sim.tick(usize::MAX);
    assert_eq!(sim.restarted.last().map(String::as_str), Some("demo-rack1-0"));
    assert!(soaks(&sim), "rack1 had its turn a moment ago");
    sim.settle();
    serve_only_now(&mut sim);
    configure(&mut sim, 1, "3");
    assert!(!soaks(&sim), "rack1 had its turn in a rollout before");
    configure(&mut sim, 0, "3");
    sim.tick(usize::MAX);
    assert!(soaks(&sim), "rack1 had its turn in this rollout");
}

#[test]
fn a_corrected_spec_replaces_the_node_that_a_bad_one_broke() {
    let mut sim = Simulation::new(desired(3, 1));
    sim.settle();
    sim.now_s += 3600;
    sim.desired.cluster.spec.image = Some("bad".into());
    let plan = sim.plan();
    sim.carry_out(&plan);
    sim.world.nodes.get_mut("demo-rack1-0").unwrap().ready = false;
    assert_eq!(sim.plan().steps, vec![], "the next zone waits for the broken one");
    sim.desired.cluster.spec.image = Some("good".into());
    let plan = sim.plan();
    assert!(matches!(&plan.steps[..], [Step::RestartNode(step)] if step.node == "demo-rack1-0"), "{plan:?}");
}

#[test]
fn a_volume_grows_and_never_shrinks() {
    let mut sim = Simulation::new(desired(3, 1));
    sim.settle();
    let resize = |size: &str| {
        let mut desired = desired(3, 1);
        desired.zones[0].spec.devices[0].size = size.into();
        desired
    };
    sim.change(resize("4Gi"));
    assert_eq!(names(&sim.plan())[0], "GrowDevice");
    sim.settle();
    sim.change(resize("2Gi"));
    assert!(!names(&sim.plan()).contains(&"GrowDevice"));
}

#[test]
fn who_else_scales_proxies_is_not_contradicted() {
    let mut sim = Simulation::new(desired(3, 1));
    sim.settle();
    let pool = sim.world.proxies.get_mut("default").unwrap();
    (pool.replicas, pool.ready) = (7, 7);
    assert_eq!(names(&sim.plan()), ["ScaleProxies"]);
    sim.world.proxies.get_mut("default").unwrap().scaled_by = Some("keda".into());
    assert!(sim.plan().is_settled(), "{:?}", sim.plan());
    let mut newer = sim.desired.clone();
    newer.cluster.spec.proxies[0].pods.priority_class_name = Some("high".into());
    sim.change(newer);
    let plan = sim.plan();
    let [Step::RestartProxies(step)] = plan.steps.as_slice() else { panic!("{plan:?}") };
    assert_eq!(step.replicas, 7, "a rollout keeps them as many");
}

#[test]
fn a_node_that_nobody_sees_for_a_moment_moves_nothing() {
    let mut sim = Simulation::new(desired(3, 2));
    sim.settle();
    sim.world.nodes.remove("demo-rack1-0");
    assert_eq!(names(&sim.plan()), ["StartNode"]);
    let mut grown = desired(3, 2);
    grown.zones[1].spec.devices[0].weight_percent = 50;
    sim.change(grown);
    assert_eq!(names(&sim.plan()), ["StartNode"]);
    assert!(reasons(&sim.plan()).contains(&HoldReason::Unhealthy));
}
