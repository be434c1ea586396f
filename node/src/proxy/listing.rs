//! JSON listings on their way to the client, for the filters that change what they say.

use crate::http::{Body, BodyError, Response};
use bytes::Bytes;
use serde_json::{Map, Value};
use swiftlet_types::json::push_string;

/// A larger body is no listing: 10,000 names of 1024 bytes, and as much again for the rest of their lines.
pub const MAX_LISTING_BYTES: usize = 1024 * 10_000 * 2;

/// Set to `false` on a listing that has its last form already (`swift.format_listing`); clients never see it.
pub const FORMAT_LISTING: &str = "X-Backend-Format-Listing";

/// What came of reading an answer as a listing.
pub enum Read {
    /// Its entries.
    Entries(Vec<Value>),
    /// It is something else; its body.
    Other(Bytes),
}

/// Takes the body out of `response` and reads it as a listing.
pub async fn read(response: &mut Response) -> Result<Read, BodyError> {
    let body = take_body(response).await?;
    Ok(match serde_json::from_slice(&body) {
        Ok(entries) => Read::Entries(entries),
        Err(_) => Read::Other(body),
    })
}

async fn take_body(response: &mut Response) -> Result<Bytes, BodyError> {
    std::mem::replace(&mut response.body, Body::empty()).read_all(MAX_LISTING_BYTES).await
}

/// Puts `entries` into `response`, its length corrected.
pub fn write(response: &mut Response, entries: Vec<Value>) {
    let mut json = Vec::new();
    push_value(&mut json, &Value::Array(entries));
    response.headers.set_int("Content-Length", json.len());
    response.body = Bytes::from(json).into();
}

/// The listing in `response` after `change` has seen every entry; untouched where no entry's hash has parameters, as in
/// nearly all listings. What is no listing passes; one that breaks off is answered 503.
pub async fn change_hashes(
    mut response: Response,
    mut change: impl FnMut(&mut Map<String, Value>),
) -> Response {
    let body = match take_body(&mut response).await {
        Ok(body) => body,
        Err(error) => {
            tracing::error!("a listing broke off: {error}");
            return Response::standard(503);
        }
    };
    if has_parameters(&body)
        && let Ok(mut entries) = serde_json::from_slice::<Vec<Value>>(&body)
    {
        entries.iter_mut().filter_map(Value::as_object_mut).for_each(&mut change);
        write(&mut response, entries);
        return response;
    }
    response.with_body(body)
}

/// Whether any hash in a JSON listing is followed by parameters. Reading a listing costs far more than this look at its
/// bytes, which may only err on the side of yes: a quote inside a text is escaped, so no name passes for a key.
fn has_parameters(listing: &[u8]) -> bool {
    const KEY: &[u8] = br#""hash""#;
    memchr::memmem::find_iter(listing, KEY).any(|at| {
        let value = listing[at + KEY.len()..].trim_ascii_start();
        let value = value.strip_prefix(b":").unwrap_or_default().trim_ascii_start();
        let text = value.strip_prefix(b"\"").unwrap_or_default();
        text.iter().take_while(|byte| **byte != b'"').any(|byte| matches!(byte, b';' | b'\\'))
    })
}

/// `value` as Python's `json.dumps` writes it, blanks included.
pub fn push_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(text) => push_string(out, text),
        Value::Array(items) => push_between(out, b"[]", items.iter(), push_value),
        Value::Object(items) => push_between(out, b"{}", items.iter(), |out, (name, value)| {
            push_string(out, name);
            out.extend_from_slice(b": ");
            push_value(out, value);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            out.extend_from_slice(value.to_string().as_bytes());
        }
    }
}

fn push_between<T>(
    out: &mut Vec<u8>,
    brackets: &[u8; 2],
    items: impl Iterator<Item = T>,
    push: impl Fn(&mut Vec<u8>, T),
) {
    out.push(brackets[0]);
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        push(out, item);
    }
    out.push(brackets[1]);
}

/// A text with parameters, as listings hold ETags (`hash; symlink_target=c/o`): the text, and its parameters.
pub fn split_parameters(text: &str) -> (&str, Vec<(&str, &str)>) {
    let mut parts = text.split(';');
    let bare = parts.next().unwrap_or_default();
    let pair = |part| {
        let (name, value) = str::split_once(part, '=').unwrap_or((part, ""));
        (name.trim(), value.trim())
    };
    (bare, parts.filter(|part| !part.trim().is_empty()).map(pair).collect())
}

/// The text and its parameters put together again.
pub fn join_parameters<'a>(bare: &str, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let parameters = parameters.into_iter().map(|(name, value)| format!("; {name}={value}"));
    std::iter::once(bare.to_owned()).chain(parameters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn listings_read_and_written_are_pythons() {
        let python = r#"[{"name": "\u00fc", "bytes": 2, "gone": null}, {"subdir": "a/"}]"#;
        let mut response = Response::new(200).with_body(python);
        let Ok(Read::Entries(mut entries)) = read(&mut response).await else { panic!("a listing") };
        assert_eq!(entries[0]["name"], "ü");
        write(&mut response, entries.clone());
        assert_eq!(response.headers.get_str("Content-Length"), Some(python.len().to_string().as_str()));
        assert_eq!(response.body.read_all(1000).await.unwrap(), python);
        entries.truncate(0);
        write(&mut response, entries);
        assert_eq!(response.body.read_all(1000).await.unwrap(), "[]");
        let mut page = Response::html(200, "<html>");
        assert!(matches!(read(&mut page).await, Ok(Read::Other(body)) if body == "<html>"));
        let mut nested = Vec::new();
        push_value(&mut nested, &json!([[], {}, true]));
        assert_eq!(nested, b"[[], {}, true]");
    }

    #[tokio::test]
    async fn only_listings_with_parameters_are_changed() {
        let plain = r#"[{"name":"a; \"hash\": \"x;y","hash":"d41d"},{"subdir":"b/"}]"#;
        let mut same = change_hashes(Response::new(200).with_body(plain), |_| panic!("not looked at")).await;
        assert_eq!(same.body.read_all(1000).await.unwrap(), plain);

        let linked = r#"[{"hash": "d41d; slo_etag=e", "name": "a"}, {"hash" : "0", "name": "b"}]"#;
        let mut seen = Vec::new();
        let change = |entry: &mut Map<String, Value>| {
            seen.push(entry.remove("hash").unwrap());
        };
        let mut changed = change_hashes(Response::new(200).with_body(linked), change).await;
        assert_eq!(changed.headers.get_str("Content-Length"), Some("30"));
        assert_eq!(changed.body.read_all(1000).await.unwrap(), r#"[{"name": "a"}, {"name": "b"}]"#);
        assert_eq!(seen, ["d41d; slo_etag=e", "0"]);

        let page = r#"<p title="hash":"a;b">"#;
        let mut other = change_hashes(Response::html(200, page), |_| panic!("no entries")).await;
        assert_eq!(other.body.read_all(1000).await.unwrap(), page);
    }

    #[test]
    fn parameters() {
        let (hash, parameters) = split_parameters("abc; slo_etag=x;symlink_target=c/o%3B");
        assert_eq!((hash, &parameters[..]), ("abc", &[("slo_etag", "x"), ("symlink_target", "c/o%3B")][..]));
        assert_eq!(join_parameters(hash, parameters), "abc; slo_etag=x; symlink_target=c/o%3B");
        assert_eq!(split_parameters("abc"), ("abc", Vec::new()));
        assert_eq!(split_parameters(";;a"), ("", vec![("a", "")]));
    }
}
