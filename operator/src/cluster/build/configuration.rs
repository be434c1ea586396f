//! Swift's configuration files as objects. What holds a secret (hash path, users, token key) is a Secret.

use super::{Owner, node_labels, pod, proxy};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use std::collections::BTreeMap;
use swiftlet_plan::conf::NodePlace;
use swiftlet_plan::world::NodeAddress;

/// Where a node's servers are, for the planner's rendering. A pod answers on every address it has and knows itself
/// in the ring by its Service's name; its devices are links, so they are no mount points.
pub fn node_place(node: &str, namespace: &str) -> NodePlace {
    let address = NodeAddress::in_kubernetes(node, namespace);
    NodePlace {
        bind_ip: "0.0.0.0".to_string(),
        ring_ip: address.host,
        ports: address.ports,
        swift_dir: pod::SWIFT_DIR.to_string(),
        devices_dir: pod::DEVICES_DIR.to_string(),
        recon_cache_dir: pod::RECON_DIR.to_string(),
        mount_check: false,
        user: None,
    }
}

/// The ConfigMap with a node's own files: they differ by the name it has in the rings.
pub fn node_config_map(owner: &Owner, zone: &str, node: &str, files: &BTreeMap<&str, String>) -> ConfigMap {
    let data = files.iter().map(|(name, text)| (name.to_string(), text.clone())).collect();
    ConfigMap {
        metadata: owner.owned(node, node_labels(owner, zone, node)),
        data: Some(data),
        ..ConfigMap::default()
    }
}

/// The Secret with a node's `swift.conf`: its own, so that no change reaches two nodes at once.
pub fn node_secret(owner: &Owner, zone: &str, node: &str, swift_conf: &str) -> Secret {
    secret(owner, node, node_labels(owner, zone, node), &[("swift.conf", swift_conf)])
}

/// The Secret with the files of a pool of proxies, named after the pool's Deployment.
pub fn proxy_secret(owner: &Owner, pool: &str, files: &BTreeMap<&str, String>) -> Secret {
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    secret(owner, &proxy::name(&owner.cluster, pool), proxy::labels(owner, pool), &files)
}

fn secret(owner: &Owner, name: &str, labels: BTreeMap<String, String>, files: &[(&str, &str)]) -> Secret {
    let data = files.iter().map(|(name, text)| (name.to_string(), ByteString(text.as_bytes().to_vec())));
    Secret { metadata: owner.owned(name, labels), data: Some(data.collect()), ..Secret::default() }
}
