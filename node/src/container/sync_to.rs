//! Where containers may be synced to: the hosts and realms that X-Container-Sync-To may name.

use std::path::PathBuf;
use swiftlet_types::conf::{Ini, Options};
use swiftlet_types::names::quote;
use swiftlet_types::sync_realms::Realms;

/// Where a container goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyncTarget {
    /// The container there.
    pub url: String,
    /// The realm, in upper case, and its secret; `None` where the container's own secret alone opens the door.
    pub realm: Option<(String, String)>,
}

/// What the server's configuration allows.
#[derive(Debug, Clone)]
pub(super) struct SyncTargets {
    allowed_hosts: Vec<String>,
    realms_path: PathBuf,
}

impl SyncTargets {
    /// Reads `allowed_sync_hosts`, and where the realms are.
    pub fn from_options(options: &Options) -> Self {
        let swift_dir = PathBuf::from(options.str_or("swift_dir", "/etc/swift"));
        Self {
            allowed_hosts: options.list("allowed_sync_hosts", "127.0.0.1"),
            realms_path: swift_dir.join("container-sync-realms.conf"),
        }
    }

    /// What is wrong with an X-Container-Sync-To, in Swift's words. Reads the realms' file.
    pub fn check(&self, value: &str) -> Result<(), String> {
        self.resolve(value).map(drop)
    }

    /// Where an X-Container-Sync-To leads, `None` for one that is empty, or what is wrong with it. Reads the realms'
    /// file.
    pub fn resolve(&self, value: &str) -> Result<Option<SyncTarget>, String> {
        let target = value.trim_end_matches('/');
        if target.is_empty() {
            return Ok(None);
        }
        match target.strip_prefix("//") {
            Some(path) => self.resolve_realm(path, value).map(Some),
            None => {
                self.check_url(target)?;
                Ok(Some(SyncTarget { url: target.to_owned(), realm: None }))
            }
        }
    }

    /// `//realm/cluster/account/container`, both in the realms' file.
    fn resolve_realm(&self, path: &str, value: &str) -> Result<SyncTarget, String> {
        let parts: Vec<&str> = path.split('/').collect();
        let [realm, cluster, account, container] = parts[..] else {
            return Err(format!("Invalid X-Container-Sync-To format '{value}'"));
        };
        let realms = Ini::read(&self.realms_path).ok().and_then(|ini| Realms::from_ini(&ini).ok());
        let known = realms.as_ref().and_then(|realms| realms.get(realm));
        let Some((known, key)) = known.and_then(|known| Some((known, known.key.clone()?))) else {
            return Err(format!("No realm key for '{realm}'"));
        };
        match known.endpoint(cluster) {
            None => Err(format!("No cluster endpoint for '{realm}' '{cluster}'")),
            Some(endpoint) => Ok(SyncTarget {
                url: format!("{}/{}/{}", endpoint.trim_end_matches('/'), quote(account), quote(container)),
                realm: Some((realm.to_uppercase(), key)),
            }),
        }
    }

    /// `http[s]://host[:port]/path` of an allowed host.
    fn check_url(&self, url: &str) -> Result<(), String> {
        let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
        if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
            let scheme = if url.contains(':') { scheme } else { "" };
            return Err(format!(
                "Invalid scheme '{scheme}' in X-Container-Sync-To, must be \"//\", \"http\", or \"https\"."
            ));
        }
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if path.is_empty() {
            return Err("Path required in X-Container-Sync-To".to_owned());
        }
        if path.contains(['?', '#', ';']) {
            return Err("Params, queries, and fragments not allowed in X-Container-Sync-To".to_owned());
        }
        let host = host_of(authority);
        if self.allowed_hosts.contains(&host) {
            Ok(())
        } else {
            Err(format!("Invalid host '{host}' in X-Container-Sync-To"))
        }
    }
}

/// The host of `[user@]host[:port]`, in lower case.
fn host_of(authority: &str) -> String {
    let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
    let host = match address.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => address.split(':').next().unwrap_or_default(),
    };
    host.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_need_an_allowed_host_and_a_path() {
        let targets = SyncTargets { allowed_hosts: vec!["h".into()], realms_path: "/nonexistent".into() };
        for good in ["", "http://h/v1/a/c", "https://H:8080/v1/a/c/"] {
            assert_eq!(targets.check(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            (
                "ftp://h/v1",
                "Invalid scheme 'ftp' in X-Container-Sync-To, must be \"//\", \"http\", or \"https\".",
            ),
            ("http://h", "Path required in X-Container-Sync-To"),
            ("http://h/a?b", "Params, queries, and fragments not allowed in X-Container-Sync-To"),
            ("http://other/a", "Invalid host 'other' in X-Container-Sync-To"),
            ("//realm/x", "Invalid X-Container-Sync-To format '//realm/x'"),
            ("//realm/cluster/a/c", "No realm key for 'realm'"),
        ] {
            assert_eq!(targets.check(bad), Err(why.to_owned()), "{bad}");
        }
    }

    #[test]
    fn realms_need_a_key_and_the_cluster() {
        let dir = tempfile::tempdir().unwrap();
        let realms_path = dir.path().join("container-sync-realms.conf");
        std::fs::write(
            &realms_path,
            "[Realm]\nkey = k\ncluster_One = http://one/v1/\n[keyless]\ncluster_one = x\n",
        )
        .unwrap();
        let targets = SyncTargets { allowed_hosts: vec![], realms_path };
        let target =
            SyncTarget { url: "http://one/v1/a%20b/c".into(), realm: Some(("REALM".into(), "k".into())) };
        assert_eq!(targets.resolve("//realm/one/a b/c"), Ok(Some(target)));
        assert_eq!(targets.check("//realm/one/a/c"), Ok(()));
        assert_eq!(targets.check("//realm/two/a/c"), Err("No cluster endpoint for 'realm' 'two'".into()));
        assert_eq!(targets.check("//keyless/one/a/c"), Err("No realm key for 'keyless'".into()));
    }
}
