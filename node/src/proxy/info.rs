//! Account and container information (`get_account_info`, `get_container_info`), looked up once a request and
//! kept a while in the shared cache.

use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;

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

/// What was already looked up for one request.
#[derive(Debug, Default)]
pub struct InfoCache {}
