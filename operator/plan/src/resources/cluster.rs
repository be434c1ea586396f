//! `SwiftCluster`: what the whole cluster shares. Rings, policies, users, proxies, versions.

use super::proxies::default_proxies;
use super::{
    AuthSpec, Condition, ConfigFiles, MonitoringSpec, NetworkPolicySpec, PodSettings, ProxySpec,
    config_schema,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An object store: its rings, storage policies, users and proxies. Zones hold its disks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "kube", derive(kube::CustomResource), kube(
    group = "swiftlet.io", version = "v1alpha1", kind = "SwiftCluster", namespaced,
    status = "SwiftClusterStatus", derive = "PartialEq", shortname = "swc", category = "swiftlet", category = "all",
    doc = "An object store: its rings, storage policies, users and proxies. Zones hold its disks.",
    validation = kube::core::Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && self.metadata.name.size() <= 44")
        .message("the name starts with a letter, holds lower-case letters, digits and -, and has at most 44 characters"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase", description = "what it is doing, where it is not simply ready"),
    printcolumn(name = "Zones", type_ = "string", json_path = ".status.zones"),
    printcolumn(name = "Nodes", type_ = "string", json_path = ".status.nodes"),
    printcolumn(name = "Devices", type_ = "string", json_path = ".status.devices"),
    printcolumn(name = "Rings", type_ = "string", json_path = ".status.rings"),
    printcolumn(name = "Used", type_ = "string", json_path = ".status.used"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
))]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.hashPathSecretName) == has(oldSelf.hashPathSecretName) && (!has(self.hashPathSecretName) || self.hashPathSecretName == oldSelf.hashPathSecretName)",
     "message": "hashPathSecretName cannot change: every object's place follows from the hash path",
     "fieldPath": ".hashPathSecretName"},
    {"rule": "self.policies.all(p, oldSelf.policies.all(o, o.index != p.index || o.?ring.?partPower.orValue(oldSelf.rings.partPower) == p.?ring.?partPower.orValue(self.rings.partPower)))",
     "message": "a policy's partPower cannot change"},
]))]
pub struct SwiftClusterSpec {
    /// The version of Swiftlet that the pods run; version skew is judged by it, and `image` is named from it.
    /// Left out: resolved once at creation and recorded in the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = r"^[0-9]+\.[0-9]+\.[0-9]+([-+.0-9A-Za-z]*)$"))]
    pub version: Option<String>,
    /// The image of the pods, in place of the one named after `version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// The rings, and what every ring has unless it overrides it.
    pub rings: RingsSpec,
    /// Storage policies. Left out: index 0 alone, called Policy-0.
    #[serde(default)]
    #[schemars(length(max = 32), extend(
        "x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["index"],
        "x-kubernetes-validations" = [
            {"rule": "self.size() == 0 || self.exists(p, p.index == 0)", "message": "one policy has index 0"},
            {"rule": "self.size() <= 1 || self.filter(p, p.default).size() == 1", "message": "exactly one policy is the default one"},
            {"rule": "self.all(p, self.filter(q, q.name.lowerAscii() == p.name.lowerAscii()).size() == 1)", "message": "policy names are unique, upper and lower case alike"},
            {"rule": "oldSelf.all(o, self.exists(p, p.index == o.index))", "message": "a policy cannot be removed and its index cannot change; mark it deprecated instead"},
        ]))]
    pub policies: Vec<PolicySpec>,
    /// Who may do what.
    pub auth: AuthSpec,
    /// The Secret with the hash path's prefix and suffix, made where it is missing and nothing of the cluster exists.
    /// Left out: `<cluster>-hash-path`. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub hash_path_secret_name: Option<String>,
    /// Pools of proxies. The pool "default" is Service `<cluster>-proxy`, another `<cluster>-proxy-<name>`.
    #[serde(default = "default_proxies")]
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub proxies: Vec<ProxySpec>,
    /// What storage pods carry, ask for and run as, unless their Zone says otherwise.
    #[serde(default, skip_serializing_if = "PodSettings::is_empty")]
    pub storage_pods: PodSettings,
    /// NetworkPolicies around the pods.
    #[serde(default, skip_serializing_if = "NetworkPolicySpec::is_empty")]
    pub network_policy: NetworkPolicySpec,
    /// Swift's own options, for every node and proxy.
    #[serde(default)]
    #[schemars(schema_with = "config_schema")]
    pub config: ConfigFiles,
    /// How a change reaches the pods.
    #[serde(default)]
    pub upgrade: UpgradeSpec,
    /// What is made for Prometheus.
    #[serde(default)]
    pub monitoring: MonitoringSpec,
}

/// What every ring has, and what the account and container rings have in their own right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self.?account.?partPower.orValue(self.partPower) == oldSelf.?account.?partPower.orValue(oldSelf.partPower)", "message": "the account ring's partPower cannot change"},
    {"rule": "self.?container.?partPower.orValue(self.partPower) == oldSelf.?container.?partPower.orValue(oldSelf.partPower)", "message": "the container ring's partPower cannot change"},
]))]
pub struct RingsSpec {
    /// The ring has 2^partPower partitions: about 100 a device of the largest cluster it shall become. It cannot change.
    #[schemars(range(min = 1, max = 24), extend("x-kubernetes-validations" = [{"rule": "self == oldSelf", "message": "partPower cannot change"}]))]
    pub part_power: u8,
    /// Copies of everything.
    #[serde(default = "default_replicas")]
    #[schemars(range(min = 1, max = 16))]
    pub replicas: f64,
    /// Hours for which a partition that moved stays where it is.
    #[serde(default = "default_min_part_hours")]
    #[schemars(range(min = 0, max = 8760))]
    pub min_part_hours: u16,
    /// Percent by which a device may hold more than its weight asks, to keep replicas apart.
    #[serde(default = "default_overload_percent")]
    #[schemars(range(min = 0, max = 1000))]
    pub overload: f64,
    /// Whether what leaves may bring replicas closer together: onto fewer regions, zones or nodes than now.
    #[serde(default)]
    pub allow_reduced_separation: bool,
    /// What the account ring has instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<RingOverrides>,
    /// What the container ring has instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<RingOverrides>,
}

/// What one ring has instead of what all have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RingOverrides {
    /// As in `rings`. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 24))]
    pub part_power: Option<u8>,
    /// As in `rings`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16))]
    pub replicas: Option<f64>,
    /// As in `rings`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 8760))]
    pub min_part_hours: Option<u16>,
    /// As in `rings`, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub overload: Option<f64>,
}

/// A storage policy: a ring of its own for objects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self.type == oldSelf.type", "message": "a policy's type cannot change; add another policy"},
    {"rule": "(self.type == 'erasureCoding') == has(self.erasureCoding)", "message": "erasureCoding is given for that type, and for no other"},
    {"rule": "has(self.erasureCoding) == has(oldSelf.erasureCoding) && (!has(self.erasureCoding) || self.erasureCoding == oldSelf.erasureCoding)", "message": "how a policy encodes cannot change; add another policy"},
    {"rule": "!(self.default && self.deprecated)", "message": "the default policy cannot be deprecated"},
]))]
pub struct PolicySpec {
    /// What is written on disk and in rings' names. It cannot change.
    #[schemars(range(min = 0, max = 9999))]
    pub index: u32,
    /// What clients call it.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9-]+$"))]
    pub name: String,
    /// Other names for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9-]+$")))]
    pub aliases: Vec<String>,
    /// How it keeps an object.
    #[serde(rename = "type", default)]
    pub type_: PolicyType,
    /// Whether a container gets it that asks for none. A lone policy is the default one.
    #[serde(default)]
    pub default: bool,
    /// Whether new containers may not have it any more.
    #[serde(default)]
    pub deprecated: bool,
    /// What its ring has instead of what `rings` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<RingOverrides>,
    /// How it encodes, where its type is erasureCoding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure_coding: Option<ErasureCodingSpec>,
}

/// How a policy keeps an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PolicyType {
    /// Whole copies.
    #[default]
    Replication,
    /// Data and parity fragments.
    ErasureCoding,
}

/// An erasure code, in Swift's terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErasureCodingSpec {
    /// Swift's `ec_type`, such as `liberasurecode_rs_vand`.
    #[schemars(length(min = 1, max = 64))]
    pub ec_type: String,
    /// Fragments that hold data.
    #[schemars(range(min = 1, max = 64))]
    pub data_fragments: u8,
    /// Fragments that may be lost.
    #[schemars(range(min = 1, max = 64))]
    pub parity_fragments: u8,
    /// Bytes encoded at a time.
    #[serde(default = "default_ec_segment_bytes")]
    #[schemars(range(min = 1, max = 1_073_741_824))]
    pub segment_bytes: u64,
    /// How often each fragment is kept.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 8))]
    pub duplication_factor: u32,
}

impl ErasureCodingSpec {
    /// How many fragments are kept of an object: the replicas of its ring.
    pub fn fragment_count(&self) -> u32 {
        let unique = u32::from(self.data_fragments) + u32::from(self.parity_fragments);
        unique.saturating_mul(self.duplication_factor)
    }
}

/// How a change of image or configuration reaches the pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct UpgradeSpec {
    /// Whether nothing is restarted for now.
    pub paused: bool,
    /// Zones in the order they are done; the others follow by name.
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub order: Vec<String>,
    /// The Zone that is done first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub canary_zone: Option<String>,
    /// How many nodes of the Zone being done may be down at once.
    #[schemars(range(min = 1, max = 1000))]
    pub max_unavailable: u32,
    /// How long a Zone is watched after its last node before the next one begins (`10m`).
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^(0|([0-9]+[hms])+)$"))]
    pub soak: String,
    /// When restarts may begin. None: always.
    #[schemars(length(max = 16))]
    pub windows: Vec<WindowSpec>,
}

/// A time of the week in which restarts may begin, in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WindowSpec {
    /// On which days it begins. None: every day.
    #[serde(default)]
    #[schemars(length(max = 7), extend("x-kubernetes-list-type" = "set"))]
    pub days: Vec<Weekday>,
    /// When it begins, `HH:MM`.
    #[schemars(length(max = 5), regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub start: String,
    /// How long it lasts (`4h`).
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^([0-9]+[hms])+$"))]
    pub duration: String,
}

/// A day of the week.
#[allow(missing_docs)] // the names say it
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// What a column shows, and what cannot be observed again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SwiftClusterStatus {
    /// The `metadata.generation` this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Progressing`, `Degraded`, `RingConverged`, `Advice`.
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// One word for what it is doing, empty where it is simply ready: Rolling, Rebalancing, Degraded, Blocked, ….
    #[schemars(length(max = 64))]
    pub phase: String,
    /// Ready and wanted Zones, `3/3`.
    #[schemars(length(max = 32))]
    pub zones: String,
    /// Ready and wanted nodes, `12/12`.
    #[schemars(length(max = 32))]
    pub nodes: String,
    /// Devices in use and wanted, `48/48`.
    #[schemars(length(max = 32))]
    pub devices: String,
    /// The rings in a word or two: `in step`, `spreading 3/4`, `waiting`.
    #[schemars(length(max = 64))]
    pub rings: String,
    /// Percent of the devices' bytes in use, rounded: `31%`.
    #[schemars(length(max = 16))]
    pub used: String,
    /// The version the pods run; also what a spec without one was resolved to at creation.
    #[schemars(length(max = 64))]
    pub version: String,
    /// The image the pods run, resolved.
    #[schemars(length(max = 512))]
    pub image: String,
    /// The rollout that is under way, as it was when it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutStatus>,
}

/// What the gates of a rollout compare with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutStatus {
    /// What nodes are given, in a word.
    #[schemars(length(max = 64))]
    pub target: String,
    /// Container updates that waited to be sent when it began.
    pub async_pendings: u64,
    /// What had been set aside as broken when it began.
    pub quarantined: u64,
}

impl Default for UpgradeSpec {
    fn default() -> Self {
        Self {
            paused: false,
            order: Vec::new(),
            canary_zone: None,
            max_unavailable: 1,
            soak: "10m".to_string(),
            windows: Vec::new(),
        }
    }
}

fn default_replicas() -> f64 {
    3.0
}
fn default_min_part_hours() -> u16 {
    24
}
fn default_overload_percent() -> f64 {
    10.0
}
fn default_ec_segment_bytes() -> u64 {
    1_048_576
}
fn one() -> u32 {
    1
}
