//! What the query of a temporary URL says, and whether it is signed.

use super::ip_range::IpRange;
use crate::http::Method;
use crate::proxy::signature::{AllowedDigests, Scope, Signature};
use bytes::Bytes;
use jiff::fmt::strtime;
use std::time::{SystemTime, UNIX_EPOCH};
use swiftlet_types::names::{query_pairs, quote_component};

/// The parameters of a temporary URL.
pub struct Link {
    signature: Vec<u8>,
    /// As the client wrote it: seconds since 1970, or a date.
    expires: Vec<u8>,
    /// Until when it is good, in seconds since 1970.
    pub expires_s: u64,
    /// What the names of the objects that it opens begin with; `None`: it opens one object.
    pub prefix: Option<Vec<u8>>,
    /// Under which name a browser is to save what it gets.
    pub filename: Option<Vec<u8>>,
    /// Whether a browser is to show it instead.
    pub inline: bool,
    ip_range_text: Vec<u8>,
    /// From where it is good; `None`: from anywhere.
    pub ip_range: Option<IpRange>,
    /// Whether everything that it must have is there and can be right.
    pub is_well_formed: bool,
}

/// What a request is for; the object is empty where it is the container.
#[derive(Debug, Clone)]
pub struct Target {
    pub account: String,
    pub container: String,
    pub object: Vec<u8>,
}

impl Link {
    /// `None` where the query is not one of a temporary URL.
    pub fn parse(query: &[u8]) -> Option<Self> {
        let first = |name: &str| query_pairs(query).find(|(n, _)| n == name.as_bytes()).map(|(_, v)| v);
        let (signature, expires) = (first("temp_url_sig"), first("temp_url_expires"));
        if signature.is_none() && expires.is_none() {
            return None;
        }
        let signature = signature.unwrap_or_default();
        let expires = expires.unwrap_or_default();
        let expires_s = seconds(&expires).filter(|second| *second >= now_s());
        let ip_range_text = first("temp_url_ip_range").unwrap_or_default();
        let ip_range = std::str::from_utf8(&ip_range_text).ok().and_then(IpRange::parse);
        let is_well_formed = !signature.is_empty()
            && expires_s.is_some_and(|second| second > 0)
            && (ip_range.is_some() || ip_range_text.is_empty());
        Some(Self {
            signature,
            expires,
            expires_s: expires_s.unwrap_or(0),
            prefix: first("temp_url_prefix"),
            filename: first("filename").filter(|name| !name.is_empty()),
            inline: first("inline").is_some(),
            ip_range_text,
            ip_range,
            is_well_formed,
        })
    }

    /// The signature, where it can be one of `digests`.
    pub fn signature(&self, digests: &AllowedDigests) -> Option<Signature> {
        digests.parse(&self.signature)
    }

    /// What the first of `keys` opens that signed this link for `method` on `target`.
    pub fn scope(
        &self,
        signature: &Signature,
        keys: &[(Scope, String)],
        method: &Method,
        target: &Target,
    ) -> Option<Scope> {
        let (marker, name) = match &self.prefix {
            None => ("", &target.object),
            Some(prefix) if target.object.starts_with(prefix) => ("prefix:", prefix),
            Some(_) => return None,
        };
        let message = |method: &str| {
            let path = format!("{marker}/v1/{}/{}/", target.account, target.container);
            let lines = format!("{method}\n{}\n{path}", self.expires_s);
            let mut message = Vec::new();
            if !self.ip_range_text.is_empty() {
                message.extend([b"ip=", &self.ip_range_text[..], b"\n"].concat());
            }
            message.extend([lines.as_bytes(), name].concat());
            message
        };
        // whoever may do something to an object may see whether it is there
        let methods = match method {
            Method::Head => &["HEAD", "GET", "POST", "PUT"][..],
            other => &[other.as_str()],
        };
        let messages: Vec<_> = methods.iter().map(|method| message(method)).collect();
        let signed = |(_, key): &&(Scope, String)| messages.iter().any(|m| signature.is_of(key, m));
        keys.iter().find(signed).map(|(scope, _)| *scope)
    }

    /// The query that inner links see: without what only mattered here.
    pub fn query(&self, signature: &Signature) -> Bytes {
        let mut pairs =
            vec![("temp_url_sig", signature.hex()), ("temp_url_expires", quote_component(&self.expires))];
        pairs.extend(self.prefix.as_ref().map(|prefix| ("temp_url_prefix", quote_component(prefix))));
        pairs.extend(self.filename.as_ref().map(|name| ("filename", quote_component(name))));
        pairs.extend(self.inline.then(|| ("inline", String::new())));
        pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&").into()
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Seconds since 1970, said as such or as a date in UTC (`2026-01-02T03:04:05Z`).
fn seconds(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let date = strtime::parse("%Y-%m-%dT%H:%M:%SZ", text).ok()?.to_datetime().ok()?;
    let date = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    u64::try_from(date.timestamp().as_second()).ok()
}
