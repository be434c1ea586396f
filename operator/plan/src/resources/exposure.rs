//! How clients reach a pool of proxies: its Service, an Ingress or a Gateway's route before it, a certificate for it.

use super::pods::annotations_schema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The Service of a pool, in the words of a Service's own spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self.type == 'LoadBalancer' || !(has(self.loadBalancerClass) || has(self.loadBalancerSourceRanges))",
     "message": "loadBalancerClass and loadBalancerSourceRanges go with type LoadBalancer"},
    {"rule": "self.type != 'ClusterIP' || !(has(self.externalTrafficPolicy) || has(self.nodePort) || has(self.tlsNodePort))",
     "message": "externalTrafficPolicy, nodePort and tlsNodePort go with type NodePort or LoadBalancer"},
    {"rule": "!has(self.nodePort) || !has(self.tlsNodePort) || self.nodePort != self.tlsNodePort",
     "message": "nodePort and tlsNodePort are two ports"},
]))]
pub struct ProxyServiceSpec {
    /// From where it is reached: within the Kubernetes cluster, at a port of every host, or at a load balancer.
    #[serde(rename = "type")]
    pub type_: ServiceType,
    /// Annotations, such as those that tell a load balancer's controller what to make.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotations_schema")]
    pub annotations: BTreeMap<String, String>,
    /// Which load balancer. Left out: the default one. Kubernetes lets it be chosen only as the type becomes LoadBalancer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 316))]
    pub load_balancer_class: Option<String>,
    /// The networks whose clients the load balancer takes (`10.0.0.0/8`). None: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 64)), extend("x-kubernetes-list-type" = "set"))]
    pub load_balancer_source_ranges: Vec<String>,
    /// Whether a host passes connections to proxies on others, too: with `Local` proxies see their clients' addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_traffic_policy: Option<ExternalTrafficPolicy>,
    /// The port of every host for plain HTTP. Left out: one that is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub node_port: Option<u16>,
    /// The port of every host for TLS. Left out: one that is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub tls_node_port: Option<u16>,
}

/// From where a Service is reached.
#[allow(missing_docs)] // Kubernetes' own words
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceType {
    #[default]
    ClusterIP,
    NodePort,
    LoadBalancer,
}

/// Whether hosts pass connections on.
#[allow(missing_docs)] // Kubernetes' own words
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ExternalTrafficPolicy {
    Cluster,
    Local,
}

/// An Ingress before a pool. It speaks plain HTTP to the proxies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngressSpec {
    /// Its IngressClass. Left out: the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub class_name: Option<String>,
    /// The host name that clients ask for. All of its paths are the pool's.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub host: String,
    /// Annotations for its controller. Objects are large: its limit of a body and its buffering are worth a look.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotations_schema")]
    pub annotations: BTreeMap<String, String>,
    /// A Secret of type kubernetes.io/tls that the controller serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub tls_secret_name: Option<String>,
}

/// A route of the Gateway API (`gateway.networking.k8s.io/v1`) to a pool. It speaks plain HTTP to the proxies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteSpec {
    /// The Gateways it belongs to.
    #[schemars(length(min = 1, max = 8))]
    pub parent_refs: Vec<ParentReference>,
    /// The host names that clients ask for. None: those of the Gateway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 253), regex(pattern = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")), extend("x-kubernetes-list-type" = "set"))]
    pub hostnames: Vec<String>,
}

/// A Gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace. Left out: the cluster's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// Its listener. Left out: every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub section_name: Option<String>,
    /// Its port. Left out: every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
}

/// A certificate that cert-manager (`cert-manager.io/v1`) gets for a pool, and gets again before it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateSpec {
    /// Who signs it.
    pub issuer_ref: IssuerReference,
    /// The names it is for, beside those of the pool's Service, of its Ingress and of its route.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 253), regex(pattern = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")), extend("x-kubernetes-list-type" = "set"))]
    pub dns_names: Vec<String>,
}

/// An issuer of certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuerReference {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// `Issuer`, of the same namespace, or `ClusterIssuer`, or another group's.
    #[serde(default = "issuer")]
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Its API group.
    #[serde(default = "cert_manager")]
    #[schemars(length(min = 1, max = 253))]
    pub group: String,
}

/// How many proxies there are, by how busy they are: a HorizontalPodAutoscaler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self.minReplicas <= self.maxReplicas", "message": "minReplicas is at most maxReplicas"},
]))]
pub struct AutoscalingSpec {
    /// Never fewer than this.
    #[schemars(range(min = 1, max = 1000))]
    pub min_replicas: u32,
    /// Never more than this.
    #[schemars(range(min = 1, max = 1000))]
    pub max_replicas: u32,
    /// Percent of the processor time that they request (`pods.resources.requests.cpu`) that they shall use on average.
    #[serde(rename = "targetCPUUtilizationPercent", default = "default_target_percent")]
    #[schemars(range(min = 1, max = 1000))]
    pub target_cpu_utilization_percent: u32,
}

impl ProxyServiceSpec {
    /// Whether it is a Service as any other.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

fn issuer() -> String {
    "Issuer".to_string()
}
fn cert_manager() -> String {
    "cert-manager.io".to_string()
}
fn default_target_percent() -> u32 {
    80
}
