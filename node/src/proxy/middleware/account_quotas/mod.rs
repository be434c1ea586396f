//! `account_quotas`: how many bytes and objects an account may hold, in all and by storage policy.
//!
//! Only a reseller admin sets quotas, and is not held to them. `headers` turns what clients see into what is stored
//! and back; here an upload is measured against it.

mod headers;

use super::{FilterError, Layer, Setup};
use crate::http::{Method, Response};
use crate::proxy::app::{App, Authorize, Env, ProxyRequest};
use crate::proxy::checks::content_length;
use crate::proxy::entity::Entity;
use crate::proxy::info::{AccountInfo, account_info, container_info};
use async_trait::async_trait;
use serde_json::json;
use std::sync::Arc;
use swiftlet_types::conf::Options;
use swiftlet_types::{Constraints, Policies};

/// What the access log calls the requests made here.
const SOURCE: &str = "AQ";

struct AccountQuotas {
    next: Arc<dyn App>,
    constraints: Arc<Constraints>,
    policies: Arc<Policies>,
}

/// Reads the section, which has no options.
pub fn layer(_: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    setup.info.register("account_quotas", json!({}));
    let (constraints, policies) = (setup.constraints.clone(), setup.policies.clone());
    Ok(Box::new(|next| Arc::new(AccountQuotas { next, constraints, policies })))
}

#[async_trait]
impl App for AccountQuotas {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        let entity = match Entity::parse(&request.http.path, &self.constraints.valid_api_versions) {
            Ok(entity) => entity,
            Err(_) => return self.next.call(request).await,
        };
        if entity.container().is_none() {
            return self.account(request).await;
        }
        let is_upload = entity.object().is_some() && request.http.method == Method::Put;
        if is_upload
            && !request.env.reseller
            && let Some(text) = self.exceeded(&request, &entity).await
        {
            let refusal = RefuseAfter { inner: request.env.authorize.take(), text };
            if refusal.inner.is_none() {
                return refusal.response();
            }
            request.env.authorize = Some(Arc::new(refusal));
        }
        self.next.call(request).await
    }
}

impl AccountQuotas {
    async fn account(&self, mut request: ProxyRequest) -> Response {
        if matches!(request.http.method, Method::Put | Method::Post)
            && let Err(refusal) = headers::store(&mut request, &self.policies)
        {
            return refusal;
        }
        let mut response = self.next.call(request).await;
        headers::show(&mut response.headers, &self.policies);
        response
    }

    /// What to say to an upload that would exceed a quota.
    async fn exceeded(&self, request: &ProxyRequest, entity: &Entity) -> Option<&'static str> {
        let length = content_length(&request.http.headers);
        let env = Env { source: Some(SOURCE), ..request.env.clone() };
        let account = account_info(&*self.next, &env, entity.account()).await;
        let bytes = quota(&account, "quota-bytes").or_else(|| legacy_quota(&account));
        if bytes.is_some_and(|quota| quota < account.bytes.saturating_add(length))
            || quota(&account, "quota-count").is_some_and(|quota| quota < account.total_object_count + 1)
        {
            return Some("Upload exceeds quota.");
        }
        if !account.sysmeta.keys().any(|name| name.contains("-policy-")) {
            return None;
        }
        let container = entity.container().unwrap_or_default();
        let container = container_info(&*self.next, &env, entity.account(), container).await;
        let policy = container.storage_policy.to_string();
        let used = account.storage_policies.get(&policy).copied().unwrap_or_default();
        let bytes = quota(&account, &format!("quota-bytes-policy-{policy}"));
        let count = quota(&account, &format!("quota-count-policy-{policy}"));
        let exceeded = bytes.is_some_and(|quota| quota < used.bytes.saturating_add(length))
            || count.is_some_and(|quota| quota < used.object_count + 1);
        exceeded.then_some("Upload exceeds policy quota.")
    }
}

/// The quota that is stored under `name`; what is no number is none.
fn quota(account: &AccountInfo, name: &str) -> Option<u64> {
    account.sysmeta.get(name)?.trim().parse().ok()
}

/// The quota as it was stored before it had a place of its own, which the new one hides even where it is no number.
fn legacy_quota(account: &AccountInfo) -> Option<u64> {
    if account.sysmeta.contains_key("quota-bytes") {
        return None;
    }
    account.meta.get("quota-bytes")?.trim().parse().ok()
}

/// Refuses an upload once it is known that it would be allowed otherwise: who may not upload is told that alone.
struct RefuseAfter {
    inner: Option<Arc<dyn Authorize>>,
    text: &'static str,
}

impl RefuseAfter {
    fn response(&self) -> Response {
        Response::html(413, self.text)
    }
}

#[async_trait]
impl Authorize for RefuseAfter {
    async fn authorize(&self, request: &mut ProxyRequest) -> Result<(), Response> {
        if let Some(inner) = &self.inner {
            inner.authorize(request).await?;
        }
        Err(self.response())
    }
}

#[cfg(test)]
mod tests;
