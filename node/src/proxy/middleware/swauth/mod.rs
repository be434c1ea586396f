//! `swauth`: accounts, users and services kept in Swift itself, and a REST API to administer them.
//!
//! Everything lies in one account (`AUTH_.auth`) in the layout of the swauth that was a Python package: a container for
//! each account with an object for each user and `.services`, `.account_id` with the way back from storage accounts,
//! and `.token_0` to `.token_f`. The API is below `/auth/v2`, tokens are handed out at `/auth/v1.0`. Who may do what is
//! `proxy::auth`'s affair.

mod accounts;
mod admins;
mod get_token;
mod keys;
mod options;
mod records;
mod store;
mod tokens;
mod users;

use super::{FilterError, Layer, Setup};
use crate::http::{Method, Response};
use crate::proxy::app::{App, Env, ProxyRequest};
use crate::proxy::auth::{Client, Gate, Identity, MAX_TOKEN_BYTES};
use async_trait::async_trait;
use options::Config;
use serde::Serialize;
use std::sync::Arc;
use store::Store;
use swiftlet_types::conf::Options;

struct Swauth {
    next: Arc<dyn App>,
    config: Config,
    store: Store,
    gate: Gate,
}

/// Reads the section.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let config = Config::read(section, setup)?;
    Ok(Box::new(|next| {
        let store = Store::new(next.clone(), config.auth_account(), config.storage_policy.clone());
        let gate = Gate::new(config.resellers.clone(), config.allow_overrides, next.clone());
        Arc::new(Swauth { next, config, store, gate })
    }))
}

#[async_trait]
impl App for Swauth {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        if self.gate.is_overridden(&request) {
            return self.next.call(request).await;
        }
        let path = &request.http.path;
        if path[..] == *self.config.auth_prefix.trim_end_matches('/').as_bytes() {
            return Response::standard(301).with("Location", self.config.auth_prefix.clone());
        }
        if path.starts_with(self.config.auth_prefix.as_bytes()) {
            return self.administer(&mut request).await.unwrap_or_else(|refusal| refusal);
        }
        let token = request.http.headers.get("X-Auth-Token");
        if token.is_some_and(|token| token.len() > MAX_TOKEN_BYTES) {
            return Response::html(400, "Token exceeds maximum length.");
        }
        match self.gate.admit(&mut request, self).await {
            Ok(()) => self.next.call(request).await,
            Err(refusal) => refusal,
        }
    }
}

#[async_trait]
impl Identity for Swauth {
    fn is_ours(&self, token: &[u8]) -> bool {
        token.starts_with(self.config.resellers.first().as_bytes())
    }

    async fn client(&self, env: &Env, token: &str) -> Result<Option<Client>, Response> {
        Ok(self.client_of(env, token).await?)
    }
}

impl Swauth {
    /// Answers a request below the auth prefix.
    async fn administer(&self, request: &mut ProxyRequest) -> Result<Response, Response> {
        let path = request.http.path.clone();
        let below = std::str::from_utf8(&path[self.config.auth_prefix.len()..]);
        let below = below.map_err(|_| Response::standard(412))?;
        let mut names = below.split('/').filter(|name| !name.is_empty());
        match names.next() {
            Some("v1" | "v1.0" | "auth") => self.get_token(request).await,
            Some("v2") if self.config.super_admin_key.is_none() => Err(Response::standard(404)),
            Some("v2") => {
                let names: Vec<&str> = names.collect();
                self.version_2(request, &names).await
            }
            _ => Ok(self.web_admin(request, below).await),
        }
    }

    async fn version_2(&self, request: &mut ProxyRequest, names: &[&str]) -> Result<Response, Response> {
        match (request.http.method.clone(), names) {
            (Method::Get, []) => self.list_accounts(request).await,
            (Method::Get, [".token", token]) => self.show_token(request, token).await,
            (Method::Get, [account]) if is_name(account) => self.show_account(request, account).await,
            (Method::Get, [account, ".groups"]) if is_name(account) => {
                self.list_groups(request, account).await
            }
            (Method::Get, [account, user]) if is_user(account, user) => {
                self.show_user(request, account, user).await
            }
            (Method::Put, [account]) if is_name(account) => self.put_account(request, account).await,
            (Method::Put, [account, user]) if is_user(account, user) => {
                self.put_user(request, account, user).await
            }
            (Method::Delete, [account]) if is_name(account) => self.delete_account(request, account).await,
            (Method::Delete, [account, user]) if is_user(account, user) => {
                self.delete_user(request, account, user).await
            }
            (Method::Post, [".prep"]) => self.prepare(request).await,
            (Method::Post, [account, ".services"]) if is_name(account) => {
                self.set_services(request, account).await
            }
            _ => Err(Response::standard(400)),
        }
    }

    /// `GET .token/<token>`: for how long it is good, and the groups it stands for.
    async fn show_token(&self, request: &ProxyRequest, token: &str) -> Result<Response, Response> {
        if !self.is_ours(token.as_bytes()) {
            return Err(Response::standard(400));
        }
        let access = self.access(&request.env, token).await?;
        let (expires, groups) = access.ok_or_else(|| Response::standard(404))?;
        let left_s = expires - crate::proxy::auth::now_s();
        Ok(Response::standard(204).with("X-Auth-Ttl", left_s.to_string()).with("X-Auth-Groups", groups))
    }
}

/// Whether `name` can be that of an account or a user: those with a dot in front are swauth's own.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains('/')
}

fn is_user(account: &str, user: &str) -> bool {
    is_name(account) && is_name(user)
}

fn json_answer(value: &impl Serialize) -> Response {
    Response::new(200).with("Content-Type", "application/json").with_body(records::to_json(value))
}

#[cfg(test)]
mod tests;
