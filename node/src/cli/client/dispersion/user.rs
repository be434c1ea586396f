//! A user of the cluster: signs in once, and asks the proxy as any client does.

use super::settings::Account;
use crate::web_client::{Limits, WebAnswer, WebClient, WebClientError};
use anyhow::{Context, bail};
use bytes::Bytes;
use http::Request;
use serde::Deserialize;
use std::time::Duration;
use swiftlet_types::names::{quote, quote_component};
use thiserror::Error;

/// A page of the longest names there may be stays below.
const LIMITS: Limits = Limits {
    connect_timeout: Duration::from_secs(30),
    timeout: Duration::from_secs(300),
    max_body_bytes: 64 << 20,
};
/// The pause before a request is sent again: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Why a request came to nothing.
#[derive(Debug, Error)]
pub(super) enum UserError {
    /// The proxy refused it, or failed too often.
    #[error("{method} {url}: the proxy answered {status}")]
    Status { method: &'static str, url: String, status: u16 },
    /// No answer came, too often.
    #[error("{method} {url}: {source}")]
    NoAnswer { method: &'static str, url: String, source: WebClientError },
    /// What should be a listing is none.
    #[error("{url} is not a listing: {source}")]
    NoListing { url: String, source: serde_json::Error },
    /// The request cannot be made.
    #[error(transparent)]
    Request(#[from] http::Error),
}

/// Somebody who has signed in.
pub(super) struct User {
    client: WebClient,
    storage_url: String,
    token: String,
    retries: u32,
}

/// One line of a listing.
#[derive(Deserialize)]
struct Row {
    name: String,
}

impl User {
    /// Signs in.
    pub async fn sign_in(account: &Account) -> anyhow::Result<Self> {
        let client = WebClient::new(None, LIMITS)?;
        let request = Request::get(&account.auth_url)
            .header("X-Auth-User", &account.auth_user)
            .header("X-Auth-Key", &account.auth_key)
            .body(Bytes::new())
            .context("auth_url, auth_user, auth_key")?;
        let answer = client.send(request).await.with_context(|| account.auth_url.clone())?;
        if answer.status / 100 != 2 {
            bail!("signing in at {} as {} gave {}", account.auth_url, account.auth_user, answer.status);
        }
        let field = |name: &str| {
            let value = answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            value.with_context(|| format!("{} answers without {name}", account.auth_url))
        };
        let (storage_url, token) = (field("X-Storage-Url")?, field("X-Auth-Token")?);
        Ok(Self { client, storage_url, token, retries: account.retries })
    }

    /// The account that is its own.
    pub fn account(&self) -> &str {
        self.storage_url.rsplit('/').next().unwrap_or_default()
    }

    /// The names that begin with `prefix`: of the account's containers, or of a container's objects.
    pub async fn names(&self, container: Option<&str>, prefix: &str) -> Result<Vec<String>, UserError> {
        let mut names: Vec<String> = Vec::new();
        loop {
            let marker = quote_component(names.last().map_or("", String::as_str));
            let url = format!("{}?format=json&prefix={prefix}&marker={marker}", self.url(container, None));
            let (answer, _) = self.ask("GET", &url, &[], Bytes::new()).await?;
            let page = match answer.status {
                204 => Vec::new(),
                _ => serde_json::from_slice::<Vec<Row>>(&answer.body)
                    .map_err(|source| UserError::NoListing { url, source })?,
            };
            if page.is_empty() {
                return Ok(names);
            }
            names.extend(page.into_iter().map(|row| row.name));
        }
    }

    /// Makes a container, or an object in it; how often it was sent again.
    pub async fn put(
        &self,
        container: &str,
        object: Option<&str>,
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> Result<u32, UserError> {
        let url = self.url(Some(container), object);
        Ok(self.ask("PUT", &url, headers, body).await?.1)
    }

    fn url(&self, container: Option<&str>, object: Option<&str>) -> String {
        let names = [container, object].into_iter().flatten().map(quote);
        names.fold(self.storage_url.trim_end_matches('/').to_owned(), |url, name| format!("{url}/{name}"))
    }

    /// What is answered with 2xx, and how often it was sent again.
    async fn ask(
        &self,
        method: &'static str,
        url: &str,
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> Result<(WebAnswer, u32), UserError> {
        let mut pause = FIRST_PAUSE;
        let mut retries = 0;
        loop {
            let mut request = Request::builder().method(method).uri(url).header("X-Auth-Token", &self.token);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if method != "GET" {
                request = request.header("Content-Length", body.len());
            }
            let url = || url.to_owned();
            let error = match self.client.send(request.body(body.clone())?).await {
                Ok(answer) if answer.status / 100 == 2 => return Ok((answer, retries)),
                Ok(WebAnswer { status, .. }) => UserError::Status { method, url: url(), status },
                Err(source) => UserError::NoAnswer { method, url: url(), source },
            };
            let is_refusal = matches!(error, UserError::Status { status: 400..=499, .. });
            if is_refusal || retries >= self.retries {
                return Err(error);
            }
            retries += 1;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }
}
