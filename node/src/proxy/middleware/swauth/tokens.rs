//! Tokens: objects in sixteen containers, named by a hash, cached under the key that swauth uses.
//!
//! The super admin's token is signed with its key instead of being kept: every proxy can check it, and it can be had
//! before anything is stored.

use super::Swauth;
use super::records::{Token, to_json};
use super::store::StoreError;
use crate::proxy::app::Env;
use crate::proxy::auth::{Client, SigningKey, now_s};
use serde_json::json;
use sha2::{Digest, Sha512};
use std::time::Duration;

/// The metadata of a user's object that holds the token.
pub const TOKEN_META: &str = "X-Object-Meta-Auth-Token";
/// Who the super admin is when it uses Swift.
const SUPER_ADMIN_GROUP: &str = ".auth";
const TOKEN_HEX_DIGITS: usize = 32;

impl Swauth {
    /// A new token, not stored yet.
    pub fn new_token(&self) -> String {
        format!("{}tk{:032x}", self.config.resellers.first(), rand::random::<u128>())
    }

    /// A token of the super admin; `None` where there is none.
    pub fn super_admin_token(&self) -> Option<String> {
        let key = SigningKey::new(self.config.super_admin_key.as_ref()?.as_bytes());
        Some(key.sign(&self.internal_prefix(), SUPER_ADMIN_GROUP, "", self.config.token_life_s))
    }

    /// Whom `token` was made for.
    pub async fn client_of(&self, env: &Env, token: &str) -> Result<Option<Client>, StoreError> {
        if token.starts_with(&self.internal_prefix()) {
            return Ok(self.super_admin(token));
        }
        let found = self.access(env, token).await?;
        Ok(found.map(|(_, groups)| Client {
            name: groups.split(',').next().unwrap_or_default().to_owned(),
            groups,
        }))
    }

    /// When `token` expires (seconds since 1970), and the groups it stands for.
    pub async fn access(&self, env: &Env, token: &str) -> Result<Option<(f64, String)>, StoreError> {
        if !self.is_token(token) {
            return Ok(None);
        }
        if let Some(cache) = &env.cache
            && let Some(cached) = cache.get(&self.cache_key(token)).await
            && let Ok((expires, groups)) = serde_json::from_slice::<(f64, String)>(&cached)
            && expires >= now_s()
        {
            return Ok(Some((expires, groups)));
        }
        let Some(detail) = self.token(env, token).await? else { return Ok(None) };
        let (expires, groups) = (detail.expires, detail.access_groups());
        if let Some(cache) = &env.cache
            && let Ok(life) = Duration::try_from_secs_f64(expires - now_s())
        {
            cache.set(&self.cache_key(token), json!([expires, groups]).to_string().into(), life).await;
        }
        Ok(Some((expires, groups)))
    }

    /// What is stored for `token` while it is good.
    pub async fn token(&self, env: &Env, token: &str) -> Result<Option<Token>, StoreError> {
        let [container, object] = self.place(token);
        match self.store.read::<Token>(env, [&container, &object]).await? {
            Some(stored) if stored.record.expires > now_s() => Ok(Some(stored.record)),
            Some(_) => {
                self.store.delete(env, self.store.path(&[&container, &object])).await?;
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Stores what `token` stands for; whether swauth is prepared for it.
    pub async fn keep_token(&self, env: &Env, token: &str, detail: &Token) -> Result<bool, StoreError> {
        let [container, object] = self.place(token);
        self.store.write(env, self.store.path(&[&container, &object]), &[], to_json(detail)).await
    }

    /// Forgets `token`.
    pub async fn revoke(&self, env: &Env, token: &str) -> Result<(), StoreError> {
        let [container, object] = self.place(token);
        self.store.delete(env, self.store.path(&[&container, &object])).await?;
        if let Some(cache) = &env.cache {
            cache.delete(&self.cache_key(token)).await;
        }
        Ok(())
    }

    fn super_admin(&self, token: &str) -> Option<Client> {
        let key = SigningKey::new(self.config.super_admin_key.as_ref()?.as_bytes());
        let name = key.subject(&self.internal_prefix(), token, |_| Some(""))?;
        let groups = format!("{name},.reseller_admin,{}", self.config.auth_account());
        Some(Client { name, groups })
    }

    fn internal_prefix(&self) -> String {
        format!("{}itk", self.config.resellers.first())
    }

    fn is_token(&self, token: &str) -> bool {
        let rest = token.strip_prefix(self.config.resellers.first()).and_then(|rest| rest.strip_prefix("tk"));
        rest.is_some_and(|hex| hex.len() == TOKEN_HEX_DIGITS && hex.bytes().all(|b| b.is_ascii_hexdigit()))
    }

    fn cache_key(&self, token: &str) -> String {
        format!("{}/auth/{token}", self.config.resellers.first())
    }

    /// The container and the object of a token: who reads a listing learns no token from it.
    fn place(&self, token: &str) -> [String; 2] {
        let hash = &self.config.hash;
        let concealed = [&hash.prefix[..], b":", token.as_bytes(), b":", &hash.suffix].concat();
        let object = hex::encode(Sha512::digest(concealed));
        [format!(".token_{}", &object[object.len() - 1..]), object]
    }
}
