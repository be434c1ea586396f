use super::*;
use crate::resources::{Condition, ConditionStatus, condition_type};
use crate::testing::{desired, simulation::Simulation};
use crate::validate::validate;

fn usage(used_bytes: u64, size_bytes: u64) -> Usage {
    Usage { used_bytes, size_bytes }
}

/// The report on `sim`, and its statuses kept for the next one.
fn report_on(sim: &mut Simulation) -> Report {
    let validation = validate(&sim.desired);
    let plan = sim.plan();
    let release = Release { version: "0.1.0".into(), image: "localhost/swiftlet:0.1.0".into() };
    let report = report(Findings {
        desired: &sim.desired,
        validation: &validation,
        world: &sim.world,
        plan: &plan,
        usage: &[("rack1".to_string(), usage(311, 1000)), ("rack2".to_string(), usage(290, 1000))].into(),
        release: &release,
        now_s: sim.now_s,
    });
    sim.desired.cluster.status = Some(report.cluster.clone());
    for zone in &mut sim.desired.zones {
        zone.status = report.zones.get(zone.name()).cloned();
    }
    report
}

fn condition<'a>(conditions: &'a [Condition], type_: &str) -> &'a Condition {
    conditions.iter().find(|c| c.type_ == type_).unwrap()
}

#[test]
fn a_settled_cluster_is_ready_and_its_columns_are_full() {
    let mut sim = Simulation::new(desired(3, 1));
    sim.settle();
    let report = report_on(&mut sim);
    let status = &report.cluster;
    assert_eq!((status.phase.as_str(), status.zones.as_str(), status.nodes.as_str()), ("", "3/3", "3/3"));
    assert_eq!(
        (status.devices.as_str(), status.rings.as_str(), status.used.as_str()),
        ("6/6", "in step", "30%")
    );
    assert_eq!(condition(&status.conditions, condition_type::READY).status, ConditionStatus::True);
    assert_eq!(condition(&status.conditions, condition_type::RING_CONVERGED).message, "generation 1");
    let zone = &report.zones["rack1"];
    assert_eq!((zone.nodes, zone.nodes_ready.as_str(), zone.used.as_str()), (1, "1/1", "31%"));
    assert_eq!(zone.selector, "app.kubernetes.io/instance=demo,swiftlet.io/zone=rack1");
}

#[test]
fn a_settled_cluster_is_written_about_no_more() {
    let mut sim = Simulation::new(desired(3, 1));
    sim.settle();
    let first = report_on(&mut sim);
    sim.now_s += 3600;
    assert_eq!(report_on(&mut sim), first);
}

#[test]
fn a_node_that_went_down_is_named_and_the_time_is_kept() {
    let mut sim = Simulation::new(desired(3, 1));
    sim.settle();
    report_on(&mut sim);
    sim.now_s += 60;
    sim.world.nodes.get_mut("demo-rack2-0").unwrap().ready = false;
    let first = report_on(&mut sim);
    assert_eq!(first.cluster.phase, "Degraded");
    let ready = condition(&first.cluster.conditions, condition_type::READY).clone();
    assert_eq!((ready.status, ready.message.as_str()), (ConditionStatus::False, "down: demo-rack2-0"));
    assert_eq!(first.zones["rack1"].phase, "");
    assert_eq!(first.zones["rack2"].phase, "Degraded");
    sim.now_s += 60;
    let second = report_on(&mut sim);
    assert_eq!(condition(&second.cluster.conditions, condition_type::READY), &ready);
}

#[test]
fn what_is_refused_says_why_on_cluster_and_zone() {
    let mut sim = Simulation::new(desired(3, 2));
    sim.settle();
    sim.change(desired(2, 2));
    let report = report_on(&mut sim);
    for conditions in [&report.cluster.conditions, &report.zones["rack3"].conditions] {
        let ready = condition(conditions, condition_type::READY);
        assert_eq!(ready.reason, "DrainRefused");
        assert!(ready.message.contains("demo-rack3-0 stays"), "{}", ready.message);
    }
}

#[test]
fn a_zone_with_a_taken_place_says_so_and_the_others_go_on() {
    let mut sim = Simulation::new(desired(3, 1));
    sim.settle();
    let mut asked = desired(4, 1);
    asked.zones[3].spec.zone = 1;
    sim.change(asked);
    let report = report_on(&mut sim);
    assert_eq!(condition(&report.zones["rack4"].conditions, condition_type::READY).reason, "DuplicateZone");
    assert_eq!(
        condition(&report.zones["rack1"].conditions, condition_type::READY).status,
        ConditionStatus::True
    );
    assert_eq!(report.cluster.zones, "3/4");
}
