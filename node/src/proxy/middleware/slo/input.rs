//! A manifest as a client PUTs it, and what Swift says of one that cannot be right.

use crate::http::Response;
use crate::http::byte_ranges::{Asked, asked};
use crate::proxy::ranges::Ranges;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde_json::{Map, Value};

/// Base64 as Python reads it: bits left over in the last letter do not matter.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// A segment as the client describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Described {
    /// Bytes for the manifest itself.
    Data(Bytes),
    /// An object, or a part of it.
    Object(DescribedObject),
}

/// A segment that is to be an object, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DescribedObject {
    /// Its path as the client wrote it.
    pub path: String,
    /// The ETag that it must have.
    pub etag: Option<String>,
    /// The length in bytes that it must have; it can only be unequal where it is below zero.
    pub size: Option<i128>,
    /// A range, as the value of a `Range` header.
    pub range: Option<String>,
}

/// Reads a manifest for the object at `own_path` (with version and account, not percent-encoded).
pub(super) fn parse(body: &[u8], own_path: &[u8]) -> Result<Vec<Described>, Response> {
    let bad = |text: &str| Response::html(400, text.to_owned());
    // Python passes over a byte order mark
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let parsed: Value = serde_json::from_slice(body).map_err(|_| bad("Manifest must be valid JSON.\n"))?;
    let Value::Array(items) = parsed else { return Err(bad("Manifest must be a list.\n")) };
    let count = items.len();
    let (mut segments, mut errors) = (Vec::with_capacity(count), Vec::new());
    for (index, item) in items.iter().enumerate() {
        match describe(item, index + 1 == count, own_path) {
            Ok(segment) => segments.push(segment),
            Err(what) => errors.push(format!("Index {index}: {what}\n")),
        }
    }
    // what failed still counts as what it was meant to be
    if count > 0 && items.iter().all(|item| item.get("data").is_some()) {
        errors.push("Inline data segments require at least one object-backed segment.\n".to_owned());
    }
    if errors.is_empty() { Ok(segments) } else { Err(Response::plain(400, errors.concat())) }
}

fn describe(item: &Value, is_last: bool, own_path: &[u8]) -> Result<Described, String> {
    let Value::Object(item) = item else { return Err("not a JSON object".to_owned()) };
    if item.contains_key("data") {
        check_keys(item, &["data"])?;
        return describe_data(item);
    }
    if item.contains_key("path") {
        check_keys(item, &["path", "range", "etag", "size_bytes"])?;
        return describe_object(item, is_last, own_path).map(Described::Object);
    }
    Err("expected keys to include one of 'data' or 'path'".to_owned())
}

fn check_keys(item: &Map<String, Value>, allowed: &[&str]) -> Result<(), String> {
    let mut extraneous: Vec<&String> = item.keys().filter(|key| !allowed.contains(&key.as_str())).collect();
    extraneous.sort();
    if extraneous.is_empty() {
        return Ok(());
    }
    let quoted = extraneous.into_iter().map(|key| {
        let mut out = Vec::new();
        swiftlet_types::json::push_string(&mut out, key);
        String::from_utf8_lossy(&out).into_owned()
    });
    Err(format!("extraneous keys {}", quoted.collect::<Vec<_>>().join(", ")))
}

const TOO_SMALL: &str = "too small; each segment must be at least 1 byte.";

fn describe_data(item: &Map<String, Value>) -> Result<Described, String> {
    let bytes = item.get("data").and_then(Value::as_str).and_then(|text| BASE64.decode(text).ok());
    match bytes {
        None => Err("data must be valid base64".to_owned()),
        Some(bytes) if bytes.is_empty() => Err(TOO_SMALL.to_owned()),
        Some(bytes) => Ok(Described::Data(bytes.into())),
    }
}

fn describe_object(
    item: &Map<String, Value>,
    is_last: bool,
    own_path: &[u8],
) -> Result<DescribedObject, String> {
    let Some(Value::String(path)) = item.get("path") else {
        return Err("\"path\" must be a string".to_owned());
    };
    let etag = match item.get("etag") {
        None | Some(Value::Null) => None,
        Some(Value::String(etag)) => Some(etag.clone()),
        Some(_) => return Err("\"etag\" must be a string or null (if provided)".to_owned()),
    };
    if !path.trim_matches('/').contains('/') {
        return Err(
            "path does not refer to an object. Path must be of the form /container/object.".to_owned()
        );
    }
    let size = match item.get("size_bytes") {
        None | Some(Value::Null) => None,
        Some(value) => Some(whole_number(value).ok_or("invalid size_bytes")?),
    };
    if size.is_some_and(|size| size < 1) && !is_last {
        return Err(TOO_SMALL.to_owned());
    }
    if is_at(own_path, path) {
        return Err("manifest must not include itself as a segment".to_owned());
    }
    let range = item
        .get("range")
        .filter(|range| is_truthy(range))
        .map(|range| parse_range(range, size))
        .transpose()?;
    Ok(DescribedObject { path: path.clone(), etag, size, range })
}

/// What Python's `int` makes of a JSON value.
fn whole_number(value: &Value) -> Option<i128> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(yes) => Some(i128::from(*yes)),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), _, _) => Some(whole.into()),
            (_, Some(whole), _) => Some(whole.into()),
            (_, _, Some(float)) if float.is_finite() => Some(float.trunc() as i128),
            _ => None,
        },
        _ => None,
    }
}

/// Whether `path`, relative to the account of `own_path`, is the manifest itself.
fn is_at(own_path: &[u8], path: &str) -> bool {
    let mut parts = own_path.splitn(4, |b| *b == b'/');
    parts.nth(2);
    parts.next() == Some(path.trim_start_matches('/').as_bytes())
}

fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(items) => !items.is_empty(),
    }
}

fn parse_range(value: &Value, size: Option<i128>) -> Result<String, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err("invalid range".to_owned()),
    };
    let header = format!("bytes={text}");
    let ranges = Ranges::parse(header.as_bytes()).ok_or("invalid range")?;
    if ranges.count() > 1 {
        return Err("multiple ranges (only one allowed)".to_owned());
    }
    let size = size.map(|size| u64::try_from(size).unwrap_or_default());
    match size.is_some_and(|size| asked(Some(header.as_bytes()), size) == Asked::Unsatisfiable) {
        true => Err("unsatisfiable range".to_owned()),
        false => Ok(header),
    }
}
