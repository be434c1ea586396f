//! What a person reads when the cluster is ready.

use std::net::SocketAddr;
use std::path::Path;
use swiftlet_plan::validate::ValidatedCluster;

/// The ready line and the summary below it.
pub(super) fn ready(cluster: &ValidatedCluster, listen: SocketAddr, data: &Path) -> String {
    let zones = cluster.zones.len();
    let nodes = cluster.nodes().count();
    let devices: usize = cluster.nodes().map(|(_, node)| node.devices.len()).sum();
    let replicas = cluster.rings.iter().find(|ring| ring.name == "object").map_or(0.0, |ring| ring.replicas);
    let mut lines = format!("ready http://{}/auth/v1.0", listen);
    if let Some((user, key)) = first_user(cluster) {
        lines += &format!("   user {user}   key {key}");
    }
    let count = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    lines += &format!(
        "\n{} · {} · {} · {replicas} replicas · data in {}",
        count(zones, "zone"),
        count(nodes, "node"),
        count(devices, "device"),
        data.display()
    );
    lines
}

/// A user to begin with: an account's administrator, if there is one. Their key is shown because the manifest
/// that holds it is on this machine already.
fn first_user(cluster: &ValidatedCluster) -> Option<(String, String)> {
    let plain = |(name, value): (&String, &String)| {
        let (account, user) = name.strip_prefix("user_")?.split_once('_')?;
        let mut words = value.split_whitespace();
        let key = words.next()?.to_string();
        Some((words.any(|group| group == ".admin"), format!("{account}:{user}"), key))
    };
    let users: Vec<_> = cluster.users.iter().filter_map(plain).collect();
    let preferred = |(admin, name, _): &&(bool, String, String)| (*admin, name == "test:tester");
    users.iter().max_by_key(preferred).map(|(_, name, key)| (name.clone(), key.clone()))
}
