//! Objects for the Prometheus operator: what scrapes a cluster's pods, and what alerts about it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is made for a cluster where the Prometheus operator's resources (`monitoring.coreos.com`) are installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MonitoringSpec {
    /// A PodMonitor `<cluster>`, by which Prometheus finds the storage pods and proxies.
    pub pod_monitor: PodMonitorSpec,
    /// A PrometheusRule `<cluster>` with the alerts about this cluster, each with its page of what to do.
    pub rules: RulesSpec,
}

/// How the pods are scraped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PodMonitorSpec {
    /// Whether there is one.
    pub enabled: bool,
    /// Labels by which a Prometheus picks it.
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    pub labels: BTreeMap<String, String>,
    /// How often the pods are scraped (`30s`).
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^[1-9][0-9]*(s|m)$"))]
    pub interval: String,
}

/// The alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RulesSpec {
    /// Whether there are any.
    pub enabled: bool,
    /// Labels by which a Prometheus picks them.
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    pub labels: BTreeMap<String, String>,
}

impl Default for PodMonitorSpec {
    fn default() -> Self {
        Self { enabled: false, labels: BTreeMap::new(), interval: "30s".to_string() }
    }
}
