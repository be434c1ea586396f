//! Sending an answer: its head and framing, then its body as it comes.

use super::request::Link;
use crate::http::Version;
use crate::http::standard::reason;
use crate::http::wire::chunked::LAST_CHUNK;
use crate::http::wire::date;
use crate::http::wire::head::parse_length;
use crate::http::{Body, BodyError, Response};
use bytes::Bytes;
use std::time::Duration;

/// What the request and the connection say about the answer.
pub(super) struct Terms {
    /// Whether the request was a HEAD.
    pub(super) head_request: bool,
    pub(super) version: Version,
    /// Whether the connection may go on, as far as the request is concerned.
    pub(super) keep_alive: bool,
    /// Whether the client asked in words to keep the connection alive.
    pub(super) asked_keep_alive: bool,
    pub(super) keepalive_timeout: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    Nothing,
    Length(u64),
    Chunked,
    UntilClose,
}

/// Sends `response`; whether the connection may serve another request.
pub(super) async fn send(link: &Link, mut response: Response, mut terms: Terms) -> Result<bool, BodyError> {
    let (sending, announced) = plan(&response, &terms);
    let mut first = None;
    if sending != Sending::Nothing {
        first = match response.body.next().await {
            Ok(first) => first,
            Err(error) => {
                tracing::error!(%error, "cannot produce the answer's body");
                terms.keep_alive = false;
                return send_head_only(link, Response::new(500), &terms).await;
            }
        };
    }
    terms.keep_alive &= sending != Sending::UntilClose && !says_close(&response);
    let mut head = Vec::with_capacity(512);
    encode_head(&mut head, &response, &terms, announced, sending == Sending::Chunked);
    let mut body = OutgoingBody { link, sending, head };
    body.write(first.unwrap_or_default(), true).await?;
    if sending != Sending::Nothing {
        body.stream(&mut response.body).await?;
    }
    Ok(terms.keep_alive)
}

async fn send_head_only(link: &Link, response: Response, terms: &Terms) -> Result<bool, BodyError> {
    let mut head = Vec::new();
    encode_head(&mut head, &response, terms, Some(0), false);
    OutgoingBody { link, sending: Sending::Nothing, head }.write(Bytes::new(), true).await?;
    Ok(false)
}

/// How the body goes out, and the Content-Length to announce.
fn plan(response: &Response, terms: &Terms) -> (Sending, Option<u64>) {
    let given = response.headers.get("Content-Length").and_then(parse_length);
    let bodyless = matches!(response.status, 100..=199 | 204 | 304);
    if bodyless {
        return (Sending::Nothing, given);
    }
    if terms.head_request {
        return (Sending::Nothing, given.or(response.body.len()));
    }
    match (response.body.len().or(given), terms.version) {
        (Some(0), _) => (Sending::Nothing, Some(0)),
        (Some(length), _) => (Sending::Length(length), Some(length)),
        (None, Version::Http11) => (Sending::Chunked, None),
        (None, Version::Http10) => (Sending::UntilClose, None),
    }
}

fn says_close(response: &Response) -> bool {
    response.headers.get("Connection").is_some_and(|v| v.eq_ignore_ascii_case(b"close"))
}

fn encode_head(head: &mut Vec<u8>, response: &Response, terms: &Terms, length: Option<u64>, chunked: bool) {
    let mut number = itoa::Buffer::new();
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| head.extend_from_slice(part));
    let phrase = response.reason.as_deref().unwrap_or(reason(response.status).as_bytes());
    put(&[b"HTTP/1.1 ", number.format(response.status).as_bytes(), b" ", phrase, b"\r\n"]);
    let mut dated = false;
    for (name, value) in response.headers.iter() {
        let ours = ["Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive"];
        if ours.iter().any(|n| name.eq_ignore_ascii_case(n.as_bytes())) {
            continue;
        }
        dated |= name.eq_ignore_ascii_case(b"Date");
        put(&[name, b": ", value, b"\r\n"]);
    }
    if let Some(length) = length {
        put(&[b"Content-Length: ", number.format(length).as_bytes(), b"\r\n"]);
    }
    if !dated {
        put(&[b"Date: ", &date::now(), b"\r\n"]);
    }
    if chunked {
        put(&[b"Transfer-Encoding: chunked\r\n"]);
    }
    if !terms.keep_alive {
        put(&[b"Connection: close\r\n"]);
    } else if terms.asked_keep_alive {
        put(&[b"Connection: keep-alive\r\n"]);
        if let Some(seconds) = terms.keepalive_timeout.map(|t| t.as_secs()).filter(|&s| s > 0) {
            put(&[b"Keep-Alive: timeout=", number.format(seconds).as_bytes(), b"\r\n"]);
        }
    }
    put(&[b"\r\n"]);
}

struct OutgoingBody<'a> {
    link: &'a Link,
    sending: Sending,
    /// What is still to go out ahead of the next chunk.
    head: Vec<u8>,
}

impl OutgoingBody<'_> {
    async fn stream(&mut self, body: &mut Body) -> Result<(), BodyError> {
        // A body of known length that is out may still do things at its end, so it is always read to it.
        while let Some(chunk) = body.next().await? {
            self.write(chunk, false).await?;
        }
        match self.sending {
            Sending::Length(missing) if missing > 0 => {
                Err(BodyError::Other(format!("the answer's body is {missing} bytes short")))
            }
            Sending::Chunked => {
                let mut outbound = self.link.outbound.lock().await;
                Ok(outbound.writer.write([&LAST_CHUNK]).await?)
            }
            _ => Ok(()),
        }
    }

    async fn write(&mut self, chunk: Bytes, with_head: bool) -> Result<(), BodyError> {
        if let Sending::Length(left) = &mut self.sending {
            *left = left
                .checked_sub(chunk.len() as u64)
                .ok_or_else(|| BodyError::Other("the answer's body is longer than announced".into()))?;
        }
        let mut outbound = self.link.outbound.lock().await;
        outbound.head_sent |= with_head;
        let head = std::mem::take(&mut self.head);
        match self.sending {
            Sending::Chunked if !chunk.is_empty() => outbound.writer.write_chunk(&head, &chunk).await?,
            _ => outbound.writer.write([&head, &chunk]).await?,
        }
        Ok(())
    }
}
