//! `swift.conf`: hash path, storage policies, constraints. It holds the hash path, so it is a secret.

use super::ini::IniFile;
use crate::resources::{ConfigFiles, ErasureCodingSpec};
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
        match &policy.erasure_coding {
            None => drop(file.set(&section, "policy_type", "replication")),
            Some(code) => set_erasure_coding(&mut file, &section, code),
        }
        if policy.default {
            file.set(&section, "default", "yes");
        }
        if policy.deprecated {
            file.set(&section, "deprecated", "yes");
        }
    }
    file.render()
}

fn set_erasure_coding(file: &mut IniFile, section: &str, code: &ErasureCodingSpec) {
    file.set(section, "policy_type", "erasure_coding")
        .set(section, "ec_type", &code.ec_type)
        .set(section, "ec_num_data_fragments", code.data_fragments.to_string())
        .set(section, "ec_num_parity_fragments", code.parity_fragments.to_string())
        .set(section, "ec_object_segment_size", code.segment_bytes.to_string())
        .set(section, "ec_duplication_factor", code.duplication_factor.to_string());
}

/// Here Swift interpolates every value, `%(` or not.
fn double_percent(secret: &str) -> String {
    secret.replace('%', "%%")
}
