//! The proxy application: the end of the pipeline, where requests become requests to backends.

use super::app::{App, ProxyRequest};
use super::backend::{Backend, Call};
use super::checks;
use super::config::{ConfigError, ProxyConfig, SortingMethod};
use super::content_type::ContentTypes;
use super::controllers::Controller;
use super::ec::Scheme;
use super::entity::{Entity, PathError};
use super::error_limit::ErrorLimiter;
use super::expirer_queue::ExpirerQueue;
use super::info::{self, ContainerInfo};
use super::meta::{self, ServerKind};
use super::nodes::{Candidate, NodeIter};
use super::rings::{Node, RingView, Rings};
use super::timings::NodeTimings;
use crate::http::client::ClientError;
use crate::http::{Body, Headers, Method, Request, Response};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use rand::seq::SliceRandom;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;
use swiftlet_types::{Constraints, HashConf, Policies, SwiftConf, Timestamp, names};
use thiserror::Error;

/// Why the application cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Its configuration cannot be right.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A ring cannot be loaded.
    #[error(transparent)]
    Ring(#[from] swiftlet_ring::LoadError),
}

/// The proxy application. Clones are the same one.
#[derive(Clone)]
pub struct Application(Arc<Core>);

/// What the requests of one application share.
pub struct Core {
    pub(super) config: ProxyConfig,
    pub(super) constraints: Constraints,
    pub(super) policies: Policies,
    /// How policies are encoded, those that are, by index.
    pub(super) schemes: HashMap<u32, Arc<Scheme>>,
    pub(super) hash: HashConf,
    pub(super) rings: Arc<Rings>,
    pub(super) backend: Backend,
    pub(super) error_limiter: ErrorLimiter,
    pub(super) timings: NodeTimings,
    pub(super) content_types: Arc<ContentTypes>,
    pub(super) expirer_queue: Arc<ExpirerQueue>,
    user_agent: Bytes,
}

impl Deref for Application {
    type Target = Core;
    fn deref(&self) -> &Core {
        &self.0
    }
}

/// Fields of a client's request that are not for backends: the connection's own, and its secrets.
const NOT_FOR_BACKENDS: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "x-auth-token",
    "x-storage-token",
    "x-service-token",
    "authorization",
    "cookie",
];

impl Application {
    /// An application that answers for the cluster of `swift` and `rings`.
    pub fn new(config: ProxyConfig, swift: &SwiftConf, rings: Arc<Rings>) -> Result<Self, StartError> {
        Self::with_user_agent(format!("proxy-server {}", std::process::id()), config, swift, rings)
    }

    /// One that backends know as `user_agent`.
    pub fn with_user_agent(
        user_agent: String,
        config: ProxyConfig,
        swift: &SwiftConf,
        rings: Arc<Rings>,
    ) -> Result<Self, StartError> {
        let mut schemes = HashMap::new();
        for policy in swift.policies.iter() {
            match Scheme::of(policy, config.write_legacy_ec_crc) {
                None => {}
                Some(Ok(scheme)) => drop(schemes.insert(policy.index, Arc::new(scheme))),
                Some(Err(error)) => {
                    let (index, name) = (policy.index, policy.name());
                    tracing::error!("storage policy {index} ({name}): {error}: its objects answer 501");
                }
            }
        }
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        Ok(Self(Arc::new(Core {
            backend: Backend::new(config.conn_timeout),
            error_limiter: ErrorLimiter::new(
                config.error_suppression_interval,
                config.error_suppression_limit,
            ),
            timings: NodeTimings::new(config.sorts_by_timing().then_some(config.timing_expiry)),
            content_types: Arc::new(ContentTypes::load(&config.swift_dir)),
            expirer_queue: Arc::new(ExpirerQueue::new(&config, swift.hash.clone())),
            user_agent: user_agent.into(),
            constraints: swift.constraints.clone(),
            policies: swift.policies.clone(),
            schemes,
            hash: swift.hash.clone(),
            rings,
            config,
        })))
    }

    /// What names say of content types.
    pub fn content_types(&self) -> Arc<ContentTypes> {
        self.content_types.clone()
    }

    /// Where the expirer's queue holds what.
    pub fn expirer_queue(&self) -> Arc<ExpirerQueue> {
        self.expirer_queue.clone()
    }

    /// What is known of a container, for the request of `request`.
    pub(super) async fn container_info(&self, request: &ProxyRequest, entity: &Entity) -> Arc<ContainerInfo> {
        let container = entity.container().unwrap_or_default();
        let (skip, account_skip) =
            (self.config.container_existence_skip_cache_pct, self.config.account_existence_skip_cache_pct);
        info::container_info_skipping(self, &request.env, entity.account(), container, skip, account_skip)
            .await
    }

    /// What is known of an account.
    pub(super) async fn account_info(
        &self,
        request: &ProxyRequest,
        entity: &Entity,
    ) -> Arc<info::AccountInfo> {
        let skip = self.config.account_existence_skip_cache_pct;
        info::account_info_skipping(self, &request.env, entity.account(), skip).await
    }

    async fn answer(&self, mut request: ProxyRequest) -> Result<Response, Response> {
        self.complete(&mut request)?;
        let (controller, methods) = self.route(&request).await?;
        let host = request.http.headers.get_str("host").unwrap_or_default();
        let host = host.split(':').next().unwrap_or_default();
        if self.config.deny_host_headers.iter().any(|denied| denied == host) {
            return Err(Response::html(403, "Invalid host header"));
        }
        self.identify(&mut request);
        if !methods.contains(&request.http.method.as_str()) {
            return Err(Response::standard(405).with("Allow", methods.join(", ")));
        }
        if let Some(authorize) = request.env.authorize.clone() {
            match authorize.authorize(&mut request).await {
                // settled: nobody below is to ask again
                Ok(()) => request.env.authorize = None,
                Err(denial) if !controller.delays_denial(&request.http.method) => return Err(denial),
                Err(_) => {}
            }
        }
        request.env.original_method.get_or_insert_with(|| request.http.method.clone());
        Ok(controller.answer(self, request, &methods).await)
    }

    /// Gives the request a timestamp, and settles what headers say twice.
    fn complete(&self, request: &mut ProxyRequest) -> Result<(), Response> {
        let headers = &mut request.http.headers;
        let timestamp = match headers.get("x-timestamp") {
            None => Timestamp::now(),
            Some(value) => {
                let text = String::from_utf8_lossy(value);
                text.parse().map_err(|_| {
                    let said = format!("X-Timestamp should be a UNIX timestamp float value; was '{text}'");
                    Response::plain(400, said)
                })?
            }
        };
        headers.set("X-Timestamp", timestamp.internal());
        if let Some(token) = headers.get("x-storage-token").map(Bytes::copy_from_slice)
            && !headers.contains("x-auth-token")
        {
            headers.set("X-Auth-Token", token);
        }
        if checks::is_chunked(headers) {
            // chunks win; a backend must not be told otherwise
            headers.remove("content-length");
        }
        if headers.get_str("content-length").is_some_and(|n| n.trim_start().starts_with('-')) {
            return Err(Response::html(400, "Invalid Content-Length"));
        }
        let allow_reserved = meta::is_true(headers, "x-backend-allow-reserved-names");
        match checks::is_valid_name(&request.http.path, allow_reserved) {
            true => Ok(()),
            false => Err(Response::html(412, "Invalid UTF8 or contains NULL")),
        }
    }

    /// What answers a request, and the methods it knows.
    async fn route(&self, request: &ProxyRequest) -> Result<(Controller, Vec<&'static str>), Response> {
        let entity = Entity::parse(&request.http.path, &self.constraints.valid_api_versions);
        let entity = entity.map_err(|error| match error {
            PathError::Incomplete => Response::standard(404),
            PathError::BadUrl => Response::html(412, "Bad URL"),
            PathError::UnknownVersion => Response::standard(400),
        })?;
        let controller = match (entity.container(), entity.object()) {
            (None, _) => Controller::Account(entity),
            (Some(_), None) => Controller::Container(entity),
            (Some(container), Some(object)) => {
                if self.container_info(request, &entity).await.status >= 500 {
                    return Err(Response::standard(503));
                }
                checks::check_reserved_names(entity.account(), Some(container), Some(object))?;
                Controller::Object(entity)
            }
        };
        let private = meta::is_true(&request.http.headers, "x-backend-allow-private-methods");
        let methods = controller.methods(&self.config, private);
        Ok((controller, methods))
    }

    /// Gives the request a transaction id, where no middleware did.
    fn identify(&self, request: &mut ProxyRequest) {
        if request.env.trans_id.is_empty() {
            let extra = request
                .http
                .headers
                .get_str("x-trans-id-extra")
                .map(|e| e.chars().take(32).collect::<String>());
            let extra = extra.map(|extra| format!("-{extra}")).unwrap_or_default();
            let suffix = names::quote(format!("{}{extra}", self.config.trans_id_suffix));
            let (random, second) = (rand::random::<u128>() >> 44, Timestamp::now().seconds());
            request.env.trans_id = format!("tx{random:021x}-{second:010x}{suffix}").into();
        }
        let trans_id = Bytes::copy_from_slice(request.env.trans_id.as_bytes());
        request.http.headers.set("X-Trans-Id", trans_id);
    }

    /// The header fields for a backend of a request that passes on everything the client said.
    pub(super) fn all_headers(&self, request: &ProxyRequest) -> Headers {
        let mut headers = request.http.headers.clone();
        headers.retain(|name, _| !NOT_FOR_BACKENDS.iter().any(|n| name.eq_ignore_ascii_case(n.as_bytes())));
        self.sign(request, &mut headers);
        headers
    }

    /// The header fields for an account or container server: the timestamp, what middleware tells backends,
    /// `additional`, and with `transfer` the metadata that it is to store.
    pub(super) fn own_headers(
        &self,
        request: &ProxyRequest,
        additional: &[(&'static str, String)],
        transfer: Option<ServerKind>,
    ) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in request.http.headers.iter() {
            if crate::http::headers::has_prefix(name, "x-backend-")
                || name.eq_ignore_ascii_case(b"x-timestamp")
            {
                headers.set(name.clone(), value.clone());
            }
        }
        for (name, value) in additional {
            headers.set(*name, value.clone());
        }
        if let Some(kind) = transfer {
            meta::transfer(kind, &request.http.headers, &mut headers);
        }
        self.sign(request, &mut headers);
        headers
    }

    /// Says who asks, and for whom.
    fn sign(&self, request: &ProxyRequest, headers: &mut Headers) {
        let Request { method, path, query, .. } = &request.http;
        let scheme = if request.env.secure { "https" } else { "http" };
        let host = request.http.headers.get_str("host").unwrap_or("localhost");
        let mark = if query.is_empty() { "" } else { "?" };
        let query = String::from_utf8_lossy(query);
        headers.set("Referer", format!("{method} {scheme}://{host}{}{mark}{query}", names::quote(path)));
        headers.set("User-Agent", self.user_agent.clone());
        headers.set("X-Trans-Id", Bytes::copy_from_slice(request.env.trans_id.as_bytes()));
    }

    /// What to ask the backends of `entity` in answer to `request`.
    pub(super) fn backend_call(&self, request: &ProxyRequest, entity: &Entity, partition: u32) -> Call {
        Call {
            method: request.http.method.clone(),
            partition,
            path: entity.path().clone(),
            query: Bytes::new(),
            use_replication: meta::is_true(&request.http.headers, "x-backend-use-replication-network"),
            node_timeout: self.config.node_timeout,
        }
    }

    /// The partition of an account, container or object in its ring.
    pub(super) fn partition(&self, ring: &RingView, entity: &Entity) -> u32 {
        let hash = match (entity.container(), entity.object()) {
            (Some(container), Some(object)) => self.hash.object(entity.account(), container, object),
            (Some(container), None) => self.hash.container(entity.account(), container),
            _ => self.hash.account(entity.account()),
        };
        ring.partition(&hash)
    }

    /// The nodes of a partition in the order to try them.
    pub(super) fn nodes(&self, ring: Arc<RingView>, partition: u32, policy_index: Option<u32>) -> NodeIter {
        let count = self.config.request_node_count.for_replicas(ring.primaries(partition).len());
        NodeIter::new(ring, partition, count, |nodes| self.sort(nodes, policy_index))
    }

    /// The same with nodes in an order of the caller's, the first `primary_count` being sorted.
    pub(super) fn nodes_in_order(
        &self,
        order: Vec<Candidate>,
        primary_count: usize,
        policy_index: Option<u32>,
    ) -> NodeIter {
        let count = self.config.request_node_count.for_replicas(primary_count);
        NodeIter::in_order(order, primary_count, count, |nodes| self.sort(nodes, policy_index))
    }

    fn sort(&self, nodes: &mut [Candidate], policy_index: Option<u32>) {
        // shuffled first in any case, so that nodes that sort alike take turns
        nodes.shuffle(&mut rand::rng());
        let options = self.config.policy_options(policy_index);
        match options.sorting_method {
            SortingMethod::Shuffle => {}
            SortingMethod::Timing => {
                let now = Instant::now();
                nodes.sort_by_cached_key(|c| self.timings.sort_key_ms(&c.node, now));
            }
            SortingMethod::Affinity => nodes.sort_by_key(|c| options.read_affinity.sort_key(c.node.place())),
        }
    }

    pub(super) fn next_node(&self, kind: ServerKind, nodes: &Mutex<NodeIter>) -> Option<Candidate> {
        self.next_node_of(kind, &mut nodes.lock())
    }

    pub(super) fn next_node_of(&self, kind: ServerKind, nodes: &mut NodeIter) -> Option<Candidate> {
        let before = nodes.unexpected_handoffs();
        let candidate = nodes.next(&self.error_limiter, Instant::now());
        let handoffs = nodes.unexpected_handoffs();
        if handoffs > before && self.config.log_handoffs {
            tracing::warn!("{} handoff requested ({handoffs} more than expected)", kind.title());
        }
        candidate
    }

    /// Counts an answer of 5xx against its node; whether the answer is none of those.
    pub(super) fn check_status(
        &self,
        node: &Node,
        kind: ServerKind,
        status: u16,
        call: &Call,
        body: Option<&[u8]>,
    ) -> bool {
        match status {
            507 => self.error_limit(node, "ERROR Insufficient Storage"),
            500.. => {
                let said = body.map(|b| String::from_utf8_lossy(&b[..b.len().min(1024)])).unwrap_or_default();
                let Call { method, path, .. } = call;
                let path = path.escape_ascii();
                let message =
                    format!("ERROR {status} {said} Trying to {method} {path} From {} Server", kind.title());
                self.error_occurred(node, &message);
            }
            _ => return true,
        }
        false
    }

    /// Leaves a node alone for a while.
    pub(super) fn error_limit(&self, node: &Node, message: &str) {
        self.error_limiter.limit(node.key(), Instant::now());
        self.log_limited(node, &format!(", error: {message}"));
    }

    /// Logs an error of a node and counts it.
    pub(super) fn error_occurred(&self, node: &Node, message: &str) {
        tracing::error!("{message} {}", node.key());
        if self.error_limiter.increment(node.key(), Instant::now()) {
            self.log_limited(node, "");
        }
    }

    /// Logs that a node gave no answer, and counts it.
    pub(super) fn failed(&self, node: &Node, kind: ServerKind, call: &Call, error: &ClientError) {
        let Call { method, path, .. } = call;
        let doing = format!("Trying to {method} {}: {error}", path.escape_ascii());
        self.error_occurred(node, &format!("ERROR with {} server re: {doing}", kind.title()));
    }

    fn log_limited(&self, node: &Node, why: &str) {
        let seconds = self.error_limiter.suppression_interval().as_secs_f64();
        tracing::error!("Node will be error limited for {seconds:.2}s: {}{why}", node.key());
    }
}

#[async_trait]
impl App for Application {
    async fn call(&self, request: ProxyRequest) -> Response {
        let is_head = request.http.method == Method::Head;
        let mut response = self.answer(request).await.unwrap_or_else(|refusal| refusal);
        if is_head {
            response.announce_unsent();
            response.body = Body::empty();
        }
        response
    }
}
