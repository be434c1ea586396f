//! `memcache`: gives every request the shared cache.
//!
//! Without memcached servers (Swift would ask 127.0.0.1:11211) it is memory of this process. Another proxy does not
//! see what is forgotten there, so it keeps things for at most a second, unless `sole_proxy` says there is no other.

use super::{FilterError, Layer, Setup};
use crate::http::Response;
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::cache::{LocalCache, Memcached, memcached};
use crate::proxy::info::SharedCache;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_types::conf::Options;

/// How long a cache that other proxies do not share may keep what it was told: a revoked ACL must not live on.
const UNSHARED_MAX_TTL: Duration = Duration::from_secs(1);

struct Memcache {
    next: Arc<dyn App>,
    cache: Arc<dyn SharedCache>,
}

/// Reads the section, and `memcache.conf` where that lacks servers.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let (options, warnings) = memcached::Options::read(section)?;
    setup.warnings.extend(warnings);
    let local_cache_bytes = section.int("local_cache_bytes", 16 << 20)?;
    let sole_proxy = section.bool("sole_proxy", false);
    let cache: Arc<dyn SharedCache> = match options.servers.is_empty() {
        true => Arc::new(LocalCache::new(local_cache_bytes, (!sole_proxy).then_some(UNSHARED_MAX_TTL))),
        false => {
            setup.cache_is_shared = true;
            Arc::new(Memcached::new(options)?)
        }
    };
    Ok(Box::new(|next| Arc::new(Memcache { next, cache })))
}

#[async_trait]
impl App for Memcache {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        request.env.cache = Some(self.cache.clone());
        self.next.call(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fake, build, get};
    use super::*;

    #[tokio::test]
    async fn requests_share_one_cache() {
        let fake = Fake::status(200);
        let (app, setup) = build(layer, &[("swift_dir", "/nowhere")], fake.clone());
        assert!(!setup.cache_is_shared);
        app.call(get("/v1/a")).await;
        app.call(get("/v1/a")).await;
        let seen = fake.requests();
        let cache = seen[0].env.cache.clone().unwrap();
        cache.set("k", "1".into(), Duration::from_secs(60)).await;
        assert!(seen[1].env.cache.as_ref().unwrap().get("k").await.is_some());
    }

    #[test]
    fn memcached_servers_make_it_shared() {
        let (_, setup) = build(
            layer,
            &[("swift_dir", "/nowhere"), ("memcache_servers", "127.0.0.1:1")],
            Fake::status(200),
        );
        assert!(setup.cache_is_shared);
        let section = Options::new("p.conf", "filter:cache")
            .with("memcache_servers", "a:b")
            .with("swift_dir", "/nowhere");
        let error = layer(&section, &mut Setup::new(Arc::default())).err().unwrap();
        assert!(error.to_string().starts_with("\"a:b\" is no memcached server"), "{error}");
    }
}
