//! Which nodes others may take down: what drains of hosts are held to.
//!
//! The operator restarts nodes by its own rules. Whoever drains a host asks Kubernetes, which asks budgets, and those
//! follow from here.

use crate::validate::ValidatedCluster;
use crate::world::{ObservedNode, World};
use std::collections::BTreeSet;

/// Which nodes others may take down now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disruption {
    /// Any one of them: all are whole.
    AnyOne,
    /// Those of this Zone, as many as there are: one of them is down, and two Zones are never down at once.
    Zone(String),
    /// None that serves: two Zones have nodes down already.
    None,
}

/// What may be taken down in `world` at `now_s` (Unix time).
pub fn allowed(cluster: &ValidatedCluster, world: &World, now_s: i64) -> Disruption {
    let soak_s = i64::try_from(cluster.upgrade.soak_s).unwrap_or(i64::MAX);
    let broken = world.nodes.iter().filter(|(name, node)| !is_whole(world, name, node, now_s - soak_s));
    let zones: BTreeSet<&str> = broken.map(|(_, node)| node.zone.as_str()).collect();
    let mut zones = zones.into_iter();
    match (zones.next(), zones.next()) {
        (None, _) => Disruption::AnyOne,
        (Some(zone), None) => Disruption::Zone(zone.to_string()),
        (Some(_), Some(_)) => Disruption::None,
    }
}

/// Whether a node serves what it should, and another Zone's may go: it has been given what it missed while it was away,
/// or, as with the operator's own restarts, it has been watched for as long as a soak lasts.
fn is_whole(world: &World, name: &str, node: &ObservedNode, soaked_since_s: i64) -> bool {
    let current = world.rings.as_ref().map_or(0, |rings| rings.generation);
    let in_step = node.ring_generation.is_none_or(|held| held >= current);
    let since_s = node.ready_since_s.unwrap_or(i64::MAX);
    node.ready && in_step && (since_s <= soaked_since_s || world.is_refilled(name, since_s))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{desired, simulation::Simulation};
    use crate::world::PASS_KINDS;

    /// A cluster of three Zones that settled an hour ago.
    fn settled() -> Simulation {
        let mut simulation = Simulation::new(desired(3, 2));
        simulation.settle();
        simulation.now_s += 3600;
        simulation
    }

    fn allowed(simulation: &Simulation) -> Disruption {
        super::allowed(&simulation.cluster(), &simulation.world, simulation.now_s)
    }

    fn node<'a>(simulation: &'a mut Simulation, name: &str) -> &'a mut ObservedNode {
        simulation.world.nodes.get_mut(name).unwrap()
    }

    #[test]
    fn while_nothing_is_down_any_one_may_go() {
        assert_eq!(allowed(&settled()), Disruption::AnyOne);
    }

    #[test]
    fn with_one_node_down_the_rest_of_its_zone_may_go_and_no_other() {
        let mut simulation = settled();
        node(&mut simulation, "demo-rack2-0").ready = false;
        assert_eq!(allowed(&simulation), Disruption::Zone("rack2".into()));
        node(&mut simulation, "demo-rack2-1").ready = false;
        assert_eq!(allowed(&simulation), Disruption::Zone("rack2".into()));
        node(&mut simulation, "demo-rack1-0").ready = false;
        assert_eq!(allowed(&simulation), Disruption::None);
    }

    #[test]
    fn a_node_that_is_back_with_old_rings_is_not_whole_yet() {
        let mut simulation = settled();
        node(&mut simulation, "demo-rack3-1").ring_generation = Some(0);
        assert_eq!(allowed(&simulation), Disruption::Zone("rack3".into()));
        // One that serves and did not answer the operator's question in time is no reason to shut the others.
        node(&mut simulation, "demo-rack3-1").ring_generation = None;
        assert_eq!(allowed(&simulation), Disruption::AnyOne);
    }

    #[test]
    fn a_node_that_is_back_is_whole_once_the_others_have_replicated_to_it_or_it_soaked() {
        let mut simulation = settled();
        let back_s = simulation.now_s;
        for node in simulation.world.nodes.values_mut() {
            node.passes = PASS_KINDS.map(|kind| (kind.to_string(), back_s - 1)).into();
        }
        node(&mut simulation, "demo-rack1-0").ready_since_s = Some(back_s);
        simulation.now_s += 60;
        assert_eq!(allowed(&simulation), Disruption::Zone("rack1".into()));
        let mut replicated = settled();
        replicated.world = simulation.world.clone();
        for node in replicated.world.nodes.values_mut() {
            node.passes = PASS_KINDS.map(|kind| (kind.to_string(), back_s + 1)).into();
        }
        replicated.now_s = simulation.now_s;
        assert_eq!(allowed(&replicated), Disruption::AnyOne);
        simulation.now_s = back_s + 600;
        assert_eq!(allowed(&simulation), Disruption::AnyOne, "soaked");
    }
}
