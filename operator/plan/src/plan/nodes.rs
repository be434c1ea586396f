//! Nodes: started as soon as there are rings, their volumes grown as asked.

use super::{HoldReason, NodeStep, Plan, Step};
use crate::revision;
use crate::validate::{ValidatedCluster, ValidatedNode, ValidatedZone};
use crate::world::{ObservedNode, World};

/// Plans all nodes. `has_rings`: there are rings, or this plan publishes them first.
pub(super) fn plan(cluster: &ValidatedCluster, world: &World, has_rings: bool, plan: &mut Plan) {
    for (zone, node) in cluster.nodes() {
        match world.nodes.get(&node.name) {
            Some(observed) => grow_devices(zone, node, observed, plan),
            None if has_rings => plan.steps.push(Step::StartNode(step(cluster, zone, node))),
            None => {
                let message = "nodes start once the first rings are published";
                plan.hold("StartNode", &node.name, Some(&zone.name), HoldReason::WaitingForZones, message);
            }
        }
    }
}

/// The step that gives `node` what it should run.
pub(super) fn step(cluster: &ValidatedCluster, zone: &ValidatedZone, node: &ValidatedNode) -> NodeStep {
    let revision = revision::of_node(cluster, zone, node);
    NodeStep { zone: zone.name.clone(), node: node.name.clone(), revision }
}

fn grow_devices(zone: &ValidatedZone, node: &ValidatedNode, observed: &ObservedNode, plan: &mut Plan) {
    for device in &node.devices {
        let asked = observed.devices.get(&device.name).map_or(u64::MAX, |d| d.requested_bytes);
        if device.size_bytes > asked {
            plan.steps.push(Step::GrowDevice {
                zone: zone.name.clone(),
                node: node.name.clone(),
                device: device.name.clone(),
                size_bytes: device.size_bytes,
            });
        }
    }
}
