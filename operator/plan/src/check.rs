//! Vets a plan by rules of its own, whoever made it.
//!
//! Nothing here is shared with the planner's reasoning: it looks at the steps, the world and the rings' tables.
//! An executor carries out no plan with a violation, and vets disruptive steps once more against a fresh look.

mod removals;
mod rings;

use crate::plan::{NodeStep, Plan, Step};
use crate::revision;
use crate::validate::ValidatedCluster;
use crate::world::World;
use std::collections::BTreeSet;
use std::fmt;

/// A step that must not be taken, and the rule it breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// Which step, and what speaks against it.
    pub message: String,
}

/// What no plan may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Nothing is made anew while data exists whose hash path or rings are gone.
    IdentityIsNeverForked,
    /// Nothing starts before there are rings.
    RingsFirst,
    /// No node is taken down while another Zone has one down.
    OneZoneAtATime,
    /// No more nodes of a Zone are down than may be.
    MaxUnavailable,
    /// Nothing goes that is in a ring or may hold data.
    NothingGoesWithData,
    /// A replica that still exists is given up only while all others are whole.
    OneReplicaAtATime,
    /// Proxies change after all nodes.
    ProxiesLast,
    /// How many proxies there are is left to whoever else says it.
    ReplicasAreTheirs,
    /// Volumes never shrink.
    VolumesGrow,
    /// Generations follow each other, and no ring or device that holds data leaves.
    RingsKeepTheirData,
    /// A ring in use is rebalanced only when everybody holds the last one, each partition moving one replica, once.
    RebalanceIsSafe,
}

/// What is wrong with `plan`, if anything.
pub fn check(cluster: &ValidatedCluster, world: &World, plan: &Plan) -> Vec<Violation> {
    let mut violations = Violations(Vec::new());
    let cluster = &plan.completed(cluster);
    let identity_gone = world.has_data && (cluster.hash_path.is_none() || world.rings.is_none());
    if identity_gone && !plan.steps.is_empty() {
        violations.add(Rule::IdentityIsNeverForked, "data exists, its hash path or rings do not");
    }
    let restarted = restarted_nodes(world, plan);
    check_zones(cluster, world, &restarted, &mut violations);
    removals::check(cluster, world, plan, &mut violations);
    let mut has_rings = world.rings.is_some();
    for (i, step) in plan.steps.iter().enumerate() {
        match step {
            Step::PublishRings(next) => {
                rings::check((cluster, world), next, &mut violations);
                has_rings = true;
            }
            Step::StartNode(_) | Step::StartProxies(_) if !has_rings => {
                violations.add(Rule::RingsFirst, step);
            }
            Step::RestartProxies(_) => {
                check_proxies_last(cluster, world, (step, &plan.steps[..i]), &mut violations)
            }
            Step::ScaleProxies(scaled) => {
                let observed = world.proxies.get(&scaled.pool);
                if observed.is_some_and(|observed| observed.scaled_by.is_some()) {
                    violations.add(Rule::ReplicasAreTheirs, step);
                }
            }
            Step::GrowDevice { node, device, size_bytes, .. } => {
                let old = world
                    .nodes
                    .get(node)
                    .and_then(|n| n.devices.get(device))
                    .map_or(0, |d| d.requested_bytes);
                if *size_bytes < old {
                    violations.add(Rule::VolumesGrow, step);
                }
            }
            _ => {}
        }
    }
    violations.0
}

/// The nodes that serve now and that `plan` takes down.
fn restarted_nodes<'a>(world: &World, plan: &'a Plan) -> Vec<&'a NodeStep> {
    let serves = |node: &NodeStep| world.nodes.get(&node.node).is_some_and(|n| n.ready);
    let restarted = |step: &'a Step| match step {
        Step::RestartNode(node) if serves(node) => Some(node),
        _ => None,
    };
    plan.steps.iter().filter_map(restarted).collect()
}

fn check_zones(
    cluster: &ValidatedCluster,
    world: &World,
    restarted: &[&NodeStep],
    violations: &mut Violations,
) {
    let down = |(_, node): &(&String, &crate::world::ObservedNode)| !node.ready;
    let down_zones: BTreeSet<&str> = world.nodes.iter().filter(down).map(|(_, n)| n.zone.as_str()).collect();
    for step in restarted {
        let zone = world.nodes.get(&step.node).map_or(step.zone.as_str(), |node| node.zone.as_str());
        let others = restarted.iter().map(|s| s.zone.as_str()).chain(down_zones.iter().copied());
        if let Some(other) = others.into_iter().find(|other| *other != zone) {
            violations.add(
                Rule::OneZoneAtATime,
                format!("{} of Zone {zone} while Zone {other} has a node down", step.node),
            );
        }
        let down_here = world.nodes.values().filter(|n| n.zone == zone && !n.ready).count();
        let going = restarted.iter().filter(|s| s.zone == zone).count();
        if down_here + going > cluster.upgrade.max_unavailable {
            let message = format!("{}: {} nodes of Zone {zone} would be down", step.node, down_here + going);
            violations.add(Rule::MaxUnavailable, message);
        }
    }
}

fn check_proxies_last(
    cluster: &ValidatedCluster,
    world: &World,
    (step, before): (&Step, &[Step]),
    violations: &mut Violations,
) {
    for (zone, node) in cluster.nodes() {
        let target = revision::of_node(cluster, zone, node);
        if !world.nodes.get(&node.name).is_some_and(|n| n.ready && n.revision == target) {
            violations.add(Rule::ProxiesLast, format!("{step} before node {}", node.name));
        }
    }
    if before.iter().any(|step| matches!(step, Step::StartNode(_) | Step::RestartNode(_))) {
        violations.add(Rule::ProxiesLast, format!("{step} together with nodes"));
    }
}

/// What was found so far.
struct Violations(Vec<Violation>);

impl Violations {
    fn add(&mut self, rule: Rule, message: impl fmt::Display) {
        self.0.push(Violation { rule, message: message.to_string() });
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.message)
    }
}

#[cfg(test)]
mod tests;
