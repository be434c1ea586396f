//! What the Prometheus operator reads: a PodMonitor that has a cluster's pods scraped, and a PrometheusRule with the alerts
//! about it. Their types are not Kubernetes' own, so only what is written here is known of them.

use super::{Owner, label_selector, node, proxy};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use swiftlet_plan::resources::{PodMonitorSpec, RulesSpec};

/// Alerts about clusters, and about the operator, which only the chart takes. METRICS.md of node and operator say what
/// the figures mean.
const RULES: &str = include_str!("../../../../deploy/monitoring/rules.yaml");
/// The group of alerts about the operator itself: no cluster's.
const OPERATOR_GROUP: &str = "swiftlet-operator";
/// What the name of each of our figures begins with.
const FIGURE: &str = "swiftlet_";
/// The port of proxies that always speaks plain HTTP.
const PROXY_PORT: &str = "http";
/// The API group of both kinds.
const GROUP: &str = "monitoring.coreos.com";
/// Its version.
const VERSION: &str = "v1";

/// The kind of what says which pods Prometheus scrapes, and how.
pub fn pod_monitor_kind() -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, VERSION, "PodMonitor"), "podmonitors")
}

/// The kind of what Prometheus alerts about.
pub fn prometheus_rule_kind() -> ApiResource {
    let kind = GroupVersionKind::gvk(GROUP, VERSION, "PrometheusRule");
    ApiResource::from_gvk_with_plural(&kind, "prometheusrules")
}

/// The PodMonitor of a cluster: every server of its storage pods, and its proxies. Figures get the labels `cluster`, and
/// `zone` and `node` or `pool`, beside those that Prometheus gives (`namespace`, `pod`).
pub fn pod_monitor(owner: &Owner, spec: &PodMonitorSpec) -> DynamicObject {
    let relabel = |label: &str, target: &str| {
        let source = format!("__meta_kubernetes_pod_label_{}", label.replace(['.', '/', '-'], "_"));
        json!({"sourceLabels": [source], "targetLabel": target})
    };
    let relabelings = [
        relabel("app.kubernetes.io/instance", "cluster"),
        relabel(super::ZONE_LABEL, "zone"),
        relabel(super::NODE_LABEL, "node"),
        relabel(proxy::POOL_LABEL, "pool"),
    ];
    let ports = node::ports().map(|(name, _)| name).into_iter().chain([PROXY_PORT]);
    let endpoints = ports.map(|name| {
        json!({"port": name, "path": "/metrics", "interval": spec.interval, "relabelings": relabelings})
    });
    let spec_value = json!({
        "selector": label_selector(&owner.labels()),
        "podMetricsEndpoints": endpoints.collect::<Vec<_>>(),
    });
    object(owner, &pod_monitor_kind(), &spec.labels, spec_value)
}

/// The alerts about one cluster: the source's expressions, each figure narrowed to this cluster.
pub fn prometheus_rule(owner: &Owner, spec: &RulesSpec) -> DynamicObject {
    // A test reads the source; it is part of the program.
    let mut groups: Value = serde_norway::from_str(RULES).unwrap_or_default();
    let groups = groups["groups"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let of_clusters = groups.into_iter().filter(|group| group["name"] != OPERATOR_GROUP);
    let scoped = of_clusters.map(|mut group| {
        for rule in group["rules"].as_array_mut().into_iter().flatten() {
            let expression = rule["expr"].as_str().unwrap_or_default();
            rule["expr"] = narrowed(expression, &owner.namespace, &owner.cluster).into();
        }
        group
    });
    let spec_value = json!({"groups": scoped.collect::<Vec<_>>()});
    object(owner, &prometheus_rule_kind(), &spec.labels, spec_value)
}

/// An object of the cluster's name; labels that are asked for take none of our own away.
fn object(
    owner: &Owner,
    kind: &ApiResource,
    labels: &BTreeMap<String, String>,
    spec: Value,
) -> DynamicObject {
    let mut all = labels.clone();
    all.extend(owner.labels());
    let metadata = owner.owned(&owner.cluster, all);
    DynamicObject { metadata, ..DynamicObject::new(&owner.cluster, kind).data(json!({"spec": spec})) }
}

/// An expression of PromQL in which each of our figures is asked for one cluster alone: `swiftlet_x{a="b"}` becomes
/// `swiftlet_x{namespace="…",cluster="…",a="b"}`.
fn narrowed(expression: &str, namespace: &str, cluster: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let matchers = format!("namespace=\"{namespace}\",cluster=\"{cluster}\"");
    let mut narrowed = String::new();
    let mut rest = expression;
    while let Some(start) = rest.find(FIGURE) {
        let name_ends = rest[start..].find(|c| !is_name(c)).map_or(rest.len(), |length| start + length);
        narrowed.push_str(&rest[..name_ends]);
        rest = &rest[name_ends..];
        match rest.strip_prefix('{') {
            Some(more) => {
                narrowed.push_str(&format!("{{{matchers},"));
                rest = more;
            }
            None => narrowed.push_str(&format!("{{{matchers}}}")),
        }
    }
    narrowed + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::build::tests::owner;

    #[test]
    fn every_figure_of_an_expression_is_narrowed() {
        let narrowed = |expression| narrowed(expression, "n", "c");
        assert_eq!(narrowed("swiftlet_a"), r#"swiftlet_a{namespace="n",cluster="c"}"#);
        assert_eq!(
            narrowed(r#"sum by (zone) (rate(swiftlet_a_total{s=~"5.."}[5m])) / swiftlet_b > 1"#),
            r#"sum by (zone) (rate(swiftlet_a_total{namespace="n",cluster="c",s=~"5.."}[5m])) / swiftlet_b{namespace="n",cluster="c"} > 1"#
        );
        assert_eq!(narrowed("vector(1)"), "vector(1)");
    }

    #[test]
    fn the_alerts_are_about_this_cluster_alone() {
        let labels = BTreeMap::from([("release".to_string(), "prometheus".to_string())]);
        let rule = prometheus_rule(&owner(), &RulesSpec { enabled: true, labels });
        assert_eq!(rule.metadata.labels.as_ref().unwrap()["release"], "prometheus");
        assert_eq!(rule.metadata.owner_references.as_ref().unwrap()[0].uid, "u-1");
        let rules: Vec<&Value> = rule.data["spec"]["groups"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|g| g["rules"].as_array().unwrap())
            .collect();
        assert!(rules.len() > 10);
        for rule in rules {
            let expression = rule["expr"].as_str().unwrap();
            let figures = expression.matches(FIGURE).count();
            assert!(figures > 0, "{expression}");
            let ours = expression.matches(r#"{namespace="default",cluster="demo""#).count();
            assert_eq!(ours, figures, "{expression}");
        }
    }

    #[test]
    fn every_server_is_scraped_at_a_port_that_its_container_has() {
        let spec = PodMonitorSpec { enabled: true, ..PodMonitorSpec::default() };
        let monitor = pod_monitor(&owner(), &spec);
        let endpoints = monitor.data["spec"]["podMetricsEndpoints"].as_array().unwrap();
        let scraped: Vec<&str> = endpoints.iter().map(|e| e["port"].as_str().unwrap()).collect();
        assert_eq!(scraped, ["object", "container", "account", "http"]);
        let pods = [crate::cluster::build::tests::storage_pod(), crate::cluster::build::tests::proxy_pod()];
        let containers = pods.iter().flat_map(|pod| &pod.containers);
        let named: Vec<&str> = containers
            .flat_map(|container| container.ports.iter().flatten())
            .filter_map(|port| port.name.as_deref())
            .collect();
        assert!(scraped.iter().all(|port| named.contains(port)), "{named:?}");
        assert_eq!(endpoints[0]["interval"], "30s");
        let relabelings = endpoints[0]["relabelings"].as_array().unwrap();
        assert_eq!(
            relabelings[1],
            json!({"sourceLabels": ["__meta_kubernetes_pod_label_swiftlet_io_zone"], "targetLabel": "zone"})
        );
    }
}
