//! The planner: from a validated cluster, the observed world and the time to the steps to take now.
//!
//! Steps are Swift's and the cluster's, never Kubernetes' objects; an executor carries them out in order, each
//! idempotent and safe to be killed after. What is not done now is held, with the reason.

mod held;
mod nodes;
mod proxies;

pub(crate) use held::time_of_day;
pub use held::{Held, HoldReason};

use crate::rings;
use crate::validate::ValidatedCluster;
use crate::world::World;
use std::collections::BTreeMap;
use std::fmt;

/// What to do now, and what waits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// To be carried out in this order.
    pub steps: Vec<Step>,
    /// What waits, and for what.
    pub held: Vec<Held>,
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
    /// How often it was rebalanced after its first time, this one counted.
    pub moves: u32,
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
    let has_rings = rings::plan(cluster, world, now_s, &mut plan) || world.rings.is_some();
    nodes::plan(cluster, world, now_s, has_rings, &mut plan);
    proxies::plan(cluster, world, has_rings, &mut plan);
    plan
}

impl Plan {
    /// Whether there is nothing to do and nothing to wait for.
    pub fn is_settled(&self) -> bool {
        self.steps.is_empty() && self.held.is_empty()
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
            Self::StartProxies(step) | Self::ScaleProxies(step) | Self::RestartProxies(step) => {
                write!(f, "{name} {}: {} of revision {}", step.pool, step.replicas, step.revision)
            }
            Self::StopProxies { pool } => write!(f, "{name} {pool}"),
        }
    }
}

impl fmt::Debug for BuiltRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { builder, ring, moves } = self;
        write!(f, "BuiltRing({} + {} bytes, {moves} moves)", builder.len(), ring.len())
    }
}

#[cfg(test)]
mod tests;
