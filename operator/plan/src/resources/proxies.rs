//! Pools of proxies: how many, what they speak, and how clients reach them.

use super::{
    AutoscalingSpec, CertificateSpec, ConfigFiles, HttpRouteSpec, IngressSpec, PodSettings, ProxyServiceSpec,
    Toleration, config_schema,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A pool of proxies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxySpec {
    /// Its name; "default" is the cluster's own Service.
    #[serde(default = "default_proxy_name")]
    #[schemars(length(min = 1, max = 16), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// TLS at port 8443, beside plain HTTP at 8080.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ProxyTlsSpec>,
    /// How many. It is applied until somebody else says how many there are: a HorizontalPodAutoscaler, `kubectl scale`.
    #[serde(default = "default_proxy_replicas")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: u32,
    /// As many as it takes, in place of `replicas`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<AutoscalingSpec>,
    /// The Service before them.
    #[serde(default, skip_serializing_if = "ProxyServiceSpec::is_default")]
    pub service: ProxyServiceSpec,
    /// An Ingress before the Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressSpec>,
    /// A Gateway's route to the Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_route: Option<HttpRouteSpec>,
    /// Swift's own options, for this pool.
    #[serde(default)]
    #[schemars(schema_with = "config_schema")]
    pub config: ConfigFiles,
    /// On which hosts its pods may run.
    #[serde(default, skip_serializing_if = "ProxyPlacement::is_empty")]
    pub placement: ProxyPlacement,
    /// What its pods carry, ask for and run as.
    #[serde(default, skip_serializing_if = "PodSettings::is_empty")]
    pub pods: PodSettings,
}

/// On which hosts a pool's pods may run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxyPlacement {
    /// Labels a host must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    pub node_selector: BTreeMap<String, String>,
    /// Taints its pods put up with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub tolerations: Vec<Toleration>,
}

/// How a pool of proxies speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.secretName) || has(self.certificate)", "message": "secretName is given, or certificate, or both"},
]))]
pub struct ProxyTlsSpec {
    /// A Secret of type kubernetes.io/tls. A new certificate in it is served without a restart. Left out: the one that
    /// `certificate` is put into, `<the pool's Service>-tls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,
    /// A certificate that cert-manager keeps in that Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateSpec>,
}

impl Default for ProxySpec {
    fn default() -> Self {
        Self {
            name: default_proxy_name(),
            tls: None,
            replicas: default_proxy_replicas(),
            autoscaling: None,
            service: ProxyServiceSpec::default(),
            ingress: None,
            http_route: None,
            config: ConfigFiles::new(),
            placement: ProxyPlacement::default(),
            pods: PodSettings::default(),
        }
    }
}

/// The name of a pool's Service, and of all else there is one of: `<cluster>-proxy`, or `<cluster>-proxy-<pool>`.
pub fn proxy_service_name(cluster: &str, pool: &str) -> String {
    if pool == default_proxy_name() { format!("{cluster}-proxy") } else { format!("{cluster}-proxy-{pool}") }
}

impl ProxyPlacement {
    /// Whether every host will do.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn default_proxy_name() -> String {
    "default".to_string()
}
fn default_proxy_replicas() -> u32 {
    2
}
pub(super) fn default_proxies() -> Vec<ProxySpec> {
    vec![ProxySpec::default()]
}
