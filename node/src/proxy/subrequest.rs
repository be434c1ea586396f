//! Requests that a middleware makes of its own to answer a client's, to the links after it.
//!
//! A sub-request carries of the client's header only what tells who asks and from where; whatever else is needed its
//! maker sets. It asks the query of the client's again unless its path brings one (`make_subrequest`).

use super::app::{Env, ProxyRequest};
use crate::http::{Body, BodyError, BodyStream, Method, Request, Response};
use async_trait::async_trait;
use bytes::Bytes;

/// Fields of the client's that every sub-request has.
const INHERITED: [&str; 6] =
    ["Host", "Origin", "Access-Control-Request-Method", "X-User-Id", "X-Project-Id", "Referer"];

/// A body of an answer that is thrown away is read up to so many bytes, so that its connection can be kept.
const MAX_DRAINED_BYTES: usize = 64 * 1024;

/// A sub-request with the client's rights: it is authorized anew. `path` is not percent-encoded.
pub fn with_same_rights(
    client: &ProxyRequest,
    method: Method,
    path: impl Into<Bytes>,
    source: &'static str,
) -> ProxyRequest {
    beside(client, method, path.into(), client.env.subrequest(source))
}

/// A sub-request that acts for the client: with its token, without its query, and `agent` behind its own user agent.
pub fn for_client(
    client: &ProxyRequest,
    method: Method,
    path: impl Into<Bytes>,
    agent: &str,
    source: &'static str,
) -> ProxyRequest {
    let mut request = with_same_rights(client, method, path, source);
    request.http.query = Bytes::new();
    let own = client.http.headers.get("User-Agent").unwrap_or_default();
    let both = [own, b" ", agent.as_bytes()].concat();
    request.http.headers.set("User-Agent", both.trim_ascii().to_vec());
    if let Some(token) = client.http.headers.get("X-Auth-Token") {
        request.http.headers.set("X-Auth-Token", token.to_vec());
    }
    request
}

/// A sub-request with every right (`make_pre_authed_request`).
pub fn with_every_right(
    client: &ProxyRequest,
    method: Method,
    path: impl Into<Bytes>,
    source: &'static str,
) -> ProxyRequest {
    beside(client, method, path.into(), client.env.pre_authed(source))
}

fn beside(client: &ProxyRequest, method: Method, path: Bytes, env: Env) -> ProxyRequest {
    let mut http = Request::new(method, path);
    http.query = client.http.query.clone();
    http.peer = client.http.peer;
    http.headers.set("User-Agent", "Swift");
    for name in INHERITED {
        if let Some(value) = client.http.headers.get(name) {
            http.headers.set(name, value.to_vec());
        }
    }
    ProxyRequest { http, env }
}

/// The same request once more, without its body: for one that must be asked in more than one place.
pub fn again(request: &ProxyRequest) -> ProxyRequest {
    let mut http = Request::new(request.http.method.clone(), request.http.path.clone());
    http.query = request.http.query.clone();
    http.headers = request.http.headers.clone();
    http.peer = request.http.peer;
    ProxyRequest { http, env: request.env.clone() }
}

/// Reads to its end, where that is near, an answer that is not passed on.
pub async fn drain(mut response: Response) {
    // a body that is long or breaks off ends with its connection
    let _ = response.body.read_all(MAX_DRAINED_BYTES).await;
}

/// The body of an answer as that of a PUT: a source that breaks off is not the client going away.
pub struct SourceBody(pub Body);

#[async_trait]
impl BodyStream for SourceBody {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        self.0.next().await.map_err(|error| BodyError::Other(format!("reading what is copied: {error}")))
    }
}

/// What of `response` is the object's, as the body of a PUT of `length` bytes.
pub fn body_of(response: &mut Response, length: u64) -> Body {
    let source = std::mem::replace(&mut response.body, Body::empty());
    Body::stream(Some(length), SourceBody(source))
}

/// How many bytes the body of `response` has, by its framing or by its header.
pub fn length_of(response: &Response) -> Option<u64> {
    let told = || response.headers.get_str("Content-Length")?.parse().ok();
    response.body.len().filter(|length| *length > 0).or_else(told).or(response.body.len())
}

#[cfg(test)]
mod tests {
    use super::super::middleware::tests::request;
    use super::*;

    #[test]
    fn tells_who_asks_and_nothing_more() {
        let headers = [("Host", "h"), ("X-Auth-Token", "secret"), ("Range", "bytes=0-1"), ("Origin", "o")];
        let mut client = request(Method::Put, "/v1/a/c/o?version-id=1", &headers);
        client.env.remote_user = Some("me".into());
        let mine = with_same_rights(&client, Method::Head, "/v1/a/d/p", "XX");
        let names: Vec<_> = mine.http.headers.iter().map(|(n, _)| String::from_utf8_lossy(n)).collect();
        assert_eq!(names, ["User-Agent", "Host", "Origin"]);
        assert_eq!((&mine.http.path[..], &mine.http.query[..]), (&b"/v1/a/d/p"[..], &b"version-id=1"[..]));
        assert_eq!((mine.env.source, mine.env.remote_user.as_deref()), (Some("XX"), Some("me")));
        assert!(!mine.env.authorize_override);
        assert!(with_every_right(&client, Method::Head, "/", "XX").env.authorize_override);
    }

    #[tokio::test]
    async fn bodies_move_from_answers_to_requests() {
        let mut answer = Response::new(200).with("Content-Length", "3").with_body("abc");
        assert_eq!(length_of(&answer), Some(3));
        let mut body = body_of(&mut answer, 3);
        assert_eq!((body.len(), body.read_all(10).await.unwrap()), (Some(3), "abc".into()));
        let head = Response::new(200).with("Content-Length", "7");
        assert_eq!(length_of(&head), Some(7), "a HEAD has no body, but tells of one");
    }
}
