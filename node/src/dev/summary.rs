//! What a person reads when the cluster is ready.

use std::net::SocketAddr;
use std::path::Path;
use swiftlet_plan::validate::{Auth, ValidatedCluster};

/// The ready line and the summary below it.
pub(super) fn ready(cluster: &ValidatedCluster, listen: SocketAddr, data: &Path) -> String {
    let mut lines = format!("ready http://{}/auth/v1.0", listen);
    if let Some((user, key)) = first_user(cluster) {
        lines += &format!("   user {user}   key {key}");
    }
    lines + &format!("\n{} · data in {}", shape(cluster), data.display())
}

/// A line for each pool of proxies beside the cluster's own, with where clients log in.
pub(super) fn pools(others: &[(String, SocketAddr)]) -> String {
    others.iter().map(|(pool, listen)| format!("\nproxies {pool} http://{listen}/auth/v1.0")).collect()
}

/// Its size in a line: `3 zones · 3 nodes · 6 devices · 3 replicas`.
pub(super) fn shape(cluster: &ValidatedCluster) -> String {
    let devices: usize = cluster.nodes().map(|(_, node)| node.devices.len()).sum();
    let replicas = cluster.rings.iter().find(|ring| ring.name == "object").map_or(0.0, |ring| ring.replicas);
    let count = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    format!(
        "{} · {} · {} · {replicas} replicas",
        count(cluster.zones.len(), "zone"),
        count(cluster.nodes().count(), "node"),
        count(devices, "device")
    )
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
    let Auth::Tempauth { users } = &cluster.auth else { return None };
    let users: Vec<_> = users.iter().filter_map(plain).collect();
    let preferred = |(admin, name, _): &&(bool, String, String)| (*admin, name == "test:tester");
    users.iter().max_by_key(preferred).map(|(_, name, key)| (name.clone(), key.clone()))
}
