//! One request and its answers on one connection.

use super::response_head::ResponseHead;
use super::{BodyLength, ClientError, Connection, RequestHead, Shared, Timeouts, node_name};
use crate::http::wire::chunked::LAST_CHUNK;
use crate::http::wire::incoming::{Home, IncomingBody};
use crate::http::wire::reader::{Framing, ReadHeadError, Reader};
use crate::http::wire::writer::Writer;
use crate::http::{Body, BodyError, Headers, Method, Response};
use bytes::Bytes;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a node says.
#[derive(Debug)]
pub enum Answer {
    /// A 1xx; more follows.
    Interim {
        /// The status, 100 most likely.
        status: u16,
        /// The fields that came with it.
        headers: Headers,
    },
    /// The final answer.
    Final(Response),
}

/// One request to one node. Dropped before its end, it closes the connection.
///
/// Bodies can be sent and answers read in any order; the final answer's body may be read while the request's
/// is still being sent. The connection returns to the pool once both are over.
pub struct Exchange {
    shared: Arc<Shared>,
    address: (Arc<str>, u16),
    timeouts: Timeouts,
    head: Bytes,
    head_sent: bool,
    to_head: bool,
    length: BodyLength,
    /// Bytes of the body sent so far.
    sent: u64,
    /// Whether the whole request is out.
    finished: bool,
    /// Whether the connection came from the pool, and nothing has come back on it since.
    stale_suspect: bool,
    /// The body, where it went whole in one piece on such a connection: it can be sent again.
    whole_body: Option<Bytes>,
    reader: Option<Reader>,
    writer: Option<Writer>,
    reunion: Arc<Reunion>,
}

impl Exchange {
    pub(super) fn new(
        shared: Arc<Shared>,
        address: (Arc<str>, u16),
        connection: Connection,
        encoded: Bytes,
        length: BodyLength,
        head: &RequestHead<'_>,
        timeouts: &Timeouts,
    ) -> Self {
        let reunion = Reunion { shared: shared.clone(), address: address.clone(), halves: Mutex::default() };
        let mut exchange = Self {
            shared,
            address,
            timeouts: *timeouts,
            head: encoded,
            head_sent: false,
            to_head: *head.method == Method::Head,
            length,
            sent: 0,
            finished: matches!(length, BodyLength::None | BodyLength::Known(0)),
            stale_suspect: false,
            whole_body: None,
            reader: None,
            writer: None,
            reunion: Arc::new(reunion),
        };
        exchange.use_connection(connection);
        exchange
    }

    /// Changes how long each further step may take.
    pub fn set_timeout(&mut self, node: Duration) {
        self.timeouts.node = node;
        self.reader.iter_mut().for_each(|r| r.timeout = node);
        self.writer.iter_mut().for_each(|w| w.timeout = node);
    }

    /// Sends `chunk` of the body (and the head before the first one), waiting while the node does not take it.
    /// After an error the node's answer may still be there to be read.
    pub async fn send(&mut self, chunk: Bytes) -> Result<(), ClientError> {
        if chunk.is_empty() {
            return Ok(());
        }
        let chunked = self.length == BodyLength::Chunked;
        if let BodyLength::Known(length) = self.length
            && self.sent + chunk.len() as u64 > length
        {
            return Err(BodyError::TooLarge { limit: length }.into());
        }
        let head = if self.head_sent { Bytes::new() } else { self.head.clone() };
        let Some(writer) = &mut self.writer else { return Err(self.over()) };
        let written = match chunked {
            true => writer.write_chunk(&head, &chunk).await,
            false => writer.write([&head, &chunk]).await,
        };
        self.head_sent = true;
        self.sent += chunk.len() as u64;
        if self.stale_suspect && self.length == BodyLength::Known(chunk.len() as u64) {
            // Whether it arrived shows when the answer is asked for.
            self.whole_body = Some(chunk);
        } else {
            written.map_err(|error| self.io_error("while sending the body", error))?;
        }
        if self.length == BodyLength::Known(self.sent) {
            self.request_is_out();
        }
        Ok(())
    }

    /// Ends the body. Not needed where its length was known, but never wrong.
    pub async fn finish(&mut self) -> Result<(), ClientError> {
        if self.finished {
            return Ok(());
        }
        if let BodyLength::Known(length) = self.length {
            let short = format!("the body ended after {} of {length} bytes", self.sent);
            return Err(BodyError::Other(short).into());
        }
        let head = if self.head_sent { Bytes::new() } else { self.head.clone() };
        let Some(writer) = &mut self.writer else { return Err(self.over()) };
        let written = writer.write([&head, &LAST_CHUNK]).await;
        self.head_sent = true;
        written.map_err(|error| self.io_error("while ending the body", error))?;
        self.request_is_out();
        Ok(())
    }

    /// Lets another chunked body follow on the one that was finished: in Swift's uploads of two phases the second one
    /// comes after a further 100.
    pub fn begin_another_body(&mut self) {
        self.finished = false;
    }

    /// The next answer, sending the head first where that is not done.
    ///
    /// Where a connection from the pool turns out to be closed, the request is sent again on a fresh one, but
    /// only if no byte of its body was sent, or all of it in one piece.
    pub async fn answer(&mut self) -> Result<Answer, ClientError> {
        loop {
            let outcome = match self.send_head().await {
                Ok(()) => self.read_head().await,
                Err(error) => Err(error.into()),
            };
            match outcome {
                Ok(head) => return self.take_answer(head),
                Err(ReadHeadError::Closed | ReadHeadError::Io(_)) if self.can_send_again() => {
                    let (host, port) = &self.address;
                    let fresh = self.shared.connect(host, *port, &self.timeouts).await?;
                    self.use_connection(fresh);
                }
                Err(error) => return Err(self.head_error(error)),
            }
        }
    }

    /// The final answer; 1xx ones on the way are passed over.
    pub async fn response(&mut self) -> Result<Response, ClientError> {
        loop {
            if let Answer::Final(response) = self.answer().await? {
                return Ok(response);
            }
        }
    }

    fn use_connection(&mut self, connection: Connection) {
        self.stale_suspect = connection.reused;
        self.reader = Some(connection.reader);
        self.writer = Some(connection.writer);
        self.head_sent = false;
        self.set_timeout(self.timeouts.node);
    }

    async fn send_head(&mut self) -> io::Result<()> {
        if self.head_sent {
            return Ok(());
        }
        let writer = self.writer.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        self.head_sent = true;
        match &self.whole_body {
            Some(body) => writer.write([&self.head, body]).await,
            None => writer.write([&self.head]).await,
        }
    }

    fn can_send_again(&self) -> bool {
        self.stale_suspect && (self.sent == 0 || self.whole_body.is_some())
    }

    async fn read_head(&mut self) -> Result<ResponseHead, ReadHeadError> {
        let reader = self.reader.as_mut().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
        let head = reader.head(&self.shared.options.limits, Instant::now() + self.timeouts.node).await?;
        self.stale_suspect = false;
        self.whole_body = None;
        Ok(ResponseHead::parse(&head, reader.scanner())?)
    }

    fn take_answer(&mut self, head: ResponseHead) -> Result<Answer, ClientError> {
        if head.status < 200 {
            return Ok(Answer::Interim { status: head.status, headers: head.headers });
        }
        let framing = head.framing(self.to_head).map_err(|error| self.head_error(error.into()))?;
        let Some(mut reader) = self.reader.take() else { return Err(self.over()) };
        if self.finished {
            self.request_is_out();
        }
        let body = match reader.whole_body(&framing) {
            Some(bytes) => {
                reader.end_body();
                if head.keep_alive {
                    self.reunion.bring(Some(reader), None);
                }
                Body::full(bytes)
            }
            None => {
                let home = PoolHome { reunion: self.reunion.clone(), keep_alive: head.keep_alive };
                Body::stream(framing.length(), IncomingBody::new(reader, framing, home))
            }
        };
        Ok(Answer::Final(Response { status: head.status, reason: head.reason, headers: head.headers, body }))
    }

    /// Notes that nothing more is to be sent; the writer goes back once the final answer has begun.
    fn request_is_out(&mut self) {
        self.finished = true;
        if self.reader.is_none() {
            self.reunion.bring(None, self.writer.take());
        }
    }

    fn node(&self) -> String {
        node_name(&self.address.0, self.address.1)
    }

    fn over(&self) -> ClientError {
        self.io_error("after its end", io::ErrorKind::NotConnected.into())
    }

    fn io_error(&self, doing: &'static str, source: io::Error) -> ClientError {
        match source.kind() {
            io::ErrorKind::TimedOut => ClientError::Timeout { node: self.node(), doing },
            _ => ClientError::Broken { node: self.node(), doing, source },
        }
    }

    fn head_error(&self, error: ReadHeadError) -> ClientError {
        let doing = "before its answer";
        match error {
            ReadHeadError::Closed => self.io_error(doing, io::ErrorKind::UnexpectedEof.into()),
            ReadHeadError::Io(source) => self.io_error(doing, source),
            ReadHeadError::Timeout => ClientError::Timeout { node: self.node(), doing },
            ReadHeadError::Head(what) => ClientError::Malformed { node: self.node(), what: what.to_string() },
        }
    }
}

/// Where both sides of a connection meet again when a request and its answer are over.
struct Reunion {
    shared: Arc<Shared>,
    address: (Arc<str>, u16),
    halves: Mutex<(Option<Reader>, Option<Writer>)>,
}

impl Reunion {
    fn bring(&self, reader: Option<Reader>, writer: Option<Writer>) {
        let whole = {
            let mut halves = self.halves.lock();
            let (old_reader, old_writer) = std::mem::take(&mut *halves);
            match (reader.or(old_reader), writer.or(old_writer)) {
                (Some(reader), Some(writer)) => Some((reader, writer)),
                part => {
                    *halves = part;
                    None
                }
            }
        };
        if let Some((reader, writer)) = whole {
            self.shared.pool.put(&self.address.0, self.address.1, reader, writer);
        }
    }
}

struct PoolHome {
    reunion: Arc<Reunion>,
    keep_alive: bool,
}

impl Home for PoolHome {
    async fn before_first_read(&mut self) -> Result<(), BodyError> {
        Ok(())
    }

    fn welcome(&mut self, reader: Reader, rest: Framing) {
        if self.keep_alive && rest.ended() {
            self.reunion.bring(Some(reader), None);
        }
    }
}
