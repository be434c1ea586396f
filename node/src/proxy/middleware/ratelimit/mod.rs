//! `ratelimit`: lets writes to an account's containers, writes to and listings of a container, and all writes to an
//! account happen so often a second, and has what comes faster wait.
//!
//! The counters are in the cache that proxies share: without one nothing is limited. `rates` is how often; here is
//! who is limited, and the waiting.

mod rates;

use super::{FilterError, Layer, Setup};
use crate::http::{Method, Response};
use crate::proxy::app::{App, Env, ProxyRequest};
use crate::proxy::entity::Entity;
use crate::proxy::info::{SharedCache, account_info, container_info};
use async_trait::async_trait;
use rates::{Clock, Rates};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_types::Constraints;
use swiftlet_types::conf::Options;

/// What the access log calls the requests made here.
const SOURCE: &str = "RL";
/// How long a blacklisted account waits for its refusal.
const BLACKLIST_SLEEP: Duration = Duration::from_secs(1);

struct RateLimit {
    next: Arc<dyn App>,
    constraints: Arc<Constraints>,
    clock: Clock,
    /// PUTs and DELETEs of an account's containers a second; 0: as many as come.
    account_ratelimit: f64,
    container_ratelimits: Rates,
    container_listing_ratelimits: Rates,
    /// Longer waits are logged; 0: none.
    log_sleep_time_seconds: f64,
    account_whitelist: Vec<String>,
    account_blacklist: Vec<String>,
}

/// Reads the section.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let clock = Clock {
        accuracy: section.int("clock_accuracy", 1000_u32)?.max(1),
        max_sleep_s: section.float("max_sleep_time_seconds", 60.0)?,
        rate_buffer_s: section.int("rate_buffer_seconds", 5)?,
    };
    let account_ratelimit = section.float("account_ratelimit", 0.0)?;
    let container_ratelimits = Rates::read(section, "container_ratelimit_")?;
    let container_listing_ratelimits = Rates::read(section, "container_listing_ratelimit_")?;
    let log_sleep_time_seconds = section.float("log_sleep_time_seconds", 0.0)?;
    let account_whitelist = section.list("account_whitelist", "");
    let account_blacklist = section.list("account_blacklist", "");
    setup.info.register(
        "ratelimit",
        json!({
            "account_ratelimit": account_ratelimit,
            "max_sleep_time_seconds": clock.max_sleep_s,
            "container_ratelimits": container_ratelimits.info(),
            "container_listing_ratelimits": container_listing_ratelimits.info(),
        }),
    );
    let constraints = setup.constraints.clone();
    Ok(Box::new(move |next| {
        Arc::new(RateLimit {
            next,
            constraints,
            clock,
            account_ratelimit,
            container_ratelimits,
            container_listing_ratelimits,
            log_sleep_time_seconds,
            account_whitelist,
            account_blacklist,
        })
    }))
}

#[async_trait]
impl App for RateLimit {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        let entity = Entity::parse(&request.http.path, &self.constraints.valid_api_versions);
        if let (Ok(entity), Some(cache), false) = (entity, request.env.cache.clone(), request.env.ratelimited)
        {
            // sub-requests of inner links are part of this one
            request.env.ratelimited = true;
            if let Err(refusal) = self.limit(&request, &entity, &*cache).await {
                return refusal;
            }
        }
        self.next.call(request).await
    }
}

impl RateLimit {
    async fn limit(
        &self,
        request: &ProxyRequest,
        entity: &Entity,
        cache: &dyn SharedCache,
    ) -> Result<(), Response> {
        let env = Env { source: Some(SOURCE), ..request.env.clone() };
        let account = entity.account();
        let info = account_info(&*self.next, &env, account).await;
        let global = info.sysmeta.get("global-write-ratelimit").map(String::as_str);
        if self.account_whitelist.iter().any(|name| name == account) || global == Some("WHITELIST") {
            return Ok(());
        }
        if self.account_blacklist.iter().any(|name| name == account) || global == Some("BLACKLIST") {
            tracing::error!("Returning 497 because of blacklisting: {account}");
            tokio::time::sleep(BLACKLIST_SLEEP).await;
            let refusal = Response::html(497, "Your account has been blacklisted");
            return Err(Response { reason: Some("Blacklisted".into()), ..refusal });
        }
        for (key, rate) in self.limits(&request.http.method, &env, entity, global).await {
            self.wait(cache, &key, rate, &request.http.method, entity).await?;
        }
        Ok(())
    }

    /// What a request counts for: keys of counters, and how often a second each may be counted up.
    async fn limits(
        &self,
        method: &Method,
        env: &Env,
        entity: &Entity,
        global: Option<&str>,
    ) -> Vec<(String, f64)> {
        let account = entity.account();
        let writes = matches!(method, Method::Put | Method::Delete | Method::Post | Method::Copy);
        let mut limits = Vec::new();
        if let Some(container) = entity.container() {
            let changes_account = matches!(method, Method::Put | Method::Delete);
            let (rates, prefix) = match (entity.object(), method) {
                (Some(_), _) if writes => (&self.container_ratelimits, "ratelimit"),
                (None, Method::Get) => (&self.container_listing_ratelimits, "ratelimit_listing"),
                (None, _) if changes_account && self.account_ratelimit != 0.0 => {
                    limits.push((format!("ratelimit/{account}"), self.account_ratelimit));
                    (&Rates::NONE, "")
                }
                _ => (&Rates::NONE, ""),
            };
            if !rates.is_empty() {
                let size = container_info(&*self.next, env, account, container).await.object_count;
                let rate = rates.of(size).filter(|rate| *rate != 0.0);
                limits.extend(rate.map(|rate| (format!("{prefix}/{account}/{container}"), rate)));
            }
        }
        let global = global.and_then(|text| text.trim().parse().ok()).filter(|rate: &f64| *rate > 0.0);
        if let Some(rate) = global.filter(|_| writes) {
            limits.push((format!("ratelimit/global-write/{account}"), rate));
        }
        limits
    }

    async fn wait(
        &self,
        cache: &dyn SharedCache,
        key: &str,
        rate: f64,
        method: &Method,
        entity: &Entity,
    ) -> Result<(), Response> {
        let path = entity.path().escape_ascii();
        match self.clock.take_turn(cache, key, rate).await {
            Ok(wait) => {
                let wait_s = wait.as_secs_f64();
                if self.log_sleep_time_seconds > 0.0 && wait_s > self.log_sleep_time_seconds {
                    tracing::warn!("Ratelimit sleep log: {wait_s} for {path}");
                }
                tokio::time::sleep(wait).await;
                Ok(())
            }
            Err(too_long) => {
                let wait_s = too_long.0.as_secs_f64();
                tracing::error!(
                    "Returning 498 for {method} to {path}. Ratelimit (Max Sleep) Max Sleep Time Exceeded: {wait_s:.2}"
                );
                Err(Response { reason: Some("Rate Limited".into()), ..Response::html(498, "Slow down") })
            }
        }
    }
}

#[cfg(test)]
mod tests;
