//! `Zone`: a failure domain of one cluster, its nodes and their devices.

use super::{Condition, ConfigFiles, PodSettings, config_schema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A failure domain of a SwiftCluster: nodes that may be lost together, each with the same devices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "kube", derive(kube::CustomResource), kube(
    group = "swiftlet.io", version = "v1alpha1", kind = "Zone", namespaced,
    status = "ZoneStatus", derive = "PartialEq", shortname = "swz", category = "swiftlet", category = "all",
    doc = "A failure domain of a SwiftCluster: nodes that may be lost together, each with the same devices.",
    scale(spec_replicas_path = ".spec.nodes", status_replicas_path = ".status.nodes", label_selector_path = ".status.selector"),
    validation = kube::core::Rule::new("self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
        .message("the name holds lower-case letters, digits and -, as it becomes part of host names"),
    validation = kube::core::Rule::new("!self.metadata.name.matches('^(proxy|rings|builders)(-|$)')")
        .message("proxy, rings and builders are reserved for objects of the cluster's own; choose another name"),
    validation = kube::core::Rule::new("self.metadata.name.size() + self.spec.cluster.size() + 1 <= 46")
        .message("<cluster>-<zone> has at most 46 characters, as nodes are named after it"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase", description = "what it is doing, where it is not simply ready"),
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.cluster"),
    printcolumn(name = "Region", type_ = "integer", json_path = ".spec.region"),
    printcolumn(name = "Zone", type_ = "integer", json_path = ".spec.zone"),
    printcolumn(name = "Nodes", type_ = "string", json_path = ".status.nodesReady"),
    printcolumn(name = "Devices", type_ = "string", json_path = ".status.devices"),
    printcolumn(name = "Used", type_ = "string", json_path = ".status.used"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
))]
#[serde(rename_all = "camelCase")]
pub struct ZoneSpec {
    /// The SwiftCluster it belongs to, in the same namespace. It cannot change.
    #[schemars(length(min = 1, max = 44), extend("x-kubernetes-validations" = [{"rule": "self == oldSelf", "message": "cluster cannot change"}]))]
    pub cluster: String,
    /// The region in the ring. It cannot change.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 9999), extend("x-kubernetes-validations" = [{"rule": "self == oldSelf", "message": "region cannot change; add another Zone"}]))]
    pub region: u32,
    /// The zone in the ring, once in its region. It cannot change.
    #[schemars(range(min = 1, max = 9999), extend("x-kubernetes-validations" = [{"rule": "self == oldSelf", "message": "zone cannot change; add another Zone"}]))]
    pub zone: u32,
    /// How many nodes.
    #[schemars(range(min = 0, max = 200))]
    pub nodes: u32,
    /// One volume each, on every node.
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub devices: Vec<DeviceSpec>,
    /// What is different about one node: it leaves, or one of its disks is dead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["ordinal"]))]
    pub node_overrides: Vec<NodeOverride>,
    /// Nodes that run outside Kubernetes: in the rings, without pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["address"]))]
    pub external: Vec<ExternalNode>,
    /// Swift's own options, for this Zone's nodes.
    #[serde(default)]
    #[schemars(schema_with = "config_schema")]
    pub config: ConfigFiles,
    /// On which hosts its pods may run.
    #[serde(default)]
    pub placement: Placement,
    /// What its pods have in place of what `storagePods` of the SwiftCluster says: each field as a whole, but labels and
    /// annotations, which are joined.
    #[serde(default, skip_serializing_if = "PodSettings::is_empty")]
    pub pods: PodSettings,
    /// What becomes of a volume once it is drained.
    #[serde(default)]
    pub volume_claim_deletion: VolumeClaimDeletion,
}

/// A device: one volume on every node of the Zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceSpec {
    /// Its name on the node and in the rings.
    #[schemars(length(min = 1, max = 16), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The volume's size (`4Ti`). It may only grow.
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[0-9]+(\.[0-9]+)?([KMGTPE]i|[kMGTPE])?$"), extend("x-kubernetes-validations" = [
        {"rule": "quantity(self).compareTo(quantity(oldSelf)) >= 0", "message": "size may only grow"}]))]
    pub size: String,
    /// The volume's StorageClass. Left out: the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
    /// Percent of its size that counts as weight in the rings.
    #[serde(default = "hundred")]
    #[schemars(range(min = 0, max = 1000))]
    pub weight_percent: u32,
    /// The rings it is in: `account`, `container`, `object`, `object-<policy index>`.
    /// Left out: all of them, and those of later policies too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 34), inner(length(max = 16), regex(pattern = r"^(account|container|object(-[1-9][0-9]{0,3})?)$")), extend("x-kubernetes-list-type" = "set"))]
    pub rings: Option<Vec<String>>,
}

/// What is different about one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeOverride {
    /// Which node: the number its name ends with.
    #[schemars(range(min = 0, max = 9999))]
    pub ordinal: u32,
    /// Whether it leaves.
    #[serde(default)]
    pub drain: bool,
    /// Counts how often the whole node was replaced: raising it asks for it once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9999))]
    pub replacement: Option<u32>,
    /// What is different about its devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub devices: Vec<DeviceOverride>,
}

/// What is different about one device of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceOverride {
    /// Which device.
    #[schemars(length(min = 1, max = 16))]
    pub name: String,
    /// Whether it still works.
    #[serde(default)]
    pub state: DeviceState,
    /// Counts how often the disk was replaced: raising it asks for it once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9999))]
    pub replacement: Option<u32>,
}

/// Whether a device works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeviceState {
    /// It works.
    #[default]
    Healthy,
    /// It is dead: what it held is gone.
    Failed,
}

/// A node outside Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalNode {
    /// Its address or host name, as in the rings.
    #[schemars(length(min = 1, max = 253))]
    pub address: String,
    /// Its servers' ports.
    #[serde(default)]
    pub ports: ServerPorts,
    /// Its devices. Sizes count for weight alone.
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub devices: Vec<DeviceSpec>,
}

/// The ports of a node's servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerPorts {
    /// The account server's.
    #[schemars(range(min = 1, max = 65535))]
    pub account: u16,
    /// The container server's.
    #[schemars(range(min = 1, max = 65535))]
    pub container: u16,
    /// The object server's.
    #[schemars(range(min = 1, max = 65535))]
    pub object: u16,
}

impl Default for ServerPorts {
    fn default() -> Self {
        Self { account: 6202, container: 6201, object: 6200 }
    }
}

/// On which hosts a Zone's pods may run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Placement {
    /// Labels a host must have.
    #[schemars(length(max = 16))]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    pub node_selector: BTreeMap<String, String>,
    /// Taints its pods put up with.
    #[schemars(length(max = 16))]
    pub tolerations: Vec<Toleration>,
    /// Whether a host may carry pods of two Zones of the cluster.
    pub zone_separation: ZoneSeparation,
}

/// Whether a host may carry pods of two Zones of one cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ZoneSeparation {
    /// Never: a lost host takes one Zone at most.
    #[default]
    Required,
    /// Only where there is no other host.
    Preferred,
    /// It may.
    None,
}

/// A taint that pods put up with, as in a pod's own spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Toleration {
    /// The taint's key; none means every key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 316))]
    pub key: Option<String>,
    /// `Exists` or `Equal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub operator: Option<String>,
    /// The taint's value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub value: Option<String>,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`; none means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub effect: Option<String>,
    /// For how many seconds, of a `NoExecute` taint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toleration_seconds: Option<i64>,
}

/// What becomes of a volume that holds nothing any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VolumeClaimDeletion {
    /// It stays.
    #[default]
    Retain,
    /// It goes.
    Delete,
}

/// What a column shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ZoneStatus {
    /// The `metadata.generation` this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` and others, as in the SwiftCluster.
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// One word for what it is doing, empty where it is simply ready.
    #[schemars(length(max = 64))]
    pub phase: String,
    /// How many nodes exist, for the scale subresource.
    pub nodes: u32,
    /// The labels of its pods, for the scale subresource.
    #[schemars(length(max = 512))]
    pub selector: String,
    /// Ready and wanted nodes, `4/4`.
    #[schemars(length(max = 32))]
    pub nodes_ready: String,
    /// Devices in use and wanted, `16/16`.
    #[schemars(length(max = 32))]
    pub devices: String,
    /// Percent of the devices' bytes in use, rounded: `31%`.
    #[schemars(length(max = 16))]
    pub used: String,
    /// The version its pods run.
    #[schemars(length(max = 64))]
    pub version: String,
}

fn one() -> u32 {
    1
}
fn hundred() -> u32 {
    100
}
