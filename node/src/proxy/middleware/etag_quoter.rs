//! `etag_quoter`: puts ETags of objects between double quotes, as RFC 7232 wants them, where the account, the
//! container or the operator asks for it.

use super::{FilterError, Layer, Setup};
use crate::http::{Headers, Response};
use crate::proxy::app::{App, Env, ProxyRequest};
use crate::proxy::entity::Entity;
use crate::proxy::info::{account_info, container_info};
use async_trait::async_trait;
use serde_json::json;
use std::sync::Arc;
use swiftlet_types::Constraints;
use swiftlet_types::conf::{Options, is_true};

/// What the access log calls the requests made here.
const SOURCE: &str = "EQ";
/// The name under which the wish is stored, of accounts and of containers.
const STORED: &str = "rfc-compliant-etags";

struct EtagQuoter {
    next: Arc<dyn App>,
    constraints: Arc<Constraints>,
    /// What holds where neither container nor account says anything.
    enable_by_default: bool,
}

/// Reads the section.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let enable_by_default = section.bool("enable_by_default", false);
    setup.info.register("etag_quoter", json!({"enable_by_default": enable_by_default}));
    let constraints = setup.constraints.clone();
    Ok(Box::new(move |next| Arc::new(EtagQuoter { next, constraints, enable_by_default })))
}

#[async_trait]
impl App for EtagQuoter {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        let entity = Entity::parse(&request.http.path, &self.constraints.valid_api_versions);
        let Ok(entity) = entity else { return self.next.call(request).await };
        if entity.object().is_none() {
            let kind = if entity.container().is_some() { "Container" } else { "Account" };
            store(&mut request.http.headers, kind);
            let mut response = self.next.call(request).await;
            show(&mut response.headers, kind);
            return response;
        }
        let quotes = self.wants_quotes(&request.env, &entity).await;
        let mut response = self.next.call(request).await;
        if quotes && let Some(etag) = response.headers.get("Etag").and_then(quoted) {
            response.headers.set("Etag", etag);
        }
        response
    }
}

impl EtagQuoter {
    async fn wants_quotes(&self, env: &Env, entity: &Entity) -> bool {
        let env = Env { source: Some(SOURCE), ..env.clone() };
        let container = entity.container().unwrap_or_default();
        let container = container_info(&*self.next, &env, entity.account(), container).await;
        if !container.exists() {
            return false;
        }
        if let Some(wish) = container.sysmeta.get(STORED) {
            return is_true(wish);
        }
        let account = account_info(&*self.next, &env, entity.account()).await;
        account.status / 100 == 2
            && account.sysmeta.get(STORED).map_or(self.enable_by_default, |wish| is_true(wish))
    }
}

/// Puts what a client wishes for an account or container where it is stored.
fn store(headers: &mut Headers, kind: &str) {
    let stored = format!("X-{kind}-Sysmeta-Rfc-Compliant-Etags");
    let wish = headers.get(&format!("X-{kind}-Rfc-Compliant-Etags"));
    let wish = wish.map(|wish| match wish {
        b"" => "",
        wish if is_true(&String::from_utf8_lossy(wish)) => "True",
        _ => "False",
    });
    let removes =
        headers.get(&format!("X-Remove-{kind}-Rfc-Compliant-Etags")).is_some_and(|value| !value.is_empty());
    if let Some(wish) = if removes { Some("") } else { wish } {
        headers.set(stored, wish);
    }
}

/// Shows a client what is stored.
fn show(headers: &mut Headers, kind: &str) {
    if let Some(wish) = headers.remove(&format!("X-{kind}-Sysmeta-Rfc-Compliant-Etags")) {
        headers.set(format!("X-{kind}-Rfc-Compliant-Etags"), wish);
    }
}

/// `etag` between quotes; `None` where it has them.
fn quoted(etag: &[u8]) -> Option<Vec<u8>> {
    let has_quotes = (etag.starts_with(b"\"") || etag.starts_with(b"W/\"")) && etag.ends_with(b"\"");
    (!has_quotes).then(|| [b"\"", etag, b"\""].concat())
}

#[cfg(test)]
mod tests {
    use super::super::tests::compare::{Filter, case, same};
    use super::*;
    use serde_json::Value;

    fn cases() -> Vec<Value> {
        let mut cases = Vec::new();
        for wish in ["true", "no", "", "On", "nonsense"] {
            for (path, kind) in [("/v1/a", "Account"), ("/v1/a/c", "Container")] {
                for remove in ["", "x"] {
                    let (set, unset) = (
                        format!("X-{kind}-Rfc-Compliant-Etags"),
                        format!("X-Remove-{kind}-Rfc-Compliant-Etags"),
                    );
                    cases.push(case("POST", path, &[(&set, wish), (&unset, remove)]).value());
                }
                let stored = format!("X-{kind}-Sysmeta-Rfc-Compliant-Etags");
                cases.push(
                    case("HEAD", path, &[]).path(&format!("HEAD {path}"), 204, &[(&stored, wish)]).value(),
                );
            }
        }
        for etag in ["abc", "\"abc\"", "W/\"abc\"", "\"", ""] {
            for (account, container) in [("True", ""), ("", "True"), ("True", "False"), ("", "")] {
                for method in ["GET", "PUT", "HEAD"] {
                    let case = case(method, "/v1/a/c/o", &[])
                        .path(
                            "HEAD /v1/a",
                            204,
                            &wishes(&[("X-Account-Sysmeta-Rfc-Compliant-Etags", account)]),
                        )
                        .path(
                            "HEAD /v1/a/c",
                            204,
                            &wishes(&[("X-Container-Sysmeta-Rfc-Compliant-Etags", container)]),
                        )
                        .path(&format!("{method} /v1/a/c/o"), 200, &[("Etag", etag)]);
                    cases.push(case.value());
                }
            }
        }
        let missing = case("GET", "/v1/a/c/o", &[]).path("HEAD /v1/a/c", 404, &[]);
        cases.push(missing.path("GET /v1/a/c/o", 404, &[("Etag", "x")]).value());
        cases.push(case("GET", "/v9/a/c/o", &[]).path("GET /v9/a/c/o", 200, &[("Etag", "x")]).value());
        cases
    }

    fn wishes<'a>(all: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        all.iter().copied().filter(|(_, wish)| !wish.is_empty()).collect()
    }

    #[tokio::test]
    async fn does_what_pythons_does() {
        same(&[Filter("etag_quoter", layer, &[])], cases()).await;
        same(&[Filter("etag_quoter", layer, &[("enable_by_default", "yes")])], cases()).await;
    }
}
