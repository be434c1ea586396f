//! The planner: from a validated cluster, the observed world and the time to the steps to take now.
//!
//! Steps are Swift's and the cluster's, never Kubernetes' objects; an executor carries them out in order, each
//! idempotent and safe to be killed after. What is not done now is held, with the reason.

mod gate;
mod held;
mod leave;
mod nodes;
mod proxies;
mod replace;
mod roll;

pub(crate) use held::time_of_day;
pub use held::{Held, HoldReason};

use crate::leaving::Leaving;
use crate::rings::{self, LoadedRings};
use crate::validate::{ValidatedCluster, ValidatedDevice};
use crate::world::{Rollout, World};
use std::collections::BTreeMap;
use std::fmt;

/// What to do now, and what waits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// To be carried out in this order.
    pub steps: Vec<Step>,
    /// What waits, and for what.
    pub held: Vec<Held>,
    /// The rollout that is under way, to be kept until the next plan.
    pub rollout: Option<Rollout>,
    /// Devices that nodes keep although nobody asks for them, until they are empty, by node.
    pub kept: BTreeMap<String, Vec<ValidatedDevice>>,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Keep these builders, and give these rings to every node and proxy.
    PublishRings(RingGeneration),
    /// Give a device a larger volume.
    GrowDevice {
        /// The Zone.
        zone: String,
        /// The node.
        node: String,
        /// The device.
        device: String,
        /// The size it shall have.
        size_bytes: u64,
    },
    /// Make a node that does not exist yet, with its volumes.
    StartNode(NodeStep),
    /// Stop a node and start it with its new revision.
    RestartNode(NodeStep),
    /// Give a node empty volumes in place of those it has: they are lost, or a person asks for it.
    ReplaceDevices(ReplaceStep),
    /// Stop a node that holds nothing any more, and forget it.
    RemoveNode {
        /// The Zone.
        zone: String,
        /// The node.
        node: String,
        /// Its devices.
        devices: Vec<String>,
        /// Whether their volumes go too.
        delete_volumes: bool,
    },
    /// Forget a device that its node runs without.
    RemoveDevice {
        /// The Zone.
        zone: String,
        /// The node.
        node: String,
        /// The device.
        device: String,
        /// Whether its volume goes too.
        delete_volume: bool,
    },
    /// Let a Zone go that is being deleted: nothing of it is left.
    ReleaseZone {
        /// The Zone.
        zone: String,
    },
    /// Make a pool of proxies that does not exist yet.
    StartProxies(ProxyStep),
    /// Have more or fewer proxies of the revision they run.
    ScaleProxies(ProxyStep),
    /// Replace proxies by ones of a new revision.
    RestartProxies(ProxyStep),
    /// Stop a pool of proxies that nobody asks for any more.
    StopProxies {
        /// The pool.
        pool: String,
    },
}

/// The rings of one publication.
#[derive(Clone, Debug, PartialEq)]
pub struct RingGeneration {
    /// One more than the last.
    pub generation: u64,
    /// Every ring, by name; those that did not change too.
    pub rings: BTreeMap<String, BuiltRing>,
    /// What changed, for an event: `object: 6 devices added, 128 partition replicas move`.
    pub summary: String,
}

/// A ring that is ready to be published.
#[derive(Clone, PartialEq)]
pub struct BuiltRing {
    /// The builder file.
    pub builder: Vec<u8>,
    /// The `.ring.gz` file.
    pub ring: Vec<u8>,
}

/// A node to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStep {
    /// Its Zone.
    pub zone: String,
    /// Its name.
    pub node: String,
    /// What it starts with.
    pub revision: String,
}

/// Volumes to replace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplaceStep {
    /// The Zone.
    pub zone: String,
    /// The node.
    pub node: String,
    /// The devices, each with how often it will have been replaced.
    pub devices: BTreeMap<String, u32>,
}

/// Proxies to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyStep {
    /// The pool.
    pub pool: String,
    /// How many.
    pub replicas: u32,
    /// What they start with.
    pub revision: String,
}

/// What to do now about `cluster`, given `world` at `now_s` (Unix time).
pub fn plan(cluster: &ValidatedCluster, world: &World, now_s: i64) -> Plan {
    let mut plan = Plan::default();
    if world.has_data && (cluster.hash_path.is_none() || world.rings.is_none()) {
        plan.hold_identity(cluster);
        return plan;
    }
    let rings = match LoadedRings::read(world) {
        Ok(rings) => rings,
        Err(message) => {
            plan.hold("PublishRings", "rings", None, HoldReason::RingRefused, message);
            return plan;
        }
    };
    let leaving = Leaving::find(cluster, world, &rings);
    plan.kept = leaving.kept.clone();
    let cluster = &plan.completed(cluster);
    let has_rings =
        rings::plan(cluster, world, (&rings, &leaving), now_s, &mut plan) || world.rings.is_some();
    leave::plan(cluster, world, (&rings, &leaving), &mut plan);
    nodes::plan(cluster, world, has_rings, &mut plan);
    replace::plan(cluster, world, (&rings, &leaving), &mut plan);
    roll::plan(cluster, world, now_s, &mut plan);
    proxies::plan(cluster, world, (has_rings, now_s), &mut plan);
    plan
}

impl Plan {
    /// Whether there is nothing to do and nothing to wait for.
    pub fn is_settled(&self) -> bool {
        self.steps.is_empty() && self.held.is_empty()
    }

    /// `cluster` as an executor builds it: nodes keep leaving devices until those are empty, and have none that are dead.
    pub fn completed(&self, cluster: &ValidatedCluster) -> ValidatedCluster {
        let mut cluster = cluster.clone();
        for node in cluster.zones.iter_mut().flat_map(|zone| &mut zone.nodes) {
            let kept = self.kept.get(&node.name).into_iter().flatten();
            let kept = kept.filter(|kept| !node.devices.iter().any(|device| device.name == kept.name));
            let kept: Vec<ValidatedDevice> = kept.cloned().collect();
            node.devices.retain(|device| !device.failed);
            node.devices.extend(kept);
        }
        cluster
    }

    /// Holds a step back.
    pub(crate) fn hold(
        &mut self,
        step: &'static str,
        subject: &str,
        zone: Option<&str>,
        reason: HoldReason,
        message: impl Into<String>,
    ) {
        let zone = zone.map(str::to_string);
        self.held.push(Held { step, subject: subject.to_string(), zone, reason, message: message.into() });
    }

    /// A second identity would make everything that exists unreadable.
    fn hold_identity(&mut self, cluster: &ValidatedCluster) {
        let gone = if cluster.hash_path.is_none() {
            "the hash path is gone"
        } else {
            "the rings and builders are gone"
        };
        let message = format!(
            "{gone} while data of {} exists; bring it back, nothing else can find the data",
            cluster.name
        );
        self.hold("PublishRings", "rings", None, HoldReason::IdentityMissing, message);
    }
}

impl Step {
    /// The step's own name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PublishRings(_) => "PublishRings",
            Self::GrowDevice { .. } => "GrowDevice",
            Self::StartNode(_) => "StartNode",
            Self::RestartNode(_) => "RestartNode",
            Self::ReplaceDevices(_) => "ReplaceDevices",
            Self::RemoveNode { .. } => "RemoveNode",
            Self::RemoveDevice { .. } => "RemoveDevice",
            Self::ReleaseZone { .. } => "ReleaseZone",
            Self::StartProxies(_) => "StartProxies",
            Self::ScaleProxies(_) => "ScaleProxies",
            Self::RestartProxies(_) => "RestartProxies",
            Self::StopProxies { .. } => "StopProxies",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::PublishRings(rings) => {
                write!(f, "{name} generation {}: {}", rings.generation, rings.summary)
            }
            Self::GrowDevice { node, device, size_bytes, .. } => {
                write!(f, "{name} {node} {device} to {size_bytes} bytes")
            }
            Self::StartNode(step) | Self::RestartNode(step) => {
                write!(f, "{name} {} revision {}", step.node, step.revision)
            }
            Self::ReplaceDevices(step) => {
                let devices: Vec<&str> = step.devices.keys().map(String::as_str).collect();
                write!(f, "{name} {}: {}", step.node, devices.join(", "))
            }
            Self::RemoveNode { node, delete_volumes, .. } => {
                write!(f, "{name} {node}, its volumes {}", fate(*delete_volumes))
            }
            Self::RemoveDevice { node, device, delete_volume, .. } => {
                write!(f, "{name} {device} of {node}, its volume {}", fate(*delete_volume))
            }
            Self::ReleaseZone { zone } => write!(f, "{name} {zone}"),
            Self::StartProxies(step) | Self::ScaleProxies(step) | Self::RestartProxies(step) => {
                write!(f, "{name} {}: {} of revision {}", step.pool, step.replicas, step.revision)
            }
            Self::StopProxies { pool } => write!(f, "{name} {pool}"),
        }
    }
}

fn fate(deleted: bool) -> &'static str {
    if deleted { "deleted" } else { "kept" }
}

impl fmt::Debug for BuiltRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BuiltRing({} + {} bytes)", self.builder.len(), self.ring.len())
    }
}

#[cfg(test)]
mod tests;
