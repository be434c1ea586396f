//! Tokens: in the shared cache under Swift's keys, or such that every proxy checks them by itself: signed, or sealed
//! with a key that Python proxies have too.

use super::fernet::FernetKeys;
use super::options::Config;
use crate::proxy::auth::{SigningKey, now_s};
use crate::proxy::info::SharedCache;
use std::time::Duration;

/// What follows the reseller prefix in a signed token.
const SIGNED: &str = "stk";

/// How tokens are made and checked.
pub struct Tokens {
    /// What tokens are where no fernet key is active.
    pub home: Home,
    /// Opens fernet tokens, and makes all new ones where a key of them is active.
    pub fernet: FernetKeys,
}

/// Where it is kept whom a token is for.
pub enum Home {
    /// In the shared cache, with the groups, as Swift does: Python proxies take them too.
    Cache,
    /// In the token, which is signed.
    Signed(SigningKey),
}

/// A token, and the seconds it is good for.
pub struct Issued {
    pub token: String,
    pub expires_in_s: u64,
}

impl Tokens {
    /// A token for `account_user`, who is known; `None` where the shared cache cannot keep it.
    pub async fn issue(
        &self,
        config: &Config,
        cache: Option<&dyn SharedCache>,
        account_user: &str,
    ) -> Option<Issued> {
        let groups = config.groups(account_user)?;
        if let (Home::Cache, Some(cache)) = (&self.home, cache)
            && let Some(issued) = remembered(config, cache, account_user, &groups).await
        {
            return Some(issued);
        }
        let token = match (self.fernet.seal(config.resellers.first(), &groups), &self.home) {
            (Some(sealed), _) => sealed,
            (None, Home::Cache) => keep(config, cache?, account_user, &groups).await?,
            (None, Home::Signed(key)) => {
                let secret = &config.users.get(account_user)?.key;
                key.sign(&signed_prefix(config), account_user, secret, config.token_life_s)
            }
        };
        Some(Issued { token, expires_in_s: config.token_life_s })
    }

    /// The groups of whom `token` was made for; `None` where it is no good.
    pub async fn groups(
        &self,
        config: &Config,
        cache: Option<&dyn SharedCache>,
        token: &str,
    ) -> Option<String> {
        if let Some(groups) = self.fernet.open(config.resellers.first(), token, config.token_life_s) {
            return Some(groups);
        }
        match &self.home {
            Home::Signed(key) => {
                let secret_of = |user: &str| config.users.get(user).map(|user| user.key.as_str());
                config.groups(&key.subject(&signed_prefix(config), token, secret_of)?)
            }
            Home::Cache => {
                token.strip_prefix(config.resellers.first())?.strip_prefix("tk")?;
                let (expires, groups) = cached(config, cache?, token).await?;
                (expires >= now_s()).then_some(groups)
            }
        }
    }
}

fn signed_prefix(config: &Config) -> String {
    format!("{}{SIGNED}", config.resellers.first())
}

/// The token that the user has already, while it lasts and the groups are the same.
async fn remembered(
    config: &Config,
    cache: &dyn SharedCache,
    account_user: &str,
    groups: &str,
) -> Option<Issued> {
    let token: String = serde_json::from_slice(&cache.get(&user_key(config, account_user)).await?).ok()?;
    let (expires, old_groups) = cached(config, cache, &token).await?;
    let left_s = expires - now_s();
    (left_s > 0.0 && sorted(&old_groups) == sorted(groups))
        .then_some(Issued { token, expires_in_s: left_s as u64 })
}

/// A new token that the cache keeps; `None` where it cannot.
async fn keep(config: &Config, cache: &dyn SharedCache, account_user: &str, groups: &str) -> Option<String> {
    let token = format!("{}tk{:032x}", config.resellers.first(), rand::random::<u128>());
    let life = Duration::from_secs(config.token_life_s);
    let data = serde_json::json!([now_s() + life.as_secs_f64(), groups]).to_string();
    let named = serde_json::Value::from(token.as_str()).to_string();
    let kept = cache.try_set(&token_key(config, &token), data.into(), life).await
        && cache.try_set(&user_key(config, account_user), named.into(), life).await;
    kept.then_some(token)
}

async fn cached(config: &Config, cache: &dyn SharedCache, token: &str) -> Option<(f64, String)> {
    serde_json::from_slice(&cache.get(&token_key(config, token)).await?).ok()
}

fn token_key(config: &Config, token: &str) -> String {
    format!("{}/token/{token}", config.resellers.first())
}

fn user_key(config: &Config, account_user: &str) -> String {
    format!("{}/user/{account_user}", config.resellers.first())
}

fn sorted(groups: &str) -> Vec<&str> {
    let mut groups: Vec<&str> = groups.split(',').collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}
