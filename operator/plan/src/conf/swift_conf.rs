//! `swift.conf`: hash path, storage policies, constraints. It holds the hash path, so it is a secret.

use super::ini::IniFile;
use crate::resources::ConfigFiles;
use crate::validate::{HashPath, ValidatedCluster};

/// The `swift.conf` of a node or of a pool of proxies; `own` is the `config` of its Zone or of the pool.
pub fn swift_conf(cluster: &ValidatedCluster, own: &ConfigFiles, hash_path: &HashPath) -> String {
    let mut file = IniFile::new("swift.conf");
    file.overlay(&cluster.config).overlay(own);
    file.set("swift-hash", "swift_hash_path_prefix", double_percent(&hash_path.prefix));
    file.set("swift-hash", "swift_hash_path_suffix", double_percent(&hash_path.suffix));
    for policy in &cluster.policies {
        let section = format!("storage-policy:{}", policy.index);
        file.set(&section, "name", &policy.name);
        if !policy.aliases.is_empty() {
            file.set(&section, "aliases", policy.aliases.join(", "));
        }
        file.set(&section, "policy_type", "replication");
        if policy.default {
            file.set(&section, "default", "yes");
        }
        if policy.deprecated {
            file.set(&section, "deprecated", "yes");
        }
    }
    file.render()
}

/// Here Swift interpolates every value, `%(` or not.
fn double_percent(secret: &str) -> String {
    secret.replace('%', "%%")
}
