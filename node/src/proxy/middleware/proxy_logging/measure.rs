//! The figures of a request that is over: Prometheus' for clients' own requests, statsd's for all, as in Swift.

use super::fields::Facts;
use crate::http::Method;
use crate::proxy::middleware::Setup;
use crate::serve::metrics::{Observation, RequestMetrics, Resource, Statsd, bounded_method};
use std::sync::Arc;
use std::time::Duration;
use swiftlet_types::Policies;
use swiftlet_types::conf::{OptionError, Options};

/// `log_statsd_valid_http_methods`' default.
const VALID_METHODS: &str = "GET,HEAD,POST,PUT,DELETE,COPY,OPTIONS,UPDATE";
/// The names that the options of statsd may begin with, the first winning.
const PREFIXES: [&str; 2] = ["access_log_", "log_"];

/// Counts requests.
pub struct Measures {
    requests: Arc<RequestMetrics>,
    statsd: Option<Statsd>,
    /// The methods that have names of their own in statsd.
    valid_methods: Vec<String>,
    policies: Arc<Policies>,
}

/// What statsd tells of a request.
struct Transfer {
    took: Duration,
    first_byte: Option<Duration>,
    bytes: u64,
}

impl Measures {
    /// Reads the section's options for statsd.
    pub fn read(section: &Options, setup: &Setup) -> Result<Self, OptionError> {
        let methods = section.list("log_statsd_valid_http_methods", VALID_METHODS);
        let own = section.list("access_log_statsd_valid_http_methods", "");
        Ok(Self {
            requests: setup.metrics.clone(),
            statsd: Statsd::from_options(section, &PREFIXES, "proxy-server")?,
            valid_methods: if own.is_empty() { methods } else { own },
            policies: setup.policies.clone(),
        })
    }

    /// Counts a request.
    pub(super) fn take(&self, facts: &Facts<'_>) {
        let (method, status) = (facts.method(), facts.status());
        let (received_bytes, sent_bytes) = facts.transferred();
        let (resource, took) = (facts.resource(), facts.took());
        let first_byte = facts.first_byte().filter(|_| *method == Method::Get);
        if facts.source().is_none() {
            let method = bounded_method(method);
            let seen = Observation { method, resource, status, took, first_byte, received_bytes, sent_bytes };
            self.requests.observe(&seen);
        }
        if let Some(statsd) = &self.statsd {
            let transfer = Transfer { took, first_byte, bytes: received_bytes + sent_bytes };
            self.send(statsd, facts, &transfer);
        }
    }

    fn send(&self, statsd: &Statsd, facts: &Facts<'_>, transfer: &Transfer) {
        let method =
            Some(facts.method().as_str()).filter(|name| self.valid_methods.iter().any(|m| m == name));
        let end = format!("{}.{}", method.unwrap_or("BAD_METHOD"), facts.status());
        let resource = match facts.resource() {
            Resource::Other => facts.source().unwrap_or("UNKNOWN"),
            known => known.as_str(),
        };
        send_under(statsd, &format!("{resource}.{end}"), transfer);
        let policy = facts.policy_index().and_then(|index| index.parse().ok());
        if facts.resource() == Resource::Object
            && let Some(index) = policy.filter(|index| self.policies.by_index(*index).is_some())
        {
            send_under(statsd, &format!("object.policy.{index}.{end}"), transfer);
        }
    }
}

fn send_under(statsd: &Statsd, name: &str, transfer: &Transfer) {
    if let Some(first_byte) = transfer.first_byte {
        statsd.timing(format_args!("{name}.first-byte.timing"), first_byte, None);
    }
    statsd.timing(format_args!("{name}.timing"), transfer.took, None);
    statsd.count(format_args!("{name}.xfer"), transfer.bytes);
}
