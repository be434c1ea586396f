//! `proxy-server.conf`: the pipeline, its filters and the users. It holds their keys, so it is a secret.

use super::auth;
use super::ini::IniFile;
use crate::validate::{Auth, ProxyPool, ValidatedCluster};
use std::collections::BTreeMap;

/// Where an executor puts the proxies.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyPlace {
    /// The address they listen on.
    pub bind_ip: String,
    /// Their port.
    pub bind_port: u16,
    /// Where they speak TLS beside that; `None`: they do not.
    pub tls: Option<TlsPlace>,
    /// The folder of swift.conf and the rings.
    pub swift_dir: String,
    /// The file with the key with which every proxy of the cluster signs and checks tokens; `None`: each process has a
    /// random one of its own, and tokens end with it.
    pub token_key_path: Option<String>,
    /// Who they run as where they are started as root; Swift's default is `swift`.
    pub user: Option<String>,
}

/// Where proxies speak TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsPlace {
    /// Their port.
    pub bind_port: u16,
    /// The certificate chain's file.
    pub cert_file: String,
    /// Its key's file.
    pub key_file: String,
}

/// The word of `PIPELINE` in whose place stands that of the cluster's auth.
const AUTH_WORD: &str = "tempauth";

/// The filters that are built, in Swift's order.
const PIPELINE: &str = "catch_errors gatekeeper healthcheck proxy-logging cache domain_remap etag-quoter \
                        listing_formats container_sync bulk tempurl ratelimit formpost tempauth staticweb copy \
                        container-quotas account-quotas slo dlo versioned_writes symlink proxy-logging \
                        proxy-server";

/// Section and entry point of each filter but that of auth; what a pipeline does not name is not read.
const FILTERS: &[(&str, &str)] = &[
    ("catch_errors", "catch_errors"),
    ("gatekeeper", "gatekeeper"),
    ("healthcheck", "healthcheck"),
    ("proxy-logging", "proxy_logging"),
    ("cache", "memcache"),
    ("domain_remap", "domain_remap"),
    ("etag-quoter", "etag_quoter"),
    ("listing_formats", "listing_formats"),
    ("container_sync", "container_sync"),
    ("bulk", "bulk"),
    ("tempurl", "tempurl"),
    ("ratelimit", "ratelimit"),
    ("formpost", "formpost"),
    ("staticweb", "staticweb"),
    ("copy", "copy"),
    ("container-quotas", "container_quotas"),
    ("account-quotas", "account_quotas"),
    ("slo", "slo"),
    ("dlo", "dlo"),
    ("versioned_writes", "versioned_writes"),
    ("symlink", "symlink"),
];

/// The files of a pool: `proxy-server.conf`, and what it names in `swift_dir`.
pub fn proxy_files(
    cluster: &ValidatedCluster,
    pool: &ProxyPool,
    place: &ProxyPlace,
) -> BTreeMap<&'static str, String> {
    let mut files = BTreeMap::from([("proxy-server.conf", proxy_server_conf(cluster, pool, place))]);
    if let Auth::External { authority: Some(authority), .. } = &cluster.auth {
        files.insert(auth::AUTHORITY_FILE, authority.clone());
    }
    files
}

/// The `proxy-server.conf` of a pool.
pub fn proxy_server_conf(cluster: &ValidatedCluster, pool: &ProxyPool, place: &ProxyPlace) -> String {
    let mut file = IniFile::new("proxy-server.conf");
    file.set_all("DEFAULT", &[]);
    file.set("pipeline:main", "pipeline", PIPELINE.replace(AUTH_WORD, auth::word(&cluster.auth)));
    file.set_all(
        "app:proxy-server",
        &[("use", "egg:swift#proxy"), ("account_autocreate", "true"), ("allow_account_management", "true")],
    );
    for (section, entry_point) in FILTERS {
        file.set(&format!("filter:{section}"), "use", format!("egg:swift#{entry_point}"));
    }
    // Swift leaves both off; containers say themselves whether they keep versions
    file.set_all(
        "filter:versioned_writes",
        &[("allow_versioned_writes", "true"), ("allow_object_versioning", "true")],
    );
    file.set(&format!("filter:{}", auth::word(&cluster.auth)), "use", auth::entry_point(&cluster.auth));
    auth::defaults(&mut file, &cluster.auth);
    file.overlay(&cluster.config).overlay(&pool.config);
    auth::owned(&mut file, &cluster.auth, place);
    let port = place.bind_port.to_string();
    file.set_all(
        "DEFAULT",
        &[("bind_ip", &place.bind_ip), ("bind_port", &port), ("swift_dir", &place.swift_dir)],
    );
    if let Some(user) = &place.user {
        file.set_all("DEFAULT", &[("user", user)]);
    }
    if let Some(tls) = &place.tls {
        let port = tls.bind_port.to_string();
        file.set_all(
            "DEFAULT",
            &[("tls_bind_port", &port), ("cert_file", &tls.cert_file), ("key_file", &tls.key_file)],
        );
    }
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
