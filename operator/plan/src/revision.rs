//! What a node or proxy was started with, as a short word.
//!
//! A revision is taken over what people asked for, not over what an operator renders from it: a newer operator,
//! which may render differently, restarts nothing by itself.

use crate::resources::ConfigFiles;
use crate::validate::{ProxyPool, ValidatedCluster, ValidatedNode, ValidatedZone};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Debug;

/// The revision of `node` of `zone`.
pub fn of_node(cluster: &ValidatedCluster, zone: &ValidatedZone, node: &ValidatedNode) -> String {
    let devices: Vec<&str> = node.devices.iter().map(|device| device.name.as_str()).collect();
    let shared = (&cluster.version, &cluster.image, &cluster.policies, read_by_nodes(&cluster.config));
    short_hash(&(shared, zone.region, zone.zone, read_by_nodes(&zone.config), &zone.placement, devices))
}

/// The revision of the proxies of `pool`.
pub fn of_proxies(cluster: &ValidatedCluster, pool: &ProxyPool) -> String {
    let shared = (&cluster.version, &cluster.image, &cluster.policies, read_by_proxies(&cluster.config));
    short_hash(&(shared, &cluster.auth, read_by_proxies(&pool.config), &pool.tls_secret_name))
}

/// The file that proxies read and nodes do not.
const PROXY_FILE: &str = "proxy-server.conf";
/// The file that everybody reads.
const SHARED_FILE: &str = "swift.conf";

/// What of `config` restarts a node.
fn read_by_nodes(config: &ConfigFiles) -> Vec<(&String, &BTreeMap<String, BTreeMap<String, String>>)> {
    config.iter().filter(|(file, _)| *file != PROXY_FILE).collect()
}

/// What of `config` restarts a proxy.
fn read_by_proxies(config: &ConfigFiles) -> Vec<(&String, &BTreeMap<String, BTreeMap<String, String>>)> {
    config.iter().filter(|(file, _)| *file == PROXY_FILE || *file == SHARED_FILE).collect()
}

/// Debug text is stable for the plain data that is hashed here, and never leaves this function.
fn short_hash(intent: &impl Debug) -> String {
    let digest = Sha256::digest(format!("{intent:?}"));
    hex::encode(&digest[..5])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::cluster;
    use crate::validate::Auth;

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

        let mut device = before.clone();
        device.zones[0].nodes[0].devices.pop();
        assert_ne!(revision(&before), revision(&device));
        let mut size = before.clone();
        size.zones[0].nodes[0].devices[0].size_bytes *= 2;
        assert_eq!(revision(&before), revision(&size));
    }
}
