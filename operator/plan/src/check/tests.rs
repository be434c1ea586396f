use super::*;
use crate::plan::ProxyStep;
use crate::testing::{desired, simulation::Simulation};

/// A settled cluster of three Zones of two nodes, an hour later.
fn settled() -> Simulation {
    let mut sim = Simulation::new(desired(3, 2));
    sim.settle();
    sim.now_s += 3600;
    sim
}

fn restart(zone: &str, n: u32) -> Step {
    Step::RestartNode(NodeStep {
        zone: zone.into(),
        node: format!("demo-{zone}-{n}"),
        revision: "new".into(),
    })
}

fn rules(sim: &Simulation, steps: Vec<Step>) -> Vec<Rule> {
    let mut rules: Vec<Rule> = check(&sim.cluster(), &sim.world, &Plan { steps, ..Plan::default() })
        .iter()
        .map(|v| v.rule)
        .collect();
    rules.dedup();
    rules
}

#[test]
fn one_node_of_one_zone_may_go_down() {
    assert_eq!(rules(&settled(), vec![restart("rack1", 0)]), vec![]);
}

#[test]
fn two_zones_or_too_many_nodes_may_not() {
    let mut sim = settled();
    assert_eq!(rules(&sim, vec![restart("rack1", 0), restart("rack2", 0)]), [Rule::OneZoneAtATime]);
    assert_eq!(rules(&sim, vec![restart("rack1", 0), restart("rack1", 1)]), [Rule::MaxUnavailable]);
    sim.world.nodes.get_mut("demo-rack3-1").unwrap().ready = false;
    assert_eq!(rules(&sim, vec![restart("rack1", 0)]), [Rule::OneZoneAtATime]);
    assert_eq!(rules(&sim, vec![restart("rack3", 1)]), vec![], "what is down may always be replaced");
}

#[test]
fn proxies_wait_for_every_node() {
    let mut sim = settled();
    let proxies =
        || Step::RestartProxies(ProxyStep { pool: "default".into(), replicas: 2, revision: "new".into() });
    assert_eq!(rules(&sim, vec![proxies()]), vec![]);
    assert_eq!(rules(&sim, vec![restart("rack1", 0), proxies()]), [Rule::ProxiesLast]);
    sim.world.nodes.get_mut("demo-rack1-0").unwrap().revision = "old".into();
    assert_eq!(rules(&sim, vec![proxies()]), [Rule::ProxiesLast]);
}

#[test]
fn proxies_that_somebody_else_scales_are_not_scaled() {
    let mut sim = settled();
    let scale =
        || Step::ScaleProxies(ProxyStep { pool: "default".into(), replicas: 3, revision: "new".into() });
    assert_eq!(rules(&sim, vec![scale()]), vec![]);
    sim.world.proxies.get_mut("default").unwrap().scaled_by = Some("kubectl".into());
    assert_eq!(rules(&sim, vec![scale()]), [Rule::ReplicasAreTheirs]);
}

#[test]
fn nothing_starts_without_rings_or_identity() {
    let mut sim = settled();
    sim.world.rings = None;
    assert_eq!(rules(&sim, vec![restart("rack1", 0)])[0], Rule::IdentityIsNeverForked);
    let new = Simulation::new(desired(3, 1));
    let start =
        Step::StartNode(NodeStep { zone: "rack1".into(), node: "demo-rack1-0".into(), revision: "r".into() });
    assert_eq!(rules(&new, vec![start]), [Rule::RingsFirst]);
}

#[test]
fn rings_neither_lose_devices_nor_move_twice() {
    let mut sim = settled();
    // Rings of other devices altogether, as a planner gone wrong would publish them.
    let other = Simulation::new(desired(4, 3)).plan();
    let [Step::PublishRings(rings), ..] = &other.steps[..] else { panic!("{other:?}") };
    let next = |generation| Step::PublishRings(crate::plan::RingGeneration { generation, ..rings.clone() });
    assert!(rules(&sim, vec![next(2)]).contains(&Rule::RebalanceIsSafe));
    assert!(rules(&sim, vec![next(9)]).contains(&Rule::RingsKeepTheirData));

    sim.desired = crate::validate::Desired { hash_path: sim.desired.hash_path.clone(), ..desired(3, 3) };
    sim.change(sim.desired.clone());
    let plan = sim.plan();
    sim.carry_out(&plan);
    sim.recover();
    sim.replicate();
    let grow = sim.plan();
    assert_eq!(check(&sim.cluster(), &sim.world, &grow), vec![]);
    sim.world.nodes.get_mut("demo-rack1-0").unwrap().ring_generation = Some(0);
    assert_eq!(rules(&sim, grow.steps.clone()), [Rule::RebalanceIsSafe]);
    sim.recover();
    sim.world.nodes.get_mut("demo-rack1-0").unwrap().passes.clear();
    assert_eq!(rules(&sim, grow.steps), [Rule::RebalanceIsSafe]);
}

#[test]
fn nothing_goes_that_is_in_a_ring_or_holds_data_or_is_asked_for() {
    let sim = settled();
    let devices = vec!["d1".to_string(), "d2".to_string()];
    let (zone, node) = ("rack1".to_string(), "demo-rack1-1".to_string());
    let step = Step::RemoveNode { zone: zone.clone(), node: node.clone(), devices, delete_volumes: true };
    assert_eq!(rules(&sim, vec![step]), [Rule::NothingGoesWithData]);
    let step = Step::RemoveDevice { zone: zone.clone(), node, device: "d1".into(), delete_volume: false };
    assert_eq!(rules(&sim, vec![step]), [Rule::NothingGoesWithData]);
    assert_eq!(rules(&sim, vec![Step::ReleaseZone { zone }]), [Rule::NothingGoesWithData]);
}

#[test]
fn a_working_disk_is_not_replaced_while_another_node_is_down() {
    let mut sim = settled();
    let step = || {
        let devices = [("d1".to_string(), 1)].into();
        let (zone, node) = ("rack1".to_string(), "demo-rack1-0".to_string());
        vec![Step::ReplaceDevices(crate::plan::ReplaceStep { zone, node, devices })]
    };
    assert_eq!(rules(&sim, step()), vec![]);
    sim.world.nodes.get_mut("demo-rack2-0").unwrap().ready = false;
    assert_eq!(rules(&sim, step()), [Rule::OneReplicaAtATime]);
}
