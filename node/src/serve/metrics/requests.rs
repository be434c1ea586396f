//! What is counted of requests.

use super::table;
use crate::http::{Method, Request, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::time::Duration;

/// Figures about the requests of one server.
pub struct RequestMetrics {
    pub(super) registry: Registry,
    requests: Family<Answered, Counter>,
    duration: Family<AboutMethod, Histogram, fn() -> Histogram>,
    first_byte: Family<About, Histogram, fn() -> Histogram>,
    received: Family<About, Counter>,
    sent: Family<About, Counter>,
}

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// An account, or a storage server's database of one.
    Account,
    /// A container, or its row in an account.
    Container,
    /// An object, or its row in a container.
    Object,
    /// None of them: health checks, tokens, replication.
    Other,
}

/// What is known of a request when it is over.
#[derive(Clone, Copy, Debug)]
pub struct Observation {
    /// The method, one of a few; see [`bounded_method`].
    pub method: &'static str,
    /// What it was about.
    pub resource: Resource,
    /// The answer's status.
    pub status: u16,
    /// How long it took.
    pub took: Duration,
    /// How long until the answer's header, where that is counted.
    pub first_byte: Option<Duration>,
    /// Bytes of its body.
    pub received_bytes: u64,
    /// Bytes of the answer's body.
    pub sent_bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    resource: &'static str,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AboutMethod {
    resource: &'static str,
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct About {
    resource: &'static str,
}

/// 1 ms to 33 s.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

impl RequestMetrics {
    /// All figures about `server` (`object-server`) at zero.
    pub fn new(server: &'static str) -> Self {
        let mut registry = table::registry(server);
        let constructor: fn() -> Histogram = seconds;
        let metrics = Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(constructor),
            first_byte: Family::new_with_constructor(constructor),
            received: Family::default(),
            sent: Family::default(),
            registry: Registry::default(),
        };
        table::REQUESTS.register(&mut registry, metrics.requests.clone());
        table::REQUEST_DURATION.register(&mut registry, metrics.duration.clone());
        table::FIRST_BYTE.register(&mut registry, metrics.first_byte.clone());
        table::RECEIVED.register(&mut registry, metrics.received.clone());
        table::SENT.register(&mut registry, metrics.sent.clone());
        Self { registry, ..metrics }
    }

    /// Counts a request that is over.
    pub fn observe(&self, seen: &Observation) {
        let (resource, method) = (seen.resource.as_str(), seen.method);
        self.requests.get_or_create(&Answered { resource, method, status: seen.status }).inc();
        self.duration.get_or_create(&AboutMethod { resource, method }).observe(seen.took.as_secs_f64());
        if let Some(first_byte) = seen.first_byte {
            self.first_byte.get_or_create(&About { resource }).observe(first_byte.as_secs_f64());
        }
        if seen.received_bytes > 0 {
            self.received.get_or_create(&About { resource }).inc_by(seen.received_bytes);
        }
        if seen.sent_bytes > 0 {
            self.sent.get_or_create(&About { resource }).inc_by(seen.sent_bytes);
        }
    }
}

impl Resource {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Container => "container",
            Self::Object => "object",
            Self::Other => "other",
        }
    }
}

/// What a storage server's figures need of a request that is handed on.
pub struct Asked {
    method: &'static str,
    resource: Resource,
    received_bytes: u64,
    /// Whether it is about shard ranges of a container.
    pub(super) is_about_shards: bool,
}

impl Asked {
    /// Of a request for `/<device>/<partition>/<account>[/<container>[/<object>]]`.
    pub fn of(request: &Request) -> Self {
        let names = request.path.iter().filter(|&&b| b == b'/').take(5).count();
        let resource = match (&request.method, names) {
            (Method::Replicate | Method::Ssync, _) => Resource::Other,
            (_, 3) => Resource::Account,
            (_, 4) => Resource::Container,
            (_, 5) => Resource::Object,
            _ => Resource::Other,
        };
        Self {
            method: bounded_method(&request.method),
            resource,
            received_bytes: request.body.len().unwrap_or(0),
            is_about_shards: request.headers.get("X-Backend-Record-Type") == Some(b"shard"),
        }
    }

    /// The observation, now that it is answered.
    pub fn answered(&self, response: &Response, took: Duration) -> Observation {
        Observation {
            method: self.method,
            resource: self.resource,
            status: response.status,
            took,
            first_byte: None,
            received_bytes: self.received_bytes,
            sent_bytes: response.body.len().unwrap_or(0),
        }
    }
}

/// The method's name; one that nobody knows is `OTHER`, whatever a client makes up.
pub fn bounded_method(method: &Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Put => "PUT",
        Method::Post => "POST",
        Method::Delete => "DELETE",
        Method::Copy => "COPY",
        Method::Options => "OPTIONS",
        Method::Update => "UPDATE",
        Method::Replicate => "REPLICATE",
        Method::Ssync => "SSYNC",
        Method::Other(_) => "OTHER",
    }
}
