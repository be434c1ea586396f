//! Swift's configuration files of a dev cluster: one set a node, one a pool of proxies, and `swift.conf`.
//!
//! All are made below a folder that is `etc`, or stands in for it while a change is tried.

use super::DevError;
use super::home::Home;
use super::identity::TOKEN_KEY;
use super::pools::PoolAddresses;
use super::state::{NodeRecord, State};
use crate::process::current_user;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use swiftlet_plan::conf::{self, NodePlace, ProxyPlace};
use swiftlet_plan::resources::ConfigFiles;
use swiftlet_plan::validate::{ProxyPool, ValidatedCluster, ValidatedZone};

/// The folder in `etc` with a folder for each Zone and pool whose `swift.conf` is not the cluster's: it stands in for
/// `etc` as their `swift_dir`.
const SWIFT_DIRS: &str = "swift-dirs";
/// `etc`, seen from such a folder.
const ETC_FROM_SWIFT_DIR: &str = "../..";

/// Where a Zone's servers find `swift.conf` and rings.
fn zone_swift_dir(etc: &Path, zone: &ValidatedZone) -> PathBuf {
    swift_dir(etc, &zone.name, &zone.config)
}

/// Where a pool's proxies do. No Zone's name begins like that.
fn pool_swift_dir(etc: &Path, pool: &ProxyPool) -> PathBuf {
    swift_dir(etc, &format!("proxy-{}", pool.name), &pool.config)
}

fn swift_dir(etc: &Path, subject: &str, config: &ConfigFiles) -> PathBuf {
    match config.get("swift.conf").is_some_and(|sections| !sections.is_empty()) {
        true => etc.join(SWIFT_DIRS).join(subject),
        false => etc.to_path_buf(),
    }
}

/// Writes `swift.conf`, and another with links to the rings for each Zone and pool that has options of its own there.
pub(super) fn write_swift_confs(cluster: &ValidatedCluster, home: &Home, etc: &Path) -> Result<(), DevError> {
    let Some(hash_path) = &cluster.hash_path else { return Ok(()) };
    let text = |config| conf::swift_conf(cluster, config, hash_path);
    let none = ConfigFiles::new();
    home.write_etc(etc.join("swift.conf"), text(&none).as_bytes())?;
    let zones = cluster.zones.iter().map(|zone| (zone_swift_dir(etc, zone), &zone.config));
    let pools = cluster.proxies.iter().map(|pool| (pool_swift_dir(etc, pool), &pool.config));
    for (dir, config) in zones.chain(pools).filter(|(dir, _)| dir != etc) {
        home.write_etc(dir.join("swift.conf"), text(config).as_bytes())?;
        for ring in &cluster.rings {
            let file = format!("{}.ring.gz", ring.name);
            home.link_etc(&dir.join(&file), &Path::new(ETC_FROM_SWIFT_DIR).join(&file))?;
        }
    }
    Ok(())
}

/// The texts of a node's files by kind of server (`object-server`).
pub(super) fn of_node(
    (cluster, zone): (&ValidatedCluster, &ValidatedZone),
    record: &NodeRecord,
    home: &Home,
    etc: &Path,
) -> BTreeMap<&'static str, String> {
    let place = record.place();
    let node = NodePlace {
        bind_ip: record.ip.to_string(),
        ring_ip: record.ip.to_string(),
        ports: record.ports,
        swift_dir: zone_swift_dir(etc, zone).display().to_string(),
        devices_dir: home.devices(&place).display().to_string(),
        recon_cache_dir: home.recon_cache(&place).display().to_string(),
        mount_check: false,
        user: current_user(),
    };
    let files = conf::node_files(cluster, zone, &node);
    files.into_iter().map(|(name, text)| (name.strip_suffix(".conf").unwrap_or(name), text)).collect()
}

/// The file of `kind` of server of a node, in `etc`: `object-server/<place>.conf`, as where several share a machine.
pub(super) fn name(kind: &str, place: &str) -> String {
    format!("{kind}/{place}.conf")
}

/// The paths of a node's files in `etc` by kind of server.
pub(super) fn paths_of_node(etc: &Path, place: &str) -> BTreeMap<&'static str, PathBuf> {
    let kinds = ["account-server", "container-server", "object-server"];
    kinds.into_iter().map(|kind| (kind, etc.join(name(kind, place)))).collect()
}

/// The files of a pool of proxies.
pub(super) struct PoolFiles {
    /// What its proxies start from: `proxy-server.conf`, or `proxy-server/<pool>.conf` of a pool that is not the
    /// cluster's own.
    pub(super) server: PathBuf,
    /// The texts by path, this file's too.
    pub(super) texts: BTreeMap<PathBuf, String>,
}

/// The files of `pool`.
pub(super) fn of_proxies(
    (cluster, pool): (&ValidatedCluster, &ProxyPool),
    (addresses, state): (&PoolAddresses, &State),
    home: &Home,
    etc: &Path,
) -> PoolFiles {
    let listen = addresses.of(&pool.name, state);
    let swift_dir = pool_swift_dir(etc, pool);
    let place = ProxyPlace {
        bind_ip: listen.ip().to_string(),
        bind_port: listen.port(),
        tls: None,
        swift_dir: swift_dir.display().to_string(),
        token_key_path: Some(home.etc().join(TOKEN_KEY).display().to_string()),
        user: current_user(),
    };
    let server = match addresses.is_own(&pool.name) {
        true => etc.join("proxy-server.conf"),
        false => etc.join(name("proxy-server", &pool.name)),
    };
    let path = |name: &str| match name {
        "proxy-server.conf" => server.clone(),
        named_in_it => swift_dir.join(named_in_it),
    };
    let files = conf::proxy_files(cluster, pool, &place);
    let texts = files.into_iter().map(|(name, text)| (path(name), text)).collect();
    PoolFiles { server, texts }
}

impl PoolFiles {
    /// Writes them.
    pub(super) fn write(&self, home: &Home) -> Result<(), DevError> {
        self.texts.iter().try_for_each(|(path, text)| home.write_etc(path, text.as_bytes()))
    }
}
