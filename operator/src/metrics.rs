//! What the operator counts about itself. Figures about clusters belong to their nodes' own `/metrics`.

use prometheus_client::encoding::{EncodeLabelSet, text};
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
}

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
        let mut registry = Registry::with_prefix("swiftlet_operator");
        let passes = Family::default();
        let pass_seconds = Histogram::new(exponential_buckets(0.01, 2.0, 12));
        let writes = Family::default();
        let leading = Gauge::default();
        registry.register("passes", "Passes of the loop over a SwiftCluster, by result", passes.clone());
        registry.register_with_unit("pass", "How long a pass takes", Unit::Seconds, pass_seconds.clone());
        registry.register("writes", "Objects written to the API server, by kind", writes.clone());
        registry.register("leading", "1 while this process holds the lease", leading.clone());
        Metrics { registry, passes, pass_seconds, writes, leading }
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

    /// All figures in Prometheus' text format.
    pub fn render(&self) -> String {
        let mut page = String::new();
        match text::encode(&mut page, &self.registry) {
            Ok(()) => page,
            Err(error) => format!("# {error}\n"),
        }
    }
}
