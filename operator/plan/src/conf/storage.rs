//! The account, container and object servers' files, each with the sections of its daemons.

use super::ini::IniFile;
use crate::resources::ServerPorts;
use crate::validate::{ValidatedCluster, ValidatedZone};
use std::collections::BTreeMap;

/// Where an executor puts a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePlace {
    /// The address its servers listen on.
    pub bind_ip: String,
    /// Its address in the rings, by which it knows its own devices.
    pub ring_ip: String,
    /// Its servers' ports.
    pub ports: ServerPorts,
    /// The folder of swift.conf and the rings.
    pub swift_dir: String,
    /// The folder of its devices.
    pub devices_dir: String,
    /// The folder of its recon caches.
    pub recon_cache_dir: String,
    /// Whether each device is a mount point, and must be one.
    pub mount_check: bool,
    /// Who its servers and daemons run as where they are started as root; Swift's default is `swift`.
    pub user: Option<String>,
}

/// The daemons of each kind of server. Their sections are written even when empty: a daemon looks for its own.
const ACCOUNT_DAEMONS: [&str; 3] = ["account-replicator", "account-auditor", "account-reaper"];
const CONTAINER_DAEMONS: [&str; 6] = [
    "container-replicator",
    "container-updater",
    "container-auditor",
    "container-sync",
    "container-sharder",
    "container-reconciler",
];
const OBJECT_DAEMONS: [&str; 5] =
    ["object-replicator", "object-reconstructor", "object-updater", "object-auditor", "object-expirer"];

/// A node's files by name: `account-server.conf`, `container-server.conf`, `object-server.conf`.
pub fn node_files(
    cluster: &ValidatedCluster,
    zone: &ValidatedZone,
    place: &NodePlace,
) -> BTreeMap<&'static str, String> {
    let ports = place.ports;
    let servers: [(&'static str, &str, u16, &[&str]); 3] = [
        ("account-server.conf", "account", ports.account, &ACCOUNT_DAEMONS),
        ("container-server.conf", "container", ports.container, &CONTAINER_DAEMONS),
        ("object-server.conf", "object", ports.object, &OBJECT_DAEMONS),
    ];
    let file =
        |(name, kind, port, daemons)| (name, server_file(cluster, zone, place, (name, kind, port, daemons)));
    servers.into_iter().map(file).collect()
}

fn server_file(
    cluster: &ValidatedCluster,
    zone: &ValidatedZone,
    place: &NodePlace,
    (name, kind, port, daemons): (&'static str, &str, u16, &[&str]),
) -> String {
    let app = format!("{kind}-server");
    let mut file = IniFile::new(name);
    file.set_all("DEFAULT", &[]);
    file.set("pipeline:main", "pipeline", format!("healthcheck recon {app}"));
    file.set(&format!("app:{app}"), "use", format!("egg:swift#{kind}"));
    file.set_all("filter:healthcheck", &[("use", "egg:swift#healthcheck")]);
    file.set_all("filter:recon", &[("use", "egg:swift#recon")]);
    for daemon in daemons {
        file.set_all(daemon, &[]);
    }
    if kind == "container" {
        // as with the expirer below
        file.set("container-reconciler", "processes", "auto");
    }
    if kind == "object" {
        // there is no rsync in our images, and nobody on the other side who needs it
        file.set("object-replicator", "sync_method", "ssync");
        // the one queue there is: without this word an expirer leaves it to others
        file.set("object-expirer", "dequeue_from_legacy", "true");
        // each node of the ring has its share: no file has to change when nodes come and go
        file.set("object-expirer", "processes", "auto");
    }
    file.overlay(&cluster.config).overlay(&zone.config);
    let mount_check = if place.mount_check { "true" } else { "false" };
    file.set_all(
        "DEFAULT",
        &[
            ("bind_ip", &place.bind_ip),
            ("bind_port", &port.to_string()),
            ("ring_ip", &place.ring_ip),
            ("swift_dir", &place.swift_dir),
            ("devices", &place.devices_dir),
            ("mount_check", mount_check),
            ("recon_cache_path", &place.recon_cache_dir),
        ],
    );
    if let Some(user) = &place.user {
        file.set_all("DEFAULT", &[("user", user)]);
    }
    file.render()
}
