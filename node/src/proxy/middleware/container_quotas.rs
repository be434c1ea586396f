//! `container_quotas`: how many bytes and objects a container may hold (`X-Container-Meta-Quota-Bytes`, `-Count`).

use super::{FilterError, Layer, Setup};
use crate::http::{Method, Response};
use crate::proxy::app::{App, Env, ProxyRequest};
use crate::proxy::checks::content_length;
use crate::proxy::entity::Entity;
use crate::proxy::info::{ContainerInfo, container_info};
use async_trait::async_trait;
use serde_json::json;
use std::sync::Arc;
use swiftlet_types::Constraints;
use swiftlet_types::conf::Options;

/// What the access log calls the requests made here.
const SOURCE: &str = "CQ";

struct ContainerQuotas {
    next: Arc<dyn App>,
    constraints: Arc<Constraints>,
}

/// Reads the section, which has no options.
pub fn layer(_: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    setup.info.register("container_quotas", json!({}));
    let constraints = setup.constraints.clone();
    Ok(Box::new(|next| Arc::new(ContainerQuotas { next, constraints })))
}

#[async_trait]
impl App for ContainerQuotas {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        let entity = Entity::parse(&request.http.path, &self.constraints.valid_api_versions);
        let Ok(entity) = entity else { return self.next.call(request).await };
        let Some(container) = entity.container() else { return self.next.call(request).await };
        let checked = match (entity.object(), &request.http.method) {
            (None, Method::Put | Method::Post) => check_new_quotas(&request),
            (Some(_), Method::Put) => self.check_upload(&mut request, entity.account(), container).await,
            _ => Ok(()),
        };
        match checked {
            Ok(()) => self.next.call(request).await,
            Err(refusal) => refusal,
        }
    }
}

fn check_new_quotas(request: &ProxyRequest) -> Result<(), Response> {
    for (name, refusal) in [
        ("X-Container-Meta-Quota-Bytes", "Invalid bytes quota."),
        ("X-Container-Meta-Quota-Count", "Invalid count quota."),
    ] {
        let value = request.http.headers.get(name).unwrap_or_default();
        if !value.iter().all(u8::is_ascii_digit) {
            return Err(Response::html(400, refusal));
        }
    }
    Ok(())
}

impl ContainerQuotas {
    async fn check_upload(
        &self,
        request: &mut ProxyRequest,
        account: &str,
        container: &str,
    ) -> Result<(), Response> {
        let env = Env { source: Some(SOURCE), ..request.env.clone() };
        let info = container_info(&*self.next, &env, account, container).await;
        if !info.exists() || !is_exceeded(&info, content_length(&request.http.headers)) {
            return Ok(());
        }
        // who may not upload here learns nothing of the container
        if let Some(authorize) = request.env.authorize.clone() {
            request.env.acl = info.write_acl.clone();
            authorize.authorize(request).await?;
        }
        Err(Response::html(413, "Upload exceeds quota."))
    }
}

fn is_exceeded(info: &ContainerInfo, length: u64) -> bool {
    let quota = |name: &str| info.meta.get(name)?.parse::<u64>().ok();
    quota("quota-bytes").is_some_and(|quota| quota < info.bytes.saturating_add(length))
        || quota("quota-count").is_some_and(|quota| quota < info.object_count + 1)
}

#[cfg(test)]
mod tests {
    use super::super::tests::compare::{Filter, case, same};
    use super::*;
    use serde_json::Value;

    fn cases() -> Vec<Value> {
        let mut cases = Vec::new();
        for quota in ["", "0", "12", "-1", "1.5", "x"] {
            for name in ["X-Container-Meta-Quota-Bytes", "X-Container-Meta-Quota-Count"] {
                for method in ["PUT", "POST", "GET"] {
                    cases.push(case(method, "/v1/a/c", &[(name, quota)]).value());
                }
            }
        }
        for (bytes, count) in [("10", ""), ("9", ""), ("", "3"), ("", "2"), ("x", "x"), ("9", "2")] {
            for length in ["4", "5", ""] {
                for acl in [None, Some("writers"), Some("others")] {
                    let meta = [
                        ("X-Container-Bytes-Used", "5"),
                        ("X-Container-Object-Count", "2"),
                        ("X-Container-Write", "writers"),
                        ("X-Container-Meta-Quota-Bytes", bytes),
                        ("X-Container-Meta-Quota-Count", count),
                    ];
                    let headers = if length.is_empty() { vec![] } else { vec![("Content-Length", length)] };
                    let case = case("PUT", "/v1/a/c/o", &headers).path("HEAD /v1/a/c", 204, &meta);
                    cases.push(match acl {
                        Some(acl) => case.allowed_by(acl).value(),
                        None => case.value(),
                    });
                }
            }
        }
        cases.push(case("PUT", "/v1/a/c/o", &[]).path("HEAD /v1/a/c", 404, &[]).value());
        cases.push(case("PUT", "/v1/a", &[("X-Container-Meta-Quota-Bytes", "x")]).value());
        cases
    }

    #[tokio::test]
    async fn does_what_pythons_does() {
        same(&[Filter("container_quotas", layer, &[])], cases()).await;
    }
}
