//! The options of the access log, and its writing end.

use super::fields::Facts;
use super::measure::Measures;
use super::template::{Anonymizer, Template};
use crate::proxy::meta;
use crate::proxy::middleware::Setup;
use std::sync::Arc;
use swiftlet_types::Constraints;
use swiftlet_types::conf::{OptionError, Options};

/// Swift's own line.
const DEFAULT_TEMPLATE: &str = "{client_ip} {remote_addr} {end_time.datetime} {method} {path} {protocol} \
    {status_int} {referer} {user_agent} {auth_token} {bytes_recvd} {bytes_sent} {client_etag} {transaction_id} \
    {headers} {request_time} {source} {log_info} {start_time} {end_time} {policy_index} {access_user_id}";

/// Options of the logger that this section may hold; the process sets that up as a whole.
const LOGGER_OPTIONS: [&str; 8] = [
    "access_log_name",
    "access_log_facility",
    "access_log_level",
    "access_log_udp_host",
    "access_log_udp_port",
    "access_log_address",
    "access_log_route",
    "statsd_emit_buffer_xfer_bytes_seconds",
];

/// How lines are written.
pub struct AccessLog {
    template: Template,
    /// A line is a JSON object of the template's fields (an option of ours).
    as_json: bool,
    pub(super) anonymizer: Anonymizer,
    /// Which request headers are logged; `None`: none.
    pub(super) headers: Option<LoggedHeaders>,
    /// How many characters of a token are shown.
    pub(super) reveal_sensitive_prefix: usize,
    pub(super) constraints: Arc<Constraints>,
    /// Counts what is logged.
    pub(super) measures: Measures,
}

/// Which request headers are logged.
pub enum LoggedHeaders {
    /// All of them.
    All,
    /// Those named so, in Title-Case.
    Only(Vec<String>),
}

impl AccessLog {
    /// Reads the section.
    pub fn read(section: &Options, setup: &Setup) -> Result<Self, OptionError> {
        for option in LOGGER_OPTIONS {
            section.str(option);
        }
        section.with_prefix("log_").chain(section.with_prefix("statsd_")).for_each(drop);
        section.str("storage_domain");
        let method = section.str_or("log_anonymization_method", "md5");
        let salt = section.str_or("log_anonymization_salt", "");
        let anonymizer = Anonymizer::new(&method, &salt).ok_or_else(|| {
            section.error("log_anonymization_method", "is none of md5, sha1, sha224, sha256, sha384, sha512")
        })?;
        let text = section.str("log_msg_template").unwrap_or(DEFAULT_TEMPLATE);
        let template =
            Template::parse(text).map_err(|error| section.error("log_msg_template", error.to_string()))?;
        Ok(Self {
            template,
            as_json: section.bool("access_log_json", false),
            anonymizer,
            headers: logged_headers(section),
            reveal_sensitive_prefix: section.int("reveal_sensitive_prefix", 16)?,
            constraints: setup.constraints.clone(),
            measures: Measures::read(section, setup)?,
        })
    }

    /// Writes the line of a request, where anybody wants lines.
    pub(super) fn write(&self, facts: &Facts<'_>) {
        if !tracing::enabled!(target: "proxy-access", tracing::Level::INFO) {
            return;
        }
        let line = if self.as_json { self.template.json(facts) } else { self.with_txn(facts) };
        tracing::info!(target: "proxy-access", "{line}");
    }

    /// The line, with the transaction id behind it where the template leaves that out, as Swift's logger adds it.
    fn with_txn(&self, facts: &Facts<'_>) -> String {
        let (mut line, txn) = (self.template.line(facts), facts.transaction_id());
        if !txn.is_empty() && !line.contains(txn) {
            line.push_str(&format!(" (txn: {txn})"));
        }
        line
    }
}

fn logged_headers(section: &Options) -> Option<LoggedHeaders> {
    let only = section.list("access_log_headers_only", "");
    if !section.bool("access_log_headers", section.bool("log_headers", false)) {
        return None;
    }
    match only.is_empty() {
        true => Some(LoggedHeaders::All),
        false => Some(LoggedHeaders::Only(only.iter().map(|name| title_case(name.as_bytes())).collect())),
    }
}

/// A header's name as Swift shows it: `X-Auth-Token`.
pub(super) fn title_case(name: &[u8]) -> String {
    String::from_utf8_lossy(&meta::title_case(name)).into_owned()
}
