//! DELETE of a large object with its segments: at once, or by the expirer.

use super::{SOURCE, Slo};
use crate::http::{Body, Method, Request, Response};
use crate::proxy::app::ProxyRequest;
use crate::proxy::checks::is_valid_name;
use crate::proxy::deletions::{Deleter, Refusal, Tally, Target, Targets};
use crate::proxy::entity::Entity;
use crate::proxy::expirer_queue::entry_name;
use crate::proxy::heartbeat::{self, Beat, Report, format_for};
use crate::proxy::info::container_info;
use crate::proxy::listing::push_value;
use crate::proxy::meta;
use crate::proxy::query::Params;
use crate::proxy::subrequest;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_types::Timestamp;
use swiftlet_types::conf::is_true;
use swiftlet_types::names::{quote, split_path};

/// After so many failures no more is tried.
const MAX_FAILED_DELETES: usize = 1000;
const YIELD_FREQUENCY: Duration = Duration::from_secs(10);
const MAX_MANIFEST_BYTES: usize = 64 << 20;
/// Content type of entries in the expirer's queue that are deletions asked for by a client.
const ASYNC_DELETE_TYPE: &str = "application/async-deleted";
const MD5_OF_NOTHING: &str = "d41d8cd98f00b204e9800998ecf8427e";

impl Slo {
    pub(super) async fn delete(&self, request: ProxyRequest) -> Response {
        let params = Params::parse(&request.http.query);
        let says_yes = |value: &[u8]| std::str::from_utf8(value).is_ok_and(is_true);
        if self.options.allow_async_delete && params.get("async").is_some_and(says_yes) {
            return self.delete_later(request).await.unwrap_or_else(|refusal| refusal);
        }
        let format = format_for(request.http.headers.get_str("Accept"));
        let client = subrequest::again(&request);
        let slo = self.clone();
        let work = async move {
            match format {
                None => Tally::default().report(Err(Refusal::new(406, ""))).render("text/plain", "delete"),
                Some(format) => slo.delete_all(client).await.render(format, "delete"),
            }
        };
        let first = match format {
            Some(format) if format.ends_with("/xml") => "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
            _ => " ",
        };
        let beat = Beat { every: YIELD_FREQUENCY, at_once: false, first, separator: "\r\n\r\n" };
        let content_type = format.unwrap_or("text/html; charset=UTF-8");
        Response::new(200).with("Content-Type", content_type).with_body(heartbeat::body(work, beat))
    }

    async fn delete_all(&self, client: ProxyRequest) -> Report {
        let mut tally = Tally::default();
        if !is_valid_name(&client.http.path, false) {
            return tally.report(Err(Refusal::new(412, "Invalid UTF8 or contains NULL")));
        }
        let client = Arc::new(client);
        let deleter = Deleter {
            next: self.next.clone(),
            concurrency: self.options.delete_concurrency,
            max_failed: MAX_FAILED_DELETES,
            retry_count: 0,
            agent: "MultipartDELETE",
            source: SOURCE,
        };
        let targets = SegmentTargets::new(self.clone(), client.clone());
        let end = deleter.delete(&client, targets, &mut tally).await;
        tally.report(end)
    }

    /// The segments that the manifest `name` (`/container/object`) holds, as they are stored.
    async fn segments_of(&self, client: &ProxyRequest, name: &str) -> Result<Vec<Value>, Refusal> {
        let own = split_path(&client.http.path, 2, 3, true).unwrap_or_default();
        let account = own.iter().take(2).flat_map(|part| [&b"/"[..], part]).collect::<Vec<_>>().concat();
        let path = [&account[..], b"/", name.trim_start_matches('/').as_bytes()].concat();
        let mut request = subrequest::for_client(client, Method::Get, path, "MultipartDELETE", SOURCE);
        let mut params = Params::parse(b"multipart-manifest=get");
        if let Some(version) = Params::parse(&client.http.query).get("version-id") {
            params.set(b"version-id", version);
        }
        request.http.query = params.to_query();
        // of what is no manifest, one byte is enough
        request.http.headers.set("Range", "bytes=-1");
        let ignore_range = "X-Backend-Ignore-Range-If-Metadata-Present";
        meta::append_csv(&mut request.http.headers, ignore_range, "X-Static-Large-Object");
        let mut response = self.next.call(request).await;
        match response.status {
            404 => Err(Refusal::new(404, "SLO manifest not found")),
            401 => Err(Refusal::new(401, "401 Unauthorized")),
            _ if !response.is_success() => Err(Refusal::new(500, "Unable to load SLO manifest or segment.")),
            _ if !meta::is_true(&response.headers, "X-Static-Large-Object") => {
                subrequest::drain(response).await;
                Err(Refusal::new(400, "Not an SLO manifest"))
            }
            _ => {
                let body = response.body.read_all(MAX_MANIFEST_BYTES).await.ok();
                let segments = body.and_then(|body| serde_json::from_slice(&body).ok());
                segments.ok_or_else(|| Refusal::new(500, "Unable to load SLO manifest"))
            }
        }
    }

    /// Has the expirer delete the segments, and deletes the manifest.
    async fn delete_later(&self, mut request: ProxyRequest) -> Result<Response, Response> {
        if !is_valid_name(&request.http.path, false) {
            return Err(Response::html(412, "Invalid UTF8 or contains NULL"));
        }
        let entity = Entity::of_request_path(&request.http.path).ok_or_else(|| Response::standard(404))?;
        let own_name =
            format!("/{}/{}", entity.container().unwrap_or_default(), entity.object().unwrap_or_default());
        let client = subrequest::again(&request);
        let segments = self.segments_of(&client, &own_name).await;
        let segments = segments.map_err(|refusal| Response::html(refusal.status, refusal.said))?;
        let names = one_container(&segments)?;
        let Some((container, objects)) = names else { return Ok(self.next.call(request).await) };
        for container in [entity.container().unwrap_or_default(), &container] {
            self.check_writable(&mut request, entity.account(), container).await?;
        }
        let timestamp = match request.http.headers.get_str("X-Timestamp").and_then(|text| text.parse().ok()) {
            Some(timestamp) => timestamp,
            None => Timestamp::now(),
        };
        request.http.headers.set("X-Timestamp", timestamp.internal());
        self.enqueue(&client, &entity, timestamp, &container, &objects).await?;
        Ok(self.next.call(request).await)
    }

    async fn check_writable(
        &self,
        request: &mut ProxyRequest,
        account: &str,
        container: &str,
    ) -> Result<(), Response> {
        let Some(authorize) = request.env.authorize.clone() else { return Ok(()) };
        let info = container_info(&*self.next, &request.env, account, container).await;
        request.env.acl = info.write_acl.clone();
        let authorized = authorize.authorize(request).await;
        request.env.acl = None;
        authorized
    }

    async fn enqueue(
        &self,
        client: &ProxyRequest,
        entity: &Entity,
        timestamp: Timestamp,
        container: &str,
        objects: &[String],
    ) -> Result<(), Response> {
        let entries = objects.iter().map(|object| {
            json!({
                "name": entry_name(timestamp, entity.account(), &format!("{container}/{object}")),
                "deleted": 0,
                "created_at": timestamp.internal(),
                "etag": MD5_OF_NOTHING,
                "size": 0,
                "storage_policy_index": 0,
                "content_type": ASYNC_DELETE_TYPE,
            })
        });
        let mut json = Vec::new();
        push_value(&mut json, &entries.collect());
        let queue = self.expirer_queue.container(timestamp.seconds(), entity);
        let mut http = Request::new(Method::Update, [b"/v1", &queue.path()[..]].concat());
        for (name, value) in [
            ("User-Agent", "Swift"),
            ("Content-Type", "application/json"),
            ("X-Backend-Storage-Policy-Index", "0"),
            ("X-Backend-Allow-Private-Methods", "True"),
        ] {
            http.headers.set(name, value);
        }
        http.headers.set_int("Content-Length", json.len());
        http.body = Body::full(json);
        let env = client.env.pre_authed(client.env.source.unwrap_or(SOURCE));
        let response = self.next.call(ProxyRequest { http, env }).await;
        if response.is_success() {
            return Ok(());
        }
        tracing::error!("Failed to enqueue expiration entries: {}", response.status);
        Err(Response::standard(503))
    }
}

/// The one container that all of a manifest's objects are in, and their names; `None` where it has no objects.
fn one_container(segments: &[Value]) -> Result<Option<(String, Vec<String>)>, Response> {
    let objects = segments.iter().filter(|segment| segment.get("data").is_none());
    let (mut containers, mut names, mut has_manifest) = (Vec::new(), Vec::new(), false);
    for segment in objects {
        let name = segment.get("name").and_then(Value::as_str).unwrap_or_default();
        let Some((container, object)) = name.trim_start_matches('/').split_once('/') else {
            return Err(Response::html(500, "Unable to load SLO manifest"));
        };
        has_manifest |= is_manifest(segment);
        names.push(object.to_owned());
        if !containers.iter().any(|known| known == container) {
            containers.push(container.to_owned());
        }
    }
    if containers.len() > 1 {
        let list: Vec<_> = containers.iter().map(|container| format!("\"{}\"", quote(container))).collect();
        let text = format!("All segments must be in one container. Found segments in {}", list.join(", "));
        return Err(Response::html(400, text));
    }
    if has_manifest {
        return Err(Response::html(400, "No segments may be large objects."));
    }
    Ok(containers.pop().map(|container| (container, names)))
}

fn is_manifest(segment: &Value) -> bool {
    match segment.get("sub_slo") {
        Some(Value::Bool(yes)) => *yes,
        Some(Value::String(word)) => is_true(word),
        _ => false,
    }
}

/// Everything that a large object is made of, each manifest after its segments.
struct SegmentTargets {
    slo: Slo,
    client: Arc<ProxyRequest>,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    target: Target,
    /// Whether it is a manifest whose segments are not in the queue yet.
    is_unread_manifest: bool,
}

impl SegmentTargets {
    fn new(slo: Slo, client: Arc<ProxyRequest>) -> Self {
        let parts = split_path(&client.http.path, 4, 4, true).into_iter().flatten();
        let name = parts.skip(2).flat_map(|part| [&b"/"[..], part]).collect::<Vec<_>>().concat();
        let version_id = Params::parse(&client.http.query).get("version-id").map(<[u8]>::to_vec);
        let target = Target { name, version_id, error: None };
        Self { slo, client, waiting: VecDeque::from([Waiting { target, is_unread_manifest: true }]) }
    }
}

#[async_trait]
impl Targets for SegmentTargets {
    async fn next(&mut self) -> Result<Option<Target>, Refusal> {
        // a tree of manifests must not fill the memory, also where the limit was larger when it was made
        let most = self.slo.options.max_manifest_segments.saturating_mul(10);
        loop {
            if self.waiting.len() > most {
                return Err(Refusal::new(400, "Too many buffered slo segments to delete."));
            }
            let Some(Waiting { mut target, is_unread_manifest }) = self.waiting.pop_front() else {
                return Ok(None);
            };
            if !is_unread_manifest {
                return Ok(Some(target));
            }
            let name = String::from_utf8_lossy(&target.name).into_owned();
            match self.slo.segments_of(&self.client, &name).await {
                Ok(segments) => self.waiting.extend(segments.iter().filter_map(waiting)),
                Err(refusal) => target.error = Some(refusal),
            }
            self.waiting.push_back(Waiting { target, is_unread_manifest: false });
        }
    }
}

fn waiting(segment: &Value) -> Option<Waiting> {
    let name = segment.get("name")?.as_str()?.as_bytes().to_vec();
    let target = Target { name, ..Target::default() };
    Some(Waiting { target, is_unread_manifest: is_manifest(segment) })
}
