//! Objects.

mod updates;

use super::{authorize, name_policy};
use crate::http::conditions::normalize_etag;
use crate::http::{Body, Headers, Method, Response};
use crate::proxy::answer::Answer;
use crate::proxy::app::ProxyRequest;
use crate::proxy::checks::{
    check_content_type, check_delete_headers, check_metadata, check_object_creation, is_chunked,
};
use crate::proxy::config::PolicyOptions;
use crate::proxy::ec::{FragmentsPut, FragmentsRead, Scheme};
use crate::proxy::entity::Entity;
use crate::proxy::fanout::{Fanout, best_of};
use crate::proxy::get::Get;
use crate::proxy::info::ContainerInfo;
use crate::proxy::meta::{self, ServerKind};
use crate::proxy::nodes::{Candidate, NodeIter};
use crate::proxy::put::Put;
use crate::proxy::quorum::quorum_size;
use crate::proxy::rings::{Node, RingView};
use crate::proxy::server::Application;
use bytes::Bytes;
use std::sync::Arc;
use swiftlet_types::Timestamp;
use swiftlet_types::policy::PolicyKind;
use updates::Expiry;

/// Where an object is: its policy, its ring and its partition.
struct Place {
    policy_index: u32,
    ring: Arc<RingView>,
    partition: u32,
    /// How it is encoded; `None`: its nodes have all of it.
    scheme: Option<Arc<Scheme>>,
}

pub(super) async fn answer(
    app: &Application,
    entity: &Entity,
    request: ProxyRequest,
) -> Result<Response, Response> {
    match request.http.method {
        Method::Get | Method::Head => get_or_head(app, entity, request).await,
        Method::Put => put(app, entity, request).await,
        Method::Post => post(app, entity, request).await,
        _ => delete(app, entity, request).await,
    }
}

/// Finds out where the object is, and tells the backends.
fn locate(
    app: &Application,
    entity: &Entity,
    request: &mut ProxyRequest,
    container: &ContainerInfo,
) -> Result<Place, Response> {
    let headers = &mut request.http.headers;
    let policy = match headers.get_str("x-backend-storage-policy-index") {
        Some(told) => app.policies.by_header(Some(told)),
        None => app.policies.by_index(container.policy_index()),
    };
    // a policy that this proxy has not heard of yet
    let unknown = || Response::html(503, "Unknown Storage Policy");
    let policy = policy.ok_or_else(unknown)?;
    let policy_index = policy.index;
    let scheme = app.schemes.get(&policy_index).cloned();
    if policy.kind != PolicyKind::Replication && scheme.is_none() {
        let text = format!("Policy {} has an ec_type that is not supported", policy.name());
        return Err(Response::plain(501, text));
    }
    let ring = app.rings.object(policy_index).ok_or_else(unknown)?;
    headers.set_int("X-Backend-Storage-Policy-Index", policy_index);
    request.env.log.lock().policy_index = Some(policy_index);
    let partition = app.partition(&ring, entity);
    Ok(Place { policy_index, ring, partition, scheme })
}

/// Lets a client see an object that has expired, where it asks for that and the cluster allows it.
fn open_expired(app: &Application, headers: &mut Headers) {
    if app.config.allow_open_expired && meta::is_true(headers, "x-open-expired") {
        headers.set("X-Backend-Open-Expired", "true");
    }
}

/// Tells object servers that are to change something that the partition is about to move.
fn announce_relocation(place: &Place, headers: &mut Headers) {
    if let Some(next) = place.ring.next_part_power() {
        headers.set_int("X-Backend-Next-Part-Power", next);
    }
}

async fn get_or_head(
    app: &Application,
    entity: &Entity,
    mut request: ProxyRequest,
) -> Result<Response, Response> {
    let container = app.container_info(&request, entity).await;
    let place = locate(app, entity, &mut request, &container)?;
    open_expired(app, &mut request.http.headers);
    request.env.acl = container.read_acl.clone();
    authorize(&mut request).await?;
    let Place { policy_index, ring, partition, scheme } = place;
    let newest = meta::is_true(&request.http.headers, "x-newest");
    let mut call = app.backend_call(&request, entity, partition);
    call.query = request.http.query.clone();
    if !newest {
        call.node_timeout = app.config.recoverable_node_timeout;
    }
    let concurrent = app.config.policy_options(Some(policy_index)).concurrent_gets;
    let get = Get {
        kind: ServerKind::Object,
        call,
        headers: app.all_headers(&request),
        concurrency: if concurrent { ring.replica_count() } else { 1 },
        nodes: app.nodes(ring.clone(), partition, Some(policy_index)),
        policy_index: Some(policy_index),
        newest,
    };
    let mut response = match scheme {
        None => app.get_or_head(get).await,
        Some(scheme) => app.read_fragments(FragmentsRead { get, ring, policy_index, scheme }).await,
    };
    name_policy(app, &mut response);
    clean_content_type(&mut response);
    Ok(response)
}

/// Takes off what listings keep in an object's content type (`; swift_bytes=…`).
fn clean_content_type(response: &mut Response) {
    let Some(content_type) = response.headers.get("content-type") else { return };
    let Some(last) = content_type.iter().rposition(|b| *b == b';') else { return };
    if content_type[last + 1..].trim_ascii_start().starts_with(b"swift_bytes=") {
        let clean = Bytes::copy_from_slice(&content_type[..last]);
        response.headers.set("Content-Type", clean);
    }
}

/// Refuses a change in a container that is not there, or that the client may not write to.
async fn check_writable(request: &mut ProxyRequest, container: &ContainerInfo) -> Result<(), Response> {
    request.env.acl = container.write_acl.clone();
    authorize(request).await?;
    match container.exists() {
        true => Ok(()),
        false => Err(Response::standard(404)),
    }
}

async fn put(app: &Application, entity: &Entity, mut request: ProxyRequest) -> Result<Response, Response> {
    let only_if_missing = only_if_missing(&request)?;
    let container = app.container_info(&request, entity).await;
    let place = locate(app, entity, &mut request, &container)?;
    announce_relocation(&place, &mut request.http.headers);
    check_writable(&mut request, &container).await?;
    set_content_type(app, &mut request);
    let timestamp = timestamp_of(&request);
    let object = entity.object().unwrap_or_default();
    check_object_creation(&mut request.http, object, timestamp, &app.constraints)?;
    if !request.env.content_type_overridden {
        check_content_type(&request.http.headers)?;
    }
    let expiry = expiry(app, entity, &mut request)?;
    let primaries = place.ring.primaries(place.partition).len();
    let mut headers = updates::headers(app, entity, &request, primaries, &place, &container, expiry.as_ref());
    headers.iter_mut().for_each(|headers| headers.set("Expect", "100-continue"));
    let length = content_length(&request);
    let put = Put {
        call: app.backend_call(&request, entity, place.partition),
        nodes: local_first(app, &place, &Method::Put),
        headers,
        length,
        body: std::mem::replace(&mut request.http.body, Body::empty()),
        only_if_missing,
        timestamp,
    };
    Ok(match place.scheme {
        None => app.store_object(put).await,
        Some(scheme) => {
            let etag = request.http.headers.get("etag").map(|etag| normalize_etag(etag).to_ascii_lowercase());
            let expected_etag = etag.filter(|etag| !etag.is_empty());
            let primaries = place.ring.primaries(place.partition);
            app.store_fragments(FragmentsPut { put, scheme, expected_etag, primaries }).await
        }
    })
}

/// Whether the client wants no object to be replaced. No other condition is known.
fn only_if_missing(request: &ProxyRequest) -> Result<bool, Response> {
    let Some(condition) = request.http.headers.get("if-none-match").filter(|c| !c.is_empty()) else {
        return Ok(false);
    };
    match condition.split(|b| *b == b',').any(|tag| matches!(tag.trim_ascii(), b"*" | b"\"*\"")) {
        true => Ok(true),
        false => Err(Response::plain(400, "If-None-Match only supports *")),
    }
}

fn set_content_type(app: &Application, request: &mut ProxyRequest) {
    let headers = &mut request.http.headers;
    let detect = meta::is_true(headers, "x-detect-content-type");
    if detect || headers.get("content-type").is_none_or(<[u8]>::is_empty) {
        let path = String::from_utf8_lossy(&request.http.path);
        let guessed = app.content_types.guess(&path).unwrap_or("application/octet-stream");
        headers.set("Content-Type", guessed.to_owned());
    }
    if detect {
        headers.remove("x-detect-content-type");
    }
}

/// The request's timestamp, which the application set.
fn timestamp_of(request: &ProxyRequest) -> Timestamp {
    let set = request.http.headers.get_str("x-timestamp").and_then(|text| text.parse().ok());
    set.unwrap_or_else(Timestamp::now)
}

/// Where the expirer is to be told of the object, if it expires.
fn expiry(
    app: &Application,
    entity: &Entity,
    request: &mut ProxyRequest,
) -> Result<Option<Expiry>, Response> {
    let now = timestamp_of(request);
    let Some(second) = check_delete_headers(&mut request.http.headers, now)? else {
        return Ok(None);
    };
    request.env.log.lock().info.push(format!("x-delete-at:{second}"));
    let queue = app.expirer_queue.container(second, entity);
    let ring = app.rings.container();
    let partition = app.partition(&ring, &queue);
    let container = queue.container().unwrap_or_default().to_owned();
    Ok(Some(Expiry { container, partition, nodes: ring.primaries(partition) }))
}

fn content_length(request: &ProxyRequest) -> Option<u64> {
    let headers = &request.http.headers;
    headers.get_str("content-length").filter(|_| !is_chunked(headers)).and_then(|n| n.trim().parse().ok())
}

/// The nodes to write to or to delete from: where `write_affinity` is set, local ones go first.
fn local_first(app: &Application, place: &Place, method: &Method) -> NodeIter {
    let policy_index = Some(place.policy_index);
    let options = app.config.policy_options(policy_index);
    let Some(affinity) = &options.write_affinity else {
        return app.nodes(place.ring.clone(), place.partition, policy_index);
    };
    let is_local = |c: &Candidate| affinity.is_local(c.node.place());
    let candidate = |is_handoff: bool| move |node| Candidate { node, is_handoff };
    let primaries: Vec<_> = place.ring.primaries(place.partition).into_iter().map(candidate(false)).collect();
    let handoffs: Vec<_> = place.ring.handoffs(place.partition).map(candidate(true)).collect();
    let primary_count = primaries.len();
    let order = match method {
        Method::Delete => {
            let preferred = local_handoffs_to_delete_from(options, &place.ring.primaries(place.partition));
            updates::local_next(primaries, handoffs, is_local, preferred)
        }
        _ => {
            let preferred = options.write_affinity_node_count.for_replicas(primary_count);
            let all = primaries.into_iter().chain(handoffs).collect();
            updates::local_next(Vec::new(), all, is_local, preferred)
        }
    };
    app.nodes_in_order(order, primary_count, policy_index)
}

/// How many local handoffs are asked to delete as well, since the write may have gone to them.
fn local_handoffs_to_delete_from(options: &PolicyOptions, primaries: &[Arc<Node>]) -> usize {
    let Some(affinity) = &options.write_affinity else { return 0 };
    let remote = primaries.iter().filter(|node| !affinity.is_local(node.place())).count();
    options.write_affinity_handoff_delete_count.unwrap_or(remote)
}

async fn post(app: &Application, entity: &Entity, mut request: ProxyRequest) -> Result<Response, Response> {
    let container = app.container_info(&request, entity).await;
    let place = locate(app, entity, &mut request, &container)?;
    announce_relocation(&place, &mut request.http.headers);
    open_expired(app, &mut request.http.headers);
    check_writable(&mut request, &container).await?;
    check_metadata(&request.http.headers, ServerKind::Object, &app.constraints)?;
    let expiry = expiry(app, entity, &mut request)?;
    let node_count = place.ring.primaries(place.partition).len();
    let headers = updates::headers(app, entity, &request, node_count, &place, &container, expiry.as_ref());
    let fanout = |headers, nodes, node_count| Fanout {
        kind: ServerKind::Object,
        call: app.backend_call(&request, entity, place.partition),
        nodes,
        node_count,
        headers,
        body: Bytes::new(),
    };
    let nodes = app.nodes(place.ring.clone(), place.partition, Some(place.policy_index));
    let mut answers = app.fan_out(fanout(headers.clone(), nodes, node_count)).await;
    let mut quorum = quorum_size(answers.len());
    let found = answers.iter().filter(|a| a.status == 202).count();
    if found > 0 && found < quorum {
        // some have it: where the others do not, handoffs may
        quorum = quorum_size(place.ring.replica_count());
        let handoffs = untried_handoffs(app, &place, &answers);
        let missing =
            headers.into_iter().zip(&answers).filter(|(_, a)| a.status != 202).map(|(headers, _)| headers);
        let missing: Vec<_> = missing.take(handoffs.len()).collect();
        let count = handoffs.len();
        let nodes = app.nodes_in_order(handoffs, count, Some(place.policy_index));
        answers.extend(app.fan_out(fanout(missing, nodes, count)).await);
    }
    let response = best_of(answers, quorum, &[], "Object POST");
    // it cannot be missing where somebody has it
    if response.status == 404 && found > 0 { Err(Response::standard(503)) } else { Ok(response) }
}

/// A handoff for each primary that does not have the object, of those that were not asked yet.
fn untried_handoffs(app: &Application, place: &Place, answers: &[Answer]) -> Vec<Candidate> {
    let missing = answers.iter().filter(|a| a.from.is_some() && a.status == 404).count();
    let asked = |key: &str| answers.iter().filter_map(|a| a.from.as_ref()).any(|c| c.node.key() == key);
    let mut nodes = app.nodes(place.ring.clone(), place.partition, Some(place.policy_index));
    let handoffs = nodes.take_handoffs(usize::MAX).into_iter();
    handoffs.filter(|c| !asked(c.node.key())).take(missing).collect()
}

async fn delete(app: &Application, entity: &Entity, mut request: ProxyRequest) -> Result<Response, Response> {
    let container = app.container_info(&request, entity).await;
    let place = locate(app, entity, &mut request, &container)?;
    announce_relocation(&place, &mut request.http.headers);
    check_writable(&mut request, &container).await?;
    let primaries = place.ring.primaries(place.partition);
    let options = app.config.policy_options(Some(place.policy_index));
    let node_count = primaries.len() + local_handoffs_to_delete_from(options, &primaries);
    let headers = updates::headers(app, entity, &request, node_count, &place, &container, None);
    let fanout = Fanout {
        kind: ServerKind::Object,
        call: app.backend_call(&request, entity, place.partition),
        nodes: local_first(app, &place, &Method::Delete),
        node_count,
        headers,
        body: Bytes::new(),
    };
    Ok(app.fan_out_for_best(fanout, &[(404, 204)]).await)
}
