//! Which nodes others may take down: what drains of hosts are held to.
//!
//! The operator restarts nodes by its own rules. Whoever drains a host asks Kubernetes, which asks budgets, and those
//! follow from here.

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

/// What may be taken down in `world`.
pub fn allowed(world: &World) -> Disruption {
    let broken = world.nodes.values().filter(|node| !is_whole(world, node));
    let zones: BTreeSet<&str> = broken.map(|node| node.zone.as_str()).collect();
    let mut zones = zones.into_iter();
    match (zones.next(), zones.next()) {
        (None, _) => Disruption::AnyOne,
        (Some(zone), None) => Disruption::Zone(zone.to_string()),
        (Some(_), Some(_)) => Disruption::None,
    }
}

/// Whether a node serves what it should: with it, another Zone's may go.
fn is_whole(world: &World, node: &ObservedNode) -> bool {
    let current = world.rings.as_ref().map_or(0, |rings| rings.generation);
    node.ready && node.ring_generation.is_none_or(|held| held >= current)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{desired, simulation::Simulation};

    fn settled() -> World {
        let mut simulation = Simulation::new(desired(3, 2));
        simulation.settle();
        simulation.world
    }

    #[test]
    fn while_nothing_is_down_any_one_may_go() {
        assert_eq!(allowed(&settled()), Disruption::AnyOne);
    }

    #[test]
    fn with_one_node_down_the_rest_of_its_zone_may_go_and_no_other() {
        let mut world = settled();
        world.nodes.get_mut("demo-rack2-0").unwrap().ready = false;
        assert_eq!(allowed(&world), Disruption::Zone("rack2".into()));
        world.nodes.get_mut("demo-rack2-1").unwrap().ready = false;
        assert_eq!(allowed(&world), Disruption::Zone("rack2".into()));
        world.nodes.get_mut("demo-rack1-0").unwrap().ready = false;
        assert_eq!(allowed(&world), Disruption::None);
    }

    #[test]
    fn a_node_that_is_back_with_old_rings_is_not_whole_yet() {
        let mut world = settled();
        world.nodes.get_mut("demo-rack3-1").unwrap().ring_generation = Some(0);
        assert_eq!(allowed(&world), Disruption::Zone("rack3".into()));
        // One that serves and did not answer the operator's question in time is no reason to shut the others.
        world.nodes.get_mut("demo-rack3-1").unwrap().ring_generation = None;
        assert_eq!(allowed(&world), Disruption::AnyOne);
    }
}
