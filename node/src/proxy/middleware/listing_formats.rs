//! `listing_formats`: asks what is further in for JSON, and gives clients the text, XML or JSON they want.

use super::{FilterError, Layer, Setup};
use crate::http::headers::has_prefix;
use crate::http::{Body, Headers, Method, Response};
use crate::proxy::app::{App, ProxyRequest};
use crate::proxy::listing::{FORMAT_LISTING, MAX_LISTING_BYTES};
use crate::proxy::query::Params;
use async_trait::async_trait;
use bytes::Bytes;
use serde::Deserialize;
use std::sync::Arc;
use swiftlet_types::Constraints;
use swiftlet_types::accept::best_match;
use swiftlet_types::conf::{Options, is_true};
use swiftlet_types::listing::{
    AccountEntry, ContainerEntry, Entry, RESERVED, account_to_xml, container_to_xml, to_text,
};
use swiftlet_types::names::split_path;

const CONTENT_TYPES: [&str; 4] = ["text/plain", "application/json", "application/xml", "text/xml"];

struct ListingFormats {
    next: Arc<dyn App>,
    constraints: Arc<Constraints>,
}

/// It has no options.
pub fn layer(_: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let constraints = setup.constraints.clone();
    Ok(Box::new(|next| Arc::new(ListingFormats { next, constraints })))
}

/// Whose listing a request asks for.
struct Target {
    account: String,
    container: Option<String>,
}

impl ListingFormats {
    fn target(&self, request: &ProxyRequest) -> Option<Target> {
        if !matches!(request.http.method, Method::Get | Method::Head) {
            return None;
        }
        let segments = split_path(&request.http.path, 2, 3, false)?;
        let (version, names) = segments.split_first()?;
        if !self.constraints.valid_api_versions.iter().any(|valid| valid.as_bytes() == *version) {
            return None;
        }
        let name = |name: &&[u8]| String::from_utf8_lossy(name).into_owned();
        Some(Target { account: names.first().map(name)?, container: names.get(1).map(name) })
    }
}

#[async_trait]
impl App for ListingFormats {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        let Some(target) = self.target(&request) else { return self.next.call(request).await };
        let mut params = Params::parse(&request.http.query);
        let content_type = match content_type(params.get("format"), &request.http.headers) {
            Ok(content_type) => content_type,
            Err(refusal) => return refusal,
        };
        if params.get("format").is_some_and(|format| !format.is_empty()) {
            // what is further in and has a form of its own can refuse another
            request.http.headers.set("Accept", content_type);
        }
        let may_vary = params.get("format").is_none();
        params.set(b"format", "json");
        request.http.query = params.to_query();
        request.env.log.lock().rewritten_query = Some(request.http.query.clone());
        let is_head = request.http.method == Method::Head;
        let allow_reserved =
            request.http.headers.get_str("X-Backend-Allow-Reserved-Names").is_some_and(is_true);

        let mut response = self.next.call(request).await;
        let is_final = response.headers.remove(FORMAT_LISTING).is_some_and(|format| format == "false");
        if is_final || !matches!(response.status, 200 | 204) {
            return response;
        }
        if may_vary {
            vary_by_accept(&mut response.headers);
        }
        if !response.headers.get("Content-Type").is_some_and(is_json) {
            return response;
        }
        if is_head {
            response.headers.set("Content-Type", format!("{content_type}; charset=utf-8"));
            response.headers.set("Content-Length", "0");
            response.body = Body::empty();
            return response;
        }
        convert(response, &target, content_type, allow_reserved).await
    }
}

/// The content type that a client wants: by `format`, which wins, or by `Accept`.
fn content_type(format: Option<&[u8]>, headers: &Headers) -> Result<&'static str, Response> {
    let accept = match format.map(std::str::from_utf8) {
        Some(Err(_)) => return Err(Response::plain(400, "\"format\" parameter not valid UTF-8")),
        Some(Ok("")) | None => headers.get("Accept").unwrap_or_default(),
        Some(Ok(format)) => match format.to_lowercase().as_str() {
            "json" => &b"application/json"[..],
            "xml" => b"application/xml",
            _ => b"text/plain",
        },
    };
    match std::str::from_utf8(accept).map(|accept| best_match(accept, &CONTENT_TYPES)) {
        Ok(Ok(Some(content_type))) => Ok(content_type),
        Ok(Ok(None)) => Err(Response::standard(406)),
        Ok(Err(_)) | Err(_) => Err(Response::html(400, "Invalid Accept header")),
    }
}

fn is_json(content_type: &[u8]) -> bool {
    const JSON: &str = "application/json";
    has_prefix(content_type, JSON) && matches!(content_type.get(JSON.len()), None | Some(b';'))
}

fn vary_by_accept(headers: &mut Headers) {
    let vary = match headers.get("Vary") {
        None => Bytes::from_static(b"Accept"),
        Some(vary) if vary.split(|b| *b == b',').any(|v| v.trim_ascii().eq_ignore_ascii_case(b"accept")) => {
            return;
        }
        Some(vary) => [vary, b", Accept"].concat().into(),
    };
    headers.set("Vary", vary);
}

/// The listing in `response` as `content_type`; what turns out to be none is passed on as it is.
async fn convert(
    mut response: Response,
    target: &Target,
    content_type: &str,
    allow_reserved: bool,
) -> Response {
    let length = response.body.len().or_else(|| response.headers.get_str("Content-Length")?.parse().ok());
    if length.is_none_or(|length| length > MAX_LISTING_BYTES as u64) {
        return response;
    }
    let json = match response.body.read_all(MAX_LISTING_BYTES).await {
        Ok(json) => json,
        Err(error) => {
            tracing::error!("a listing of {} broke off: {error}", target.account);
            return Response::standard(503);
        }
    };
    let listing = match &target.container {
        None => formatted::<AccountEntry<'_>>(&json, content_type, allow_reserved, target),
        Some(_) => formatted::<ContainerEntry<'_>>(&json, content_type, allow_reserved, target),
    };
    let Some(listing) = listing else { return response.with_body(json) };
    if listing.is_empty() {
        response.status = 204;
        response.reason = None;
    }
    response.headers.set("Content-Type", format!("{content_type}; charset=utf-8"));
    response.headers.set_int("Content-Length", listing.len());
    response.with_body(listing)
}

/// A kind of listing that has an XML form.
trait Listing<'a>: Entry + Deserialize<'a> + serde::Serialize {
    fn to_xml(target: &Target, entries: &[Self]) -> String;
}

impl<'a> Listing<'a> for AccountEntry<'a> {
    fn to_xml(target: &Target, entries: &[Self]) -> String {
        account_to_xml(&target.account, entries)
    }
}

impl<'a> Listing<'a> for ContainerEntry<'a> {
    fn to_xml(target: &Target, entries: &[Self]) -> String {
        container_to_xml(target.container.as_deref().unwrap_or_default(), entries)
    }
}

/// The entries in `json` as `content_type`; `None` where it holds something else.
fn formatted<'a, T: Listing<'a>>(
    json: &'a Bytes,
    content_type: &str,
    allow_reserved: bool,
    target: &Target,
) -> Option<Bytes> {
    // How JSON spells the reserved byte: where it is not to be found, there is nothing to hide.
    let nothing_to_hide = allow_reserved || memchr::memmem::find(json, b"\\u0000").is_none();
    if content_type == "application/json" && nothing_to_hide {
        return Some(json.clone());
    }
    let mut entries: Vec<T> = serde_json::from_slice(json).ok()?;
    if !nothing_to_hide {
        entries.retain(|entry| {
            let reserved = entry.name().contains(RESERVED);
            if reserved {
                tracing::warn!("Listing for {} had reserved byte in {:?}", target.account, entry.name());
            }
            !reserved
        });
    }
    Some(match content_type {
        "application/json" => serde_json::to_vec(&entries).ok()?.into(),
        "text/plain" => to_text(&entries).into(),
        _ => T::to_xml(target, &entries).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fake, build, request, text};
    use super::*;

    const ACCOUNT: &str = r#"[{"name": "c\u00fc", "count": 1, "bytes": 2, "last_modified": "2014-01-01T00:00:00.000000"}, {"subdir": "d/"}]"#;
    const CONTAINER: &str =
        r#"[{"name": "o", "hash": "h", "bytes": 2, "content_type": "a/b", "last_modified": "l"}]"#;

    fn listing(json: &'static str) -> Arc<dyn App> {
        let fake = Fake::new(move |request| {
            assert!(request.http.query.ends_with(b"format=json"));
            Response::new(200).with("Content-Type", "application/json; charset=utf-8").with_body(json)
        });
        build(layer, &[], fake).0
    }

    async fn ask(app: &Arc<dyn App>, path: &str, accept: &str) -> (u16, String, String, Option<String>) {
        let headers: &[(&str, &str)] = if accept.is_empty() { &[] } else { &[("Accept", accept)] };
        let response = app.call(request(Method::Get, path, headers)).await;
        let field = |name| response.headers.get_str(name).map(str::to_owned);
        let (content_type, vary) = (field("Content-Type").unwrap_or_default(), field("Vary"));
        let (status, body) = text(response).await;
        (status, content_type, body, vary)
    }

    #[tokio::test]
    async fn text_xml_and_json() {
        let app = listing(ACCOUNT);
        let vary = Some("Accept".to_owned());
        let plain = (200, "text/plain; charset=utf-8".to_owned(), "cü\nd/\n".to_owned(), vary.clone());
        assert_eq!(ask(&app, "/v1/a", "").await, plain);
        let json = (200, "application/json; charset=utf-8".to_owned(), ACCOUNT.to_owned(), vary);
        assert_eq!(ask(&app, "/v1/a/", "application/json").await, json);
        let (_, content_type, xml, vary) = ask(&app, "/v1/a?format=xml", "application/json").await;
        assert_eq!((content_type.as_str(), vary), ("application/xml; charset=utf-8", None), "format wins");
        assert!(xml.contains("<container><name>cü</name><count>1</count>"), "{xml}");
        let (_, content_type, xml, _) = ask(&listing(CONTAINER), "/v1/a/c", "text/xml").await;
        assert_eq!(content_type, "text/xml; charset=utf-8");
        assert!(xml.contains("<container name=\"c\"><object><name>o</name><hash>h</hash>"), "{xml}");
    }

    #[tokio::test]
    async fn empty_text_is_204_other_forms_are_not() {
        let app = listing("[]");
        assert_eq!(ask(&app, "/v1/a/c", "").await.0, 204);
        assert_eq!(ask(&app, "/v1/a/c", "application/json").await.0, 200);
        assert_eq!(ask(&app, "/v1/a?format=xml", "").await.0, 200);
    }

    #[tokio::test]
    async fn refuses_what_it_cannot_give() {
        let app = listing("[]");
        assert_eq!(ask(&app, "/v1/a", "image/png").await.0, 406);
        assert_eq!(ask(&app, "/v1/a", "nonsense").await.0, 400);
        assert_eq!(ask(&app, "/v1/a?format=%FF", "").await.0, 400);
        assert_eq!(ask(&app, "/v1/a?format=odd", "image/png").await.1, "text/plain; charset=utf-8");
    }

    #[tokio::test]
    async fn reserved_names_are_hidden_unless_allowed() {
        let json = r#"[{"name": "\u0000v", "hash": "h", "bytes": 2, "content_type": "a/b", "last_modified": "l"}, {"subdir": "d/"}]"#;
        let app = listing(json);
        assert_eq!(ask(&app, "/v1/a/c", "").await.2, "d/\n");
        assert_eq!(ask(&app, "/v1/a/c", "application/json").await.2, r#"[{"subdir":"d/"}]"#);
        let allowed = request(Method::Get, "/v1/a/c", &[("X-Backend-Allow-Reserved-Names", "true")]);
        assert_eq!(text(app.call(allowed).await).await.1, "\0v\nd/\n");
    }

    #[tokio::test]
    async fn what_is_no_listing_is_left_alone() {
        let page = Fake::new(|_| Response::html(200, "<html>"));
        let (app, _) = build(layer, &[], page);
        let (status, content_type, body, _) = ask(&app, "/v1/a/c", "").await;
        assert_eq!(
            (status, content_type.as_str(), body.as_str()),
            (200, "text/html; charset=UTF-8", "<html>")
        );
        assert_eq!(ask(&listing("[{\"x\": 1}]"), "/v1/a/c", "").await.2, "[{\"x\": 1}]");

        let fake = Fake::new(|_| Response::new(204).with("Content-Type", "application/json; charset=utf-8"));
        let (app, _) = build(layer, &[], fake.clone());
        let head = app.call(request(Method::Head, "/v1/a", &[])).await;
        assert_eq!(head.headers.get_str("Content-Type"), Some("text/plain; charset=utf-8"));
        for path in ["/v1/a/c/o", "/v3/a", "/healthcheck"] {
            app.call(request(Method::Get, path, &[])).await;
        }
        let seen = fake.requests();
        assert_eq!(seen.iter().map(|r| r.query.as_str()).collect::<Vec<_>>(), ["format=json", "", "", ""]);
    }
}
