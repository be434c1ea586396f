//! One connection: its requests one after the other.

use super::head::{Refusal, RequestHead};
use super::request::{ConnectionHome, InterimSender, Link, Outbound};
use super::response::{self, Terms};
use super::{ServerOptions, error_answer, proxy_protocol};
use crate::http::wire::incoming::IncomingBody;
use crate::http::wire::reader::{Framing, ReadHeadError, Reader};
use crate::http::wire::writer::Writer;
use crate::http::{Body, Interim, Method, Request, Response, Service};
use futures_util::FutureExt;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// How much of a body that no service wanted is read to keep the connection, in bytes. More costs the
/// connection, as does a client that takes longer than `client_timeout` to send it.
const DRAIN_LIMIT: u64 = 64 << 20;
/// How long the rest of what a client sends is thrown away before its connection is closed: closing with
/// bytes unread would reset it, and the client might never see the answer.
const LINGER: Duration = Duration::from_secs(2);

/// Turns of the runtime in which news that waits at a socket reaches whoever reads it.
const TURNS: usize = 3;

struct Connection<'a> {
    link: Arc<Link>,
    peer: SocketAddr,
    options: &'a ServerOptions,
    service: &'a dyn Service,
    stop: &'a CancellationToken,
}

/// Serves the connection until it ends.
pub(super) async fn run(
    read: impl AsyncRead + Send + Unpin + 'static,
    write: impl AsyncWrite + Send + Unpin + 'static,
    peer: SocketAddr,
    options: &ServerOptions,
    service: &dyn Service,
    stop: &CancellationToken,
) {
    let writer = Writer::new(write, options.client_timeout);
    let outbound = Outbound { writer, awaiting_continue: false, head_sent: false };
    let link = Link { outbound: outbound.into(), returned: None.into() };
    let mut connection = Connection { link: Arc::new(link), peer, options, service, stop };
    let mut reader = Some(Reader::new(read, options.budget.clone(), options.client_timeout));
    if options.require_proxy_protocol {
        reader = connection.proxy_line(reader.take()).await;
    }
    let mut idle_timeout = options.client_timeout;
    while let Some(next) = reader {
        reader = connection.serve_one(next, idle_timeout).await;
        idle_timeout = options.keepalive_timeout.unwrap_or(options.client_timeout);
    }
    connection.link.outbound.lock().await.writer.shutdown().await;
}

/// What an idle connection brought before the server was told to stop, if the two came at once: that is served yet, and
/// nothing that is sent later.
async fn sent_before(reader: &mut Reader) -> Option<std::io::Result<bool>> {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
    reader.wait().now_or_never()
}

impl Connection<'_> {
    async fn proxy_line(&mut self, reader: Option<Reader>) -> Option<Reader> {
        let mut reader = reader?;
        let deadline = Instant::now() + self.options.client_timeout;
        let line = match reader.line(proxy_protocol::MAX_LINE, deadline).await {
            Ok(line) => line,
            Err(ReadHeadError::Head(_)) => Default::default(),
            Err(_) => return None,
        };
        match proxy_protocol::parse(&line, self.peer) {
            Some(client) => {
                self.peer = client;
                Some(reader)
            }
            None => {
                let answer = error_answer::for_proxy_line(&line, &(self.options.new_trans_id)());
                self.refuse(reader, answer).await
            }
        }
    }

    /// Serves the next request; the reader if the connection goes on.
    async fn serve_one(&self, mut reader: Reader, idle_timeout: Duration) -> Option<Reader> {
        if !reader.has_bytes() {
            let arrived = tokio::select! {
                biased;
                arrived = timeout(idle_timeout, reader.wait()) => arrived.ok(),
                () = self.stop.cancelled() => sent_before(&mut reader).await,
            };
            let Some(Ok(true)) = arrived else { return None };
        }
        let deadline = Instant::now() + self.options.client_timeout;
        let head = match reader.head(&self.options.limits, deadline).await {
            Ok(head) => head,
            Err(ReadHeadError::Head(error)) => {
                tracing::info!(client = %self.peer, %error, "request refused");
                let answer = error_answer::for_head_error(&error, &(self.options.new_trans_id)());
                return self.refuse(reader, answer).await;
            }
            Err(error) => {
                tracing::debug!(client = %self.peer, %error, "no request");
                return None;
            }
        };
        match RequestHead::parse(&head, reader.scanner()) {
            Ok(head) => self.answer(reader, head).await,
            Err(refusal) => self.refuse_head(reader, &refusal).await,
        }
    }

    async fn answer(&self, mut reader: Reader, head: RequestHead) -> Option<Reader> {
        let unread = !head.framing.ended();
        if unread && !reader.reserve_for_wait(head.framing.length().unwrap_or(u64::MAX)).await {
            tracing::warn!(client = %self.peer, "no memory for a request's body");
            return self.refuse(reader, error_answer::overloaded()).await;
        }
        {
            let mut outbound = self.link.outbound.lock().await;
            outbound.awaiting_continue = head.expects_continue;
            outbound.head_sent = false;
        }
        let mut terms = Terms {
            head_request: head.method == Method::Head,
            version: head.version,
            keep_alive: head.keep_alive && self.options.keepalive_timeout != Some(Duration::ZERO),
            asked_keep_alive: head.asked_keep_alive,
            keepalive_timeout: self.options.keepalive_timeout,
        };
        let (request, kept) = self.request(reader, head);
        let response = self.call(request).await;
        let unanswered = unread && kept.is_none() && self.link.outbound.lock().await.awaiting_continue;
        // A client that still waits for its 100 may send the body or not: nobody can tell what comes next.
        terms.keep_alive &= !unanswered && !self.stop.is_cancelled();
        let sent = response::send(&self.link, response, terms).await;
        let returned = kept.map(|reader| (reader, Framing::Length(0)));
        let (reader, rest) = returned.or_else(|| self.link.returned.lock().take())?;
        match sent {
            Ok(true) => self.drain(reader, rest).await,
            Ok(false) => {
                if !rest.ended() {
                    self.linger(reader).await;
                }
                None
            }
            Err(error) => {
                tracing::debug!(client = %self.peer, %error, "answer cut short");
                None
            }
        }
    }

    /// The request as the service gets it, and the reader where the body does not need it.
    fn request(&self, mut reader: Reader, head: RequestHead) -> (Request, Option<Reader>) {
        let whole = if head.framing == Framing::Length(0) && head.expects_continue {
            // Reading nothing still sends the 100 that the client waits for.
            None
        } else {
            reader.whole_body(&head.framing)
        };
        let (body, kept) = match whole {
            Some(bytes) => {
                reader.end_body();
                (Body::full(bytes), Some(reader))
            }
            None => {
                let home =
                    ConnectionHome { link: self.link.clone(), expects_continue: head.expects_continue };
                let length = head.framing.length();
                (Body::stream(length, IncomingBody::new(reader, head.framing, home)), None)
            }
        };
        let interim =
            head.expects_continue.then(|| Box::new(InterimSender(self.link.clone())) as Box<dyn Interim>);
        let RequestHead { method, path, query, version, headers, .. } = head;
        (Request { method, path, query, version, headers, body, peer: self.peer, interim }, kept)
    }

    async fn call(&self, request: Request) -> Response {
        // A bug in one request must not take the connection's other requests, or their answers, with it.
        match AssertUnwindSafe(self.service.call(request)).catch_unwind().await {
            Ok(response) => response,
            Err(_) => {
                tracing::error!(client = %self.peer, "the service panicked");
                let mut response = Response::new(500);
                response.headers.set("Connection", "close");
                response
            }
        }
    }

    /// Reads the rest of a body nobody wanted; the reader if the connection can go on.
    async fn drain(&self, mut reader: Reader, mut rest: Framing) -> Option<Reader> {
        let deadline = Instant::now() + self.options.client_timeout;
        let mut drained = 0;
        while !rest.ended() && drained < DRAIN_LIMIT {
            let chunk = timeout_at(deadline, reader.next_chunk(&mut rest)).await;
            match chunk {
                Ok(Ok(Some(chunk))) => drained += chunk.len() as u64,
                Ok(Ok(None)) => break,
                Ok(Err(error)) => {
                    tracing::debug!(client = %self.peer, %error, "bad rest of a request body");
                    return None;
                }
                Err(_) => return None,
            }
        }
        reader.end_body();
        if rest.ended() {
            return Some(reader);
        }
        self.linger(reader).await;
        None
    }

    async fn refuse_head(&self, reader: Reader, refusal: &Refusal) -> Option<Reader> {
        let trans_id = (self.options.new_trans_id)();
        tracing::info!(client = %self.peer, ?refusal, %trans_id, "request refused");
        self.refuse(reader, error_answer::for_refusal(refusal, &trans_id)).await
    }

    async fn refuse(&self, reader: Reader, answer: Vec<u8>) -> Option<Reader> {
        let written = self.link.outbound.lock().await.writer.write([&answer]).await;
        if written.is_ok() {
            self.linger(reader).await;
        }
        None
    }

    async fn linger(&self, mut reader: Reader) {
        self.link.outbound.lock().await.writer.shutdown().await;
        let deadline = Instant::now() + LINGER;
        while let Ok(Ok(Some(_))) = timeout_at(deadline, reader.next_chunk(&mut Framing::UntilClose)).await {}
    }
}
