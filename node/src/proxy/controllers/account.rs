//! Accounts.

use super::hide_from_others;
use crate::http::{Headers, Method, Response};
use crate::proxy::acl::format_account_acl;
use crate::proxy::app::ProxyRequest;
use crate::proxy::checks::check_metadata;
use crate::proxy::entity::Entity;
use crate::proxy::get::Get;
use crate::proxy::info::{self, RECHECK_ACCOUNT};
use crate::proxy::meta::{self, ServerKind};
use crate::proxy::query::Params;
use crate::proxy::server::Application;
use bytes::Bytes;
use swiftlet_types::Timestamp;

/// Where account servers keep an account's ACL, and what clients know it as.
const ACL_SYSMETA: &str = "X-Account-Sysmeta-Core-Access-Control";
const ACL_HEADER: &str = "X-Account-Access-Control";

pub(super) async fn answer(
    app: &Application,
    entity: &Entity,
    request: ProxyRequest,
) -> Result<Response, Response> {
    match request.http.method {
        Method::Get | Method::Head => get_or_head(app, entity, request).await,
        Method::Delete => delete(app, entity, request).await,
        _ => put_or_post(app, entity, request).await,
    }
}

/// Account names may be so long; those that Swift makes for itself twice that.
fn check_name(app: &Application, entity: &Entity) -> Result<(), Response> {
    let account = entity.account();
    let factor = if account.starts_with(&app.constraints.auto_create_account_prefix) { 2 } else { 1 };
    let (length, limit) = (account.chars().count(), app.constraints.max_account_name_length * factor);
    match length > limit {
        true => Err(Response::html(400, format!("Account name length of {length} longer than {limit}"))),
        false => Ok(()),
    }
}

async fn get_or_head(
    app: &Application,
    entity: &Entity,
    request: ProxyRequest,
) -> Result<Response, Response> {
    check_name(app, entity)?;
    let ring = app.rings.account();
    let partition = app.partition(&ring, entity);
    let mut call = app.backend_call(&request, entity, partition);
    while call.path.ends_with(b"/") {
        call.path.truncate(call.path.len() - 1);
    }
    let mut params = Params::parse(&request.http.query);
    params.set(b"format", "json");
    call.query = params.to_query();
    let concurrent = app.config.policy_options(None).concurrent_gets;
    let mut response = app
        .get_or_head(Get {
            kind: ServerKind::Account,
            call,
            headers: app.all_headers(&request),
            concurrency: if concurrent { ring.replica_count() } else { 1 },
            nodes: app.nodes(ring, partition, None),
            policy_index: None,
            newest: meta::is_true(&request.http.headers, "x-newest"),
        })
        .await;
    if response.status == 404 {
        let deleted =
            response.headers.get_str("x-account-status").is_some_and(|s| s.eq_ignore_ascii_case("deleted"));
        if deleted {
            response.status = 410;
            response.reason = None;
        } else if app.config.account_autocreate {
            response = assumed_listing(&request.http.method);
        }
    }
    response.headers.set_int(RECHECK_ACCOUNT, app.config.recheck_account_existence);
    info::keep_account(&request.env, entity.account(), &response, &app.policies).await;
    if request.env.owner {
        show_acl(&mut response);
    } else {
        hide_from_others(app, &request, &mut response);
    }
    Ok(response)
}

/// What an account that nobody has written to yet is listed as: it will be made when somebody does.
///
/// A HEAD is answered 204, as for an account that is there; Swift says 200 until the account is made.
fn assumed_listing(method: &Method) -> Response {
    let now = Timestamp::now().normal();
    let (status, listing) = if *method == Method::Head { (204, "") } else { (200, "[]") };
    let mut response =
        Response::new(status).with("Content-Type", "application/json; charset=utf-8").with_body(listing);
    for name in ["X-Account-Container-Count", "X-Account-Object-Count", "X-Account-Bytes-Used"] {
        response.headers.set(name, "0");
    }
    for name in ["X-Timestamp", "X-PUT-Timestamp"] {
        response.headers.set(name, now.clone());
    }
    response.headers.set("X-Backend-Fake-Account-Listing", "yes");
    response.headers.set_int("Content-Length", listing.len());
    response
}

/// Shows the account's ACL as clients know it, where there is one.
fn show_acl(response: &mut Response) {
    let Some(kept) = response.headers.remove(ACL_SYSMETA) else { return };
    if let Some(acl) = std::str::from_utf8(&kept).ok().and_then(format_account_acl) {
        response.headers.set(ACL_HEADER, acl);
    }
}

async fn put_or_post(
    app: &Application,
    entity: &Entity,
    request: ProxyRequest,
) -> Result<Response, Response> {
    check_metadata(&request.http.headers, ServerKind::Account, &app.constraints)?;
    check_name(app, entity)?;
    let headers = app.own_headers(&request, &[], Some(ServerKind::Account));
    info::forget_account(&request.env, entity.account()).await;
    let mut response = change(app, entity, &request, headers.clone()).await;
    if request.http.method == Method::Post && response.status == 404 && app.config.account_autocreate {
        autocreate(app, entity, &request).await;
        response = change(app, entity, &request, headers).await;
    }
    show_acl(&mut response);
    Ok(response)
}

async fn delete(app: &Application, entity: &Entity, request: ProxyRequest) -> Result<Response, Response> {
    if !request.http.query.is_empty() {
        // most likely meant for a middleware, and misspelt: not what to delete an account for
        return Err(Response::standard(400));
    }
    let headers = app.own_headers(&request, &[], None);
    info::forget_account(&request.env, entity.account()).await;
    Ok(change(app, entity, &request, headers).await)
}

/// Sends the request to every replica of the account.
async fn change(app: &Application, entity: &Entity, request: &ProxyRequest, headers: Headers) -> Response {
    let ring = app.rings.account();
    let partition = app.partition(&ring, entity);
    let call = app.backend_call(request, entity, partition);
    app.change_replicas(ServerKind::Account, ring, call, |count| vec![headers; count], Bytes::new()).await
}

/// Makes the account of a request that needs it; whether that worked.
pub(super) async fn autocreate(app: &Application, entity: &Entity, request: &ProxyRequest) -> bool {
    let account = Entity::account_of(entity.account());
    let ring = app.rings.account();
    let partition = app.partition(&ring, &account);
    let mut headers = Headers::new();
    headers.set("X-Timestamp", Timestamp::now().internal());
    for name in ["X-Trans-Id", "X-Openstack-Request-Id"] {
        headers.set(name, request.env.trans_id.to_string());
    }
    for (name, value) in request.http.headers.iter() {
        if ServerKind::Account.system_meta_name(name).is_some() {
            headers.set(name.clone(), value.clone());
        }
    }
    let mut call = app.backend_call(request, &account, partition);
    call.method = Method::Put;
    let replicas = |count| vec![headers; count];
    let answer = app.change_replicas(ServerKind::Account, ring, call, replicas, Bytes::new()).await;
    let made = answer.is_success();
    if made {
        tracing::info!("autocreate account {:?}", account.path());
        info::forget_account(&request.env, entity.account()).await;
    } else {
        tracing::warn!("Could not autocreate account {:?}", account.path());
    }
    made
}
