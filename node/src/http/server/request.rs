//! What a service gets to hold of a connection: the request's body and the way to send 1xx answers.

use crate::http::standard::reason;
use crate::http::wire::chunked::Decoder;
use crate::http::wire::incoming::{Home, IncomingBody};
use crate::http::wire::reader::{Framing, Reader};
use crate::http::wire::writer::Writer;
use crate::http::{Body, BodyError, Headers, Interim};
use async_trait::async_trait;
use std::sync::Arc;

/// What a connection shares with the request it serves.
pub(super) struct Link {
    /// The writing side. Held for one write at a time: request and answer may stream at once.
    pub(super) outbound: tokio::sync::Mutex<Outbound>,
    /// The reading side, once the request's body gave it back, and what of the body is unread.
    pub(super) returned: parking_lot::Mutex<Option<(Reader, Framing)>>,
}

/// The writing side and how far the answer is.
pub(super) struct Outbound {
    pub(super) writer: Writer,
    /// Whether the client waits for a 100 that nobody has sent.
    pub(super) awaiting_continue: bool,
    /// Whether the final answer's head is out; after that nothing interim may go.
    pub(super) head_sent: bool,
}

impl Outbound {
    async fn send_interim(&mut self, status: u16, headers: &Headers) -> Result<(), BodyError> {
        if self.head_sent {
            return Ok(());
        }
        self.awaiting_continue = false;
        let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status)).into_bytes();
        for (name, value) in headers.iter() {
            for part in [name, &b": "[..], value, b"\r\n"] {
                head.extend_from_slice(part);
            }
        }
        head.extend_from_slice(b"\r\n");
        Ok(self.writer.write([&head]).await?)
    }
}

/// Takes a request body's reader back to its connection.
pub(super) struct ConnectionHome {
    pub(super) link: Arc<Link>,
    pub(super) expects_continue: bool,
}

impl Home for ConnectionHome {
    async fn before_first_read(&mut self) -> Result<(), BodyError> {
        if !self.expects_continue {
            return Ok(());
        }
        let mut outbound = self.link.outbound.lock().await;
        if outbound.awaiting_continue { outbound.send_interim(100, &Headers::new()).await } else { Ok(()) }
    }

    fn welcome(&mut self, reader: Reader, rest: Framing) {
        *self.link.returned.lock() = Some((reader, rest));
    }
}

/// [`Interim`] on a connection.
pub(super) struct InterimSender(pub(super) Arc<Link>);

#[async_trait]
impl Interim for InterimSender {
    async fn send(&self, status: u16, headers: Headers) -> Result<(), BodyError> {
        self.0.outbound.lock().await.send_interim(status, &headers).await
    }

    fn next_body(&self) -> Option<Body> {
        let (reader, _) = self
            .0
            .returned
            .lock()
            .take_if(|(_, framing)| matches!(framing, Framing::Chunked(_)) && framing.ended())?;
        let framing = Framing::Chunked(Decoder::new());
        let home = ConnectionHome { link: self.0.clone(), expects_continue: false };
        Some(Body::stream(None, IncomingBody::new(reader, framing, home)))
    }
}
