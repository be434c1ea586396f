//! The options of swauth.

use super::super::{FilterError, Setup};
use super::keys::AuthType;
use crate::proxy::auth::{Resellers, auth_prefix};
use std::path::Path;
use std::sync::Arc;
use swiftlet_types::conf::{OptionError, Options};
use swiftlet_types::{HashConf, SwiftConf};

/// What `[filter:swauth]` says.
pub struct Config {
    /// The reseller prefixes; the first one is that of tokens and accounts.
    pub resellers: Arc<Resellers>,
    /// Where the API and the tokens are, with a slash at both ends.
    pub auth_prefix: String,
    /// The key of `.super_admin`; without one nothing can be administered.
    pub super_admin_key: Option<String>,
    /// The name of the cluster in new accounts' services.
    pub cluster_name: String,
    /// What comes before the account in new accounts' storage URLs, without a slash at its end. `$HOST` stands for how
    /// the client reaches us.
    pub cluster_url: String,
    /// How long a token is good for.
    pub token_life_s: u64,
    /// How long a client may ask one to be good for.
    pub max_token_life_s: u64,
    /// How new keys are stored.
    pub auth_type: AuthType,
    /// Let requests pass that another filter has authorized.
    pub allow_overrides: bool,
    /// The storage policy of the containers that hold users.
    pub storage_policy: Option<String>,
    /// What names of token objects are made with.
    pub hash: HashConf,
}

impl Config {
    /// Reads the section, and the hash path from `swift.conf`.
    pub fn read(section: &Options, setup: &mut Setup) -> Result<Self, FilterError> {
        refuse_unbuilt(section)?;
        // Known to swauth, and of no use here: nothing is asked over HTTP, and container-sync checks its own hosts.
        for option in ["node_timeout", "allowed_sync_hosts", "swauth_remote_timeout"] {
            section.str(option);
        }
        section.with_prefix("log_").for_each(drop);
        let not_empty = |option| section.str(option).filter(|value| !value.is_empty()).map(str::to_owned);
        let super_admin_key = not_empty("super_admin_key");
        if super_admin_key.is_none() {
            let place = format!("{} [{}]", section.path().display(), section.section());
            setup.warnings.push(format!("{place} super_admin_key: not set, nothing can be administered"));
        }
        let (cluster_name, cluster_url) = cluster(section)?;
        let token_life_s = section.int("token_life", 86_400)?;
        let swift_conf = Path::new(&section.str_or("swift_dir", "/etc/swift")).join("swift.conf");
        Ok(Self {
            resellers: Arc::new(Resellers::read(section)),
            auth_prefix: auth_prefix(section),
            super_admin_key,
            cluster_name,
            cluster_url,
            token_life_s,
            max_token_life_s: section.int("max_token_life", token_life_s)?,
            auth_type: AuthType::read(section)?,
            allow_overrides: section.bool("allow_overrides", true),
            storage_policy: not_empty("default_storage_policy"),
            hash: SwiftConf::read(swift_conf)?.hash,
        })
    }

    /// The account that everything is kept in.
    pub fn auth_account(&self) -> String {
        format!("{}.auth", self.resellers.first())
    }
}

/// `name#url` or `name#url#private url`: the private one is not needed, since accounts are made without HTTP.
fn cluster(section: &Options) -> Result<(String, String), OptionError> {
    let option = "default_swift_cluster";
    let text = section.str_or(option, "local#http://127.0.0.1:8080/v1");
    let mut parts = text.splitn(3, '#');
    match (parts.next(), parts.next()) {
        (Some(name), Some(url))
            if !name.is_empty()
                && ["http://", "https://", "$HOST"].iter().any(|start| url.starts_with(start)) =>
        {
            Ok((name.to_owned(), url.trim_end_matches('/').to_owned()))
        }
        _ => Err(section.error(option, "is not NAME#URL, as in local#https://objstore.example.jp/v1")),
    }
}

fn refuse_unbuilt(section: &Options) -> Result<(), OptionError> {
    if section.bool("s3_support", false) {
        return Err(section.error("s3_support", "asks for S3 with swauth's users, which is not yet built"));
    }
    match section.str("swauth_remote") {
        None | Some("") => Ok(()),
        Some(_) => Err(section.error("swauth_remote", "is not yet built; external_auth asks a service")),
    }
}
