//! `dispersion.conf` and the options that both programs have.

use crate::cli::optparse::{Given, Known};
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use swiftlet_ring::Ring;
use swiftlet_types::SwiftConf;
use swiftlet_types::conf::{ConfError, Ini, Options};
use swiftlet_types::policy::Policy;

const DEFAULT_FILE: &str = "/etc/swift/dispersion.conf";

pub(super) const CONTAINER_ONLY: Known = Known { letter: None, name: "container-only", has_value: false };
pub(super) const OBJECT_ONLY: Known = Known { letter: None, name: "object-only", has_value: false };
pub(super) const INSECURE: Known = Known { letter: None, name: "insecure", has_value: false };
pub(super) const POLICY_NAME: Known = Known { letter: Some('P'), name: "policy-name", has_value: true };

/// Who signs in where.
pub(super) struct Account {
    pub auth_url: String,
    pub auth_user: String,
    pub auth_key: String,
    /// How often a request is sent again.
    pub retries: u32,
}

/// What both programs go by.
pub(super) struct Settings {
    /// All of the file's section.
    pub options: Options,
    pub account: Account,
    /// Requests under way at once.
    pub concurrency: usize,
    /// The policy whose objects and containers are meant.
    pub policy: Policy,
    pub swift: SwiftConf,
    swift_dir: PathBuf,
}

impl Settings {
    /// Reads the file that `given` names, and `swift.conf` in the folder that it names. Where something is not as the
    /// person who calls thinks it is, that has been said as Swift says it, and the exit code is given.
    pub fn read(given: &Given) -> anyhow::Result<Result<Self, ExitCode>> {
        let path = given.arguments.first().map_or(DEFAULT_FILE, String::as_str);
        let ini = match Ini::read(path) {
            Ok(ini) => ini,
            Err(ConfError::Read { .. }) => {
                return Ok(Err(exit(&format!("Unable to read config file: {path}"))));
            }
            Err(error) => return Err(error.into()),
        };
        let options = ini.daemon("dispersion")?;
        let swift_dir = PathBuf::from(options.str_or("swift_dir", "/etc/swift"));
        let swift = SwiftConf::read(swift_dir.join("swift.conf"))?;
        let policy = match given.value(POLICY_NAME.name) {
            None => swift.policies.default_policy(),
            Some(name) => match swift.policies.by_name(name) {
                Some(policy) => policy,
                None => return Ok(Err(exit(&format!("Unable to find policy: {name}")))),
            },
        };
        let policy = policy.clone();
        let account = Account::read(&options, given.has(INSECURE.name))?;
        let concurrency = options.int("concurrency", 25_usize)?.max(1);
        Ok(Ok(Self { account, concurrency, policy, swift, swift_dir, options }))
    }

    /// The ring called `name`.
    pub fn ring(&self, name: &str) -> anyhow::Result<Ring> {
        Ok(Ring::load(Path::new(&self.swift_dir).join(format!("{name}.ring.gz")))?)
    }

    /// The ring of the policy's objects.
    pub fn object_ring(&self) -> anyhow::Result<Ring> {
        self.ring(&self.policy.path_name("object"))
    }
}

impl Account {
    fn read(o: &Options, is_insecure: bool) -> anyhow::Result<Self> {
        let needed = |option: &str| {
            let value = o.str(option).map(str::to_owned);
            value.with_context(|| format!("{} [{}] {option} is needed", o.path().display(), o.section()))
        };
        let version = o.str_or("auth_version", "1.0");
        if !matches!(version.trim(), "1" | "1.0") {
            bail!(
                "{} [{}] auth_version: {version:?}: signing in at Keystone is not built in; 1.0 (tempauth, swauth) would be \
                 right",
                o.path().display(),
                o.section()
            );
        }
        let auth_url = needed("auth_url")?;
        if auth_url.starts_with("https:") && (is_insecure || o.bool("keystone_api_insecure", false)) {
            bail!("certificates are always verified: leave out --insecure and keystone_api_insecure");
        }
        // of Keystone alone: nothing follows from them
        for option in
            ["endpoint_type", "region_name", "user_domain_name", "project_domain_name", "project_name"]
        {
            let _ = o.str(option);
        }
        let retries = o.int("retries", 5)?;
        Ok(Self { auth_url, auth_user: needed("auth_user")?, auth_key: needed("auth_key")?, retries })
    }
}

/// Ends as Python's `exit` with a text does.
pub(super) fn exit(text: &str) -> ExitCode {
    eprintln!("{text}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(pairs: &[(&str, &str)]) -> Result<Account, String> {
        let options = [("auth_url", "http://x/auth/v1.0"), ("auth_user", "a:b"), ("auth_key", "c")]
            .iter()
            .chain(pairs)
            .fold(Options::new("dispersion.conf", "dispersion"), |o, (option, value)| o.with(option, value));
        Account::read(&options, false).map_err(|error| error.to_string())
    }

    #[test]
    fn keystone_is_refused_plainly() {
        assert_eq!(account(&[("auth_version", "1"), ("retries", "2")]).unwrap().retries, 2);
        for version in ["2.0", "3", "x"] {
            assert!(account(&[("auth_version", version)]).err().unwrap().contains("Keystone"), "{version}");
        }
        let insecure = [("auth_url", "https://x"), ("keystone_api_insecure", "yes")];
        assert!(account(&insecure).err().unwrap().contains("verified"));
        assert!(account(&[("project_name", "p")]).is_ok());
    }
}
