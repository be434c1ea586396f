//! What people are told: both resources' status, from the observed world and what the planner holds back.
//!
//! A status holds only what a column shows, rounded, so that a settled cluster is written about no more.

mod conditions;
mod words;

use crate::plan::Plan;
use crate::resources::{RolloutStatus, SwiftClusterStatus, ZoneStatus};
use crate::validate::{Desired, Problem, Subject, Validation};
use crate::world::World;
use conditions::Conditions;
use std::collections::BTreeMap;

/// What a plan was made from, and what it came to.
#[derive(Clone, Copy, Debug)]
pub struct Findings<'a> {
    /// What was asked for, with the statuses written last.
    pub desired: &'a Desired,
    /// What validation said.
    pub validation: &'a Validation,
    /// The observed world.
    pub world: &'a World,
    /// The plan; an empty one where there was nothing to plan for.
    pub plan: &'a Plan,
    /// Bytes in use by Zone; empty where nobody knows.
    pub usage: &'a BTreeMap<String, Usage>,
    /// The version and image that pods are given.
    pub release: &'a Release,
    /// Unix time.
    pub now_s: i64,
}

/// How full devices are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes that are taken.
    pub used_bytes: u64,
    /// Bytes there are.
    pub size_bytes: u64,
}

/// What pods are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// The version that skew is judged by.
    pub version: String,
    /// The image.
    pub image: String,
}

/// The statuses to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The SwiftCluster's.
    pub cluster: SwiftClusterStatus,
    /// Each Zone's, by name; those of other clusters are not among them.
    pub zones: BTreeMap<String, ZoneStatus>,
}

/// What to say about `findings`.
pub fn report(findings: Findings<'_>) -> Report {
    let names = findings.desired.zones.iter().filter(|z| z.spec.cluster == findings.desired.cluster.name());
    Report {
        cluster: cluster_status(findings),
        zones: names.map(|zone| (zone.name().to_string(), zone_status(findings, zone.name()))).collect(),
    }
}

fn cluster_status(findings: Findings<'_>) -> SwiftClusterStatus {
    let Findings { desired, validation, world, plan, release, .. } = findings;
    let subject = Subject::Cluster(desired.cluster.name().to_string());
    let old = desired.cluster.status.clone().unwrap_or_default();
    let problems: Vec<&Problem> = validation.problems.iter().collect();
    let phase = words::cluster_phase(findings, &problems);
    let generation = desired.cluster.metadata.generation;
    let mut conditions = Conditions::new(&old.conditions, generation, findings.now_s);
    conditions.set_ready(&phase);
    conditions.set_progressing(plan);
    conditions.set_degraded(&words::down(world));
    conditions.set_ring_converged(world, plan);
    let advice: Vec<&Problem> = validation.advice.iter().filter(|p| p.subject == subject).collect();
    conditions.set_advice(&advice);
    let cluster = validation.cluster.as_ref();
    SwiftClusterStatus {
        observed_generation: generation,
        conditions: conditions.done(),
        phase: phase.word.to_string(),
        zones: words::zones_ready(cluster, world),
        nodes: words::nodes_ready(cluster.map(|c| c.zones.as_slice()).unwrap_or_default(), world),
        devices: words::devices_ready(cluster.map(|c| c.zones.as_slice()).unwrap_or_default(), world),
        rings: words::rings(world, plan),
        used: words::used(findings.usage.values(), &old.used),
        version: release.version.clone(),
        image: release.image.clone(),
        rollout: plan.rollout.as_ref().map(|rollout| RolloutStatus {
            target: rollout.target.clone(),
            async_pendings: rollout.async_pendings,
            quarantined: rollout.quarantined,
        }),
    }
}

fn zone_status(findings: Findings<'_>, name: &str) -> ZoneStatus {
    let Findings { desired, validation, world, release, .. } = findings;
    let manifest = desired.zones.iter().find(|zone| zone.name() == name);
    let old = manifest.and_then(|zone| zone.status.clone()).unwrap_or_default();
    let generation = manifest.and_then(|zone| zone.metadata.generation);
    let subject = Subject::Zone(name.to_string());
    let problems: Vec<&Problem> = validation.problems.iter().filter(|p| p.subject == subject).collect();
    let zone = validation.cluster.as_ref().and_then(|c| c.zones.iter().find(|zone| zone.name == name));
    let phase = words::zone_phase(findings, zone, &problems, name);
    let mut conditions = Conditions::new(&old.conditions, generation, findings.now_s);
    conditions.set_ready(&phase);
    conditions.set_degraded(&world.down_in(name).map(str::to_string).collect::<Vec<_>>());
    let exists = world.nodes.values().filter(|node| node.zone == name).count();
    let zone = zone.map(std::slice::from_ref).unwrap_or_default();
    ZoneStatus {
        observed_generation: generation,
        conditions: conditions.done(),
        phase: phase.word.to_string(),
        nodes: u32::try_from(exists).unwrap_or(u32::MAX),
        selector: zone_selector(desired.cluster.name(), name),
        nodes_ready: words::nodes_ready(zone, world),
        devices: words::devices_ready(zone, world),
        used: words::used(findings.usage.get(name), &old.used),
        version: release.version.clone(),
    }
}

/// The labels by which the scale subresource finds a Zone's pods.
pub fn zone_selector(cluster: &str, zone: &str) -> String {
    format!("app.kubernetes.io/instance={cluster},swiftlet.io/zone={zone}")
}

#[cfg(test)]
mod tests;
