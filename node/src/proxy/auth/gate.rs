//! Meets every request: tells who the client is, and sets who will decide.

use super::authorize::{AccountAuthorize, DenyAll, unauthorized};
use super::credentials::realm;
use super::{MAX_TOKEN_BYTES, Resellers};
use crate::http::Response;
use crate::proxy::app::{App, Authorize, Env, ProxyRequest};
use async_trait::async_trait;
use std::sync::Arc;
use swiftlet_types::names::split_path;

/// Whom a token was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// How the access log calls the user.
    pub name: String,
    /// The user's groups, separated by commas.
    pub groups: String,
}

/// Knows whom tokens were made for.
#[async_trait]
pub trait Identity: Send + Sync {
    /// Whether `token` is one that this middleware answers for.
    fn is_ours(&self, token: &[u8]) -> bool;

    /// Whom `token` was made for; `Ok(None)` where it is no good, `Err` where that cannot be told now.
    async fn client(&self, env: &Env, token: &str) -> Result<Option<Client>, Response>;
}

/// Stands in front of every request but those for tokens.
pub struct Gate {
    resellers: Arc<Resellers>,
    allow_overrides: bool,
    authorize: Arc<dyn Authorize>,
    deny_all: Arc<dyn Authorize>,
}

impl Gate {
    /// Decides for the accounts of `resellers`, whose ACLs it asks `next` for. `allow_overrides`: let requests pass
    /// that an outer filter has authorized.
    pub fn new(resellers: Arc<Resellers>, allow_overrides: bool, next: Arc<dyn App>) -> Self {
        let authorize = Arc::new(AccountAuthorize::new(resellers.clone(), next));
        Self { resellers, allow_overrides, authorize, deny_all: Arc::new(DenyAll) }
    }

    /// Whether the request is authorized already.
    pub fn is_overridden(&self, request: &ProxyRequest) -> bool {
        self.allow_overrides && request.env.authorize_override
    }

    /// Tells who the client is, and sets who will decide; `Err` where the token is ours and no good.
    pub async fn admit(&self, request: &mut ProxyRequest, identity: &dyn Identity) -> Result<(), Response> {
        let headers = &request.http.headers;
        let token = match headers.get("X-Auth-Token").or_else(|| headers.get("X-Storage-Token")) {
            Some(token) if identity.is_ours(token) => token.to_vec(),
            _ => {
                self.meet_stranger(request);
                return Ok(());
            }
        };
        let service_token = headers.get("X-Service-Token").map(<[u8]>::to_vec);
        let Some(Client { name, mut groups }) = client(identity, &request.env, &token).await? else {
            if !self.resellers.first().is_empty() {
                return Err(unauthorized(&realm(&request.http.path)));
            }
            request.env.authorize.get_or_insert_with(|| self.deny_all.clone());
            return Ok(());
        };
        if let Some(service_token) = service_token
            && let Some(service) = client(identity, &request.env, &service_token).await?
        {
            groups.push(',');
            groups.push_str(&service.groups);
        }
        request.env.log.lock().user_id.get_or_insert_with(|| name.into());
        request.env.reseller |= groups.split(',').any(|group| group == ".reseller_admin");
        request.env.remote_user = Some(groups.into());
        request.env.authorize = Some(self.authorize.clone());
        Ok(())
    }

    /// A request without a token of ours: we decide if the account is ours, and refuse if nobody else decides.
    fn meet_stranger(&self, request: &mut ProxyRequest) {
        let account =
            split_path(&request.http.path, 1, 3, true).and_then(|segments| segments.get(1).copied());
        let account = account.and_then(|account| std::str::from_utf8(account).ok());
        let is_ours = account
            .and_then(|account| self.resellers.prefix_of(account))
            .is_some_and(|prefix| !prefix.is_empty());
        if is_ours {
            request.env.authorize = Some(self.authorize.clone());
        } else if request.env.authorize.is_none() {
            let fallback = self.resellers.first().is_empty();
            request.env.authorize =
                Some(if fallback { self.authorize.clone() } else { self.deny_all.clone() });
        }
    }
}

async fn client(identity: &dyn Identity, env: &Env, token: &[u8]) -> Result<Option<Client>, Response> {
    match std::str::from_utf8(token) {
        Ok(token) if token.len() <= MAX_TOKEN_BYTES => identity.client(env, token).await,
        _ => Ok(None),
    }
}
