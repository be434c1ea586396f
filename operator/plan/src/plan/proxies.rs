//! Proxies: they come up as soon as there are rings, and change last.

use super::{HoldReason, Plan, ProxyStep, Step, gate};
use crate::revision;
use crate::validate::ValidatedCluster;
use crate::world::World;

/// Plans the pools; `nodes_settled` is for the caller's earlier steps to tell.
pub(super) fn plan(
    cluster: &ValidatedCluster,
    world: &World,
    (has_rings, now_s): (bool, i64),
    plan: &mut Plan,
) {
    let nodes_pending = pending_nodes(cluster, world);
    for pool in &cluster.proxies {
        let observed = world.proxies.get(&pool.name);
        // Who else says how many there are is not contradicted.
        let there_are = observed.map_or(pool.replicas, |observed| observed.replicas);
        let step = ProxyStep {
            pool: pool.name.clone(),
            replicas: pool.wanted_replicas(observed).unwrap_or(there_are),
            revision: revision::of_proxies(cluster, pool),
        };
        match observed {
            None if has_rings => plan.steps.push(Step::StartProxies(step)),
            None => plan.hold(
                "StartProxies",
                &pool.name,
                None,
                HoldReason::WaitingForZones,
                "there are no rings yet",
            ),
            Some(observed) if observed.revision == step.revision => {
                if observed.replicas != step.replicas {
                    plan.steps.push(Step::ScaleProxies(step));
                }
            }
            Some(_) if cluster.upgrade.paused => {
                plan.hold(
                    "RestartProxies",
                    &pool.name,
                    None,
                    HoldReason::Paused,
                    "spec.upgrade.paused is set",
                );
            }
            Some(_) if !nodes_pending.is_empty() => {
                let message = format!("after the nodes: {} to go", nodes_pending.len());
                plan.hold("RestartProxies", &pool.name, None, HoldReason::NodesFirst, message);
            }
            Some(_) => match gate::reason_to_wait(cluster, world, now_s, plan) {
                Some((reason, message)) => plan.hold("RestartProxies", &pool.name, None, reason, message),
                None => plan.steps.push(Step::RestartProxies(step)),
            },
        }
    }
    for pool in world.proxies.keys().filter(|name| !cluster.proxies.iter().any(|pool| pool.name == **name)) {
        plan.steps.push(Step::StopProxies { pool: pool.clone() });
    }
}

/// Nodes that do not serve with their own revision yet.
fn pending_nodes(cluster: &ValidatedCluster, world: &World) -> Vec<String> {
    let settled =
        |name: &str, target: &str| world.nodes.get(name).is_some_and(|n| n.ready && n.revision == target);
    cluster
        .nodes()
        .filter(|(zone, node)| !settled(&node.name, &revision::of_node(cluster, zone, node)))
        .map(|(_, node)| node.name.clone())
        .collect()
}
