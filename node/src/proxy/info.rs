//! Account and container information (`get_account_info`, `get_container_info`), looked up once a request and
//! kept a while in the shared cache.
//!
//! Middleware calls [`account_info`] and [`container_info`] with its next link; what is not cached is a HEAD
//! with every right through that link. Keys and values in the shared cache are Swift's, so that Python proxies
//! can share it.

mod values;

pub use values::{AccountInfo, ContainerInfo, Cors, PolicyUsage};

use super::app::{App, Env, ProxyRequest};
use crate::http::{Method, Request, Response};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_types::Policies;

/// A cache shared by requests, and by proxies where it is memcached (Swift's key space and value format).
#[async_trait]
pub trait SharedCache: Send + Sync {
    /// The value of `key`, where the cache has one.
    async fn get(&self, key: &str) -> Option<Bytes>;
    /// Keeps `value` (JSON) under `key` for `ttl`. Failing to is no error.
    async fn set(&self, key: &str, value: Bytes, ttl: Duration);
    /// Keeps `value` as [`set`](Self::set) does; whether some server kept it.
    async fn try_set(&self, key: &str, value: Bytes, ttl: Duration) -> bool {
        self.set(key, value, ttl).await;
        true
    }
    /// Forgets `key`.
    async fn delete(&self, key: &str);
    /// Adds `delta` to the counter `key` (made with `ttl` where it is missing); its new value.
    async fn incr(&self, key: &str, delta: i64, ttl: Duration) -> Option<i64>;
}

/// Says for how many seconds an account's information may be kept; the proxy sets it on what it answers.
pub const RECHECK_ACCOUNT: &str = "X-Backend-Recheck-Account-Existence";
/// The same of a container's.
pub const RECHECK_CONTAINER: &str = "X-Backend-Recheck-Container-Existence";
/// How many seconds where the answer does not say.
const DEFAULT_RECHECK_S: u64 = 60;
/// The status of information that nothing could be learnt for.
const UNAVAILABLE: u16 = 503;

/// What was already looked up for one request, by key in the shared cache.
#[derive(Debug, Default)]
pub struct InfoCache {
    accounts: Mutex<Vec<(String, Arc<AccountInfo>)>>,
    containers: Mutex<Vec<(String, Arc<ContainerInfo>)>>,
}

/// Information that is cached: where its request's cache keeps it, and how an answer to a HEAD becomes it.
trait Info: Serialize + DeserializeOwned {
    /// The header that says how long it may be kept.
    const RECHECK: &'static str;
    fn entries(cache: &InfoCache) -> &Mutex<Vec<(String, Arc<Self>)>>;
    fn from_response(response: &Response) -> Self;
}

impl Info for AccountInfo {
    const RECHECK: &'static str = RECHECK_ACCOUNT;
    fn entries(cache: &InfoCache) -> &Mutex<Vec<(String, Arc<Self>)>> {
        &cache.accounts
    }
    fn from_response(response: &Response) -> Self {
        // an application that names its policies keeps the information itself
        Self::from_headers(response.status, &response.headers, &Policies::default())
    }
}

impl Info for ContainerInfo {
    const RECHECK: &'static str = RECHECK_CONTAINER;
    fn entries(cache: &InfoCache) -> &Mutex<Vec<(String, Arc<Self>)>> {
        &cache.containers
    }
    fn from_response(response: &Response) -> Self {
        Self::from_headers(response.status, &response.headers)
    }
}

fn account_key(account: &str) -> String {
    format!("account/{account}")
}

fn container_key(account: &str, container: &str) -> String {
    format!("container/{account}/{container}")
}

/// What is known of an account. Its status is 503 where nothing could be learnt.
pub async fn account_info(app: &dyn App, env: &Env, account: &str) -> Arc<AccountInfo> {
    account_info_skipping(app, env, account, 0.0).await
}

/// What is known of a container: status 0 where its account is not there, 503 where nothing could be learnt.
pub async fn container_info(app: &dyn App, env: &Env, account: &str, container: &str) -> Arc<ContainerInfo> {
    container_info_skipping(app, env, account, container, 0.0, 0.0).await
}

/// The same, looking past the shared cache for `skip_pct` of a hundred requests.
pub(super) async fn account_info_skipping(
    app: &dyn App,
    env: &Env,
    account: &str,
    skip_pct: f64,
) -> Arc<AccountInfo> {
    let key = account_key(account);
    match cached(env, &key, skip_pct).await {
        Some(info) => info,
        None => {
            let answer = head(app, env, format!("/v1/{account}"), "GET_ACCOUNT_INFO").await;
            let kept = keep_unless_kept(env, key, &answer).await;
            kept.unwrap_or_else(|| Arc::new(AccountInfo::with_status(UNAVAILABLE)))
        }
    }
}

/// The same, looking past the shared cache for so many of a hundred requests.
pub(super) async fn container_info_skipping(
    app: &dyn App,
    env: &Env,
    account: &str,
    container: &str,
    skip_pct: f64,
    account_skip_pct: f64,
) -> Arc<ContainerInfo> {
    let key = container_key(account, container);
    let info = match cached::<ContainerInfo>(env, &key, skip_pct).await {
        Some(info) => info,
        None => {
            // an account made by itself (.shards, .expiring_objects) answers whether it is there or not
            let account_status = match account.starts_with('.') {
                true => 204,
                false => account_info_skipping(app, env, account, account_skip_pct).await.status,
            };
            if account_status / 100 != 2 {
                return Arc::new(ContainerInfo::with_status(0));
            }
            let answer = head(app, env, format!("/v1/{account}/{container}"), "GET_CONTAINER_INFO").await;
            let kept = keep_unless_kept(env, key, &answer).await;
            kept.unwrap_or_else(|| Arc::new(ContainerInfo::with_status(UNAVAILABLE)))
        }
    };
    with_versions(app, env, account, info).await
}

/// A versioned container's size includes the container that holds its old versions.
async fn with_versions(
    app: &dyn App,
    env: &Env,
    account: &str,
    info: Arc<ContainerInfo>,
) -> Arc<ContainerInfo> {
    let Some(versions) = info.sysmeta.get("versions-container").filter(|name| !name.is_empty()) else {
        return info;
    };
    let versions = swiftlet_types::names::unquote(versions);
    let Ok(versions) = std::str::from_utf8(&versions) else { return info };
    let versions = versions.split('/').next().unwrap_or_default();
    // boxed: it comes back here, one level down
    let of_versions = Box::pin(container_info(app, env, account, versions)).await;
    Arc::new(ContainerInfo { bytes: info.bytes + of_versions.bytes, ..ContainerInfo::clone(&info) })
}

/// Keeps what an answer to a GET or HEAD of an account says.
pub(super) async fn keep_account(env: &Env, account: &str, response: &Response, policies: &Policies) {
    let info = AccountInfo::from_headers(response.status, &response.headers, policies);
    keep(env, account_key(account), response, info).await;
}

/// Keeps what an answer to a GET or HEAD of a container says.
pub(super) async fn keep_container(env: &Env, account: &str, container: &str, response: &Response) {
    let info = ContainerInfo::from_headers(response.status, &response.headers);
    keep(env, container_key(account, container), response, info).await;
}

/// Forgets an account, which is about to change.
pub(super) async fn forget_account(env: &Env, account: &str) {
    forget::<AccountInfo>(env, &account_key(account)).await;
}

/// Forgets a container, which is about to change, and which shards its listing is made of.
pub(super) async fn forget_container(env: &Env, account: &str, container: &str) {
    forget::<ContainerInfo>(env, &container_key(account, container)).await;
    if let Some(cache) = &env.cache {
        cache.delete(&format!("shard-listing-v2/{account}/{container}")).await;
    }
}

async fn cached<T: Info>(env: &Env, key: &str, skip_pct: f64) -> Option<Arc<T>> {
    if let Some(info) = looked_up::<T>(env, key) {
        return Some(info);
    }
    let cache =
        env.cache.as_ref().filter(|_| skip_pct <= 0.0 || rand::random_range(0.0..100.0) >= skip_pct)?;
    let info: Arc<T> = Arc::new(serde_json::from_slice(&cache.get(key).await?).ok()?);
    remember(env, key.to_owned(), info.clone());
    Some(info)
}

fn looked_up<T: Info>(env: &Env, key: &str) -> Option<Arc<T>> {
    T::entries(&env.info_cache).lock().iter().find(|(k, _)| k == key).map(|(_, info)| info.clone())
}

fn remember<T: Info>(env: &Env, key: String, info: Arc<T>) {
    let mut entries = T::entries(&env.info_cache).lock();
    entries.retain(|(k, _)| *k != key);
    entries.push((key, info));
}

/// Only what is certain is kept: that it is there, or (a tenth of the time) that it is not.
async fn keep<T: Info>(env: &Env, key: String, response: &Response, info: T) -> Option<Arc<T>> {
    let said: Option<u64> = response.headers.get_str(T::RECHECK).and_then(|s| s.parse().ok());
    let ttl = Duration::from_secs(said.unwrap_or(DEFAULT_RECHECK_S));
    let ttl = match response.status {
        404 | 410 => ttl / 10,
        _ if response.is_success() => ttl,
        _ => return None,
    };
    let info = Arc::new(info);
    if let (Some(cache), false) = (&env.cache, ttl.is_zero())
        && let Ok(json) = serde_json::to_vec(&*info)
    {
        cache.set(&key, json.into(), ttl).await;
    }
    remember(env, key, info.clone());
    Some(info)
}

/// The controller that answered has usually kept it already.
async fn keep_unless_kept<T: Info>(env: &Env, key: String, answer: &Response) -> Option<Arc<T>> {
    match looked_up(env, &key) {
        Some(info) => Some(info),
        None => keep(env, key, answer, T::from_response(answer)).await,
    }
}

async fn forget<T: Info>(env: &Env, key: &str) {
    T::entries(&env.info_cache).lock().retain(|(k, _)| k != key);
    if let Some(cache) = &env.cache {
        cache.delete(key).await;
    }
}

async fn head(app: &dyn App, env: &Env, path: String, source: &'static str) -> Response {
    let mut http = Request::new(Method::Head, path);
    http.headers.set("X-Backend-Allow-Reserved-Names", "true");
    http.headers.set("User-Agent", "Swift");
    app.call(ProxyRequest { http, env: env.pre_authed(env.source.unwrap_or(source)) }).await
}

#[cfg(test)]
mod tests;
