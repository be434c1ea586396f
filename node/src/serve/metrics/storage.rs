//! What is measured of a storage server's requests: the figures of every server, and Swift's timings by statsd.

use super::{Asked, Observation, RequestMetrics, Resource, Statsd};
use std::sync::Arc;
use swiftlet_types::conf::{OptionError, Options};

/// The methods that Swift times.
const TIMED: [&str; 8] = ["DELETE", "GET", "HEAD", "POST", "PUT", "REPLICATE", "SSYNC", "UPDATE"];
/// What Swift samples less often than the rest: server, method, share.
const SAMPLED: [(&str, &str, f64); 5] = [
    ("object-server", "HEAD", 0.8),
    ("object-server", "REPLICATE", 0.1),
    ("object-server", "SSYNC", 0.1),
    ("container-server", "HEAD", 0.1),
    ("container-server", "REPLICATE", 0.01),
];

/// Measures the requests of a storage server.
pub struct StorageMetrics {
    server: &'static str,
    requests: Arc<RequestMetrics>,
    statsd: Option<Statsd>,
}

impl StorageMetrics {
    /// Of `server` (`object-server`), by the options of its app's section.
    pub fn from_options(server: &'static str, o: &Options) -> Result<Self, OptionError> {
        let statsd = Statsd::from_options(o, &["log_"], &o.str_or("log_name", server))?;
        Ok(Self { server, requests: Arc::new(RequestMetrics::new(server)), statsd })
    }

    /// The figures to be shown.
    pub fn requests(&self) -> Arc<RequestMetrics> {
        self.requests.clone()
    }

    /// Counts a request that is over.
    pub fn observe(&self, asked: &Asked, seen: &Observation) {
        self.requests.observe(seen);
        let Some(statsd) = self.statsd.as_ref().filter(|_| TIMED.contains(&seen.method)) else { return };
        let sampled =
            SAMPLED.iter().find(|(server, method, _)| (*server, *method) == (self.server, seen.method));
        // A 4xx is the client's own doing.
        let kind = if seen.status >= 500 { "errors.timing" } else { "timing" };
        let method = seen.method;
        statsd.timing(format_args!("{method}.{kind}"), seen.took, sampled.map(|(_, _, share)| *share));
        if self.server == "container-server"
            && let Some(what) = part_of_container(asked, seen)
        {
            statsd.timing(format_args!("{method}_{what}.{kind}"), seen.took, None);
        }
    }
}

/// Which of a container server's three kinds of PUT, or two of GET, it was: Swift times those too.
fn part_of_container(asked: &Asked, seen: &Observation) -> Option<&'static str> {
    match (seen.method, seen.resource) {
        ("PUT" | "GET", Resource::Container) if asked.is_about_shards => Some("shard"),
        ("PUT", Resource::Object) | ("GET", Resource::Container) => Some("object"),
        ("PUT", Resource::Container) => Some("container"),
        _ => None,
    }
}
