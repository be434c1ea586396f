//! `tempauth`: users from the configuration, and tokens for them.
//!
//! [`get_token`] hands out tokens, [`tokens`] makes and checks them, [`fernet`] those that carry their groups. Who may do what is `proxy::auth`'s affair.

mod fernet;
mod get_token;
mod options;
mod tokens;

use super::{FilterError, Layer, Setup};
use crate::http::Response;
use crate::proxy::app::{App, Env, ProxyRequest};
use crate::proxy::auth::{Client, Gate, Identity};
use async_trait::async_trait;
use options::Config;
use serde_json::json;
use std::sync::Arc;
use swiftlet_types::conf::Options;

struct TempAuth {
    next: Arc<dyn App>,
    config: Config,
    gate: Gate,
}

/// Reads the section.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let config = Config::read(section, setup)?;
    setup.info.register("tempauth", json!({"account_acls": true}));
    Ok(Box::new(|next| {
        let gate = Gate::new(config.resellers.clone(), config.allow_overrides, next.clone());
        Arc::new(TempAuth { next, config, gate })
    }))
}

#[async_trait]
impl App for TempAuth {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        if self.gate.is_overridden(&request) {
            return self.next.call(request).await;
        }
        if request.http.path.starts_with(self.config.auth_prefix.as_bytes()) {
            return get_token::respond(&self.config, &mut request).await;
        }
        match self.gate.admit(&mut request, self).await {
            Ok(()) => self.next.call(request).await,
            Err(refusal) => refusal,
        }
    }
}

#[async_trait]
impl Identity for TempAuth {
    fn is_ours(&self, token: &[u8]) -> bool {
        token.starts_with(self.config.resellers.first().as_bytes())
    }

    async fn client(&self, env: &Env, token: &str) -> Result<Option<Client>, Response> {
        let groups = self.config.tokens.groups(&self.config, env.cache.as_deref(), token).await;
        Ok(groups
            .map(|groups| Client { name: groups.split(',').nth(1).unwrap_or(&groups).to_owned(), groups }))
    }
}

#[cfg(test)]
mod tests;
