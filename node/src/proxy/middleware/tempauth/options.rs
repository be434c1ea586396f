//! The options of tempauth: users, reseller prefixes, tokens.

use super::super::{FilterError, Setup};
use super::tokens::{SigningKey, Tokens};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::collections::HashMap;
use swiftlet_types::conf::{OptionError, Options};
use swiftlet_types::names::quote;

/// What `[filter:tempauth]` says.
pub struct Config {
    /// Reseller prefixes with their trailing `_`; the first one is that of tokens. Never empty.
    prefixes: Vec<Reseller>,
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

struct Reseller {
    prefix: String,
    /// The group that one needs beside `.admin`; empty: none.
    require_group: String,
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
        let prefixes = resellers(section);
        let users = users(section, &prefixes[0].prefix)?;
        section.with_prefix("log_").for_each(drop);
        refuse_fernet(section, setup)?;
        let key = SigningKey::read(section.str("token_key_path").filter(|path| !path.is_empty()))?;
        let scheme = section.str_or("storage_url_scheme", "default");
        Ok(Self {
            auth_prefix: auth_prefix(section),
            token_life_s: section.int("token_life", 86_400)?,
            allow_overrides: section.bool("allow_overrides", true),
            storage_url_scheme: (scheme != "default").then_some(scheme),
            tokens: if setup.cache_is_shared { Tokens::Cached } else { Tokens::Signed(key) },
            prefixes,
            users,
        })
    }

    /// The prefix of tokens.
    pub fn reseller_prefix(&self) -> &str {
        &self.prefixes[0].prefix
    }

    /// The reseller prefix that `account` belongs to; an empty one takes what no other does.
    pub fn account_prefix(&self, account: &str) -> Option<&str> {
        self.reseller(account).map(|reseller| reseller.prefix.as_str())
    }

    /// The group that an admin of `account` must also be in; empty: none.
    pub fn require_group(&self, account: &str) -> &str {
        self.reseller(account).map_or("", |reseller| &reseller.require_group)
    }

    /// Whether `account` is nothing but a reseller prefix.
    pub fn is_bare_prefix(&self, account: &str) -> bool {
        self.prefixes.iter().any(|reseller| reseller.prefix == account)
    }

    fn reseller(&self, account: &str) -> Option<&Reseller> {
        let mut named = self.prefixes.iter().filter(|reseller| !reseller.prefix.is_empty());
        let named = named.find(|reseller| account.starts_with(&reseller.prefix));
        named.or_else(|| self.prefixes.iter().find(|reseller| reseller.prefix.is_empty()))
    }

    /// The groups of a user: the account, the user, what the configuration lists; `.admin` becomes the accounts
    /// of every reseller prefix.
    pub fn groups(&self, account_user: &str) -> Option<String> {
        let user = self.users.get(account_user)?;
        let (account, _) = account_user.split_once(':')?;
        let mut groups: Vec<String> = vec![account.into(), account_user.into()];
        groups.extend(user.groups.iter().filter(|group| *group != ".admin").cloned());
        if user.groups.iter().any(|group| group == ".admin") {
            let named = self.prefixes.iter().filter(|reseller| !reseller.prefix.is_empty());
            groups.extend(named.map(|reseller| format!("{}{account}", reseller.prefix)));
            let own = user.url.rsplit('/').next().unwrap_or_default();
            if !groups.iter().any(|group| group == own) {
                groups.push(own.into());
            }
        }
        Some(groups.join(","))
    }
}

/// `reseller_prefix` and the `require_group` of each.
fn resellers(section: &Options) -> Vec<Reseller> {
    let for_all = section.str_or("require_group", "").trim().to_owned();
    let mut resellers: Vec<Reseller> = Vec::new();
    let mut listed = section.list("reseller_prefix", "AUTH");
    if listed.is_empty() {
        listed.push("''".into());
    }
    for name in listed {
        let prefix = match name.as_str() {
            "''" => String::new(),
            name if name.ends_with('_') => name.into(),
            name => format!("{name}_"),
        };
        if resellers.iter().any(|reseller| reseller.prefix == prefix) {
            continue;
        }
        let option = format!("{}require_group", if prefix.is_empty() { "''" } else { &prefix });
        let own = section.str(&option).map(str::trim).filter(|group| !group.is_empty());
        resellers.push(Reseller { require_group: own.unwrap_or(&for_all).to_owned(), prefix });
    }
    resellers
}

fn auth_prefix(section: &Options) -> String {
    let given = section.str("auth_prefix").unwrap_or_default().trim_matches('/');
    if given.is_empty() { "/auth/".into() } else { format!("/{given}/") }
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

/// Fernet tokens carry their groups; nothing makes or reads them here yet.
fn refuse_fernet(section: &Options, setup: &mut Setup) -> Result<(), OptionError> {
    let option = "active_fernet_key_id";
    if section.str(option).is_some_and(|id| !id.is_empty()) {
        return Err(section.error(option, "asks for fernet tokens, which are not yet built; leave it out"));
    }
    if section.with_prefix("fernet_key_").count() > 0 {
        let place = format!("{} [{}]", section.path().display(), section.section());
        setup.warnings.push(format!("{place} fernet_key_*: fernet tokens are not yet built, ignored"));
    }
    Ok(())
}
