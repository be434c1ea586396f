//! What every link of the pipeline is: something that answers a request, and what travels beside it.

use super::info::InfoCache;
use crate::http::{Request, Response, Version};
use async_trait::async_trait;
use std::sync::Arc;

/// A link of the pipeline: a middleware in front of others, or the proxy application at its end.
///
/// A middleware holds the next link and calls it with the request, changed or not, or answers by itself.
/// Sub-requests (a copy's source, a container's metadata) are new [`ProxyRequest`]s to the next link.
#[async_trait]
pub trait App: Send + Sync {
    /// Answers `request`. Errors are responses.
    async fn call(&self, request: ProxyRequest) -> Response;
}

/// A request on its way through the pipeline.
#[derive(Debug)]
pub struct ProxyRequest {
    /// The HTTP message. Middleware may rewrite it.
    pub http: Request,
    /// What it carries beside the message.
    pub env: Env,
}

/// What travels beside a request (the part of a WSGI environment that Swift's middleware uses).
#[derive(Clone, Default)]
pub struct Env {
    /// The transaction id of the client's request; sub-requests keep it.
    pub trans_id: Arc<str>,
    /// Which middleware made this sub-request (`swift.source`), for the access log; `None` for the client's own.
    pub source: Option<&'static str>,
    /// The client's method before a middleware changed it (`swift.orig_req_method`).
    pub original_method: Option<crate::http::Method>,
    /// What the client speaks (`SERVER_PROTOCOL`); sub-requests keep it.
    pub version: Version,
    /// Whether the client came over TLS (`wsgi.url_scheme` is `https`).
    pub secure: bool,
    /// The address the client connected to (`SERVER_NAME` and `SERVER_PORT`): what URLs in answers name where
    /// the client sent no `Host`.
    pub local: Option<std::net::SocketAddr>,
    /// Leave a relative `Location` as it is instead of completing it (`swift.leave_relative_location`).
    pub leave_relative_location: bool,
    /// Authorization is settled by an outer link: an auth middleware that allows overrides lets the request
    /// pass (`swift.authorize_override`).
    pub authorize_override: bool,
    /// What it stores comes from a cluster that checked it already, in the form in which it is kept there: manifests and
    /// links are taken as they are (`swift.slo_override`, `swift.symlink_override`).
    pub synchronized: bool,
    /// An outer link set the content type, with parameters that clients may not set
    /// (`swift.content_type_overridden`).
    pub content_type_overridden: bool,
    /// Whether it was counted against a rate limit already (`swift.ratelimit.handled`).
    pub ratelimited: bool,
    /// Decides whether the request may be done, called by the controllers once they know the ACL
    /// (`swift.authorize`). `None`: nobody asked to decide, everything goes.
    pub authorize: Option<Arc<dyn Authorize>>,
    /// The ACL that applies (`req.acl`): the container's read or write ACL, set by the controller.
    pub acl: Option<String>,
    /// Who the client is (`REMOTE_USER`): the comma-separated groups, user first. `None`: anonymous.
    pub remote_user: Option<Arc<str>>,
    /// Whether the client owns the account (`swift_owner`), and so sees and sets the owner's headers.
    pub owner: bool,
    /// Whether the client is a reseller admin (`reseller_request`).
    pub reseller: bool,
    /// Account and container information already looked up for this request (`swift.infocache`).
    pub info_cache: Arc<InfoCache>,
    /// The shared cache (`swift.cache`), where the pipeline has one.
    pub cache: Option<Arc<dyn super::info::SharedCache>>,
    /// What inner links tell the access log; shared by the copies of one request's environment.
    pub log: Arc<parking_lot::Mutex<LogFields>>,
}

/// What inner links tell the access log.
#[derive(Debug, Default)]
pub struct LogFields {
    /// `swift.log_info`: words added to the last field of the log line.
    pub info: Vec<String>,
    /// Whether the request was already logged (`swift.proxy_access_log_made`).
    pub logged: bool,
    /// Who the client is, as the auth middleware knows them (`swift.access_logging`'s `user_id`).
    pub user_id: Option<Arc<str>>,
    /// The path and the query that a filter put in the place of the client's: Swift logs those.
    pub rewritten_path: Option<bytes::Bytes>,
    /// See `rewritten_path`.
    pub rewritten_query: Option<bytes::Bytes>,
    /// The storage policy index that served it.
    pub policy_index: Option<u32>,
}

/// Decides whether a request may be done (`swift.authorize`).
#[async_trait]
pub trait Authorize: Send + Sync {
    /// `Ok` to go on, or the response that says no. It may set `env.owner`.
    async fn authorize(&self, request: &mut ProxyRequest) -> Result<(), Response>;
}

impl Env {
    /// The environment of a sub-request that `source` makes with the client's rights: it is authorized anew,
    /// and logged by itself.
    pub fn subrequest(&self, source: &'static str) -> Self {
        Self {
            source: Some(source),
            original_method: None,
            synchronized: false,
            content_type_overridden: false,
            acl: None,
            owner: false,
            reseller: false,
            log: Arc::default(),
            ..self.clone()
        }
    }

    /// The environment of a sub-request that `source` makes with every right (`make_pre_authed_request`).
    pub fn pre_authed(&self, source: &'static str) -> Self {
        Self {
            authorize: None,
            authorize_override: true,
            remote_user: Some(".wsgi.pre_authed".into()),
            owner: true,
            ..self.subrequest(source)
        }
    }
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env")
            .field("trans_id", &self.trans_id)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
