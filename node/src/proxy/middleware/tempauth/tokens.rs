//! Tokens: in the shared cache under Swift's keys, or signed, so that every proxy checks them by itself.
//!
//! A signed token is the reseller prefix, `stk`, and in URL-safe base64: the second it expires (8 bytes, big
//! endian), the user (`account:user`), and an HMAC-SHA256 over both and the user's key. It holds no groups: those
//! are looked up at each request, so what the configuration takes away is gone at once, and a new password ends
//! the old one's tokens.

use super::super::FilterError;
use super::options::Config;
use crate::proxy::info::SharedCache;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const EXPIRES_BYTES: usize = 8;
const MAC_BYTES: usize = 32;
/// Shorter key files are a mistake.
const MIN_KEY_BYTES: usize = 16;
/// Longer tokens are none of ours: names are bounded.
const MAX_TOKEN_BYTES: usize = 4096;

/// How tokens are made and checked.
pub enum Tokens {
    /// Random, kept with their groups in the shared cache, as Swift does: Python proxies take them too.
    Cached,
    /// Signed.
    Signed(SigningKey),
}

/// Signs tokens.
pub struct SigningKey(Hmac<Sha256>);

/// A token, and the seconds it is good for.
pub struct Issued {
    pub token: String,
    pub expires_in_s: u64,
}

impl SigningKey {
    /// The key in the file at `path`, which all proxies share; without one, a random key of this process.
    pub fn read(path: Option<&str>) -> Result<Self, FilterError> {
        let Some(path) = path.map(Path::new) else {
            return Ok(Self::new(&rand::random::<[u8; MAC_BYTES]>()));
        };
        let fail = |why: String| FilterError::TokenKey { path: path.to_owned(), why };
        let key = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
        match key.trim_ascii() {
            key if key.len() >= MIN_KEY_BYTES => Ok(Self::new(key)),
            key => Err(fail(format!("holds {} bytes, at least {MIN_KEY_BYTES} are needed", key.len()))),
        }
    }

    fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    fn mac(&self, expires_and_user: &[u8], user_key: &str) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(expires_and_user);
        mac.update(&[0]);
        mac.update(user_key.as_bytes());
        mac
    }

    fn issue(&self, config: &Config, account_user: &str) -> Option<Issued> {
        let user = config.users.get(account_user)?;
        let expires_s = now_s() as u64 + config.token_life_s;
        let mut payload = expires_s.to_be_bytes().to_vec();
        payload.extend_from_slice(account_user.as_bytes());
        let mac = self.mac(&payload, &user.key).finalize().into_bytes();
        payload.extend_from_slice(&mac);
        let token = format!("{}stk{}", config.reseller_prefix(), URL_SAFE_NO_PAD.encode(payload));
        Some(Issued { token, expires_in_s: config.token_life_s })
    }

    fn groups(&self, config: &Config, token: &str) -> Option<String> {
        let encoded = token.strip_prefix(config.reseller_prefix())?.strip_prefix("stk")?;
        let payload = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let (signed, mac) = payload.split_at_checked(payload.len().checked_sub(MAC_BYTES)?)?;
        let (expires, account_user) = signed.split_first_chunk::<EXPIRES_BYTES>()?;
        let account_user = std::str::from_utf8(account_user).ok()?;
        let user = config.users.get(account_user)?;
        self.mac(signed, &user.key).verify_slice(mac).ok()?;
        (u64::from_be_bytes(*expires) as f64 > now_s()).then(|| config.groups(account_user))?
    }
}

impl Tokens {
    /// A token for `account_user`, who is known; `None` where the shared cache cannot keep it.
    pub async fn issue(
        &self,
        config: &Config,
        cache: Option<&dyn SharedCache>,
        account_user: &str,
    ) -> Option<Issued> {
        match self {
            Self::Signed(key) => key.issue(config, account_user),
            Self::Cached => issue_cached(config, cache?, account_user).await,
        }
    }

    /// The groups of whom `token` was made for; `None` where it is no good.
    pub async fn groups(
        &self,
        config: &Config,
        cache: Option<&dyn SharedCache>,
        token: &str,
    ) -> Option<String> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        match self {
            Self::Signed(key) => key.groups(config, token),
            Self::Cached => {
                token.strip_prefix(config.reseller_prefix())?.strip_prefix("tk")?;
                let (expires, groups) = cached(config, cache?, token).await?;
                (expires >= now_s()).then_some(groups)
            }
        }
    }
}

/// The token that the user has already, while it lasts and the groups are the same, or a new one.
async fn issue_cached(config: &Config, cache: &dyn SharedCache, account_user: &str) -> Option<Issued> {
    let groups = config.groups(account_user)?;
    let prefix = config.reseller_prefix();
    let user_key = format!("{prefix}/user/{account_user}");
    if let Some(token) =
        cache.get(&user_key).await.and_then(|json| serde_json::from_slice::<String>(&json).ok())
        && let Some((expires, old_groups)) = cached(config, cache, &token).await
        && expires > now_s()
        && sorted(&old_groups) == sorted(&groups)
    {
        return Some(Issued { token, expires_in_s: (expires - now_s()) as u64 });
    }
    let token = format!("{prefix}tk{:032x}", rand::random::<u128>());
    let life = Duration::from_secs(config.token_life_s);
    let data = serde_json::json!([now_s() + life.as_secs_f64(), groups]).to_string();
    let kept = cache.try_set(&token_key(config, &token), data.into(), life).await
        && cache.try_set(&user_key, serde_json::Value::from(token.as_str()).to_string().into(), life).await;
    kept.then_some(Issued { token, expires_in_s: config.token_life_s })
}

async fn cached(config: &Config, cache: &dyn SharedCache, token: &str) -> Option<(f64, String)> {
    serde_json::from_slice(&cache.get(&token_key(config, token)).await?).ok()
}

fn token_key(config: &Config, token: &str) -> String {
    format!("{}/token/{token}", config.reseller_prefix())
}

fn sorted(groups: &str) -> Vec<&str> {
    let mut groups: Vec<&str> = groups.split(',').collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
