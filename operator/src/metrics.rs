//! What the operator shows at `/metrics`: figures about itself, and what it knows of each cluster. Figures about what
//! clusters serve and store belong to their nodes' own pages. METRICS.md lists all; a test holds it to the code.

mod cluster;
#[cfg(test)]
mod tests;

pub use cluster::ClusterFigures;
use cluster::Clusters;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// The operator's figures, one set a process.
pub struct Metrics {
    registry: Registry,
    passes: Family<PassLabels, Counter>,
    pass_seconds: Histogram,
    writes: Family<WriteLabels, Counter>,
    leading: Gauge,
    clusters: Mutex<Clusters>,
}

/// The beginning of every name.
const PREFIX: &str = "swiftlet_operator";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PassLabels {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    kind: String,
}

impl Metrics {
    /// All figures at zero.
    pub fn new() -> Metrics {
        let mut registry = Registry::with_prefix(PREFIX);
        let passes = Family::default();
        let pass_seconds = Histogram::new(exponential_buckets(0.01, 2.0, 12));
        let writes = Family::default();
        let leading = Gauge::default();
        registry.register("passes", "Passes of the loop over a SwiftCluster, by result", passes.clone());
        registry.register_with_unit("pass", "How long a pass takes", Unit::Seconds, pass_seconds.clone());
        registry.register("writes", "Objects written to the API server, by kind", writes.clone());
        registry.register("leading", "1 while this process holds the lease", leading.clone());
        Metrics { registry, passes, pass_seconds, writes, leading, clusters: Mutex::default() }
    }

    /// A pass ended.
    pub fn pass(&self, ok: bool, took: Duration) {
        let result = if ok { "ok" } else { "error" };
        self.passes.get_or_create(&PassLabels { result }).inc();
        self.pass_seconds.observe(took.as_secs_f64());
    }

    /// An object of this kind was written.
    pub fn wrote(&self, kind: &str) {
        self.writes.get_or_create(&WriteLabels { kind: kind.to_string() }).inc();
    }

    /// Whether this process leads.
    pub fn set_leading(&self, leading: bool) {
        self.leading.set(i64::from(leading));
    }

    /// A pass over a cluster came to its end.
    pub fn saw(&self, namespace: &str, cluster: &str, figures: ClusterFigures) {
        let key = (namespace.to_string(), cluster.to_string());
        self.clusters.lock().0.entry(key).or_default().figures = Some(figures);
    }

    /// A step was taken for a cluster.
    pub fn took(&self, namespace: &str, cluster: &str, step: &'static str) {
        let key = (namespace.to_string(), cluster.to_string());
        *self.clusters.lock().0.entry(key).or_default().steps.entry(step).or_default() += 1;
    }

    /// A cluster is gone, and its figures with it.
    pub fn forget(&self, namespace: &str, cluster: &str) {
        self.clusters.lock().0.remove(&(namespace.to_string(), cluster.to_string()));
    }

    /// All figures in Prometheus' text format.
    pub fn render(&self) -> String {
        let mut clusters = Registry::with_prefix(PREFIX);
        self.clusters.lock().register(&mut clusters);
        let mut page = String::new();
        let written = encode_registry(&mut page, &self.registry)
            .and_then(|()| encode_registry(&mut page, &clusters))
            .and_then(|()| encode_eof(&mut page));
        match written {
            Ok(()) => page,
            Err(error) => format!("# {error}\n"),
        }
    }
}
