//! From manifests to a cluster that can be planned for: references looked up, defaults filled in, every rule
//! checked that the API server could not. All problems are found at once, each with its field and the remedy.
//!
//! A problem of a Zone leaves that Zone out (what exists of it is not touched); a problem of the SwiftCluster
//! leaves nothing to plan.

mod auth;
mod cluster;
mod config;
mod network;
mod overrides;
mod pods;
mod proxies;
mod rings;
mod windows;
mod zones;

pub use auth::Auth;
pub use network::NetworkAccess;
pub use proxies::ProxyPool;
pub use rings::{RingSettings, policy_ring_name, ring_settings};

use crate::resources::{
    ClusterManifest, ConfigFiles, ErasureCodingSpec, Placement, PodSettings, VolumeClaimDeletion,
    ZoneManifest,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a person asked for, as read: nothing checked yet.
#[derive(Clone, Debug)]
pub struct Desired {
    /// The SwiftCluster.
    pub cluster: ClusterManifest,
    /// Its Zones, in any order. Zones of other clusters are ignored.
    pub zones: Vec<ZoneManifest>,
    /// The keys and values of the Secret that `spec.auth` names; `None` where there is no such Secret.
    pub auth_secret: Option<BTreeMap<String, String>>,
    /// The hash path; `None` where there is no such Secret yet.
    pub hash_path: Option<HashPath>,
}

/// What Swift mixes into every path it hashes. A secret: it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct HashPath {
    /// `swift_hash_path_prefix`.
    pub prefix: String,
    /// `swift_hash_path_suffix`.
    pub suffix: String,
}

/// What validation found.
#[derive(Clone, Debug)]
pub struct Validation {
    /// What can be planned for; `None` where the SwiftCluster itself has a problem.
    pub cluster: Option<ValidatedCluster>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What is not wrong, but a person should know.
    pub advice: Vec<Problem>,
}

/// One thing that is wrong, or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The resource.
    pub subject: Subject,
    /// The field, as a person would write it: `spec.devices[1].name`.
    pub path: String,
    /// One CamelCase word for a condition.
    pub reason: &'static str,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// A resource that something is said about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The SwiftCluster of this name.
    Cluster(String),
    /// The Zone of this name.
    Zone(String),
}

/// A cluster that can be planned for.
#[derive(Clone, Debug)]
pub struct ValidatedCluster {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The version asked for.
    pub version: Option<String>,
    /// The image asked for.
    pub image: Option<String>,
    /// Its rings: `account`, `container`, then one a policy.
    pub rings: Vec<RingSettings>,
    /// Its policies, by index; never empty.
    pub policies: Vec<Policy>,
    /// Who may do what.
    pub auth: Auth,
    /// The hash path, where it exists already.
    pub hash_path: Option<HashPath>,
    /// The Zones that can be planned for, by name.
    pub zones: Vec<ValidatedZone>,
    /// Zones with a problem: what exists of them stays as it is.
    pub refused_zones: BTreeSet<String>,
    /// Its pools of proxies.
    pub proxies: Vec<ProxyPool>,
    /// Who may reach its pods; `None`: everybody.
    pub network: Option<NetworkAccess>,
    /// Options for every node and proxy.
    pub config: ConfigFiles,
    /// How changes reach the pods.
    pub upgrade: Upgrade,
    /// Whether what leaves may bring replicas closer together.
    pub allow_reduced_separation: bool,
}

/// A storage policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its other names.
    pub aliases: Vec<String>,
    /// Whether it is the default one.
    pub default: bool,
    /// Whether new containers may not have it.
    pub deprecated: bool,
    /// How its objects are kept in fragments; `None`: as whole copies.
    pub erasure_coding: Option<ErasureCodingSpec>,
}

/// A Zone that can be planned for.
#[derive(Clone, Debug)]
pub struct ValidatedZone {
    /// Its name.
    pub name: String,
    /// Its region in the rings.
    pub region: u32,
    /// Its zone in the rings.
    pub zone: u32,
    /// Its nodes, by ordinal.
    pub nodes: Vec<ValidatedNode>,
    /// Options for its nodes.
    pub config: ConfigFiles,
    /// Where its pods may run.
    pub placement: Placement,
    /// What its pods carry and ask for: its own, else the cluster's.
    pub pods: PodSettings,
    /// What becomes of drained volumes.
    pub volume_claim_deletion: VolumeClaimDeletion,
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// Devices said to be dead that no node shall have any more, by node: what they held is not waited for.
    pub lost: BTreeMap<String, BTreeSet<String>>,
}

/// A node that shall run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatedNode {
    /// `<cluster>-<zone>-<ordinal>`.
    pub name: String,
    /// Its number in the Zone.
    pub ordinal: u32,
    /// Its devices.
    pub devices: Vec<ValidatedDevice>,
}

/// A device that a node shall have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatedDevice {
    /// Its name on the node and in the rings.
    pub name: String,
    /// The size asked for.
    pub size_bytes: u64,
    /// The size as written, for a claim.
    pub size: String,
    /// Its volume's StorageClass; `None`: the default one.
    pub storage_class_name: Option<String>,
    /// Percent of its size that counts as weight.
    pub weight_percent: u32,
    /// The rings it is in; `None`: all.
    pub rings: Option<BTreeSet<String>>,
    /// How often it shall have been replaced.
    pub replacement: u32,
    /// Whether it is said to be dead: what it held is gone, and nothing is put in its place.
    pub failed: bool,
    /// Whether a dead disk is to be replaced: its data need not be waited for.
    pub replaced_dead: bool,
}

/// How changes reach the pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// Whether nothing is restarted for now.
    pub paused: bool,
    /// Every Zone's name, in the order they are done.
    pub zone_order: Vec<String>,
    /// How many nodes of the Zone being done may be down at once.
    pub max_unavailable: usize,
    /// How long a Zone is watched before the next one begins.
    pub soak_s: u64,
    /// When restarts may begin; none: always.
    pub windows: Vec<Window>,
}

/// A time of the week in which restarts may begin, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// When it begins, in seconds since Monday 00:00.
    pub start_s: i64,
    /// How long it lasts.
    pub duration_s: i64,
}

/// Checks `desired` and looks its references up.
pub fn validate(desired: &Desired) -> Validation {
    let mut findings = Findings::default();
    let cluster = cluster::check(desired, &mut findings);
    let blocked = findings.problems.iter().any(|p| matches!(p.subject, Subject::Cluster(_)));
    Validation {
        cluster: if blocked { None } else { cluster },
        problems: findings.problems,
        advice: findings.advice,
    }
}

/// What checks write down as they go.
#[derive(Debug, Default)]
struct Findings {
    problems: Vec<Problem>,
    advice: Vec<Problem>,
}

impl Findings {
    fn problem(
        &mut self,
        subject: &Subject,
        path: impl Into<String>,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        self.problems.push(Problem {
            subject: subject.clone(),
            path: path.into(),
            reason,
            message: message.into(),
        });
    }

    fn advise(
        &mut self,
        subject: &Subject,
        path: impl Into<String>,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        self.advice.push(Problem {
            subject: subject.clone(),
            path: path.into(),
            reason,
            message: message.into(),
        });
    }
}

impl ValidatedCluster {
    /// Its nodes with their Zones, Zones by name and nodes by ordinal.
    pub fn nodes(&self) -> impl Iterator<Item = (&ValidatedZone, &ValidatedNode)> {
        self.zones.iter().flat_map(|zone| zone.nodes.iter().map(move |node| (zone, node)))
    }
}

impl ValidatedDevice {
    /// Whether it is in the ring called `ring`.
    pub fn is_in(&self, ring: &str) -> bool {
        self.rings.as_ref().is_none_or(|rings| rings.contains(ring))
    }
}

impl fmt::Debug for HashPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashPath(secret)")
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(name) => write!(f, "SwiftCluster {name}"),
            Self::Zone(name) => write!(f, "Zone {name}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.subject, self.path, self.message)
    }
}

#[cfg(test)]
mod tests;
