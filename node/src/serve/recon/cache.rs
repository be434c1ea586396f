//! What daemons wrote into the recon cache files. The one table of which figure is in which file.

use serde_json::{Map, Value};
use std::path::Path;

/// The figures that one path of `/recon` tells.
pub(super) struct Entry {
    file: &'static str,
    keys: &'static [&'static str],
}

/// The figures of `/recon/<what>`, where they come from a cache file.
pub(super) fn entry(what: &str) -> Option<Entry> {
    let (file, keys): (_, &[_]) = match what {
        "async" => ("object", &["async_pending", "async_pending_last"]),
        "replication/account" => ("account", &REPLICATION),
        "replication/container" => ("container", &REPLICATION),
        "replication/object" | "replication" => (
            "object",
            &[
                "replication_time",
                "replication_stats",
                "replication_last",
                "object_replication_time",
                "object_replication_last",
            ],
        ),
        "updater/container" => ("container", &["container_updater_sweep"]),
        "updater/object" => {
            ("object", &["object_updater_sweep", "object_updater_stats", "object_updater_last"])
        }
        "auditor/account" => (
            "account",
            &[
                "account_audits_passed",
                "account_auditor_pass_completed",
                "account_audits_since",
                "account_audits_failed",
            ],
        ),
        "auditor/container" => (
            "container",
            &[
                "container_audits_passed",
                "container_auditor_pass_completed",
                "container_audits_since",
                "container_audits_failed",
            ],
        ),
        "auditor/object" => ("object", &["object_auditor_stats_ALL", "object_auditor_stats_ZBF"]),
        "expirer/object" => ("object", &["object_expiration_pass", "expired_last_pass"]),
        "sharding" => ("container", &["sharding_stats", "sharding_time", "sharding_last"]),
        "reconstruction/object" => ("object", &["object_reconstruction_last", "object_reconstruction_time"]),
        "driveaudit" => ("drive", &["drive_audit_errors"]),
        "relinker" => ("relinker", &["devices", "workers"]),
        _ => return None,
    };
    Some(Entry { file, keys })
}

const REPLICATION: [&str; 3] = ["replication_time", "replication_stats", "replication_last"];

impl Entry {
    /// Reads them; what is not there is null.
    pub(super) fn read(&self, cache_dir: &Path) -> Value {
        let path = cache_dir.join(format!("{}.recon", self.file));
        let cached: Map<String, Value> = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::error!(path = %path.display(), %error, "Error parsing recon cache file");
                Map::new()
            }),
            // No daemon has been here yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Map::new(),
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "Error reading recon cache file");
                Map::new()
            }
        };
        let value = |key: &&str| cached.get(*key).cloned().unwrap_or(Value::Null);
        Value::Object(self.keys.iter().map(|key| ((*key).to_owned(), value(key))).collect())
    }
}
