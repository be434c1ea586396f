//! `proxy-server.conf`: the pipeline, its filters and the users. It holds their keys, so it is a secret.

use super::ini::IniFile;
use crate::validate::{ProxyPool, ValidatedCluster};

/// Where an executor puts the proxies.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyPlace {
    /// The address they listen on.
    pub bind_ip: String,
    /// Their port.
    pub bind_port: u16,
    /// The folder of swift.conf and the rings.
    pub swift_dir: String,
    /// The file with the key with which every proxy of the cluster signs and checks tokens; `None`: each process has a
    /// random one of its own, and tokens end with it.
    pub token_key_path: Option<String>,
}

/// The filters that are built, in Swift's order.
const PIPELINE: &str = "catch_errors gatekeeper healthcheck proxy-logging cache listing_formats tempauth copy \
                        proxy-logging proxy-server";

/// Section and entry point of each filter; what a pipeline does not name is not read.
const FILTERS: [(&str, &str); 8] = [
    ("catch_errors", "catch_errors"),
    ("gatekeeper", "gatekeeper"),
    ("healthcheck", "healthcheck"),
    ("proxy-logging", "proxy_logging"),
    ("cache", "memcache"),
    ("listing_formats", "listing_formats"),
    ("tempauth", "tempauth"),
    ("copy", "copy"),
];

/// The `proxy-server.conf` of a pool.
pub fn proxy_server_conf(cluster: &ValidatedCluster, pool: &ProxyPool, place: &ProxyPlace) -> String {
    let mut file = IniFile::new("proxy-server.conf");
    file.set_all("DEFAULT", &[]);
    file.set("pipeline:main", "pipeline", PIPELINE);
    file.set_all(
        "app:proxy-server",
        &[("use", "egg:swift#proxy"), ("account_autocreate", "true"), ("allow_account_management", "true")],
    );
    for (section, entry_point) in FILTERS {
        file.set(&format!("filter:{section}"), "use", format!("egg:swift#{entry_point}"));
    }
    file.overlay(&cluster.config).overlay(&pool.config);
    if let Some(path) = &place.token_key_path {
        file.set_all("filter:tempauth", &[("token_key_path", path)]);
    }
    for (user, key_and_groups) in &cluster.users {
        file.set("filter:tempauth", user, key_and_groups);
    }
    let port = place.bind_port.to_string();
    file.set_all(
        "DEFAULT",
        &[("bind_ip", &place.bind_ip), ("bind_port", &port), ("swift_dir", &place.swift_dir)],
    );
    file.render()
}

impl std::fmt::Debug for ProxyPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProxyPlace")
            .field("bind_ip", &self.bind_ip)
            .field("bind_port", &self.bind_port)
            .finish_non_exhaustive()
    }
}
