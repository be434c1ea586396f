//! Containers.

use super::{account, authorize, hide_from_others, name_policy};
use crate::http::{Headers, Method, Response};
use crate::proxy::acl::clean_acl;
use crate::proxy::app::ProxyRequest;
use crate::proxy::checks::check_metadata;
use crate::proxy::entity::Entity;
use crate::proxy::get::Get;
use crate::proxy::info::{self, RECHECK_CONTAINER};
use crate::proxy::meta::{self, ServerKind};
use crate::proxy::query::Params;
use crate::proxy::rings::Node;
use crate::proxy::server::Application;
use bytes::Bytes;
use std::sync::Arc;

/// Bodies that internal clients UPDATE containers with are no longer than this.
const MAX_UPDATE_BYTES: usize = 16 << 20;

pub(super) async fn answer(
    app: &Application,
    entity: &Entity,
    request: ProxyRequest,
) -> Result<Response, Response> {
    match request.http.method {
        Method::Get => get(app, entity, request).await,
        Method::Head => head(app, entity, request).await,
        Method::Put => put(app, entity, request).await,
        Method::Post => post(app, entity, request).await,
        Method::Delete => delete(app, entity, request).await,
        _ => update(app, entity, request).await,
    }
}

async fn get(app: &Application, entity: &Entity, mut request: ProxyRequest) -> Result<Response, Response> {
    let mut params = Params::parse(&request.http.query);
    check_listing_params(&params, app.constraints.container_listing_limit)?;
    check_account(app, entity, &mut request).await?;
    params.set(b"format", "json");
    let is_explicit = request
        .http
        .headers
        .get_str("x-backend-record-type")
        .is_some_and(|t| ["object", "shard"].iter().any(|r| t.eq_ignore_ascii_case(r)));
    let response = if is_explicit {
        from_backend(app, entity, &request, params.to_query()).await
    } else {
        let mut response = listing(app, entity, &request, params).await;
        for name in ["X-Backend-Record-Type", "X-Backend-Record-Shard-Format"] {
            response.headers.remove(name);
        }
        response
    };
    conclude_read(app, entity, request, response).await
}

async fn head(app: &Application, entity: &Entity, mut request: ProxyRequest) -> Result<Response, Response> {
    check_account(app, entity, &mut request).await?;
    let response = from_backend(app, entity, &request, request.http.query.clone()).await;
    conclude_read(app, entity, request, response).await
}

/// Refuses parameters of a listing that are no text, and limits above what is served.
fn check_listing_params(params: &Params, most: usize) -> Result<(), Response> {
    for name in [
        "marker",
        "end_marker",
        "prefix",
        "delimiter",
        "path",
        "format",
        "reverse",
        "states",
        "includes",
        "limit",
    ] {
        params.text(name)?;
    }
    let limit = params.get("limit").filter(|l| !l.is_empty() && l.iter().all(u8::is_ascii_digit));
    let limit = limit.and_then(|l| std::str::from_utf8(l).ok()).map(|l| l.parse().unwrap_or(usize::MAX));
    match limit.is_some_and(|limit| limit > most) {
        true => Err(Response::html(412, format!("Maximum limit is {most}"))),
        false => Ok(()),
    }
}

/// Refuses reading from an account that is not there.
async fn check_account(
    app: &Application,
    entity: &Entity,
    request: &mut ProxyRequest,
) -> Result<(), Response> {
    let is_automatic = entity.account().starts_with(&app.constraints.auto_create_account_prefix);
    if !is_automatic && !account_exists(app, entity, request).await {
        authorize(request).await?;
        return Err(Response::standard(404));
    }
    Ok(())
}

async fn account_exists(app: &Application, entity: &Entity, request: &ProxyRequest) -> bool {
    app.account_info(request, entity).await.account_really_exists
}

/// An object listing.
async fn listing(app: &Application, entity: &Entity, request: &ProxyRequest, params: Params) -> Response {
    from_backend(app, entity, request, params.to_query()).await
}

async fn from_backend(app: &Application, entity: &Entity, request: &ProxyRequest, query: Bytes) -> Response {
    let ring = app.rings.container();
    let partition = app.partition(&ring, entity);
    let mut call = app.backend_call(request, entity, partition);
    call.query = query;
    let concurrent = app.config.policy_options(None).concurrent_gets;
    let mut response = app
        .get_or_head(Get {
            kind: ServerKind::Container,
            call,
            headers: app.all_headers(request),
            concurrency: if concurrent { ring.replica_count() } else { 1 },
            nodes: app.nodes(ring, partition, None),
            policy_index: None,
            newest: meta::is_true(&request.http.headers, "x-newest"),
        })
        .await;
    name_policy(app, &mut response);
    response
}

/// Keeps what was learnt, asks whether the client may see it, and hides what it may not.
async fn conclude_read(
    app: &Application,
    entity: &Entity,
    mut request: ProxyRequest,
    mut response: Response,
) -> Result<Response, Response> {
    response.headers.set_int(RECHECK_CONTAINER, app.config.recheck_container_existence);
    let container = entity.container().unwrap_or_default();
    info::keep_container(&request.env, entity.account(), container, &response).await;
    request.env.acl = response.headers.get_str("x-container-read").map(str::to_owned);
    authorize(&mut request).await?;
    hide_from_others(app, &request, &mut response);
    if request.env.reseller {
        let sharding = meta::is_true(&response.headers, "x-container-sysmeta-sharding");
        response.headers.set("X-Container-Sharding", if sharding { "True" } else { "False" });
    }
    Ok(response)
}

/// Checks what a PUT or POST sets, cleans its ACLs, and drops what only owners may set.
fn check_settings(app: &Application, request: &mut ProxyRequest) -> Result<(), Response> {
    let headers = &mut request.http.headers;
    for name in ["X-Container-Read", "X-Container-Write"] {
        let Some(acl) = headers.get(name) else { continue };
        // what is no text is not cleaned: the container servers refuse it
        let Ok(acl) = std::str::from_utf8(acl) else { continue };
        let cleaned = clean_acl(name, acl).map_err(|error| Response::html(400, error.to_string()))?;
        headers.set(name, cleaned);
    }
    check_metadata(headers, ServerKind::Container, &app.constraints)
}

fn keep_to_owner(app: &Application, request: &mut ProxyRequest) {
    let headers = &mut request.http.headers;
    if !request.env.owner {
        for name in &app.config.swift_owner_headers {
            headers.remove(name);
        }
    }
    if request.env.reseller && headers.contains("x-container-sharding") {
        let sharding = meta::is_true(headers, "x-container-sharding");
        headers.set("X-Container-Sysmeta-Sharding", if sharding { "True" } else { "False" });
    }
}

/// The index of the policy that a client names; `None` where it names none.
fn named_policy(app: &Application, headers: &Headers) -> Result<Option<u32>, Response> {
    let Some(name) = headers.get("x-storage-policy").filter(|name| !name.is_empty()) else { return Ok(None) };
    let name = String::from_utf8_lossy(name);
    let Some(policy) = app.policies.by_name(&name) else {
        return Err(Response::plain(400, format!("Invalid X-Storage-Policy '{name}'")));
    };
    if policy.is_deprecated {
        return Err(Response::html(400, format!("Storage Policy '{}' is deprecated", policy.name())));
    }
    Ok(Some(policy.index))
}

async fn put(app: &Application, entity: &Entity, mut request: ProxyRequest) -> Result<Response, Response> {
    check_settings(app, &mut request)?;
    let policy_index = named_policy(app, &request.http.headers)?;
    keep_to_owner(app, &mut request);
    check_name(app, entity)?;
    let mut known = app.account_info(&request, entity).await;
    if !known.account_really_exists && app.config.account_autocreate {
        if !account::autocreate(app, entity, &request).await {
            return Err(Response::standard(503));
        }
        known = app.account_info(&request, entity).await;
    }
    if !known.account_really_exists {
        return Err(Response::standard(404));
    }
    let most = app.config.max_containers_per_account;
    let is_limited = most > 0 && !app.config.max_containers_whitelist.iter().any(|a| a == entity.account());
    if is_limited && known.container_count >= most && !app.container_info(&request, entity).await.exists() {
        return Err(Response::html(403, format!("Reached container limit of {most}")));
    }
    let response = change(app, entity, &request, policy_index, Bytes::new()).await;
    forget(&request, entity).await;
    Ok(response)
}

/// Container names may be so long; those in accounts that Swift makes for itself twice that.
fn check_name(app: &Application, entity: &Entity) -> Result<(), Response> {
    let factor =
        if entity.account().starts_with(&app.constraints.auto_create_account_prefix) { 2 } else { 1 };
    let length = entity.container().unwrap_or_default().chars().count();
    let limit = app.constraints.max_container_name_length * factor;
    match length > limit {
        true => Err(Response::html(400, format!("Container name length of {length} longer than {limit}"))),
        false => Ok(()),
    }
}

async fn post(app: &Application, entity: &Entity, mut request: ProxyRequest) -> Result<Response, Response> {
    check_settings(app, &mut request)?;
    keep_to_owner(app, &mut request);
    if !account_exists(app, entity, &request).await {
        return Err(Response::standard(404));
    }
    forget(&request, entity).await;
    let headers = app.own_headers(&request, &[], Some(ServerKind::Container));
    Ok(send(app, entity, &request, |count| vec![headers; count], Bytes::new()).await)
}

async fn delete(app: &Application, entity: &Entity, request: ProxyRequest) -> Result<Response, Response> {
    if !account_exists(app, entity, &request).await {
        return Err(Response::standard(404));
    }
    forget(&request, entity).await;
    let response = change(app, entity, &request, None, Bytes::new()).await;
    // no server had it
    if response.status == 202 { Err(Response::standard(404)) } else { Ok(response) }
}

/// Merges rows into a container, for internal clients.
async fn update(app: &Application, entity: &Entity, mut request: ProxyRequest) -> Result<Response, Response> {
    let Some(policy) = request.http.headers.get_str("x-backend-storage-policy-index").map(str::to_owned)
    else {
        return Err(Response::plain(400, "X-Backend-Storage-Policy-Index is missing"));
    };
    let body = request.http.body.read_all(MAX_UPDATE_BYTES).await;
    let body = body.map_err(|error| Response::plain(400, error.to_string()))?;
    let additional = [("X-Backend-Storage-Policy-Index", policy)];
    let headers = app.own_headers(&request, &additional, Some(ServerKind::Container));
    Ok(send(app, entity, &request, |count| vec![headers; count], body).await)
}

async fn forget(request: &ProxyRequest, entity: &Entity) {
    info::forget_container(&request.env, entity.account(), entity.container().unwrap_or_default()).await;
}

/// Sends a PUT or DELETE to every replica, each of which tells some of the account's servers.
async fn change(
    app: &Application,
    entity: &Entity,
    request: &ProxyRequest,
    policy_index: Option<u32>,
    body: Bytes,
) -> Response {
    let additional = match policy_index {
        Some(index) => ("X-Backend-Storage-Policy-Index", index.to_string()),
        None => ("X-Backend-Storage-Policy-Default", app.policies.default_policy().index.to_string()),
    };
    let headers = app.own_headers(request, &[additional], Some(ServerKind::Container));
    let account_ring = app.rings.account();
    let account_partition = app.partition(&account_ring, &Entity::account_of(entity.account()));
    let accounts = account_ring.primaries(account_partition);
    let spread = |count| name_accounts(vec![headers; count], account_partition, &accounts);
    send(app, entity, request, spread, body).await
}

/// Spreads the account's servers over the requests.
fn name_accounts(mut requests: Vec<Headers>, partition: u32, accounts: &[Arc<Node>]) -> Vec<Headers> {
    let count = requests.len();
    for (i, account) in accounts.iter().enumerate().filter(|_| count > 0) {
        let headers = &mut requests[i % count];
        headers.set_int("X-Account-Partition", partition);
        meta::append_csv(headers, "X-Account-Host", &account.host(false));
        meta::append_csv(headers, "X-Account-Device", account.device());
    }
    requests
}

async fn send(
    app: &Application,
    entity: &Entity,
    request: &ProxyRequest,
    headers: impl FnOnce(usize) -> Vec<Headers>,
    body: Bytes,
) -> Response {
    let ring = app.rings.container();
    let partition = app.partition(&ring, entity);
    let call = app.backend_call(request, entity, partition);
    app.change_replicas(ServerKind::Container, ring, call, headers, body).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_server_is_told_by_one_container_server() {
        let accounts: Vec<_> = (0..5).map(|i| Arc::new(Node::for_tests(i))).collect();
        let requests = name_accounts(vec![Headers::new(); 3], 7, &accounts);
        let hosts: Vec<_> = requests.iter().map(|h| h.get_str("x-account-host").unwrap()).collect();
        assert_eq!(
            hosts,
            ["127.0.0.1:6200,127.0.0.4:6200", "127.0.0.2:6200,127.0.0.5:6200", "127.0.0.3:6200"]
        );
        assert_eq!(requests[0].get_str("x-account-device"), Some("sda,sda"));
        assert_eq!(requests[2].get_str("x-account-partition"), Some("7"));
        assert!(name_accounts(Vec::new(), 7, &accounts).is_empty());
    }

    #[test]
    fn listing_parameters() {
        let check = |query: &str| {
            check_listing_params(&Params::parse(query.as_bytes()), 10_000).map_err(|r| r.status)
        };
        assert_eq!(check("limit=10000&marker=%C3%BC"), Ok(()));
        assert_eq!(check("limit=abc"), Ok(()));
        assert_eq!(check("limit=10001"), Err(412));
        assert_eq!(check("limit=99999999999999999999999"), Err(412));
        assert_eq!(check("prefix=%FF"), Err(400));
    }
}
