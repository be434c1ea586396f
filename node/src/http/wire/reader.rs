//! Buffered reading of a connection: heads into one buffer, bodies in chunks that the budget pays for.

use super::chunked::{Decoder, Step};
use super::head::{HeadError, HeadScanner};
use crate::http::budget::Share;
use crate::http::{BodyError, Budget, Limits};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use std::io;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout, timeout_at};

/// What is reserved for reading a head, in bytes: with a small body behind it, it arrives in one read.
const HEAD_BUFFER: usize = 16 << 10;
/// The most body bytes one read takes.
const BODY_BUFFER: usize = 64 << 10;

/// What is reserved while a body's next bytes are waited for: however many peers are slow, they hold little.
const IDLE_BUFFER: usize = 4 << 10;

/// Where a body ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After so many more bytes.
    Length(u64),
    /// Where the chunked coding says.
    Chunked(Decoder),
    /// Where the connection does (responses only).
    UntilClose,
}

impl Framing {
    /// Whether the body's end has been read.
    pub(crate) fn ended(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(decoder) => decoder.ended(),
            Self::UntilClose => false,
        }
    }

    /// The bytes still to come, where that is known.
    pub(crate) fn length(&self) -> Option<u64> {
        if let Self::Length(left) = self { Some(*left) } else { None }
    }
}

/// Why no head came.
#[derive(Debug, Error)]
pub(crate) enum ReadHeadError {
    /// The peer closed the connection before the first byte.
    #[error("connection closed")]
    Closed,
    /// The peer closed the connection in the middle, or it broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It took too long.
    #[error("timed out")]
    Timeout,
    /// It is none.
    #[error(transparent)]
    Head(#[from] HeadError),
}

/// The reading side of a connection.
pub(crate) struct Reader {
    io: Box<dyn AsyncRead + Send + Unpin>,
    buf: BytesMut,
    budget: Budget,
    share: Share,
    scanner: HeadScanner,
    /// How long one read of a body may take.
    pub(crate) timeout: Duration,
}

impl Reader {
    pub(crate) fn new(
        io: impl AsyncRead + Send + Unpin + 'static,
        budget: Budget,
        timeout: Duration,
    ) -> Self {
        Self {
            io: Box::new(io),
            buf: BytesMut::new(),
            budget,
            share: Share::default(),
            scanner: HeadScanner::default(),
            timeout,
        }
    }

    /// Whether bytes of the next message are here already.
    pub(crate) fn has_bytes(&self) -> bool {
        !self.buf.is_empty()
    }

    /// Whether the peer has neither sent anything nor closed the connection, as far as is known without waiting.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.buf.is_empty() && self.io.read(&mut [0; 1]).now_or_never().is_none()
    }

    /// Waits until at least one byte of the next head is here. `false`: the peer closed the connection.
    pub(crate) async fn wait(&mut self) -> io::Result<bool> {
        while self.buf.is_empty() {
            if self.read_some(HEAD_BUFFER).await? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads a whole head until `deadline`; then [`Self::scanner`] knows its lines.
    pub(crate) async fn head(&mut self, limits: &Limits, deadline: Instant) -> Result<Bytes, ReadHeadError> {
        self.scanner.reset();
        loop {
            if let Some(length) = self.scanner.scan(&self.buf, limits)? {
                return Ok(self.buf.split_to(length).freeze());
            }
            let read = timeout_at(deadline, self.read_some(HEAD_BUFFER)).await;
            match read.map_err(|_| ReadHeadError::Timeout)?? {
                0 if self.buf.is_empty() => return Err(ReadHeadError::Closed),
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                _ => {}
            }
        }
    }

    /// The lines of the head that [`Self::head`] read last.
    pub(crate) fn scanner(&self) -> &HeadScanner {
        &self.scanner
    }

    /// Reads one line of at most `limit` bytes, its line end included.
    pub(crate) async fn line(&mut self, limit: usize, deadline: Instant) -> Result<Bytes, ReadHeadError> {
        loop {
            let seen = &self.buf[..self.buf.len().min(limit)];
            if let Some(end) = memchr::memchr(b'\n', seen) {
                return Ok(self.buf.split_to(end + 1).freeze());
            }
            if seen.len() == limit {
                return Err(HeadError::FirstLineTooLong.into());
            }
            let read = timeout_at(deadline, self.read_some(HEAD_BUFFER)).await;
            if read.map_err(|_| ReadHeadError::Timeout)?? == 0 {
                return Err(ReadHeadError::Closed);
            }
        }
    }

    /// The whole body where it is in the buffer already.
    pub(crate) fn whole_body(&mut self, framing: &Framing) -> Option<Bytes> {
        let length = usize::try_from(framing.length()?).ok()?;
        (length <= self.buf.len()).then(|| self.buf.split_to(length).freeze())
    }

    /// The next bytes of a body, `None` at its end.
    pub(crate) async fn next_chunk(&mut self, framing: &mut Framing) -> Result<Option<Bytes>, BodyError> {
        loop {
            let expected = match framing {
                Framing::Length(0) => return Ok(None),
                Framing::Length(left) if !self.buf.is_empty() => {
                    let here = (*left).min(self.buf.len() as u64);
                    *left -= here;
                    return Ok(Some(self.take(here as usize)));
                }
                Framing::Length(left) => *left,
                Framing::UntilClose if !self.buf.is_empty() => return Ok(Some(self.take(self.buf.len()))),
                Framing::UntilClose => BODY_BUFFER as u64,
                Framing::Chunked(decoder) => {
                    match decoder.step(&mut self.buf).map_err(BodyError::Malformed)? {
                        Step::End => return Ok(None),
                        Step::Data(n) => return Ok(Some(self.take(n))),
                        Step::More(0) => BODY_BUFFER as u64,
                        Step::More(left) => left.saturating_add(16),
                    }
                }
            };
            if self.fill(expected.min(BODY_BUFFER as u64) as usize).await? == 0 {
                if *framing == Framing::UntilClose {
                    *framing = Framing::Length(0);
                    return Ok(None);
                }
                return Err(BodyError::Disconnected { got: 0 });
            }
        }
    }

    /// Takes the budget's share for the first of `size` bytes ahead of waiting for them; whether there was one in time.
    pub(crate) async fn reserve_for_wait(&mut self, size: u64) -> bool {
        self.reserve(size.min(IDLE_BUFFER as u64) as usize, self.timeout).await
    }

    async fn reserve(&mut self, size: usize, patience: Duration) -> bool {
        let missing = size.saturating_sub(self.share.size());
        if missing > 0 {
            let Some(more) = self.budget.take(missing, patience).await else { return false };
            self.share.merge(more);
        }
        true
    }

    /// Gives back what was reserved and not read, so that an idle connection holds nothing.
    pub(crate) fn end_body(&mut self) {
        self.share = Share::default();
        if self.buf.is_empty() && self.buf.capacity() > HEAD_BUFFER {
            self.buf = BytesMut::new();
        }
    }

    /// Reads up to `size` bytes; 0 at the end.
    async fn fill(&mut self, size: usize) -> Result<usize, BodyError> {
        let size = self.budget.portion(size);
        if !self.reserve(self.buf.len() + size, self.timeout).await {
            return Err(BodyError::Timeout("memory for the body"));
        }
        if let Some(read) = self.read_some(size).now_or_never() {
            return Ok(read?);
        }
        let waiting = size.min(IDLE_BUFFER);
        self.share.split(self.share.size().saturating_sub(self.buf.len() + waiting));
        if self.buf.is_empty() {
            self.buf = BytesMut::new();
        }
        let patience = self.timeout;
        let read = timeout(patience, self.read_some(waiting)).await;
        let first = read.map_err(|_| BodyError::Timeout("the body"))??;
        if first < waiting || first >= size {
            return Ok(first);
        }
        // The rest of what came, so that one piece is passed on and not two.
        let more = self.budget.portion(size - first);
        if !self.reserve(self.buf.len() + more, Duration::ZERO).await {
            return Ok(first);
        }
        let rest = self.read_some(more).now_or_never().transpose()?;
        Ok(first + rest.unwrap_or(0))
    }

    async fn read_some(&mut self, size: usize) -> io::Result<usize> {
        if self.buf.capacity() - self.buf.len() < size.min(2048) || self.buf.is_empty() {
            self.buf.reserve(size);
        }
        self.io.read_buf(&mut self.buf).await
    }

    fn take(&mut self, length: usize) -> Bytes {
        let bytes = self.buf.split_to(length).freeze();
        self.share.split(length).attach(bytes)
    }
}
