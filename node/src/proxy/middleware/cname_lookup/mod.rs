//! `cname_lookup`: a host of somebody's own that DNS names an alias of one below a storage domain is taken for that one.
//! What it finds is for domain_remap.

mod resolver;

use super::{FilterError, Layer, Setup};
use crate::http::Response;
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::host::{StorageDomains, host_and_port, rename_locations};
use crate::proxy::info::SharedCache;
use async_trait::async_trait;
use resolver::{Cname, Resolver};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_types::conf::Options;

/// For how long it is believed that a name stands for no other.
const NEGATIVE_TTL: Duration = Duration::from_secs(60);

struct CnameLookup {
    next: Arc<dyn App>,
    domains: StorageDomains,
    /// The most records that are followed, one after the other.
    lookup_depth: usize,
    resolver: Arc<Resolver>,
}

/// Reads the section.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let domains = StorageDomains::read(section);
    let lookup_depth = section.int("lookup_depth", 1)?;
    let resolver = Arc::new(Resolver::read(section)?);
    setup.info.register("cname_lookup", json!({"lookup_depth": lookup_depth}));
    Ok(Box::new(move |next| Arc::new(CnameLookup { next, domains, lookup_depth, resolver })))
}

#[async_trait]
impl App for CnameLookup {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        let (host, port) = host_and_port(&request);
        if self.domains.is_empty() || host.parse::<IpAddr>().is_ok() || self.domains.contain(&host) {
            return self.next.call(request).await;
        }
        let found = match self.find(request.env.cache.as_deref(), &host).await {
            Ok(found) => found,
            Err(why) => return Response::plain(400, why),
        };
        tracing::info!("Mapped {host} to {found}");
        let with_port = |name: &str| match &port {
            Some(port) if !port.is_empty() => format!("{name}:{port}"),
            _ => name.to_owned(),
        };
        let (asked, found) = (request.http.headers.get("Host").map(<[u8]>::to_vec), with_port(&found));
        request.http.headers.set("Host", found.clone());
        let mut response = self.next.call(request).await;
        let asked = asked.unwrap_or_else(|| host.into());
        rename_locations(&mut response.headers, |rest| with_asked_host(rest, &found, &asked));
        response
    }
}

impl CnameLookup {
    /// The host below a storage domain that `host` is an alias of, over so many others; or what the client is told.
    async fn find(&self, cache: Option<&dyn SharedCache>, host: &str) -> Result<String, String> {
        let mut name = host.to_owned();
        for _ in 0..self.lookup_depth {
            match self.alias(cache, host, &name).await.filter(|target| *target != name) {
                Some(target) if self.domains.contain(&target) => return Ok(target),
                Some(target) => name = target,
                None => return Err("CNAME lookup failed to resolve to a valid domain".into()),
            }
        }
        Err(format!("CNAME lookup failed after {} tries", self.lookup_depth))
    }

    /// What `name` is an alias of. What DNS says is kept for the host that the client named, as Swift does: where there
    /// are several steps, the last is found at once the next time.
    async fn alias(&self, cache: Option<&dyn SharedCache>, host: &str, name: &str) -> Option<String> {
        if let Some(cache) = cache
            && let Some(known) =
                cache.get(&key(name)).await.and_then(|json| serde_json::from_slice(&json).ok())
        {
            match known {
                Value::String(target) => return Some(target),
                Value::Null => {}
                _ => return None,
            }
        }
        let found = match self.resolver.cname(name).await {
            Ok(found) => found.filter(is_host),
            Err(error) => {
                tracing::warn!("cname_lookup: {name}: {error}");
                return None;
            }
        };
        let (ttl, value) = match &found {
            Some(Cname { target, ttl }) => (*ttl, json!(target)),
            None => (NEGATIVE_TTL, json!(false)),
        };
        if let Some(cache) = cache.filter(|_| !ttl.is_zero()) {
            cache.set(&key(host), value.to_string().into(), ttl).await;
        }
        found.map(|cname| cname.target)
    }
}

/// Where the shared cache keeps what a name is an alias of.
fn key(name: &str) -> String {
    format!("cname-{name}")
}

/// Whether an alias can stand in a Host header: DNS allows any byte.
fn is_host(cname: &Cname) -> bool {
    !cname.target.is_empty()
        && cname.target.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// What a URL of the answer says behind its scheme, with the host that the client asked where it names `found`.
fn with_asked_host(rest: &[u8], found: &str, asked: &[u8]) -> Option<Vec<u8>> {
    let behind = rest.strip_prefix(found.as_bytes())?;
    (behind.is_empty() || behind.starts_with(b"/")).then(|| [asked, behind].concat())
}

#[cfg(test)]
mod tests;
