//! The realms of container-sync: `container-sync-realms.conf`, which proxies, container servers and the daemon read.

use crate::conf::{ConfError, Ini, OptionError};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::time::Duration;
use thiserror::Error;

/// How often the file is looked at where it does not say.
pub const DEFAULT_CHECK_INTERVAL: Duration = Duration::from_secs(300);

/// Why the file cannot be used.
#[derive(Debug, Error)]
pub enum RealmsError {
    /// It cannot be read.
    #[error(transparent)]
    Conf(#[from] ConfError),
    /// `mtime_check_interval` is no number of seconds.
    #[error(transparent)]
    Option(#[from] OptionError),
}

/// The realms by name; their names and those of clusters are upper case.
#[derive(Clone, Default)]
pub struct Realms {
    realms: Vec<Realm>,
    check_interval: Option<Duration>,
}

/// Clusters that copy containers to each other, and the secrets by which they know each other.
#[derive(Clone, Default)]
pub struct Realm {
    name: String,
    /// The secret.
    pub key: Option<String>,
    /// One that is good too, while the secret is being changed.
    pub key2: Option<String>,
    /// The end points by name, each up to its `/v1/`.
    clusters: Vec<(String, String)>,
}

impl Realms {
    /// Reads what a file says.
    pub fn from_ini(ini: &Ini) -> Result<Self, RealmsError> {
        let default = DEFAULT_CHECK_INTERVAL.as_secs_f64();
        let check_interval = ini.default_options()?.seconds("mtime_check_interval", default)?;
        let mut realms = Vec::new();
        for name in ini.sections() {
            let options = ini.daemon(name)?;
            let not_empty = |option| options.str(option).filter(|key| !key.is_empty()).map(str::to_owned);
            let clusters = options.with_prefix("cluster_");
            realms.push(Realm {
                name: name.to_uppercase(),
                key: not_empty("key"),
                key2: not_empty("key2"),
                clusters: clusters.map(|(name, url)| (name.to_uppercase(), url.to_owned())).collect(),
            });
        }
        Ok(Self { realms, check_interval: Some(check_interval) })
    }

    /// How often the file wants to be looked at.
    pub fn check_interval(&self) -> Duration {
        self.check_interval.unwrap_or(DEFAULT_CHECK_INTERVAL)
    }

    /// The realm `name`, in whatever case.
    pub fn get(&self, name: &str) -> Option<&Realm> {
        let name = name.to_uppercase();
        self.realms.iter().find(|realm| realm.name == name)
    }

    /// Every realm, as the file orders them.
    pub fn iter(&self) -> impl Iterator<Item = &Realm> {
        self.realms.iter()
    }
}

impl Realm {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of its clusters.
    pub fn clusters(&self) -> impl Iterator<Item = &str> {
        self.clusters.iter().map(|(name, _)| name.as_str())
    }

    /// The end point of the cluster `name`, in whatever case.
    pub fn endpoint(&self, name: &str) -> Option<&str> {
        let name = name.to_uppercase();
        self.clusters.iter().find(|(known, _)| *known == name).map(|(_, url)| url.as_str())
    }
}

/// What a cluster signs a request to another with: by the realm's `key`, what is done to which `path`
/// (percent-encoded), the `X-Timestamp` that it says, a word that is used once, and the container's own key. In hex.
pub fn sign(key: &str, method: &str, path: &str, timestamp: &[u8], nonce: &str, user_key: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    let parts = [method.as_bytes(), path.as_bytes(), timestamp, nonce.as_bytes(), user_key.as_bytes()];
    mac.update(&parts.join(&b'\n'));
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realms(text: &str) -> Result<Realms, RealmsError> {
        Realms::from_ini(&Ini::parse("container-sync-realms.conf", text).unwrap())
    }

    #[test]
    fn names_are_found_in_whatever_case() {
        let text = "[DEFAULT]\nmtime_check_interval = 7.5\n[us]\nkey = k\nkey2 = k2\ncluster_dfw1 = http://dfw1/v1/\n";
        let realms = realms(text).unwrap();
        assert_eq!(realms.check_interval(), Duration::from_millis(7500));
        let us = realms.get("Us").unwrap();
        assert_eq!((us.name(), us.key.as_deref(), us.key2.as_deref()), ("US", Some("k"), Some("k2")));
        assert_eq!(us.endpoint("dfw1"), Some("http://dfw1/v1/"));
        assert_eq!(us.clusters().collect::<Vec<_>>(), ["DFW1"]);
        assert!(us.endpoint("lon3").is_none() && realms.get("uk").is_none());
    }

    #[test]
    fn an_empty_key_is_none_and_a_bad_interval_is_told() {
        assert!(realms("[us]\nkey =\n").unwrap().get("us").unwrap().key.is_none());
        let error = realms("[DEFAULT]\nmtime_check_interval = soon\n").err().unwrap().to_string();
        assert!(error.contains("mtime_check_interval"), "{error}");
    }
}
