//! What a node or proxy was started with, as a short word.
//!
//! A revision is taken over what people asked for, not over what an operator renders from it: a newer operator,
//! which may render differently, restarts nothing by itself.

use crate::resources::{ConfigFiles, PodSettings};
use crate::validate::{ProxyPool, ValidatedCluster, ValidatedNode, ValidatedZone};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Debug;

/// The revision of `node` of `zone`.
pub fn of_node(cluster: &ValidatedCluster, zone: &ValidatedZone, node: &ValidatedNode) -> String {
    let devices: Vec<&str> = node.devices.iter().map(|device| device.name.as_str()).collect();
    let shared = (&cluster.version, &cluster.image, &cluster.policies, read_by_nodes(&cluster.config));
    let own = (shared, zone.region, zone.zone, read_by_nodes(&zone.config), &zone.placement, devices);
    short_hash(&own, &said(&zone.pods, PodSettings::is_empty))
}

/// The revision of the proxies of `pool`.
pub fn of_proxies(cluster: &ValidatedCluster, pool: &ProxyPool) -> String {
    let shared = (&cluster.version, &cluster.image, &cluster.policies, read_by_proxies(&cluster.config));
    let said =
        said(&pool.pods, PodSettings::is_empty) + &said(&pool.placement, |placement| placement.is_empty());
    short_hash(&(shared, &cluster.auth, read_by_proxies(&pool.config), &pool.tls_secret_name), &said)
}

/// Options by section.
type ConfigFile = BTreeMap<String, BTreeMap<String, String>>;
/// The file that proxies read and nodes do not.
const PROXY_FILE: &str = "proxy-server.conf";
/// The file that everybody reads.
const SHARED_FILE: &str = "swift.conf";

/// What of `config` restarts a node.
fn read_by_nodes(config: &ConfigFiles) -> BTreeMap<&String, &ConfigFile> {
    config.iter().filter(|(file, _)| *file != PROXY_FILE).collect()
}

/// What of `config` restarts a proxy.
fn read_by_proxies(config: &ConfigFiles) -> BTreeMap<&String, &ConfigFile> {
    config.iter().filter(|(file, _)| *file == PROXY_FILE || *file == SHARED_FILE).collect()
}

/// What is said in a block that came to the resources later, and nothing where it says nothing: an operator that knows
/// the block, or a field of it, takes pods that were made before it as they are.
fn said<T: Serialize>(block: &T, is_empty: impl Fn(&T) -> bool) -> String {
    // Plain data always has a JSON form.
    if is_empty(block) { String::new() } else { serde_json::to_string(block).unwrap_or_default() }
}

/// Debug text is stable for the plain data that is hashed here, and never leaves this function.
fn short_hash(intent: &impl Debug, later: &str) -> String {
    let digest = Sha256::digest(format!("{intent:?}{later}"));
    hex::encode(&digest[..5])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::cluster;
    use crate::validate::Auth;

    /// Who upgrades the operator restarts nothing: what was rolled before a block existed keeps its revision.
    #[test]
    fn a_block_that_says_nothing_changes_nothing() {
        let cluster = cluster(1, 1);
        let (zone, pool) = (&cluster.zones[0], &cluster.proxies[0]);
        let shared = (&cluster.version, &cluster.image, &cluster.policies, &cluster.config);
        let node =
            short_hash(&(shared, zone.region, zone.zone, &zone.config, &zone.placement, ["d1", "d2"]), "");
        assert_eq!(of_node(&cluster, zone, &zone.nodes[0]), node);
        let proxies = short_hash(&(shared, &cluster.auth, &pool.config, &pool.tls_secret_name), "");
        assert_eq!(of_proxies(&cluster, pool), proxies);
    }

    #[test]
    fn it_changes_with_what_a_pod_starts_from_and_with_nothing_else() {
        let before = cluster(3, 1);
        let revision = |c: &ValidatedCluster| of_node(c, &c.zones[0], &c.zones[0].nodes[0]);
        let proxies = |c: &ValidatedCluster| of_proxies(c, &c.proxies[0]);
        assert_eq!(revision(&before), revision(&cluster(3, 2)));

        let mut newer = before.clone();
        newer.version = Some("0.2.0".into());
        assert_ne!(revision(&before), revision(&newer));
        assert_ne!(proxies(&before), proxies(&newer));

        let mut users = before.clone();
        users.auth = Auth::Tempauth { users: [("user_a_b".into(), "c".into())].into() };
        assert_eq!(revision(&before), revision(&users));
        assert_ne!(proxies(&before), proxies(&users));

        let mut labels = before.clone();
        labels.zones[0].pods.labels = [("team".into(), "storage".into())].into();
        assert_ne!(revision(&before), revision(&labels));
        assert_eq!(proxies(&before), proxies(&labels));
        let mut account = before.clone();
        account.proxies[0].pods.service_account_name = Some("swift".into());
        assert_eq!(revision(&before), revision(&account));
        assert_ne!(proxies(&before), proxies(&account));
        let mut hosts = before.clone();
        hosts.proxies[0].placement.node_selector = [("edge".into(), "yes".into())].into();
        assert_ne!(proxies(&before), proxies(&hosts));

        let mut device = before.clone();
        device.zones[0].nodes[0].devices.pop();
        assert_ne!(revision(&before), revision(&device));
        let mut size = before.clone();
        size.zones[0].nodes[0].devices[0].size_bytes *= 2;
        assert_eq!(revision(&before), revision(&size));
    }
}
