//! `tempauth`: users from the configuration, tokens for them, and who may do what.
//!
//! `mod.rs` meets every request: it tells who the client is and who will decide. [`get_token`] hands out tokens,
//! [`tokens`] makes and checks them, [`authorize`] decides. It never talks to the disks but for an account's ACL.

mod authorize;
mod get_token;
mod options;
mod tokens;

use super::{FilterError, Layer, Setup};
use crate::http::Response;
use crate::proxy::app::{App, Authorize, Env, ProxyRequest};
use async_trait::async_trait;
use authorize::{DenyAll, TempAuthorize, unauthorized};
use options::Config;
use serde_json::json;
use std::sync::Arc;
use swiftlet_types::conf::Options;
use swiftlet_types::names::split_path;

struct TempAuth {
    next: Arc<dyn App>,
    config: Arc<Config>,
    authorize: Arc<dyn Authorize>,
    deny_all: Arc<dyn Authorize>,
}

/// Reads the section.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let config = Arc::new(Config::read(section, setup)?);
    setup.info.register("tempauth", json!({"account_acls": true}));
    Ok(Box::new(|next| {
        let authorize = Arc::new(TempAuthorize::new(config.clone(), next.clone()));
        Arc::new(TempAuth { next, config, authorize, deny_all: Arc::new(DenyAll) })
    }))
}

#[async_trait]
impl App for TempAuth {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        if self.config.allow_overrides && request.env.authorize_override {
            return self.next.call(request).await;
        }
        if request.http.path.starts_with(self.config.auth_prefix.as_bytes()) {
            return get_token::respond(&self.config, &mut request).await;
        }
        match self.identify(&mut request).await {
            Ok(()) => self.next.call(request).await,
            Err(refusal) => refusal,
        }
    }
}

impl TempAuth {
    /// Tells who the client is, and sets who will decide; `Err` where the token is ours and no good.
    async fn identify(&self, request: &mut ProxyRequest) -> Result<(), Response> {
        let headers = &request.http.headers;
        let token = match headers.get("X-Auth-Token").or_else(|| headers.get("X-Storage-Token")) {
            Some(token) if token.starts_with(self.config.reseller_prefix().as_bytes()) => token.to_vec(),
            _ => {
                self.meet_stranger(request);
                return Ok(());
            }
        };
        let service_token = headers.get("X-Service-Token").map(<[u8]>::to_vec);
        let Some(mut groups) = self.groups(&request.env, &token).await else {
            if !self.config.reseller_prefix().is_empty() {
                return Err(unauthorized(&realm(&request.http.path)));
            }
            request.env.authorize.get_or_insert_with(|| self.deny_all.clone());
            return Ok(());
        };
        if let Some(service_token) = service_token
            && let Some(service_groups) = self.groups(&request.env, &service_token).await
        {
            groups.push(',');
            groups.push_str(&service_groups);
        }
        let user = groups.split(',').nth(1).unwrap_or(&groups);
        request.env.log.lock().user_id.get_or_insert_with(|| user.into());
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
            .and_then(|account| self.config.account_prefix(account))
            .is_some_and(|prefix| !prefix.is_empty());
        if is_ours {
            request.env.authorize = Some(self.authorize.clone());
        } else if request.env.authorize.is_none() {
            let fallback = self.config.reseller_prefix().is_empty();
            request.env.authorize =
                Some(if fallback { self.authorize.clone() } else { self.deny_all.clone() });
        }
    }

    async fn groups(&self, env: &Env, token: &[u8]) -> Option<String> {
        let token = std::str::from_utf8(token).ok()?;
        self.config.tokens.groups(&self.config, env.cache.as_deref(), token).await
    }
}

/// The account in a path, or `unknown`: the realm of a 401.
fn realm(path: &[u8]) -> String {
    let account = split_path(path, 2, 3, true).and_then(|segments| segments.get(1).copied());
    account.map_or("unknown".into(), |account| String::from_utf8_lossy(account).into_owned())
}

#[cfg(test)]
mod tests;
