//! NetworkPolicies: who may connect to the pods of a cluster. What the pods connect to stays free.

use super::{Component, Owner, label_selector, node, pod::HEALTH_PORT, proxy, selector};
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;
use swiftlet_plan::resources::{MatchLabels, NetworkPeer};
use swiftlet_plan::validate::{NetworkAccess, ProxyPool, ValidatedCluster};

/// Label of every namespace with its own name.
const NAMESPACE_LABEL: &str = "kubernetes.io/metadata.name";
/// What the operator's pods are labelled with, by chart and manifests alike.
const OPERATOR_NAME: &str = "swiftlet-operator";

/// The policies of a cluster whose operator runs in this namespace; none where none are asked for.
///
/// Kubelets' probes have no rule, as no policy can name a kubelet: plugins let a host reach its own pods.
pub fn policies(owner: &Owner, cluster: &ValidatedCluster, operator_namespace: &str) -> Vec<NetworkPolicy> {
    let Some(access) = &cluster.network else { return Vec::new() };
    let operator = operator(operator_namespace);
    let pools = cluster.proxies.iter().map(|pool| of_pool(owner, pool, access, &operator));
    std::iter::once(of_storage(owner, access, &operator)).chain(pools).collect()
}

fn of_storage(owner: &Owner, access: &NetworkAccess, operator: &NetworkPolicyPeer) -> NetworkPolicy {
    let servers: Vec<u16> = node::ports().iter().map(|(_, port)| *port).collect();
    let own =
        [Component::Storage, Component::Proxy].map(|component| pods(&owner.component_labels(component)));
    let peers = own.into_iter().chain(access.storage_peers.iter().map(peer)).collect();
    // The operator asks pods for their rings, and servers for recon.
    let asked: Vec<u16> = servers.iter().copied().chain([HEALTH_PORT]).collect();
    let rules = vec![rule(peers, &servers), rule(vec![operator.clone()], &asked)];
    let labels = owner.component_labels(Component::Storage);
    policy(owner, &format!("{}-storage", owner.cluster), labels, with_monitors(rules, access))
}

fn of_pool(
    owner: &Owner,
    pool: &ProxyPool,
    access: &NetworkAccess,
    operator: &NetworkPolicyPeer,
) -> NetworkPolicy {
    let ports: Vec<u16> = proxy::ports(pool).iter().map(|(_, port)| *port).collect();
    // A rule without peers lets everybody in.
    let clients = rule(access.clients.iter().map(peer).collect(), &ports);
    let rules = vec![clients, rule(vec![operator.clone()], &[HEALTH_PORT])];
    let labels = proxy::labels(owner, &pool.name);
    policy(owner, &proxy::name(&owner.cluster, &pool.name), labels, with_monitors(rules, access))
}

fn with_monitors(
    mut rules: Vec<NetworkPolicyIngressRule>,
    access: &NetworkAccess,
) -> Vec<NetworkPolicyIngressRule> {
    if !access.monitors.is_empty() {
        rules.push(rule(access.monitors.iter().map(peer).collect(), &[HEALTH_PORT]));
    }
    rules
}

fn policy(
    owner: &Owner,
    name: &str,
    labels: BTreeMap<String, String>,
    ingress: Vec<NetworkPolicyIngressRule>,
) -> NetworkPolicy {
    NetworkPolicy {
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(label_selector(&labels)),
            policy_types: Some(vec!["Ingress".to_string()]),
            ingress: Some(ingress),
            egress: None,
        }),
        metadata: owner.owned(name, labels),
    }
}

fn rule(from: Vec<NetworkPolicyPeer>, ports: &[u16]) -> NetworkPolicyIngressRule {
    let port = |port: &u16| NetworkPolicyPort {
        port: Some(IntOrString::Int(i32::from(*port))),
        protocol: Some("TCP".to_string()),
        end_port: None,
    };
    NetworkPolicyIngressRule { from: super::pod::given(from), ports: Some(ports.iter().map(port).collect()) }
}

fn operator(namespace: &str) -> NetworkPolicyPeer {
    let one = |key: &str, value: &str| {
        let labels = BTreeMap::from([(key.to_string(), value.to_string())]);
        Some(LabelSelector { match_labels: Some(labels), match_expressions: None })
    };
    NetworkPolicyPeer {
        namespace_selector: one(NAMESPACE_LABEL, namespace),
        pod_selector: one("app.kubernetes.io/name", OPERATOR_NAME),
        ip_block: None,
    }
}

/// Pods of the cluster's own namespace.
fn pods(labels: &BTreeMap<String, String>) -> NetworkPolicyPeer {
    let labels = LabelSelector { match_labels: Some(selector(labels)), match_expressions: None };
    NetworkPolicyPeer { pod_selector: Some(labels), ..NetworkPolicyPeer::default() }
}

fn peer(peer: &NetworkPeer) -> NetworkPolicyPeer {
    let labels = |asked: &MatchLabels| LabelSelector {
        match_labels: Some(asked.match_labels.clone()).filter(|labels| !labels.is_empty()),
        match_expressions: None,
    };
    NetworkPolicyPeer {
        ip_block: peer.ip_block.as_ref().map(|block| IPBlock {
            cidr: block.cidr.clone(),
            except: super::pod::given(block.except.clone()),
        }),
        namespace_selector: peer.namespace_selector.as_ref().map(labels),
        pod_selector: peer.pod_selector.as_ref().map(labels),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::build::tests::{example, owner};
    use serde_json::{Value, json};

    fn policies(access: Option<NetworkAccess>) -> Vec<Value> {
        let mut cluster = example();
        cluster.network = access;
        let policies = super::policies(&owner(), &cluster, "swiftlet-system");
        policies.into_iter().map(|policy| serde_json::to_value(policy).unwrap()).collect()
    }

    fn peers(rule: &Value) -> Vec<&str> {
        let name = |peer: &'_ Value| match &peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        {
            Value::String(component) if component == "storage" => "storage",
            Value::String(_) => "proxy",
            _ if !peer["ipBlock"].is_null() => "network",
            _ if !peer["namespaceSelector"].is_null() => "elsewhere",
            _ => "other",
        };
        rule["from"].as_array().map(|from| from.iter().map(name).collect()).unwrap_or_default()
    }

    fn ports(rule: &Value) -> Vec<u64> {
        rule["ports"].as_array().unwrap().iter().map(|port| port["port"].as_u64().unwrap()).collect()
    }

    fn network() -> NetworkPeer {
        serde_json::from_value(json!({"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.1/32"]}}))
            .unwrap()
    }

    #[test]
    fn there_are_none_unless_asked_for() {
        assert_eq!(policies(None), Vec::<Value>::new());
    }

    #[test]
    fn storage_is_for_the_cluster_and_the_operator_alone() {
        let access = NetworkAccess { clients: vec![], storage_peers: vec![network()], monitors: vec![] };
        let storage = &policies(Some(access))[0];
        assert_eq!(storage["spec"]["policyTypes"], json!(["Ingress"]));
        assert_eq!(storage["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"], "storage");
        let rules = storage["spec"]["ingress"].as_array().unwrap();
        assert_eq!(rules.len(), 2);
        assert_eq!(
            (peers(&rules[0]), ports(&rules[0])),
            (vec!["storage", "proxy", "network"], vec![6200, 6201, 6202])
        );
        assert_eq!(
            rules[0]["from"][2]["ipBlock"],
            json!({"cidr": "192.0.2.0/24", "except": ["192.0.2.1/32"]})
        );
        assert_eq!((peers(&rules[1]), ports(&rules[1])), (vec!["elsewhere"], vec![6200, 6201, 6202, 6206]));
        let operator = &rules[1]["from"][0];
        assert_eq!(operator["namespaceSelector"]["matchLabels"][NAMESPACE_LABEL], "swiftlet-system");
        assert_eq!(operator["podSelector"]["matchLabels"]["app.kubernetes.io/name"], "swiftlet-operator");
    }

    #[test]
    fn proxies_are_for_clients_everybody_unless_some_are_named() {
        let open = NetworkAccess { clients: vec![], storage_peers: vec![], monitors: vec![] };
        let rules = policies(Some(open))[1]["spec"]["ingress"].clone();
        assert_eq!((rules[0].get("from"), ports(&rules[0])), (None, vec![8080]));
        assert_eq!((peers(&rules[1]), ports(&rules[1])), (vec!["elsewhere"], vec![6206]));
        let monitor = serde_json::from_value(json!({"namespaceSelector": {}})).unwrap();
        let named =
            NetworkAccess { clients: vec![network()], storage_peers: vec![], monitors: vec![monitor] };
        let all = policies(Some(named));
        assert_eq!(peers(&all[1]["spec"]["ingress"][0]), ["network"]);
        for policy in &all {
            let monitors = policy["spec"]["ingress"].as_array().unwrap().last().unwrap();
            assert_eq!(
                (ports(monitors), &monitors["from"][0]["namespaceSelector"]),
                (vec![6206], &json!({}))
            );
        }
    }
}
