//! Bodies: known bytes, or a stream of chunks pulled by whoever consumes it (so back-pressure is free).

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use thiserror::Error;

/// Why a body ended before its end.
#[derive(Debug, Error)]
pub enum BodyError {
    /// The peer sent nothing for as long as it may.
    #[error("timed out waiting for {0}")]
    Timeout(&'static str),
    /// The peer closed the connection in the middle.
    #[error("connection closed after {got} bytes")]
    Disconnected {
        /// Bytes of the body that had come.
        got: u64,
    },
    /// The framing was not HTTP (a bad chunk size, say).
    #[error("malformed body: {0}")]
    Malformed(&'static str),
    /// More came than the reader allows.
    #[error("body is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// Reading from its source failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Whatever else produced the body failed.
    #[error("{0}")]
    Other(String),
}

/// A source of body chunks.
#[async_trait]
pub trait BodyStream: Send {
    /// The next chunk (never empty), or `None` at the end. Not called again after the end or an error.
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError>;
}

/// A message body.
pub struct Body {
    kind: Kind,
    length: Option<u64>,
}

enum Kind {
    Full(Bytes),
    /// In a lock that nobody ever takes: so a body, and a request with it, can be shared by reference.
    Stream(Mutex<Box<dyn BodyStream>>),
}

impl Body {
    /// No bytes.
    pub fn empty() -> Self {
        Self::full(Bytes::new())
    }

    /// These bytes.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { length: Some(bytes.len() as u64), kind: Kind::Full(bytes) }
    }

    /// Chunks from `stream`; `length` in bytes where it is known (otherwise it is sent chunked).
    pub fn stream(length: Option<u64>, stream: impl BodyStream + 'static) -> Self {
        Self { kind: Kind::Stream(Mutex::new(Box::new(stream))), length }
    }

    /// The bytes that are still to come, where that is known.
    pub fn len(&self) -> Option<u64> {
        self.length
    }

    /// The bytes that are still to come, where all of them are here.
    pub fn full_bytes(&self) -> Option<&Bytes> {
        match &self.kind {
            Kind::Full(bytes) => Some(bytes),
            Kind::Stream(_) => None,
        }
    }

    /// Whether it is known that nothing (more) comes.
    pub fn is_empty(&self) -> bool {
        self.length == Some(0)
    }

    /// The next chunk, or `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let chunk = match &mut self.kind {
            Kind::Full(bytes) if bytes.is_empty() => None,
            Kind::Full(bytes) => Some(std::mem::take(bytes)),
            Kind::Stream(stream) => stream.get_mut().next().await?,
        };
        if let (Some(length), Some(chunk)) = (&mut self.length, &chunk) {
            *length = length.saturating_sub(chunk.len() as u64);
        }
        Ok(chunk)
    }

    /// The whole body, which may hold at most `limit` bytes.
    pub async fn read_all(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        let too_large = BodyError::TooLarge { limit: limit as u64 };
        if self.length.is_some_and(|n| n > limit as u64) {
            return Err(too_large);
        }
        let Some(first) = self.next().await? else { return Ok(Bytes::new()) };
        let mut all = BytesMut::new();
        let mut next = Some(first);
        while let Some(chunk) = next {
            if all.len() + chunk.len() > limit {
                return Err(too_large);
            }
            next = self.next().await?;
            if next.is_none() && all.is_empty() {
                return Ok(chunk);
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::full(bytes)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::full(text)
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::full(text)
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.length {
            Some(n) => write!(f, "Body({n} bytes)"),
            None => write!(f, "Body(chunked)"),
        }
    }
}
