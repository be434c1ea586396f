//! The shell around a storage server's service: a span that carries the transaction id, and for each request its
//! figures and a line in Swift's format (`log_format`).

use super::Service;
use super::metrics::{Asked, StorageMetrics};
use crate::http::{Method, Request, Response};
use async_trait::async_trait;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use std::sync::Arc;
use std::time::{Duration, Instant};
use swiftlet_types::conf::{OptionError, Options};
use tracing::Instrument;

/// `log_format`'s default.
const DEFAULT_FORMAT: &str = "{remote_addr} - - [{time.d}/{time.b}/{time.Y}:{time.H}:{time.M}:{time.S} +0000] \
     \"{method} {path}\" {status} {content_length} \"{referer}\" \"{txn_id}\" \"{user_agent}\" {trans_time:.4f} \
     \"{additional_info}\" {pid} {policy_index}";
/// What Swift leaves alone in a logged path.
const QUOTED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'_').remove(b'.').remove(b'-').remove(b'~').remove(b':');

/// Logs and measures requests.
pub struct AccessLog {
    inner: Arc<dyn Service>,
    metrics: StorageMetrics,
    /// `None` where `log_requests` is off.
    format: Option<Vec<Piece>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field { name: Field, decimals: Option<usize> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    RemoteAddr,
    Time(char),
    Method,
    Path,
    PathPart(usize),
    Status,
    ContentLength,
    Referer,
    TxnId,
    UserAgent,
    TransTime,
    AdditionalInfo,
    Pid,
    PolicyIndex,
}

impl AccessLog {
    /// Reads `log_requests` and `log_format`.
    pub fn from_options(
        inner: Arc<dyn Service>,
        metrics: StorageMetrics,
        options: &Options,
    ) -> Result<Self, OptionError> {
        let format = options.str("log_format").unwrap_or(DEFAULT_FORMAT);
        let format = parse(format).map_err(|why| options.error("log_format", why))?;
        Ok(Self { inner, metrics, format: options.bool("log_requests", true).then_some(format) })
    }

    async fn logged(&self, request: Request) -> Response {
        let txn = request.headers.get_str("X-Trans-Id").unwrap_or_default().to_owned();
        let span = tracing::info_span!("request", txn);
        let quiet = matches!(request.method, Method::Replicate | Method::Ssync)
            || request.headers.contains("X-Backend-Replication");
        let wanted = match quiet {
            true => tracing::enabled!(target: "access", tracing::Level::DEBUG),
            false => tracing::enabled!(target: "access", tracing::Level::INFO),
        };
        let Some(format) = self.format.as_ref().filter(|_| wanted) else {
            return self.inner.call(request).instrument(span).await;
        };
        let facts = Facts::of(&request, txn);
        let begun = Instant::now();
        let response = self.inner.call(request).instrument(span.clone()).await;
        let _entered = span.enter();
        match quiet {
            true => tracing::debug!(target: "access", "{}", facts.line(format, &response, begun.elapsed())),
            false => tracing::info!(target: "access", "{}", facts.line(format, &response, begun.elapsed())),
        }
        response
    }
}

#[async_trait]
impl Service for AccessLog {
    async fn call(&self, request: Request) -> Response {
        let (asked, begun) = (Asked::of(&request), Instant::now());
        let response = self.logged(request).await;
        self.metrics.observe(&asked, &asked.answered(&response, begun.elapsed()));
        response
    }
}

/// What the line says of the request, which is gone when the line is written.
struct Facts {
    peer: String,
    method: Method,
    path: bytes::Bytes,
    referer: String,
    txn: String,
    user_agent: String,
    policy_index: Option<String>,
}

impl Facts {
    fn of(request: &Request, txn: String) -> Self {
        let header = |name: &str| request.headers.get(name).map(|v| String::from_utf8_lossy(v).into_owned());
        Self {
            peer: request.peer.ip().to_string(),
            method: request.method.clone(),
            path: request.path.clone(),
            referer: header("Referer").unwrap_or_default(),
            txn,
            user_agent: header("User-Agent").unwrap_or_default(),
            policy_index: header("X-Backend-Storage-Policy-Index"),
        }
    }

    fn line(&self, format: &[Piece], response: &Response, took: Duration) -> String {
        let now = Timestamp::now();
        let mut line = String::with_capacity(256);
        for piece in format {
            match piece {
                Piece::Text(text) => line.push_str(text),
                Piece::Field { name: Field::TransTime, decimals } => {
                    line.push_str(&format!("{:.*}", decimals.unwrap_or(6), took.as_secs_f64()));
                }
                Piece::Field { name, .. } => match self.field(*name, response, now) {
                    value if value.is_empty() => line.push('-'),
                    value => line.push_str(&value),
                },
            }
        }
        line
    }

    fn field(&self, name: Field, response: &Response, now: Timestamp) -> String {
        match name {
            Field::RemoteAddr => self.peer.clone(),
            Field::Time(code) => now.strftime(&format!("%{code}")).to_string(),
            Field::Method => self.method.to_string(),
            Field::Path => percent_encode(&self.path, QUOTED).to_string(),
            Field::PathPart(index) => {
                let part = self.path.splitn(6, |&b| b == b'/').nth(index + 1).unwrap_or_default();
                percent_encode(part, QUOTED).to_string()
            }
            Field::Status => response.status.to_string(),
            Field::ContentLength => match response.headers.get_str("Content-Length") {
                Some(length) => length.to_owned(),
                None => response.body.len().map(|n| n.to_string()).unwrap_or_default(),
            },
            Field::Referer => self.referer.clone(),
            Field::TxnId => self.txn.clone(),
            Field::UserAgent => self.user_agent.clone(),
            Field::PolicyIndex => match response.headers.get_str("X-Backend-Storage-Policy-Index") {
                Some(index) => index.to_owned(),
                None => self.policy_index.clone().unwrap_or_default(),
            },
            Field::Pid => std::process::id().to_string(),
            Field::TransTime | Field::AdditionalInfo => String::new(),
        }
    }
}

/// Splits `{name}` and `{name:.4f}` from the text between them; braces are doubled to stand for themselves.
fn parse(format: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        let brace = &rest[at..at + 1];
        rest = &rest[at + 1..];
        if rest.starts_with(brace) {
            text.push_str(brace);
            rest = &rest[1..];
            continue;
        }
        let (name, after) = match (brace, rest.split_once('}')) {
            ("{", Some(split)) => split,
            _ => return Err(format!("has a single {brace}; write {brace}{brace} for the character itself")),
        };
        rest = after;
        let (name, spec) = name.split_once(':').unwrap_or((name, ""));
        let decimals = match spec {
            "" => None,
            _ => Some(
                spec.strip_prefix('.')
                    .and_then(|s| s.strip_suffix('f'))
                    .and_then(|digits| digits.parse().ok())
                    .filter(|&digits: &usize| digits <= 9)
                    .ok_or_else(|| format!("{{{name}:{spec}}}: only a format like .4f is known"))?,
            ),
        };
        pieces.push(Piece::Text(std::mem::take(&mut text)));
        pieces.push(Piece::Field { name: field(name)?, decimals });
    }
    text.push_str(rest);
    pieces.push(Piece::Text(text));
    Ok(pieces)
}

fn field(name: &str) -> Result<Field, String> {
    Ok(match name {
        "remote_addr" => Field::RemoteAddr,
        "method" => Field::Method,
        "path" => Field::Path,
        "disk" => Field::PathPart(0),
        "partition" => Field::PathPart(1),
        "account" => Field::PathPart(2),
        "container" => Field::PathPart(3),
        "object" => Field::PathPart(4),
        "status" => Field::Status,
        "content_length" => Field::ContentLength,
        "referer" => Field::Referer,
        "txn_id" => Field::TxnId,
        "user_agent" => Field::UserAgent,
        "trans_time" => Field::TransTime,
        "additional_info" => Field::AdditionalInfo,
        "pid" => Field::Pid,
        "policy_index" => Field::PolicyIndex,
        _ => {
            let code = name.strip_prefix("time.").and_then(|code| code.chars().next());
            match code.filter(|code| name.len() == 6 && "aAbBdHIjmMpSUwWxXyYZ".contains(*code)) {
                Some(code) => Field::Time(code),
                None => return Err(format!("{{{name}}} is no field of a log line")),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_line_is_swifts() {
        let mut request = Request::new(Method::Put, "/sda1/7/AUTH_a/c ä/o/p");
        request.headers.set("User-Agent", "proxy-server 12");
        let facts = Facts::of(&request, "tx1".into());
        let response = Response::new(201).with("X-Backend-Storage-Policy-Index", "1");
        let line = facts.line(&parse(DEFAULT_FORMAT).unwrap(), &response, Duration::from_micros(12345));
        let (before, after) = line.split_once(" +0000] ").unwrap();
        assert!(
            before.starts_with("0.0.0.0 - - [")
                && before.ends_with(&format!(":{}", &before[before.len() - 2..]))
        );
        let pid = std::process::id();
        assert_eq!(
            after,
            format!(
                "\"PUT /sda1/7/AUTH_a/c%20%C3%A4/o/p\" 201 0 \"-\" \"tx1\" \"proxy-server 12\" 0.0123 \"-\" {pid} 1"
            )
        );
    }

    #[test]
    fn parts_of_the_path_and_doubled_braces() {
        let request = Request::new(Method::Get, "/sda1/7/a/c/o/p");
        let line = |format: &str| {
            Facts::of(&request, String::new()).line(
                &parse(format).unwrap(),
                &Response::new(200),
                Duration::ZERO,
            )
        };
        assert_eq!(
            line("{{{disk}}} {partition} {account} {container} {object} {txn_id}"),
            "{sda1} 7 a c o/p -"
        );
    }

    #[test]
    fn a_bad_format_is_named() {
        for bad in ["{", "}", "{nothing}", "{time.}", "{trans_time:>9}", "{trans_time:.99f}"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
