//! The options of tempauth: users, reseller prefixes, tokens.

use super::super::{FilterError, Setup};
use super::fernet::FernetKeys;
use super::tokens::{Home, Tokens};
use crate::proxy::auth::{Resellers, SigningKey, auth_prefix};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::collections::HashMap;
use std::sync::Arc;
use swiftlet_types::conf::{OptionError, Options};
use swiftlet_types::names::quote;

/// What `[filter:tempauth]` says.
pub struct Config {
    /// The reseller prefixes; the first one is that of tokens.
    pub resellers: Arc<Resellers>,
    /// Where tokens are handed out, with a slash at both ends.
    pub auth_prefix: String,
    /// How long a token is good for.
    pub token_life_s: u64,
    /// Let requests pass that another filter has authorized.
    pub allow_overrides: bool,
    /// The scheme of storage URLs; `None`: that of the request.
    pub storage_url_scheme: Option<String>,
    /// The users by `account:user`.
    pub users: HashMap<String, User>,
    /// How tokens are made and checked.
    pub tokens: Tokens,
}

/// A user.
pub struct User {
    /// The password.
    pub key: String,
    /// The storage URL, in which `$HOST` stands for how the client reached us.
    pub url: String,
    /// The groups beside the account's and the user's own.
    pub groups: Vec<String>,
}

impl Config {
    /// Reads the section.
    pub fn read(section: &Options, setup: &mut Setup) -> Result<Self, FilterError> {
        let resellers = Arc::new(Resellers::read(section));
        let users = users(section, resellers.first())?;
        section.with_prefix("log_").for_each(drop);
        let key = SigningKey::read(section.str("token_key_path").filter(|path| !path.is_empty()))?;
        let scheme = section.str_or("storage_url_scheme", "default");
        Ok(Self {
            auth_prefix: auth_prefix(section),
            token_life_s: section.int("token_life", 86_400)?,
            allow_overrides: section.bool("allow_overrides", true),
            storage_url_scheme: (scheme != "default").then_some(scheme),
            tokens: Tokens {
                home: if setup.cache_is_shared { Home::Cache } else { Home::Signed(key) },
                fernet: FernetKeys::read(section)?,
            },
            resellers,
            users,
        })
    }

    /// The groups of a user: the account, the user, what the configuration lists; `.admin` becomes the accounts
    /// of every reseller prefix.
    pub fn groups(&self, account_user: &str) -> Option<String> {
        let user = self.users.get(account_user)?;
        let (account, _) = account_user.split_once(':')?;
        let mut groups: Vec<String> = vec![account.into(), account_user.into()];
        groups.extend(user.groups.iter().filter(|group| *group != ".admin").cloned());
        if user.groups.iter().any(|group| group == ".admin") {
            groups.extend(self.resellers.named().map(|prefix| format!("{prefix}{account}")));
            let own = user.url.rsplit('/').next().unwrap_or_default();
            if !groups.iter().any(|group| group == own) {
                groups.push(own.into());
            }
        }
        Some(groups.join(","))
    }
}

fn users(section: &Options, prefix: &str) -> Result<HashMap<String, User>, OptionError> {
    let mut users = HashMap::new();
    for (kind, decode) in [("user_", plain_name as fn(&str) -> Option<String>), ("user64_", base64_name)] {
        for (names, value) in section.with_prefix(kind) {
            let option = format!("{kind}{names}");
            // The value holds a password: an error must not show it.
            let error = |why: &str| OptionError { value: String::new(), ..section.error(&option, why) };
            let names: Vec<&str> = names.split('_').collect();
            let [account, user] = names[..] else {
                return Err(error(
                    "is not called user_<account>_<user>; user64_<account>_<user> takes names with _",
                ));
            };
            let (Some(account), Some(user)) = (decode(account), decode(user)) else {
                return Err(error("is not called by the base64 of UTF-8 names"));
            };
            let mut words: Vec<String> = value.split_whitespace().map(str::to_owned).collect();
            if words.is_empty() {
                return Err(error("has no key set"));
            }
            let key = words.remove(0);
            let url = words.pop_if(|last| last.contains("://") || last.contains("$HOST"));
            let url = url.unwrap_or_else(|| format!("$HOST/v1/{prefix}{}", quote(&account)));
            users.insert(format!("{account}:{user}"), User { key, url, groups: words });
        }
    }
    Ok(users)
}

fn plain_name(name: &str) -> Option<String> {
    Some(name.to_owned())
}

fn base64_name(name: &str) -> Option<String> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    String::from_utf8(GeneralPurpose::new(&STANDARD, config).decode(name).ok()?).ok()
}
