//! `read_only`: refuses writes, in the whole cluster or to accounts that are marked
//! (`X-Account-Sysmeta-Read-Only`, which an account's own mark overrides either way).

use super::{FilterError, Layer, Setup};
use crate::http::{Method, Response};
use crate::proxy::app::{App, Env, ProxyRequest};
use crate::proxy::checks::account_name;
use crate::proxy::entity::Entity;
use crate::proxy::info::account_info;
use async_trait::async_trait;
use serde_json::json;
use std::sync::Arc;
use swiftlet_types::Constraints;
use swiftlet_types::conf::{Options, is_true};

/// What the access log calls the requests made here.
const SOURCE: &str = "RO";

struct ReadOnly {
    next: Arc<dyn App>,
    constraints: Arc<Constraints>,
    /// What holds for accounts without a mark.
    read_only: bool,
    allow_deletes: bool,
}

/// Reads the section.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let read_only = section.bool("read_only", false);
    let allow_deletes = section.bool("allow_deletes", false);
    if read_only {
        setup.info.register("read_only", json!({}));
    }
    let constraints = setup.constraints.clone();
    Ok(Box::new(move |next| Arc::new(ReadOnly { next, constraints, read_only, allow_deletes })))
}

#[async_trait]
impl App for ReadOnly {
    async fn call(&self, request: ProxyRequest) -> Response {
        match self.check(&request).await {
            Ok(()) => self.next.call(request).await,
            Err(refusal) => refusal,
        }
    }
}

impl ReadOnly {
    fn writes(&self, method: &Method) -> bool {
        match method {
            Method::Copy | Method::Post | Method::Put => true,
            Method::Delete => !self.allow_deletes,
            _ => false,
        }
    }

    async fn check(&self, request: &ProxyRequest) -> Result<(), Response> {
        let http = &request.http;
        let entity = Entity::parse(&http.path, &self.constraints.valid_api_versions);
        let (true, Ok(entity)) = (self.writes(&http.method), entity) else { return Ok(()) };
        let mut account = entity.account().to_owned();
        if http.method == Method::Copy
            && let Some(destination) = http.headers.get("Destination-Account")
        {
            account = String::from_utf8_lossy(&account_name(destination)?).into_owned();
        }
        let env = Env { source: Some(SOURCE), ..request.env.clone() };
        let info = account_info(&*self.next, &env, &account).await;
        let mark = info.sysmeta.get("read-only").filter(|mark| !mark.is_empty());
        match mark.map_or(self.read_only, |mark| is_true(mark)) {
            true => Err(Response::html(405, "Writes are disabled for this account.")),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::compare::{Filter, case, same};
    use super::*;
    use serde_json::Value;

    fn cases() -> Vec<Value> {
        let mut cases = Vec::new();
        for mark in ["true", "false", ""] {
            for path in ["/v1/a", "/v1/a/c", "/v1/a/c/o", "/v9/a", "/other"] {
                for method in ["GET", "HEAD", "PUT", "POST", "DELETE", "COPY"] {
                    let marked = [("X-Account-Sysmeta-Read-Only", mark)];
                    cases.push(case(method, path, &[]).path("HEAD /v1/a", 204, &marked).value());
                    let copy = case(method, path, &[("Destination-Account", "b")]);
                    cases.push(copy.path("HEAD /v1/b", 204, &marked).value());
                }
            }
        }
        cases
    }

    #[tokio::test]
    async fn does_what_pythons_does() {
        for options in [&[][..], &[("read_only", "yes")], &[("read_only", "1"), ("allow_deletes", "on")]] {
            same(&[Filter("read_only", layer, options)], cases()).await;
        }
    }
}
