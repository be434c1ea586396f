//! Every figure there is: its name, unit, labels and meaning, and what statsd calls it.
//!
//! Names are `swiftlet_<name>[_<unit>]`, counters end in `_total`. They stay once they are released. All carry the
//! label `server`; labels take values from closed sets alone, so what is kept for them is bounded.

use prometheus_client::registry::{Metric, Registry, Unit};

/// The beginning of every name.
pub(super) const PREFIX: &str = "swiftlet";

/// What is known of a figure before it is counted.
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) unit: Option<Unit>,
    /// Beside `server`.
    #[cfg_attr(not(test), expect(dead_code, reason = "documentation that a test holds the figures to"))]
    pub(super) labels: &'static [&'static str],
    /// Its name in statsd behind `log_statsd_metric_prefix` and the server's name; empty where Swift has none.
    #[cfg_attr(not(test), expect(dead_code, reason = "documentation that a test holds the figures to"))]
    pub(super) statsd: &'static str,
    pub(super) help: &'static str,
}

pub(super) const REQUESTS: Figure = Figure {
    name: "requests",
    unit: None,
    labels: &["resource", "method", "status"],
    statsd: "",
    help: "Requests answered, by what they were about, method and status (499: the client went away)",
};
pub(super) const REQUEST_DURATION: Figure = Figure {
    name: "request_duration",
    unit: Some(Unit::Seconds),
    labels: &["resource", "method"],
    statsd: "<resource>.<METHOD>.<status>.timing (proxy), <METHOD>[.errors].timing (storage servers), in ms",
    help: "Time from a request's header to the end of its answer's body (storage servers: its header)",
};
pub(super) const FIRST_BYTE: Figure = Figure {
    name: "first_byte",
    unit: Some(Unit::Seconds),
    labels: &["resource"],
    statsd: "<resource>.GET.<status>.first-byte.timing (proxy), in ms",
    help: "Time from a GET's header to its answer's header, at proxies",
};
pub(super) const RECEIVED: Figure = Figure {
    name: "received",
    unit: Some(Unit::Bytes),
    labels: &["resource"],
    statsd: "<resource>.<METHOD>.<status>.xfer (proxy; both directions)",
    help: "Bytes of request bodies (storage servers: as announced)",
};
pub(super) const SENT: Figure = Figure {
    name: "sent",
    unit: Some(Unit::Bytes),
    labels: &["resource"],
    statsd: "<resource>.<METHOD>.<status>.xfer (proxy; both directions)",
    help: "Bytes of answers' bodies (storage servers: as announced)",
};
pub(super) const DAEMON_PASSES: Figure = Figure {
    name: "daemon_passes",
    unit: None,
    labels: &["daemon"],
    statsd: "",
    help: "Passes that a daemon of this server completed",
};
pub(super) const DAEMON_PASS_DURATION: Figure = Figure {
    name: "daemon_last_pass_duration",
    unit: Some(Unit::Seconds),
    labels: &["daemon"],
    statsd: "",
    help: "How long the daemon's last pass took",
};
pub(super) const DAEMON_PASS_ENDED: Figure = Figure {
    name: "daemon_last_pass_end_timestamp",
    unit: Some(Unit::Seconds),
    labels: &["daemon"],
    statsd: "",
    help: "When the daemon's last pass ended (Unix time)",
};

pub(super) const CLOCK_OFFSET: Figure = Figure {
    name: "clock_offset",
    unit: Some(Unit::Seconds),
    labels: &["node"],
    statsd: "",
    help: "How far the clock of a storage server is ahead of this proxy's, as asked once a minute",
};

/// All of them but those in `node_table`.
#[cfg(test)]
pub(super) const TABLE: [Figure; 9] = [
    REQUESTS,
    REQUEST_DURATION,
    FIRST_BYTE,
    RECEIVED,
    SENT,
    DAEMON_PASSES,
    DAEMON_PASS_DURATION,
    DAEMON_PASS_ENDED,
    CLOCK_OFFSET,
];

impl Figure {
    /// Has `registry` show `metric` under this figure's name.
    pub(super) fn register(self, registry: &mut Registry, metric: impl Metric) {
        match self.unit {
            None => registry.register(self.name, self.help, metric),
            Some(unit) => registry.register_with_unit(self.name, self.help, unit, metric),
        }
    }
}

/// A registry of figures about `server`.
pub(super) fn registry(server: &'static str) -> Registry {
    Registry::with_prefix_and_labels(PREFIX, [("server".into(), server.into())].into_iter())
}
