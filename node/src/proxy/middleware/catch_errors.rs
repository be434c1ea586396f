//! `catch_errors`: names every request with a transaction id, and turns what breaks further in into an answer.

use super::{FilterError, Layer, Setup};
use crate::http::{Body, BodyError, BodyStream, Method, Response};
use crate::proxy::app::{App, ProxyRequest};
use crate::serve::trans_id;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use swiftlet_types::conf::Options;
use tracing::Instrument;

/// How much of `X-Trans-Id-Extra` a client may add to its transaction id.
const MAX_EXTRA_CHARS: usize = 32;

struct CatchErrors {
    next: Arc<dyn App>,
    trans_id_suffix: String,
}

/// Reads the section.
pub fn layer(section: &Options, _: &mut Setup) -> Result<Layer, FilterError> {
    let trans_id_suffix = section.str_or("trans_id_suffix", "");
    Ok(Box::new(|next| Arc::new(CatchErrors { next, trans_id_suffix })))
}

impl CatchErrors {
    /// An id with the suffixes of configuration and client.
    fn new_trans_id(&self, request: &ProxyRequest) -> String {
        let mut suffix = self.trans_id_suffix.clone();
        if let Some(extra) = request.http.headers.get("X-Trans-Id-Extra").filter(|extra| !extra.is_empty()) {
            suffix.push('-');
            suffix.extend(String::from_utf8_lossy(extra).chars().take(MAX_EXTRA_CHARS));
        }
        trans_id::new(&suffix)
    }
}

#[async_trait]
impl App for CatchErrors {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        let trans_id: Arc<str> = self.new_trans_id(&request).into();
        request.env.trans_id = trans_id.clone();
        let is_head = request.http.method == Method::Head;
        // The links keep no state across a request that a panic could leave half-changed: locks do not poison.
        let answer = AssertUnwindSafe(self.next.call(request)).catch_unwind();
        let span = tracing::info_span!("request", txn = &*trans_id);
        let mut response = match answer.instrument(span).await {
            Ok(response) => with_enforced_length(response, is_head),
            Err(_) => {
                tracing::error!(txn = &*trans_id, "Error: An error occurred");
                Response::plain(500, "An error occurred")
            }
        };
        for name in ["X-Trans-Id", "X-Openstack-Request-Id"] {
            response.headers.set(name, Bytes::copy_from_slice(trans_id.as_bytes()));
        }
        response
    }
}

/// Holds the body to the `Content-Length` that the response announces: a client that waits for more, or finds
/// the rest of this answer where the next one should begin, would be worse off than with a closed connection.
fn with_enforced_length(mut response: Response, is_head: bool) -> Response {
    if is_head || matches!(response.status, 204 | 304) {
        response.announce_unsent();
        response.body = Body::empty();
        return response;
    }
    let announced = response.headers.get_str("Content-Length").and_then(|length| length.parse().ok());
    if let Some(length) = announced
        && response.body.len() != Some(length)
    {
        let body = std::mem::replace(&mut response.body, Body::empty());
        response.body = Body::stream(Some(length), ExactLength { body, left: length });
    }
    response
}

struct ExactLength {
    body: Body,
    /// Bytes still to come.
    left: u64,
}

#[async_trait]
impl BodyStream for ExactLength {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        match self.body.next().await? {
            Some(chunk) if chunk.len() as u64 <= self.left => {
                self.left -= chunk.len() as u64;
                Ok(Some(chunk))
            }
            Some(chunk) => {
                let surplus = chunk.len() as u64 - self.left;
                Err(BodyError::Other(format!("Too many bytes; at least {surplus} surplus bytes remaining")))
            }
            None if self.left > 0 => Err(BodyError::Other(format!("Expected another {} bytes", self.left))),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fake, build, chunked, get, request, text};
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};

    #[tokio::test]
    async fn every_answer_carries_the_transaction_id() {
        let fake = Fake::status(404);
        let (app, _) = build(layer, &[("trans_id_suffix", "-a b")], fake.clone());
        let extra = "x".repeat(40);
        let response = app.call(request(Method::Get, "/v1/a", &[("X-Trans-Id-Extra", &extra)])).await;
        let id = response.headers.get_str("X-Trans-Id").unwrap().to_owned();
        assert_eq!(response.headers.get_str("X-Openstack-Request-Id"), Some(id.as_str()));
        assert_eq!(&*fake.requests()[0].env.trans_id, id);
        assert_eq!(id.len(), 2 + 21 + 1 + 10 + "-a%20b-".len() + 32);
        assert!(id.starts_with("tx") && id[2..23].bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        assert!(id[34..].starts_with("-a%20b-xxx"), "{id}");
        let second = u64::from_str_radix(&id[24..34], 16).unwrap();
        assert!(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - second < 5);
    }

    #[tokio::test]
    async fn a_panic_is_a_500() {
        let (app, _) = build(layer, &[], Fake::new(|_| panic!("a test's own")));
        let response = app.call(get("/v1/a")).await;
        assert!(response.headers.contains("X-Trans-Id"));
        assert_eq!(text(response).await, (500, "An error occurred".to_owned()));
    }

    #[tokio::test]
    async fn the_body_is_held_to_the_announced_length() {
        let answer = |length: &'static str| {
            let fake = Fake::new(move |_| {
                Response::new(200).with("Content-Length", length).with_body(chunked(&["ab", "cd"]))
            });
            build(layer, &[], fake).0
        };
        assert_eq!(text(answer("4").call(get("/")).await).await.1, "abcd");
        let mut short = answer("5").call(get("/")).await;
        assert!(short.body.read_all(100).await.unwrap_err().to_string().contains("Expected another 1 bytes"));
        let mut long = answer("3").call(get("/")).await;
        assert!(long.body.read_all(100).await.unwrap_err().to_string().contains("1 surplus"));
        let mut head = answer("4").call(request(Method::Head, "/", &[])).await;
        assert_eq!(head.body.read_all(100).await.unwrap(), "");
        assert_eq!(head.headers.get("Content-Length"), Some(&b"4"[..]));
    }

    #[tokio::test]
    async fn what_is_not_sent_has_a_length_all_the_same() {
        let length = |method, answer: fn() -> Response| async move {
            let (app, _) = build(layer, &[], Fake::new(move |_| answer()));
            let response = app.call(request(method, "/", &[])).await;
            response.headers.get_str("Content-Length").map(str::to_owned)
        };
        assert_eq!(length(Method::Head, || Response::plain(200, "OK")).await.as_deref(), Some("2"));
        assert_eq!(length(Method::Head, || Response::standard(404)).await.as_deref(), Some("0"));
        assert_eq!(length(Method::Delete, || Response::new(204)).await.as_deref(), Some("0"));
        assert_eq!(length(Method::Get, || Response::new(304)).await.as_deref(), Some("0"));
        assert_eq!(length(Method::Get, || Response::plain(200, "OK")).await, None);
    }
}
