//! The options of external_auth.

use super::super::FilterError;
use crate::proxy::auth::{Resellers, SigningKey, auth_prefix};
use crate::web_client::Limits;
use http::Uri;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_types::conf::{OptionError, Options};

/// Answers are short: a user and some groups.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// What `[filter:external_auth]` says.
pub struct Config {
    /// The reseller prefixes; the first one is that of tokens and accounts.
    pub resellers: Arc<Resellers>,
    /// Where tokens are handed out, with a slash at both ends.
    pub auth_prefix: String,
    /// Let requests pass that another filter has authorized.
    pub allow_overrides: bool,
    /// How long a token is good for where the service does not say.
    pub token_life_s: u64,
    /// What comes before the account in storage URLs; `$HOST` stands for how the client reached us.
    pub storage_url: String,
    /// Signs tokens where the service makes none.
    pub signing_key: SigningKey,
    /// How the service is asked.
    pub service: ServiceOptions,
    /// How long an answer is believed.
    pub cache_time: Duration,
    /// How long it is believed that a token is no good.
    pub negative_cache_time: Duration,
    /// How many answers are kept.
    pub cache_entries: usize,
}

/// How the service is asked.
pub struct ServiceOptions {
    /// Where.
    pub url: Uri,
    /// The authorities of its certificate; `None`: those of the system.
    pub ca_file: Option<PathBuf>,
    /// By which it knows us.
    pub shared_secret: Option<String>,
    /// How long it may take.
    pub limits: Limits,
    /// How many questions may be open at once; further ones wait.
    pub max_questions: usize,
}

impl Config {
    /// Reads the section.
    pub fn read(section: &Options) -> Result<Self, FilterError> {
        section.with_prefix("log_").for_each(drop);
        let not_empty = |option| section.str(option).filter(|value| !value.is_empty());
        let limits = Limits {
            connect_timeout: section.seconds("conn_timeout", 1.0)?,
            timeout: section.seconds("timeout", 3.0)?,
            max_body_bytes: MAX_ANSWER_BYTES,
        };
        Ok(Self {
            resellers: Arc::new(Resellers::read(section)),
            auth_prefix: auth_prefix(section),
            allow_overrides: section.bool("allow_overrides", true),
            token_life_s: section.int("token_life", 86_400)?,
            storage_url: section.str_or("storage_url", "$HOST/v1").trim_end_matches('/').to_owned(),
            signing_key: SigningKey::read(not_empty("token_key_path"))?,
            service: ServiceOptions {
                url: url(section)?,
                ca_file: not_empty("ca_file").map(PathBuf::from),
                shared_secret: shared_secret(section)?,
                limits,
                max_questions: at_least_one(section, "max_questions", 64)?,
            },
            cache_time: section.seconds("cache_time", 30.0)?,
            negative_cache_time: section.seconds("negative_cache_time", 5.0)?,
            cache_entries: at_least_one(section, "cache_entries", 10_000)?,
        })
    }
}

fn url(section: &Options) -> Result<Uri, OptionError> {
    let uri: Option<Uri> = section.str("url").and_then(|text| text.trim().parse().ok());
    let is_web = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    uri.filter(is_web)
        .ok_or_else(|| section.error("url", "is not the http(s) URL of the service that knows the users"))
}

fn shared_secret(section: &Options) -> Result<Option<String>, OptionError> {
    let secret = section.str("shared_secret").filter(|secret| !secret.is_empty());
    if secret.is_some_and(|secret| !secret.bytes().all(|b| b.is_ascii_graphic())) {
        let error = section.error("shared_secret", "holds more than printable ASCII without blanks");
        // An error must not show it.
        return Err(OptionError { value: String::new(), ..error });
    }
    Ok(secret.map(str::to_owned))
}

fn at_least_one(section: &Options, option: &str, default: usize) -> Result<usize, OptionError> {
    section
        .parsed(option, default, "is not a whole number from 1", |text| text.parse().ok().filter(|n| *n > 0))
}
