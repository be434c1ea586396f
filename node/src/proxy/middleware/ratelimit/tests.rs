use super::super::tests::compare::{Filter, case, same};
use super::super::tests::{Fake, build, request};
use super::*;
use crate::proxy::cache::LocalCache;
use serde_json::Value;
use std::time::Instant;

/// With these, whoever is limited at all is refused at once.
const STRICT: [(&str, &str); 6] = [
    ("max_sleep_time_seconds", "0"),
    ("account_ratelimit", "10"),
    ("container_ratelimit_10", "10"),
    ("container_listing_ratelimit_3", "20"),
    ("account_whitelist", "white"),
    ("account_blacklist", "black"),
];

fn cases() -> Vec<Value> {
    let mut cases = Vec::new();
    for path in ["/v1/a", "/v1/a/c", "/v1/a/c/o", "/v1/white/c", "/v1/a/", "/v9/a/c", "/info"] {
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE", "COPY"] {
            for (size, global) in [("0", ""), ("5", "0"), ("20", "x"), ("20", "WHITELIST"), ("0", "7")] {
                // Python has no words for the refusal of a request to an account, and answers 500
                if path == "/v1/a" && global == "7" {
                    continue;
                }
                let case = case(method, path, &[])
                    .path("HEAD /v1/a", 204, &[("X-Account-Sysmeta-Global-Write-Ratelimit", global)])
                    .path("HEAD /v1/a/c", 204, &[("X-Container-Object-Count", size)]);
                cases.push(case.value());
            }
        }
    }
    cases.push(case("GET", "/v1/black/c", &[]).value());
    let black = [("X-Account-Sysmeta-Global-Write-Ratelimit", "BLACKLIST")];
    cases.push(case("GET", "/v1/a/c/o", &[]).path("HEAD /v1/a", 204, &black).value());
    cases
}

#[tokio::test]
async fn does_what_pythons_does() {
    same(&[Filter("ratelimit", layer, &STRICT)], cases()).await;
}

#[tokio::test]
async fn what_comes_too_fast_waits() {
    let (app, setup) = build(layer, &[("account_ratelimit", "10")], Fake::status(201));
    let info = setup.info.sections()["ratelimit"].to_string();
    assert_eq!(
        info,
        r#"{"account_ratelimit":10.0,"max_sleep_time_seconds":60.0,"container_ratelimits":[],"container_listing_ratelimits":[]}"#
    );
    let cache: Arc<dyn SharedCache> = Arc::new(LocalCache::new(1 << 20, None));
    let begun = Instant::now();
    for _ in 0..4 {
        let mut put = request(Method::Put, "/v1/a/c", &[]);
        put.env.cache = Some(cache.clone());
        assert_eq!(app.call(put).await.status, 201);
    }
    let took_ms = begun.elapsed().as_millis();
    assert!((280..20_000).contains(&took_ms), "4 requests at 10 a second took {took_ms} ms");
}
