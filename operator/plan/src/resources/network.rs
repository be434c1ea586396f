//! Who may reach the pods of a cluster, where NetworkPolicies are asked for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// NetworkPolicies around a cluster. Storage pods then take connections from storage pods and proxies of the cluster and
/// from the operator alone, proxies from clients. What pods themselves connect to stays free.
///
/// They work where the network plugin enforces them. Kubelets' probes need no rule: plugins let a host reach its own
/// pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkPolicySpec {
    /// Whether there are any.
    pub enabled: bool,
    /// Who may reach the proxies. None: everybody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub clients: Vec<NetworkPeer>,
    /// Who may reach the storage servers beside the cluster itself: nodes outside Kubernetes whose `address` is no IP
    /// address, recon tools.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub storage_peers: Vec<NetworkPeer>,
    /// Who may read the pods' metrics and status beside the operator: Prometheus, and the hosts of the API server,
    /// through which `kubectl swift` asks pods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub monitors: Vec<NetworkPeer>,
}

/// Somebody on the network, as in a NetworkPolicy: a network, or pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.ipBlock) != (has(self.namespaceSelector) || has(self.podSelector))",
     "message": "either ipBlock, or namespaceSelector and podSelector or one of them"},
]))]
pub struct NetworkPeer {
    /// A network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_block: Option<IpBlock>,
    /// Pods of these namespaces. Left out: of the cluster's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<MatchLabels>,
    /// Pods with these labels. Left out: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<MatchLabels>,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IpBlock {
    /// Its addresses, `10.0.0.0/8`.
    #[schemars(length(min = 1, max = 64))]
    pub cidr: String,
    /// Those within that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 64)))]
    pub except: Vec<String>,
}

/// Objects that have all of some labels. With none, all objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MatchLabels {
    /// The labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    pub match_labels: BTreeMap<String, String>,
}

impl NetworkPolicySpec {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
