//! `external_auth`: a web service of the operator's own knows the users.
//!
//! It is asked by `POST` of a JSON object to `url` (with `Authorization: Bearer <shared_secret>` where that is set):
//!
//! - `{"user": "account:user", "key": "…"}` when a client wants a token,
//! - `{"token": "…"}` at each request with a token that the service made,
//! - `{"user": "account:user"}` at each request with a token that the proxy signed, because the service made none.
//!
//! It answers 200 with `{"user": "account:user", "groups": [".admin", …]}` and, as it likes, `token`, `expires_in_s`,
//! `storage_url` and `quota_bytes`; 401, 403 or 404 for nobody it knows. Groups mean what they mean to tempauth. Any other
//! answer, or none, is a 503 for the client: nobody comes in because the service is down. Answers are kept for
//! `cache_time`. A quota is written to the account as a reseller admin would, and is account_quotas' to enforce.

mod answers;
mod options;
mod service;

use super::{FilterError, Layer, Setup};
use crate::http::{Method, Request, Response};
use crate::proxy::app::{App, Env, ProxyRequest};
use crate::proxy::auth::{Client, Credentials, Encoding, Gate, Identity, host_url, unauthorized};
use crate::proxy::info::account_info;
use answers::Answers;
use async_trait::async_trait;
use options::Config;
use service::{Answer, Question, Service};
use std::sync::Arc;
use swiftlet_types::conf::Options;
use swiftlet_types::names::quote;

/// What the access log calls requests of this filter's own.
const SOURCE: &str = "XA";
/// What follows the reseller prefix in a token of ours.
const SIGNED: &str = "stk";

struct ExternalAuth {
    next: Arc<dyn App>,
    config: Config,
    service: Service,
    answers: Answers,
    gate: Gate,
}

/// Reads the section.
pub fn layer(section: &Options, _: &mut Setup) -> Result<Layer, FilterError> {
    let config = Config::read(section)?;
    let service = Service::new(&config.service)?;
    Ok(Box::new(|next| {
        let gate = Gate::new(config.resellers.clone(), config.allow_overrides, next.clone());
        let answers = Answers::new(config.cache_entries, config.cache_time, config.negative_cache_time);
        Arc::new(ExternalAuth { next, config, service, answers, gate })
    }))
}

#[async_trait]
impl App for ExternalAuth {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        if self.gate.is_overridden(&request) {
            return self.next.call(request).await;
        }
        if request.http.path.starts_with(self.config.auth_prefix.as_bytes()) {
            return self.get_token(&request).await.unwrap_or_else(|refusal| refusal);
        }
        match self.gate.admit(&mut request, self).await {
            Ok(()) => self.next.call(request).await,
            Err(refusal) => refusal,
        }
    }
}

#[async_trait]
impl Identity for ExternalAuth {
    /// The service may make tokens of any form.
    fn is_ours(&self, token: &[u8]) -> bool {
        !token.is_empty()
    }

    async fn client(&self, env: &Env, token: &str) -> Result<Option<Client>, Response> {
        let prefix = self.signed_prefix();
        let answer = match token.starts_with(&prefix) {
            false => self.ask(env, &Question::Token { token }).await?,
            true => match self.config.signing_key.subject(&prefix, token, |_| Some("")) {
                Some(user) => self.ask(env, &Question::User { user: &user }).await?,
                None => None,
            },
        };
        Ok(answer.map(|answer| Client { name: answer.user.clone(), groups: self.groups(&answer) }))
    }
}

impl ExternalAuth {
    async fn get_token(&self, request: &ProxyRequest) -> Result<Response, Response> {
        if request.http.method != Method::Get {
            return Err(Response::standard(405));
        }
        let given = Credentials::read(&request.http.path, &request.http.headers, Encoding::Plain)?;
        let user = given.account_user();
        request.env.log.lock().user_id.get_or_insert_with(|| user.as_str().into());
        let answer = self.ask(&request.env, &Question::Login { user: &user, key: &given.key }).await?;
        let answer = answer.ok_or_else(|| unauthorized(&given.account))?;
        let life_s = answer.expires_in_s.unwrap_or(self.config.token_life_s);
        let token = match &answer.token {
            Some(token) => token.clone(),
            None => self.config.signing_key.sign(&self.signed_prefix(), &answer.user, "", life_s),
        };
        Ok(Response::html(200, "")
            .with("X-Auth-Token", token.clone())
            .with("X-Storage-Token", token)
            .with("X-Auth-Token-Expires", life_s.to_string())
            .with("X-Storage-Url", self.storage_url(&answer, request)))
    }

    /// Who that is, by what was said a short while ago, or by the service.
    async fn ask(&self, env: &Env, question: &Question<'_>) -> Result<Option<Arc<Answer>>, Response> {
        if let Some(known) = self.answers.get(question) {
            return Ok(known);
        }
        let answer = self.service.ask(question).await.map_err(|error| {
            tracing::error!("external_auth: cannot ask who a client is: {error}");
            Response::standard(503)
        })?;
        let answer = answer.map(Arc::new);
        self.answers.keep(question, answer.clone());
        if let Some(answer) = &answer {
            self.write_quota(env, answer).await;
        }
        Ok(answer)
    }

    /// Writes the quota that the service told to the account, where it has another one.
    async fn write_quota(&self, env: &Env, answer: &Answer) {
        let Some(quota_bytes) = answer.quota_bytes.map(|bytes| bytes.to_string()) else { return };
        let account = self.account_id(answer.account());
        let own = Env { source: Some(SOURCE), ..env.clone() };
        let info = account_info(&*self.next, &own, &account).await;
        if info.sysmeta.get("quota-bytes").is_some_and(|written| *written == quota_bytes) {
            return;
        }
        let mut http = Request::new(Method::Post, format!("/v1/{account}"));
        http.headers.set("User-Agent", "Swift");
        http.headers.set("X-Account-Quota-Bytes", quota_bytes.clone());
        // Where account_quotas stands behind this filter it sets the same; where it does not, it finds it later.
        http.headers.set("X-Account-Sysmeta-Quota-Bytes", quota_bytes);
        let env = Env { reseller: true, ..env.pre_authed(SOURCE) };
        let response = self.next.call(ProxyRequest { http, env }).await;
        if !response.is_success() {
            tracing::warn!("external_auth: cannot write the quota of {account}: {}", response.status);
        }
    }

    /// The groups as ACLs see them: the account, the user, what the service says; `.admin` becomes the accounts of
    /// every reseller prefix.
    fn groups(&self, answer: &Answer) -> String {
        let account = answer.account();
        let mut groups = vec![account.to_owned(), answer.user.clone()];
        groups.extend(answer.groups.iter().filter(|group| *group != ".admin").cloned());
        if answer.groups.iter().any(|group| group == ".admin") {
            groups.extend(self.config.resellers.named().map(|prefix| format!("{prefix}{account}")));
            groups.extend(self.config.resellers.first().is_empty().then(|| account.to_owned()));
        }
        groups.join(",")
    }

    fn storage_url(&self, answer: &Answer, request: &ProxyRequest) -> String {
        let own = || format!("{}/{}", self.config.storage_url, quote(self.account_id(answer.account())));
        answer.storage_url.clone().unwrap_or_else(own).replace("$HOST", &host_url(request))
    }

    fn account_id(&self, account: &str) -> String {
        format!("{}{account}", self.config.resellers.first())
    }

    fn signed_prefix(&self) -> String {
        format!("{}{SIGNED}", self.config.resellers.first())
    }
}
