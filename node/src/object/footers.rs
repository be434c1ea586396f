//! Metadata that follows an object's bytes: a MIME document of JSON, guarded by its MD5.

use super::mime::{MimeError, MimeReader};
use crate::http::{Headers, Response};
use bytes::Bytes;
use md5::{Digest, Md5};
use serde_json::Value;

/// A bound on the document: `[swift-constraints]` allows far less metadata.
const MAX_LEN: usize = 1 << 20;

/// Reads the next part of `parts` as footers.
pub(super) async fn read(parts: &mut MimeReader) -> Result<Headers, Response> {
    let head = parts.next_part().await.map_err(answer)?;
    let head = head.ok_or_else(|| Response::html(400, "couldn't find footer MIME doc"))?;
    let mut json = Vec::new();
    while let Some(chunk) = parts.read().await.map_err(answer)? {
        json.extend_from_slice(&chunk);
        if json.len() > MAX_LEN {
            return Err(Response::html(400, "footer MIME doc too long"));
        }
    }
    let stated = head.get("Content-MD5").ok_or_else(|| Response::html(400, "no Content-MD5 in footer"))?;
    if stated != hex::encode(Md5::digest(&json)).as_bytes() {
        return Err(Response::html(422, "footer MD5 mismatch"));
    }
    parse(&json).ok_or_else(|| Response::html(400, "invalid JSON for footer doc"))
}

/// Python puts WSGI strings into the JSON: one character a byte.
fn parse(json: &[u8]) -> Option<Headers> {
    let Value::Object(fields) = serde_json::from_slice(json).ok()? else { return None };
    let mut headers = Headers::new();
    for (name, value) in fields {
        let value = match value {
            Value::Null => continue,
            Value::String(text) => bytes_of(text),
            other => other.to_string().into(),
        };
        headers.set(bytes_of(name), value);
    }
    Some(headers)
}

fn bytes_of(text: String) -> Bytes {
    if text.is_ascii() {
        return text.into();
    }
    let latin1: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
    latin1.map_or_else(|| text.into(), Bytes::from)
}

/// The answer where an upload cannot be read on.
pub(super) fn answer(error: MimeError) -> Response {
    match error {
        MimeError::Body(error) => super::upload::answer(error),
        MimeError::Malformed(what) => Response::html(400, format!("malformed MIME document: {what}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Body;

    async fn footers(json: &str, md5: &str) -> Result<Headers, u16> {
        let document = format!("--b\r\nContent-MD5: {md5}\r\n\r\n{json}\r\n--b--");
        read(&mut MimeReader::new(Body::full(document), b"b")).await.map_err(|answer| answer.status)
    }

    #[tokio::test]
    async fn footers_are_checked_and_read() {
        let json = r#"{"Etag": "abc", "X-Object-Sysmeta-A": "\u00c3\u00a9", "X-Gone": null, "X-Size": 5}"#;
        let good = hex::encode(Md5::digest(json));
        let headers = footers(json, &good).await.unwrap();
        assert_eq!(headers.get_str("ETag"), Some("abc"));
        assert_eq!(headers.get("X-Object-Sysmeta-A"), Some("é".as_bytes()));
        assert!(!headers.contains("X-Gone"));
        assert_eq!(headers.get_str("X-Size"), Some("5"));
        assert_eq!(footers(json, "0").await.unwrap_err(), 422);
        assert_eq!(footers("[]", &hex::encode(Md5::digest("[]"))).await.unwrap_err(), 400);
    }
}
