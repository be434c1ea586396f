//! What answers a request, by what its path names.

mod account;
mod container;
mod object;

use super::app::ProxyRequest;
use super::config::ProxyConfig;
use super::cors;
use super::entity::Entity;
use super::server::Application;
use crate::http::{Method, Response};

/// What answers a request.
pub(super) enum Controller {
    Account(Entity),
    Container(Entity),
    Object(Entity),
}

impl Controller {
    /// The methods it knows. `private`: those of internal clients too.
    pub(super) fn methods(&self, config: &ProxyConfig, private: bool) -> Vec<&'static str> {
        match self {
            Self::Account(_) if config.allow_account_management => {
                vec!["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"]
            }
            Self::Account(_) => vec!["GET", "HEAD", "OPTIONS", "POST"],
            Self::Container(_) if private => {
                vec!["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "UPDATE"]
            }
            Self::Container(_) | Self::Object(_) => vec!["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"],
        }
    }

    /// Whether it asks again who may do this, once it knows the container's ACL: then a first no is not the last.
    pub(super) fn delays_denial(&self, method: &Method) -> bool {
        match self {
            Self::Account(_) => false,
            Self::Container(_) => matches!(method, Method::Get | Method::Head),
            Self::Object(_) => *method != Method::Options,
        }
    }

    /// Answers a request of one of its `methods`.
    pub(super) async fn answer(
        &self,
        app: &Application,
        request: ProxyRequest,
        methods: &[&str],
    ) -> Response {
        let entity = match self {
            Self::Account(_) if request.http.method == Method::Options => {
                return cors::options(&request.http.headers, None, methods, &app.config);
            }
            Self::Account(entity) => return settle(account::answer(app, entity, request).await),
            Self::Container(entity) | Self::Object(entity) => entity,
        };
        let origin = cors::origin_of(&request.http.headers).map(str::to_owned);
        let Some(origin) = origin else { return self.answer_named(app, entity, request, methods).await };
        let container = app.container_info(&request, entity).await;
        if request.http.method == Method::Options {
            return cors::options(&request.http.headers, Some(&container.cors), methods, &app.config);
        }
        let mut response = self.answer_named(app, entity, request, methods).await;
        cors::expose(&mut response, &container.cors, &origin, &app.config);
        response
    }

    async fn answer_named(
        &self,
        app: &Application,
        entity: &Entity,
        request: ProxyRequest,
        methods: &[&str],
    ) -> Response {
        if request.http.method == Method::Options {
            return cors::options(&request.http.headers, None, methods, &app.config);
        }
        match self {
            Self::Object(_) => settle(object::answer(app, entity, request).await),
            _ => settle(container::answer(app, entity, request).await),
        }
    }
}

/// Refusals are answers too.
fn settle(answer: Result<Response, Response>) -> Response {
    answer.unwrap_or_else(|refusal| refusal)
}

/// Asks again whether the request may be done, now that its ACL is known.
async fn authorize(request: &mut ProxyRequest) -> Result<(), Response> {
    match request.env.authorize.clone() {
        Some(authorize) => authorize.authorize(request).await,
        None => Ok(()),
    }
}

/// Says the name of a container's policy instead of the index that a backend knows it by.
fn name_policy(app: &Application, response: &mut Response) {
    if !response.is_success() {
        return;
    }
    let Some(index) = response.headers.get_str("x-backend-storage-policy-index") else { return };
    match app.policies.by_header(Some(index)) {
        Some(policy) => response.headers.set("X-Storage-Policy", policy.name().to_owned()),
        None => tracing::error!("Could not translate X-Backend-Storage-Policy-Index ({index:?}) to policy"),
    }
}

/// Hides from everybody else what only an account's owner may see.
fn hide_from_others(app: &Application, request: &ProxyRequest, response: &mut Response) {
    if !request.env.owner {
        for name in &app.config.swift_owner_headers {
            response.headers.remove(name);
        }
    }
}
