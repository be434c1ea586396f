//! PodDisruptionBudgets: what a drain of hosts may take from a cluster.
//!
//! While all nodes are whole, one budget over all of them lets any one go. Once a Zone has a node down, that budget makes
//! room for one a Zone: the Zone's own pods are left open, so that the drain of its hosts goes on, all others are shut.
//! No pod is ever meant to be in two budgets: Kubernetes evicts none of those.

use super::{Component, Owner, label_selector, proxy, zone_labels};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::{BTreeMap, BTreeSet};
use swiftlet_plan::disruption::{Disruption, allowed};
use swiftlet_plan::validate::{ProxyPool, ValidatedCluster};
use swiftlet_plan::world::World;

/// All budgets of a cluster in this state at `now_s` (Unix time).
pub fn budgets(
    owner: &Owner,
    cluster: &ValidatedCluster,
    world: &World,
    now_s: i64,
) -> Vec<PodDisruptionBudget> {
    let storage = format!("{}-storage", owner.cluster);
    let shut = |open: Option<&str>| -> Vec<PodDisruptionBudget> {
        let zones: BTreeSet<&str> = world.nodes.values().map(|node| node.zone.as_str()).collect();
        let shut = zones.into_iter().filter(|zone| Some(*zone) != open);
        shut.map(|zone| budget(owner, &format!("{storage}-{zone}"), zone_labels(owner, zone), 0)).collect()
    };
    let mut budgets = match allowed(cluster, world, now_s) {
        Disruption::AnyOne => vec![budget(owner, &storage, owner.component_labels(Component::Storage), 1)],
        Disruption::Zone(open) => shut(Some(&open)),
        Disruption::None => shut(None),
    };
    budgets.extend(cluster.proxies.iter().map(|pool| of_pool(owner, pool)));
    budgets
}

/// One proxy at a time. That holds for a pool of one too: a budget that wants its only proxy up would block the drain
/// of its host for ever, while this one costs the time in which another host starts it.
fn of_pool(owner: &Owner, pool: &ProxyPool) -> PodDisruptionBudget {
    budget(owner, &proxy::name(&owner.cluster, &pool.name), proxy::labels(owner, &pool.name), 1)
}

fn budget(
    owner: &Owner,
    name: &str,
    labels: BTreeMap<String, String>,
    max_unavailable: i32,
) -> PodDisruptionBudget {
    PodDisruptionBudget {
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(max_unavailable)),
            selector: Some(label_selector(&labels)),
            // A pod that serves nobody may always leave: it is no loss, and often the very reason for the drain.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_string()),
            min_available: None,
        }),
        metadata: owner.owned(name, labels),
        status: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::build::tests::{example, owner};
    use kube::ResourceExt;
    use swiftlet_plan::world::ObservedNode;

    fn world(down: &[&str]) -> World {
        let node = |zone: &str| {
            let ready = !down.contains(&zone);
            let node =
                ObservedNode { zone: zone.into(), ready, ready_since_s: Some(0), ..ObservedNode::default() };
            (format!("demo-{zone}-0"), node)
        };
        World { nodes: ["rack1", "rack2", "rack3"].map(node).into(), ..World::default() }
    }

    /// Name and maxUnavailable of each budget, and which of the cluster's pods it is about.
    fn told(down: &[&str]) -> Vec<(String, i32, Vec<String>)> {
        let cluster = example();
        let pods = ["rack1", "rack2", "rack3"].map(|zone| {
            (zone.to_string(), super::super::node_labels(&owner(), zone, &format!("demo-{zone}-0")))
        });
        let pods: Vec<_> =
            pods.into_iter().chain([("proxy".to_string(), proxy::labels(&owner(), "default"))]).collect();
        let budgets = budgets(&owner(), &cluster, &world(down), 3600).into_iter().map(|budget| {
            let name = budget.name_any();
            let spec = budget.spec.unwrap();
            let selector = spec.selector.unwrap().match_labels.unwrap();
            let selects = |labels: &BTreeMap<String, String>| {
                selector.iter().all(|(key, value)| labels.get(key) == Some(value))
            };
            let matched = pods.iter().filter(|(_, labels)| selects(labels)).map(|(pod, _)| pod.clone());
            let Some(IntOrString::Int(most)) = spec.max_unavailable else { panic!("a number") };
            (name, most, matched.collect())
        });
        budgets.collect()
    }

    #[test]
    fn whole_clusters_give_one_node_and_each_pool_one_proxy() {
        let all = ["rack1", "rack2", "rack3"].map(String::from).to_vec();
        let proxies = ("demo-proxy".to_string(), 1, vec!["proxy".to_string()]);
        assert_eq!(told(&[]), [("demo-storage".to_string(), 1, all), proxies]);
    }

    #[test]
    fn the_zone_being_drained_is_open_and_the_others_are_shut() {
        let shut = |zone: &str| (format!("demo-storage-{zone}"), 0, vec![zone.to_string()]);
        assert_eq!(told(&["rack2"])[..2], [shut("rack1"), shut("rack3")]);
        assert_eq!(told(&["rack1", "rack2"])[..3], [shut("rack1"), shut("rack2"), shut("rack3")]);
    }

    #[test]
    fn no_pod_is_in_two_budgets_for_kubernetes_would_evict_it_never() {
        for down in [vec![], vec!["rack1"], vec!["rack1", "rack3"], vec!["rack1", "rack2", "rack3"]] {
            let matched: Vec<String> = told(&down).into_iter().flat_map(|(_, _, pods)| pods).collect();
            let unique: BTreeSet<&String> = matched.iter().collect();
            assert_eq!(unique.len(), matched.len(), "{down:?}");
        }
    }
}
