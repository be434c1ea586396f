//! `proxy_logging`: for every request a line in Swift's access log format, and its figures.
//!
//! It may stand in the pipeline twice: the outer one logs the client's requests, the inner one what other filters
//! ask by themselves. A request that one of them has in hand is left alone by the other.

mod fields;
mod measure;
mod options;
mod template;

use super::{FilterError, Layer, Setup};
use crate::http::{Body, BodyError, BodyStream, Headers, Method, Response, Version};
use crate::proxy::app::{App, LogFields, ProxyRequest};
use async_trait::async_trait;
use bytes::Bytes;
use options::AccessLog;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Instant, SystemTime};
use swiftlet_types::conf::Options;

/// Names the storage policy that a request was about, in a request's or an answer's header.
const POLICY_INDEX: &str = "X-Backend-Storage-Policy-Index";
/// The status logged for a client that went away.
const CLIENT_DISCONNECT: u16 = 499;

struct ProxyLogging {
    next: Arc<dyn App>,
    log: Arc<AccessLog>,
}

/// Reads the section.
pub fn layer(section: &Options, setup: &mut Setup) -> Result<Layer, FilterError> {
    let log = Arc::new(AccessLog::read(section, setup)?);
    Ok(Box::new(|next| Arc::new(ProxyLogging { next, log })))
}

#[async_trait]
impl App for ProxyLogging {
    async fn call(&self, mut request: ProxyRequest) -> Response {
        if std::mem::replace(&mut request.env.log.lock().logged, true) {
            return self.next.call(request).await;
        }
        let mut entry = Entry::of(&request, self.log.clone());
        if !request.http.body.is_empty() {
            let (length, body) =
                (request.http.body.len(), std::mem::replace(&mut request.http.body, Body::empty()));
            request.http.body = Body::stream(length, ReceivedBody { body, transfer: entry.transfer.clone() });
        }
        let mut response = self.next.call(request).await;
        if entry.is_bodyless(response.status) {
            response.announce_unsent();
        }
        entry.answered(&response);
        let body = std::mem::replace(&mut response.body, Body::empty());
        response.body = Body::stream(body.len(), SentBody { body, entry });
        response
    }
}

/// One line to be: what is known of a request. It is written when this is dropped, which is when the answer's
/// body has been sent, or given up.
struct Entry {
    log: Arc<AccessLog>,
    method: Method,
    path: Bytes,
    query: Bytes,
    version: Version,
    headers: Headers,
    peer: SocketAddr,
    trans_id: Arc<str>,
    source: Option<&'static str>,
    fields: Arc<parking_lot::Mutex<LogFields>>,
    transfer: Arc<Transfer>,
    start: SystemTime,
    begun: Instant,
    answer: Option<Answer>,
    bytes_sent: u64,
}

/// What is known of an answer when its header is.
struct Answer {
    status: u16,
    policy_index: Option<Bytes>,
    time_to_first_byte_s: f64,
    /// Bytes of the body that are to be sent, where that is known.
    length: Option<u64>,
    /// Whether the body was sent to its end.
    complete: bool,
    /// Whether the body broke off by our fault.
    failed: bool,
}

/// How much of the request's body came.
#[derive(Default)]
struct Transfer {
    bytes_received: AtomicU64,
    client_disconnected: AtomicBool,
}

impl Entry {
    fn of(request: &ProxyRequest, log: Arc<AccessLog>) -> Self {
        Self {
            log,
            method: request.env.original_method.clone().unwrap_or_else(|| request.http.method.clone()),
            path: request.http.path.clone(),
            query: request.http.query.clone(),
            version: request.env.version,
            headers: request.http.headers.clone(),
            peer: request.http.peer,
            trans_id: request.env.trans_id.clone(),
            source: request.env.source,
            fields: request.env.log.clone(),
            transfer: Arc::default(),
            start: SystemTime::now(),
            begun: Instant::now(),
            answer: None,
            bytes_sent: 0,
        }
    }

    /// Whether an answer of this status is sent without its body.
    fn is_bodyless(&self, status: u16) -> bool {
        self.method == Method::Head || matches!(status, 204 | 304)
    }

    fn answered(&mut self, response: &Response) {
        let policy_index = response.headers.get(POLICY_INDEX).or_else(|| self.headers.get(POLICY_INDEX));
        let is_get = self.method == Method::Get;
        self.answer = Some(Answer {
            status: response.status,
            policy_index: policy_index.map(Bytes::copy_from_slice),
            time_to_first_byte_s: if is_get { self.begun.elapsed().as_secs_f64() } else { 0.0 },
            length: if self.is_bodyless(response.status) { Some(0) } else { response.body.len() },
            complete: false,
            failed: false,
        });
    }

    /// The status for the log: 499 where the client went away, 500 where what answers broke.
    fn status(&self) -> u16 {
        if self.transfer.client_disconnected.load(Ordering::Relaxed) {
            return CLIENT_DISCONNECT;
        }
        match &self.answer {
            None if std::thread::panicking() => 500,
            None => CLIENT_DISCONNECT,
            Some(answer) if answer.failed => 500,
            Some(answer) if answer.complete || answer.length.is_some_and(|n| self.bytes_sent >= n) => {
                answer.status
            }
            Some(_) => CLIENT_DISCONNECT,
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let fields = self.fields.lock();
        let facts = fields::Facts::new(self, &fields);
        self.log.write(&facts);
        self.log.measures.take(&facts);
    }
}

/// The request's body on its way in.
struct ReceivedBody {
    body: Body,
    transfer: Arc<Transfer>,
}

#[async_trait]
impl BodyStream for ReceivedBody {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let next = self.body.next().await;
        match &next {
            Ok(Some(chunk)) => {
                self.transfer.bytes_received.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            }
            Err(BodyError::Disconnected { .. }) => {
                self.transfer.client_disconnected.store(true, Ordering::Relaxed)
            }
            Ok(None) | Err(_) => {}
        }
        next
    }
}

/// The answer's body on its way out.
struct SentBody {
    body: Body,
    entry: Entry,
}

#[async_trait]
impl BodyStream for SentBody {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let next = self.body.next().await;
        if let Ok(Some(chunk)) = &next {
            self.entry.bytes_sent += chunk.len() as u64;
        }
        if let Some(answer) = &mut self.entry.answer {
            answer.complete = matches!(next, Ok(None));
            answer.failed = next.is_err();
        }
        next
    }
}

#[cfg(test)]
mod tests;
