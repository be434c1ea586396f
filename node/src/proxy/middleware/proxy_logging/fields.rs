//! The fields of a log line, worked out when a template asks for them.

use super::options::{AccessLog, LoggedHeaders, title_case};
use super::template::Anonymizer;
use super::{Answer, Entry};
use crate::http::Method;
use crate::proxy::app::LogFields;
use crate::proxy::query::Params;
use crate::serve::metrics::Resource;
use bytes::Bytes;
use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};
use swiftlet_types::names::{quote, split_path};

/// Headers whose values let others in: their beginning is shown, as in Swift.
const SENSITIVE_HEADERS: [&str; 4] = ["x-auth-token", "x-storage-token", "x-service-token", "authorization"];
/// Headers that hold passwords, of which Swift shows all: the beginning of one can be all of it.
const PASSWORD_HEADERS: [&str; 5] =
    ["x-auth-key", "x-storage-pass", "x-auth-admin-key", "x-auth-user-key", "x-auth-user-key-hash"];
/// Query parameters whose values let others in.
const SENSITIVE_PARAMS: [&str; 3] = ["temp_url_sig", "Signature", "X-Amz-Signature"];

/// What a template may ask of a field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Its text.
    Plain,
    /// Its text, or that anonymized.
    Private,
    /// A time, or parts of it.
    Time,
}

/// The value of a field.
pub enum Value<'a> {
    /// Nothing to show.
    None,
    /// Text; empty counts as nothing.
    Text(Cow<'a, str>),
    /// A count; zero counts as nothing.
    Count(u64),
    /// A duration; zero counts as nothing.
    Seconds(f64),
    /// A point in time.
    Time(SystemTime),
}

impl<'a, T: Into<Cow<'a, str>>> From<Option<T>> for Value<'a> {
    fn from(text: Option<T>) -> Self {
        text.map_or(Value::None, |text| Value::Text(text.into()))
    }
}

/// What is known of a request when it is over.
pub struct Facts<'a> {
    entry: &'a Entry,
    told: &'a LogFields,
    status: u16,
    end: SystemTime,
    duration_s: f64,
}

impl<'a> Facts<'a> {
    pub fn new(entry: &'a Entry, told: &'a LogFields) -> Self {
        let status = entry.status();
        Self { entry, told, status, end: SystemTime::now(), duration_s: entry.begun.elapsed().as_secs_f64() }
    }

    /// What kind of field `name` is; `None` where there is none of that name.
    pub fn kind(name: &str) -> Option<Kind> {
        Some(match name {
            "end_time" | "start_time" => Kind::Time,
            "client_ip" | "remote_addr" | "domain" | "path" | "referer" | "user_agent" | "headers"
            | "client_etag" | "account" | "container" | "object" | "access_user_id" => Kind::Private,
            "method" | "protocol" | "status_int" | "auth_token" | "bytes_recvd" | "bytes_sent"
            | "transaction_id" | "request_time" | "source" | "log_info" | "policy_index" | "ttfb" | "pid"
            | "wire_status_int" => Kind::Plain,
            _ => return None,
        })
    }

    /// The method, as the client sent it.
    pub fn method(&self) -> &'a Method {
        &self.entry.method
    }

    /// The transaction id; empty where nobody gave it one.
    pub fn transaction_id(&self) -> &'a str {
        &self.entry.trans_id
    }

    /// The status; 499 where the client went away.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// How long it took.
    pub fn took(&self) -> Duration {
        Duration::from_secs_f64(self.duration_s)
    }

    /// How long until the answer's header, of a GET that was answered.
    pub fn first_byte(&self) -> Option<Duration> {
        self.answer().map(|answer| Duration::from_secs_f64(answer.time_to_first_byte_s))
    }

    /// Bytes received and sent.
    pub fn transferred(&self) -> (u64, u64) {
        (self.entry.transfer.bytes_received.load(Ordering::Relaxed), self.entry.bytes_sent)
    }

    /// Which filter made it; the client itself where there is none.
    pub fn source(&self) -> Option<&'static str> {
        self.entry.source
    }

    /// What it is about.
    pub fn resource(&self) -> Resource {
        let is_named = |index: &usize| matches!(self.name(*index), Value::Text(name) if !name.is_empty());
        let names = (1..=3).take_while(is_named).count();
        [Resource::Other, Resource::Account, Resource::Container, Resource::Object][names]
    }

    /// How the log hides what should not be read.
    pub fn anonymizer(&self) -> &Anonymizer {
        &self.log().anonymizer
    }

    fn log(&self) -> &'a AccessLog {
        &self.entry.log
    }

    fn answer(&self) -> Option<&'a Answer> {
        self.entry.answer.as_ref()
    }

    /// The value of the field `name`, one that [`Self::kind`] knows.
    pub fn get(&self, name: &str) -> Value<'a> {
        let entry = self.entry;
        match name {
            "end_time" => Value::Time(self.end),
            "start_time" => Value::Time(entry.start),
            "client_ip" => self.client_ip().into(),
            "remote_addr" => self.peer().into(),
            "domain" => self.domain().into(),
            "path" => Value::Text(self.path_and_query().into()),
            "referer" => self.header("Referer"),
            "user_agent" => self.header("User-Agent"),
            "headers" => self.headers().into(),
            "client_etag" => self.header("Etag"),
            "account" => self.name(1),
            "container" => self.name(2),
            "object" => self.name(3),
            "access_user_id" => self.told.user_id.as_deref().map(|user| user.to_owned()).into(),
            "method" => Value::Text(entry.method.as_str().into()),
            "protocol" => Value::Text(entry.version.as_str().into()),
            "status_int" => Value::Count(self.status.into()),
            "wire_status_int" => {
                Value::Count(self.answer().map_or(self.status, |answer| answer.status).into())
            }
            "auth_token" => self.token().into(),
            "bytes_recvd" => Value::Count(entry.transfer.bytes_received.load(Ordering::Relaxed)),
            "bytes_sent" => Value::Count(entry.bytes_sent),
            "transaction_id" => Value::Text(Cow::Borrowed(&entry.trans_id)),
            "request_time" => Value::Text(format!("{:.4}", self.duration_s).into()),
            "source" => entry.source.into(),
            "log_info" => Value::Text(self.told.info.join(",").into()),
            "policy_index" => self.policy_index().into(),
            "ttfb" => Value::Seconds(self.answer().map_or(0.0, |answer| answer.time_to_first_byte_s)),
            "pid" => Value::Count(std::process::id().into()),
            _ => Value::None,
        }
    }

    fn header(&self, name: &str) -> Value<'a> {
        self.entry.headers.get(name).map(String::from_utf8_lossy).into()
    }

    /// The client as load balancers tell of it.
    fn client_ip(&self) -> Option<Cow<'a, str>> {
        let headers = &self.entry.headers;
        let told = headers.get("X-Cluster-Client-Ip").filter(|ip| !ip.is_empty());
        let told = told.or_else(|| headers.get("X-Forwarded-For")?.split(|b| *b == b',').next());
        match told.map(<[u8]>::trim_ascii).filter(|ip| !ip.is_empty()) {
            Some(ip) => Some(String::from_utf8_lossy(ip)),
            None => self.peer().map(Cow::Owned),
        }
    }

    /// Who sent it; nobody did where a filter made it.
    fn peer(&self) -> Option<String> {
        let ip = self.entry.peer.ip();
        (!ip.is_unspecified()).then(|| ip.to_string())
    }

    fn domain(&self) -> Option<String> {
        let host = String::from_utf8_lossy(self.entry.headers.get("Host")?).into_owned();
        Some(host.rsplit_once(':').map_or(host.as_str(), |(domain, _)| domain).to_owned())
    }

    fn path(&self) -> &'a Bytes {
        self.told.rewritten_path.as_ref().unwrap_or(&self.entry.path)
    }

    fn query(&self) -> &'a Bytes {
        self.told.rewritten_query.as_ref().unwrap_or(&self.entry.query)
    }

    fn path_and_query(&self) -> String {
        let mut path = quote(self.path());
        if !self.query().is_empty() {
            path.push('?');
            path.push_str(&String::from_utf8_lossy(&self.obscured_query()));
        }
        path
    }

    fn obscured_query(&self) -> Bytes {
        let mut params = Params::parse(self.query());
        let mut obscured = false;
        for name in SENSITIVE_PARAMS {
            if let Some(value) = params.get(name) {
                let shown = self.obscure(&String::from_utf8_lossy(value));
                params.set(name.as_bytes(), shown);
                obscured = true;
            }
        }
        if obscured { params.to_query() } else { self.query().clone() }
    }

    /// The beginning of what must not be known whole.
    fn obscure(&self, value: &str) -> String {
        match value.char_indices().nth(self.log().reveal_sensitive_prefix) {
            Some((end, _)) => format!("{}...", &value[..end]),
            None => value.to_owned(),
        }
    }

    fn token(&self) -> Option<String> {
        let headers = &self.entry.headers;
        let token = headers.get("X-Auth-Token").or_else(|| headers.get("X-Storage-Token"))?;
        Some(self.obscure(&String::from_utf8_lossy(token)))
    }

    fn headers(&self) -> Option<String> {
        let wanted = self.log().headers.as_ref()?;
        let mut lines = Vec::new();
        for (name, value) in self.entry.headers.iter() {
            let title = title_case(name);
            if matches!(wanted, LoggedHeaders::Only(only) if !only.contains(&title)) {
                continue;
            }
            let value = String::from_utf8_lossy(value);
            let is_one_of = |names: &[&str]| names.iter().any(|name| title.eq_ignore_ascii_case(name));
            let shown = if is_one_of(&PASSWORD_HEADERS) {
                "...".into()
            } else if is_one_of(&SENSITIVE_HEADERS) {
                self.obscure(&value).into()
            } else {
                value
            };
            lines.push(format!("{title}: {shown}"));
        }
        Some(lines.join("\n"))
    }

    /// The name at `index` of the path, quoted as it is there: 1 account, 2 container, 3 object.
    fn name(&self, index: usize) -> Value<'a> {
        let segments = split_path(self.path(), 1, 4, true).unwrap_or_default();
        let versions = &self.log().constraints.valid_api_versions;
        let valid = segments.first().is_some_and(|v| versions.iter().any(|valid| valid.as_bytes() == *v));
        segments.get(index).filter(|_| valid).map(quote).into()
    }

    /// The index of the storage policy that served it.
    pub fn policy_index(&self) -> Option<String> {
        let told = self.told.policy_index.map(|index| index.to_string());
        let answered = self.answer().and_then(|answer| answer.policy_index.as_deref());
        answered.map(|index| String::from_utf8_lossy(index).into_owned()).or(told)
    }
}
