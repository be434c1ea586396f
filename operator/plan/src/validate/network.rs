//! Checks of who may reach the pods.

use super::{Desired, Findings, Subject};
use crate::resources::{IpBlock, NetworkPeer};
use std::net::IpAddr;

/// Who may reach the pods of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkAccess {
    /// Who may reach proxies; nobody named: everybody may.
    pub clients: Vec<NetworkPeer>,
    /// Who may reach storage servers beside the cluster's own pods: nodes outside Kubernetes are among them.
    pub storage_peers: Vec<NetworkPeer>,
    /// Who may read metrics beside the operator.
    pub monitors: Vec<NetworkPeer>,
}

/// Checks `spec.networkPolicy`; `None` where it is not enabled.
pub(super) fn check(desired: &Desired, subject: &Subject, findings: &mut Findings) -> Option<NetworkAccess> {
    let spec = &desired.cluster.spec.network_policy;
    let all =
        [("clients", &spec.clients), ("storagePeers", &spec.storage_peers), ("monitors", &spec.monitors)];
    for (field, peers) in all {
        for (i, peer) in peers.iter().enumerate() {
            check_peer(peer, subject, &format!("spec.networkPolicy.{field}[{i}]"), findings);
        }
    }
    if !spec.enabled {
        return None;
    }
    let mut storage_peers = spec.storage_peers.clone();
    let zones = desired.zones.iter().filter(|zone| zone.spec.cluster == desired.cluster.name());
    for (zone, node) in zones.flat_map(|zone| zone.spec.external.iter().map(move |node| (zone, node))) {
        match node.address.parse::<IpAddr>() {
            Ok(address) => storage_peers.push(host(address)),
            Err(_) if spec.storage_peers.is_empty() => {
                let message = format!(
                    "node {} of Zone {} has a host name, which no NetworkPolicy can let in; name its network here",
                    node.address,
                    zone.name()
                );
                findings.advise(subject, "spec.networkPolicy.storagePeers", "ExternalNodeShutOut", message);
            }
            Err(_) => {}
        }
    }
    Some(NetworkAccess { clients: spec.clients.clone(), storage_peers, monitors: spec.monitors.clone() })
}

fn host(address: IpAddr) -> NetworkPeer {
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let block = IpBlock { cidr: format!("{address}/{bits}"), except: Vec::new() };
    NetworkPeer { ip_block: Some(block), ..NetworkPeer::default() }
}

fn check_peer(peer: &NetworkPeer, subject: &Subject, path: &str, findings: &mut Findings) {
    let by_labels = peer.namespace_selector.is_some() || peer.pod_selector.is_some();
    if peer.ip_block.is_some() == by_labels {
        let message = "either ipBlock, or namespaceSelector and podSelector or one of them";
        findings.problem(subject, path, "InvalidNetworkPolicy", message);
    }
    let Some(block) = &peer.ip_block else { return };
    let networks = std::iter::once(("cidr".to_string(), &block.cidr))
        .chain(block.except.iter().enumerate().map(|(i, except)| (format!("except[{i}]"), except)));
    for (field, cidr) in networks.filter(|(_, cidr)| !is_cidr(cidr)) {
        let message = format!("{cidr:?} is no network; write it like 10.0.0.0/8");
        findings.problem(subject, format!("{path}.ipBlock.{field}"), "InvalidNetworkPolicy", message);
    }
}

/// Whether `text` is an address and the length of its network's part.
pub(super) fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.bytes().all(|b| b.is_ascii_digit()) && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

#[cfg(test)]
mod tests {
    use super::super::{tests::desired, validate};
    use super::*;

    #[test]
    fn networks_are_told_from_other_text() {
        for good in ["10.0.0.0/8", "0.0.0.0/0", "fd00::/64", "192.0.2.7/32"] {
            assert!(is_cidr(good), "{good}");
        }
        for bad in ["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "host/8", "fd00::/129", "10.0.0.0/+8", "10.0.0.0/"]
        {
            assert!(!is_cidr(bad), "{bad}");
        }
    }

    #[test]
    fn nodes_outside_are_let_in_by_address() {
        let external = "external: [{address: 192.0.2.7, devices: [{name: d1, size: 1Gi}]}, {address: old.example.com, devices: [{name: d1, size: 1Gi}]}],";
        let desired = desired(|text| {
            text.replacen("config: {}", "networkPolicy: {enabled: true}", 1).replacen(
                "zone: 2, nodes",
                &format!("zone: 2, {external} nodes"),
                1,
            )
        });
        let mut findings = Findings::default();
        let access = check(&desired, &Subject::Cluster("demo".into()), &mut findings).unwrap();
        assert_eq!(access.storage_peers, [host("192.0.2.7".parse().unwrap())]);
        assert_eq!(access.storage_peers[0].ip_block.as_ref().unwrap().cidr, "192.0.2.7/32");
        assert_eq!(findings.advice[0].reason, "ExternalNodeShutOut");
        assert!(findings.advice[0].message.contains("old.example.com"));
    }

    #[test]
    fn a_peer_is_a_network_or_pods() {
        let peers = "[{}, {ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8, except: [x]}}, {podSelector: {}}]";
        let policy = format!("networkPolicy: {{clients: {peers}}}");
        let found = validate(&desired(|text| text.replacen("config: {}", &policy, 1))).problems;
        let paths: Vec<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "spec.networkPolicy.clients[0]",
                "spec.networkPolicy.clients[1]",
                "spec.networkPolicy.clients[2].ipBlock.except[0]"
            ]
        );
    }
}
