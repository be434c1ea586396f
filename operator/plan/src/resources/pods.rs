//! What a platform team says about pods, in the words of a pod's own spec: the same for storage and proxies.

use super::ResourceQuantity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What pods carry, ask for and run as. A change replaces the pods as a change of their configuration does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSettings {
    /// Labels beside the operator's own. Those that objects are found by (`swiftlet.io/…`,
    /// `app.kubernetes.io/{name,instance,component,managed-by}`) are refused.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels_schema")]
    pub labels: BTreeMap<String, String>,
    /// Annotations beside the operator's own (`swiftlet.io/…`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotations_schema")]
    pub annotations: BTreeMap<String, String>,
    /// What a pod's container asks for, and what it gets at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// The PriorityClass of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub priority_class_name: Option<String>,
    /// The ServiceAccount of the pods, which must exist. They are given no token of it: Swift asks Kubernetes nothing.
    /// It is there for what goes by account, such as registries and security policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub service_account_name: Option<String>,
    /// When the kubelet asks the registry for the image. Left out: `IfNotPresent`, as tags are versions and never move.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<ImagePullPolicy>,
    /// Secrets of type kubernetes.io/dockerconfigjson, to pull the image with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// How the pods of one Zone, or of one pool of proxies, spread over hosts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["topologyKey", "whenUnsatisfiable"]))]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
}

/// What a container asks for, and what it gets at most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceRequirements {
    /// What the scheduler keeps free for it: `{cpu: 500m, memory: 1Gi}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub requests: BTreeMap<String, ResourceQuantity>,
    /// What it gets at most: `{memory: 2Gi}`. At least what it requests.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub limits: BTreeMap<String, ResourceQuantity>,
}

/// When the kubelet asks the registry for an image.
#[allow(missing_docs)] // Kubernetes' own words
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ImagePullPolicy {
    Always,
    IfNotPresent,
    Never,
}

/// An object in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LocalObjectReference {
    /// Its name.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
}

/// How pods spread, as in a pod's own spec. The pods that are counted are those of the same Zone or pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopologySpreadConstraint {
    /// By how many pods one domain may be ahead of another.
    #[schemars(range(min = 1, max = 200))]
    pub max_skew: u16,
    /// The label of hosts that makes the domains, such as `topology.kubernetes.io/zone`.
    #[schemars(length(min = 1, max = 316))]
    pub topology_key: String,
    /// What happens to a pod that fits nowhere.
    pub when_unsatisfiable: UnsatisfiableConstraintAction,
    /// Domains that there must be at least, where `whenUnsatisfiable` is `DoNotSchedule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 200))]
    pub min_domains: Option<u16>,
    /// Whether hosts that the pod's own node selector leaves out count. Left out: they do not (`Honor`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_affinity_policy: Option<NodeInclusionPolicy>,
    /// Whether hosts with taints that the pod does not put up with are left out. Left out: they count (`Ignore`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_taints_policy: Option<NodeInclusionPolicy>,
}

/// What happens to a pod for which a constraint cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UnsatisfiableConstraintAction {
    /// It waits.
    DoNotSchedule,
    /// It goes where it hurts least.
    ScheduleAnyway,
}

/// Whether something about a host is looked at when domains are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NodeInclusionPolicy {
    /// It is.
    Honor,
    /// It is not.
    Ignore,
}

impl PodSettings {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These settings where they say something, else those of `base`. Labels and annotations of both are joined.
    pub fn over(&self, base: &PodSettings) -> PodSettings {
        let join = |base: &BTreeMap<String, String>, own: &BTreeMap<String, String>| {
            base.iter().chain(own).map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        PodSettings {
            labels: join(&base.labels, &self.labels),
            annotations: join(&base.annotations, &self.annotations),
            resources: self.resources.clone().or_else(|| base.resources.clone()),
            priority_class_name: self
                .priority_class_name
                .clone()
                .or_else(|| base.priority_class_name.clone()),
            service_account_name: self
                .service_account_name
                .clone()
                .or_else(|| base.service_account_name.clone()),
            image_pull_policy: self.image_pull_policy.or(base.image_pull_policy),
            image_pull_secrets: first_given(&self.image_pull_secrets, &base.image_pull_secrets),
            topology_spread_constraints: first_given(
                &self.topology_spread_constraints,
                &base.topology_spread_constraints,
            ),
        }
    }
}

fn first_given<T: Clone>(own: &[T], base: &[T]) -> Vec<T> {
    if own.is_empty() { base } else { own }.to_vec()
}

fn labels_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "description": "Labels beside the operator's own. Those that objects are found by (swiftlet.io/…, app.kubernetes.io/{name,instance,component,managed-by}) are refused.",
        "maxProperties": 32,
        "additionalProperties": {"type": "string", "maxLength": 63},
        "x-kubernetes-validations": [
            {"rule": "self.all(key, !key.startsWith('swiftlet.io/') && !(key in ['app.kubernetes.io/name', 'app.kubernetes.io/instance', 'app.kubernetes.io/component', 'app.kubernetes.io/managed-by']))",
             "message": "labels by which the operator finds its objects cannot be set here"},
        ],
    })
}

pub(super) fn annotations_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "description": "Annotations beside the operator's own (swiftlet.io/…).",
        "maxProperties": 32,
        "additionalProperties": {"type": "string", "maxLength": 8192},
        "x-kubernetes-validations": [
            {"rule": "self.all(key, !key.startsWith('swiftlet.io/'))",
             "message": "annotations of swiftlet.io are the operator's own"},
        ],
    })
}
