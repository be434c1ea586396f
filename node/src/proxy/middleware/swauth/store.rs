//! The auth account in Swift itself, reached by sub-requests to the next link that may do everything.

use crate::http::{Headers, Method, Request, Response};
use crate::proxy::app::{App, Env, ProxyRequest};
use crate::proxy::query::Params;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// What the access log calls requests of swauth's own.
const SOURCE: &str = "SWTH";
/// Records are short; a longer object is none.
const MAX_RECORD_BYTES: usize = 64 << 10;
/// A page of a listing: 10,000 names of at most 1 KiB, and what JSON says beside them.
const MAX_LISTING_BYTES: usize = 16 << 20;

/// How long a cluster is given to hear of what was made, before each further try.
const PAUSES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(250), Duration::from_secs(1)];

/// Why the auth account could not be asked or changed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Swift said no.
    #[error("{method} {path}: {status}")]
    Refused {
        /// What was asked for.
        method: Method,
        /// Of what.
        path: String,
        /// What it answered.
        status: u16,
    },
    /// What is stored is not what swauth stores.
    #[error("{path}: {why}")]
    Damaged {
        /// Which object or container.
        path: String,
        /// What is wrong with it.
        why: String,
    },
}

impl From<StoreError> for Response {
    /// A name that Swift does not take is the client's mistake; for the rest, users cannot be told apart right now.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused { status: 400 | 412 | 414, .. } => Self::standard(400),
            error => {
                tracing::error!("swauth: {error}");
                Self::standard(503)
            }
        }
    }
}

/// An object or container that was read.
pub struct Stored<T> {
    /// What it holds.
    pub record: T,
    /// Its header fields.
    pub headers: Headers,
}

/// The auth account.
pub struct Store {
    next: Arc<dyn App>,
    account: String,
    storage_policy: Option<String>,
}

impl Store {
    /// `account` behind `next`; its containers are made with `storage_policy`.
    pub fn new(next: Arc<dyn App>, account: String, storage_policy: Option<String>) -> Self {
        Self { next, account, storage_policy }
    }

    /// The path of what `names` name below the auth account.
    pub fn path(&self, names: &[&str]) -> String {
        format!("/v1/{}", [&[self.account.as_str()], names].concat().join("/"))
    }

    /// The record in an object, where there is one.
    pub async fn read<T: DeserializeOwned>(
        &self,
        env: &Env,
        names: [&str; 2],
    ) -> Result<Option<Stored<T>>, StoreError> {
        let path = self.path(&names);
        let request = Request::new(Method::Get, path.clone());
        let Some(mut response) = self.ask(env, request).await? else { return Ok(None) };
        let damaged = |why: String| StoreError::Damaged { path: path.clone(), why };
        let body =
            response.body.read_all(MAX_RECORD_BYTES).await.map_err(|error| damaged(error.to_string()))?;
        let record = serde_json::from_slice(&body).map_err(|error| damaged(error.to_string()))?;
        Ok(Some(Stored { record, headers: response.headers }))
    }

    /// Makes an account, a container or an object; whether what it is to be in is there.
    pub async fn write(
        &self,
        env: &Env,
        path: String,
        headers: &[(&'static str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<bool, StoreError> {
        let mut request = Request::new(Method::Put, path);
        let body: Bytes = body.into();
        request.headers.set("Content-Type", "application/json");
        request.headers.set_int("Content-Length", body.len());
        if let Some(policy) = &self.storage_policy {
            request.headers.set("X-Storage-Policy", policy.clone());
        }
        headers.iter().for_each(|(name, value)| request.headers.set(*name, (*value).to_owned()));
        request.body = body.into();
        Ok(self.ask(env, request).await?.is_some())
    }

    /// The same in what was made a moment ago. Making it was acknowledged by a quorum of its nodes; one that lags behind
    /// answers a container's node (or the proxy that looks the container up) that there is no such thing, so that a busy
    /// cluster may say 404 or 503 for a moment. A write that was done already does no harm the second time.
    pub async fn write_in_new(
        &self,
        env: &Env,
        path: String,
        body: impl Into<Bytes>,
    ) -> Result<bool, StoreError> {
        let body: Bytes = body.into();
        for pause in PAUSES {
            // what was looked up for this request may be from before
            let written = self.write(&afresh(env), path.clone(), &[], body.clone()).await;
            match written {
                Ok(false) | Err(StoreError::Refused { status: 500.., .. }) => tokio::time::sleep(pause).await,
                settled => return settled,
            }
        }
        self.write(&afresh(env), path, &[], body).await
    }

    /// Sets metadata; whether it is there.
    pub async fn set(
        &self,
        env: &Env,
        path: String,
        headers: &[(&'static str, &str)],
    ) -> Result<bool, StoreError> {
        let mut request = Request::new(Method::Post, path);
        headers.iter().for_each(|(name, value)| request.headers.set(*name, (*value).to_owned()));
        Ok(self.ask(env, request).await?.is_some())
    }

    /// The header fields of an object or container, where it is there.
    pub async fn head(&self, env: &Env, path: String) -> Result<Option<Headers>, StoreError> {
        let response = self.ask(env, Request::new(Method::Head, path)).await?;
        Ok(response.map(|response| response.headers))
    }

    /// Deletes; whether it was there.
    pub async fn delete(&self, env: &Env, path: String) -> Result<bool, StoreError> {
        Ok(self.ask(env, Request::new(Method::Delete, path)).await?.is_some())
    }

    /// The answer to a client's own request for an object, whatever it is.
    pub async fn pass(&self, env: &Env, method: Method, path: String) -> Response {
        let http = Request::new(method, path);
        self.next.call(ProxyRequest { http, env: env.pre_authed(SOURCE) }).await
    }

    /// The names in the auth account, or in one of its containers, that do not begin with a dot; `None` where that is
    /// not there.
    pub async fn names(&self, env: &Env, container: Option<&str>) -> Result<Option<Vec<String>>, StoreError> {
        let path = self.path(&container.into_iter().collect::<Vec<_>>());
        let mut names: Vec<String> = Vec::new();
        let mut marker = String::new();
        loop {
            let mut request = Request::new(Method::Get, path.clone());
            let mut params = Params::default();
            params.set(b"format", "json");
            params.set(b"marker", marker);
            request.query = params.to_query();
            let Some(mut response) = self.ask(env, request).await? else { return Ok(None) };
            let damaged = |why: String| StoreError::Damaged { path: path.clone(), why };
            let body = response
                .body
                .read_all(MAX_LISTING_BYTES)
                .await
                .map_err(|error| damaged(error.to_string()))?;
            let page: Vec<Entry> = match &body[..] {
                b"" => Vec::new(),
                body => serde_json::from_slice(body).map_err(|error| damaged(error.to_string()))?,
            };
            let Some(last) = page.last() else { return Ok(Some(names)) };
            marker = last.name.clone();
            names.extend(page.into_iter().map(|entry| entry.name).filter(|name| !name.starts_with('.')));
        }
    }

    /// The answer, `None` where it is 404.
    async fn ask(&self, env: &Env, mut http: Request) -> Result<Option<Response>, StoreError> {
        let (method, path) = (http.method.clone(), String::from_utf8_lossy(&http.path).into_owned());
        http.headers.set("User-Agent", "Swift Swauth");
        let mut response = self.next.call(ProxyRequest { http, env: env.pre_authed(SOURCE) }).await;
        if method != Method::Get || !response.is_success() {
            // Nobody looks at it; left unread, the access log would call it a client that went away.
            let _ = response.body.read_all(MAX_RECORD_BYTES).await;
        }
        match response.status {
            404 => Ok(None),
            status if status / 100 == 2 => Ok(Some(response)),
            status => Err(StoreError::Refused { method, path, status }),
        }
    }
}

/// `env` without what was looked up for the request so far.
fn afresh(env: &Env) -> Env {
    Env { info_cache: Arc::default(), ..env.clone() }
}

/// A line of a listing.
#[derive(serde::Deserialize)]
struct Entry {
    name: String,
}
