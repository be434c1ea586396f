//! A manifest as it is stored: a JSON list of segments, written by this filter (or by Python's) when it was PUT.

use crate::http::{Body, Response};
use crate::proxy::listing::push_value;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use md5::{Digest, Md5};
use serde_json::{Map, Value};
use swiftlet_types::conf::is_true;

/// A larger body is no manifest: those that are PUT are far smaller.
const MAX_STORED_BYTES: usize = 64 << 20;

/// A segment of a large object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// Bytes that the manifest holds itself.
    Data(Bytes),
    /// An object, or a part of it.
    Object(ObjectEntry),
}

/// A segment that is an object, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ObjectEntry {
    /// `/container/object`
    pub name: String,
    /// Its ETag.
    pub hash: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The first and the last byte of the part.
    pub range: Option<(u64, u64)>,
    /// Whether it is a manifest again.
    pub is_manifest: bool,
}

impl Entry {
    /// How many bytes it adds to the large object.
    pub fn len(&self) -> u64 {
        match self {
            Self::Data(bytes) => bytes.len() as u64,
            Self::Object(ObjectEntry { range: Some((first, last)), .. }) => {
                last.saturating_sub(*first).saturating_add(1)
            }
            Self::Object(object) => object.bytes,
        }
    }

    /// What it adds to the text whose MD5 is the large object's ETag.
    fn digest_text(&self) -> String {
        match self {
            Self::Data(bytes) => hex::encode(Md5::digest(bytes)),
            Self::Object(ObjectEntry { range: Some((first, last)), hash, .. }) => {
                format!("{hash}:{first}-{last};")
            }
            Self::Object(object) => object.hash.clone(),
        }
    }

    fn of(value: &Value) -> Option<Self> {
        if let Some(data) = value.get("data") {
            return STANDARD.decode(data.as_str()?).ok().map(|bytes| Self::Data(bytes.into()));
        }
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let is_manifest = match value.get("sub_slo") {
            Some(Value::Bool(yes)) => *yes,
            Some(Value::String(word)) => is_true(word),
            _ => false,
        };
        let mut bytes = match value.get("bytes")? {
            Value::String(digits) => digits.parse().ok()?,
            number => number.as_u64()?,
        };
        if let (true, Some(content_type)) = (is_manifest, text("content_type"))
            && let Some(said) = swift_bytes(content_type)
        {
            bytes = said;
        }
        let range = match text("range") {
            Some(range) => Some(parse_range(range)?),
            None => None,
        };
        let (name, hash) = (text("name")?.to_owned(), text("hash")?.to_owned());
        Some(Self::Object(ObjectEntry { name, hash, bytes, range, is_manifest }))
    }
}

fn parse_range(range: &str) -> Option<(u64, u64)> {
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// The length of a large object that old manifests of manifests tell by its content type.
fn swift_bytes(content_type: &str) -> Option<u64> {
    content_type.rsplit_once(';')?.1.trim_start().strip_prefix("swift_bytes=")?.parse().ok()
}

/// The length and the ETag of the large object that `entries` make.
pub(super) fn size_and_etag(entries: &[Entry]) -> (u64, String) {
    let size = entries.iter().map(Entry::len).fold(0, u64::saturating_add);
    let digest = entries.iter().fold(Md5::new(), |digest, entry| digest.chain_update(entry.digest_text()));
    (size, hex::encode(digest.finalize()))
}

/// The manifest that an answer to its GET holds; the answer that says that it cannot be read.
pub(super) async fn read(body: &mut Body) -> Result<Vec<Entry>, Response> {
    let values = read_values(body).await?;
    values.iter().map(Entry::of).collect::<Option<_>>().ok_or_else(unreadable)
}

async fn read_values(body: &mut Body) -> Result<Vec<Value>, Response> {
    let body = body.read_all(MAX_STORED_BYTES).await.map_err(|error| {
        tracing::error!("Unable to load SLO manifest: {error}");
        unreadable()
    })?;
    serde_json::from_slice(&body).map_err(|error| {
        tracing::error!("Unable to load SLO manifest: {error}");
        unreadable()
    })
}

fn unreadable() -> Response {
    Response::html(500, "Unable to load SLO manifest")
}

/// The manifest in the form that it was PUT in.
pub(super) async fn as_put(body: &mut Body) -> Result<Vec<u8>, Response> {
    let mut values = read_values(body).await?;
    for value in &mut values {
        let Value::Object(stored) = value else { return Err(unreadable()) };
        if !stored.contains_key("data") {
            *stored = as_put_object(std::mem::take(stored));
        }
        stored.sort_keys();
    }
    let mut json = Vec::new();
    push_value(&mut json, &Value::Array(values));
    Ok(json)
}

fn as_put_object(stored: Map<String, Value>) -> Map<String, Value> {
    let renamed = |name: String| match name.as_str() {
        "content_type" | "last_modified" | "sub_slo" => None,
        "name" => Some("path".to_owned()),
        "bytes" => Some("size_bytes".to_owned()),
        "hash" => Some("etag".to_owned()),
        _ => Some(name),
    };
    stored.into_iter().filter_map(|(name, value)| Some((renamed(name)?, value))).collect()
}
