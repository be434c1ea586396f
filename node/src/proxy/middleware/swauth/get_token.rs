//! Handing out tokens: the one that the user has already while it lasts, with the account's services as body.

use super::admins::SUPER_ADMIN;
use super::records::{Token, User, new_services, storage_url};
use super::store::Stored;
use super::tokens::TOKEN_META;
use super::{Swauth, json_answer, keys, users};
use crate::http::{Method, Response};
use crate::proxy::app::ProxyRequest;
use crate::proxy::auth::{Credentials, Encoding, host_url, now_s, same_secret, unauthorized};
use serde_json::Value;
use swiftlet_types::conf::is_true;

impl Swauth {
    /// Answers a request for a token.
    pub async fn get_token(&self, request: &ProxyRequest) -> Result<Response, Response> {
        if request.http.method != Method::Get {
            return Err(Response::standard(400));
        }
        let given = Credentials::read(&request.http.path, &request.http.headers, Encoding::Percent)?;
        let account_user = given.account_user();
        request.env.log.lock().user_id.get_or_insert_with(|| account_user.as_str().into());
        if given.user == SUPER_ADMIN {
            return self.get_super_admin_token(request, &given);
        }
        let user = self.user(&request.env, &given.account, &given.user).await?;
        let Some(user) = user.filter(|user| keys::matches(&user.record.auth, &given.key)) else {
            return Err(unauthorized(&given.account));
        };
        let (token, expires) = match self.token_at_hand(request, &user).await? {
            Some(found) => found,
            None => self.issue(request, &given, user.record).await?,
        };
        let services = self.services(&request.env, &given.account).await?;
        let services = Value::Object(services.ok_or_else(|| Response::standard(404))?);
        let answer = self.token_answer(request, &token, &services)?;
        Ok(answer.with("X-Auth-Token-Expires", format!("{}", (expires - now_s()).max(0.0) as u64)))
    }

    /// The super admin's way to the auth account.
    fn get_super_admin_token(
        &self,
        request: &ProxyRequest,
        given: &Credentials,
    ) -> Result<Response, Response> {
        let key = self.config.super_admin_key.as_deref();
        let token = self.super_admin_token().filter(|_| key.is_some_and(|key| same_secret(key, &given.key)));
        let token = token.ok_or_else(|| unauthorized(&given.account))?;
        let url = format!("{}/{}", self.config.cluster_url, self.config.auth_account());
        let answer = self.token_answer(request, &token, &new_services(&self.config.cluster_name, &url))?;
        Ok(answer.with("X-Auth-Token-Expires", self.config.token_life_s.to_string()))
    }

    /// The user's token and when it expires, unless it did, or the client wants a new one.
    async fn token_at_hand(
        &self,
        request: &ProxyRequest,
        user: &Stored<User>,
    ) -> Result<Option<(String, f64)>, Response> {
        let Some(token) = user.headers.get_str(TOKEN_META) else { return Ok(None) };
        if request.http.headers.get_str("X-Auth-New-Token").is_some_and(is_true) {
            self.revoke(&request.env, token).await?;
            return Ok(None);
        }
        let detail = self.token(&request.env, token).await?;
        Ok(detail.map(|detail| (token.to_owned(), detail.expires)))
    }

    async fn issue(
        &self,
        request: &ProxyRequest,
        given: &Credentials,
        user: User,
    ) -> Result<(String, f64), Response> {
        let env = &request.env;
        let asked = request.http.headers.get_str("X-Auth-Token-Lifetime").and_then(|life| life.parse().ok());
        let life_s = asked.unwrap_or(self.config.token_life_s).min(self.config.max_token_life_s);
        let account_id = self.account_id(env, &given.account).await?;
        let detail = Token {
            account: given.account.clone(),
            user: given.user.clone(),
            account_id: account_id.ok_or_else(|| unauthorized(&given.account))?,
            groups: user.groups,
            expires: (now_s() + life_s as f64).floor(),
        };
        let token = self.new_token();
        let path = self.store.path(&[&given.account, &given.user]);
        // A POST replaces what metadata there is, so all of it goes along.
        let meta = [(TOKEN_META, token.as_str()), (users::ACCOUNT_ID_META, &detail.account_id)];
        let kept = self.keep_token(env, &token, &detail).await? && self.store.set(env, path, &meta).await?;
        if !kept {
            tracing::error!("swauth: cannot keep a token of {}: run swauth-prep", given.account_user());
            return Err(Response::standard(503));
        }
        Ok((token, detail.expires))
    }

    fn token_answer(
        &self,
        request: &ProxyRequest,
        token: &str,
        services: &Value,
    ) -> Result<Response, Response> {
        let services = with_host(services, &host_url(request));
        let Some(url) = storage_url(&services).map(str::to_owned) else {
            tracing::error!(
                "swauth: the services of {} name no storage",
                String::from_utf8_lossy(&request.http.path)
            );
            return Err(Response::standard(503));
        };
        Ok(json_answer(&services)
            .with("X-Auth-Token", token.to_owned())
            .with("X-Storage-Token", token.to_owned())
            .with("X-Storage-Url", url))
    }
}

/// `services` with `$HOST` replaced by how the client reached us.
fn with_host(services: &Value, host_url: &str) -> Value {
    match services {
        Value::String(text) => match text.strip_prefix("$HOST") {
            Some(rest) => format!("{host_url}{rest}").into(),
            None => services.clone(),
        },
        Value::Object(fields) => Value::Object(
            fields.iter().map(|(name, value)| (name.clone(), with_host(value, host_url))).collect(),
        ),
        other => other.clone(),
    }
}
