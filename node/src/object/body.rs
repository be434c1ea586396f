//! An object's bytes on their way out: read on the device's pool, one job ahead of what is being sent.

use crate::http::byte_ranges::Piece;
use crate::http::{Body, BodyError, BodyStream, Budget};
use crate::serve::DevicePools;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use swiftlet_storage::object::{ReadError, Reader};
use tokio::task::JoinHandle;

/// A body of up to so many bytes is read by the job that opens the object.
pub(super) const ONE_JOB_LEN: usize = 64 << 10;
/// How much one further job reads, where the budget grants it; [`ONE_JOB_LEN`] where not.
const CHUNK_LEN: usize = 1 << 20;

/// What is still to be read.
#[derive(Debug)]
pub(super) struct Source {
    reader: Reader,
    pieces: VecDeque<Piece>,
    /// Whether the reader stands within the first piece.
    begun: bool,
    /// What is read ahead, for all clients that do not take it.
    budget: Budget,
}

impl Source {
    /// The pieces of a body, those of the object from `reader`.
    pub fn new(reader: Reader, pieces: Vec<Piece>, budget: Budget) -> Self {
        Self { reader, pieces: pieces.into(), begun: false, budget }
    }

    /// The next piece, as long as one job reads it.
    fn next_of_job(&mut self) -> Result<Option<Bytes>, ReadError> {
        let mut share = self.budget.take_portion(CHUNK_LEN);
        let piece = self.next(share.size().max(ONE_JOB_LEN))?;
        Ok(piece.map(|bytes| share.split(bytes.len()).attach(bytes)))
    }

    /// The next piece, of at most `limit` bytes where it is read from disk; `None` at the end.
    fn next(&mut self, limit: usize) -> Result<Option<Bytes>, ReadError> {
        loop {
            let range = match self.pieces.front() {
                None => return Ok(None),
                Some(Piece::Literal(bytes)) => {
                    let bytes = bytes.clone();
                    self.pieces.pop_front();
                    return Ok(Some(bytes));
                }
                Some(Piece::Object(range)) => range.clone(),
            };
            if !self.begun {
                self.reader.seek(range.start, range.end);
                self.begun = true;
            }
            let chunk = self.reader.read(limit)?;
            if self.reader.remaining() == 0 {
                self.begun = false;
                self.pieces.pop_front();
            }
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
    }

    fn len(&self) -> u64 {
        self.pieces.iter().map(Piece::len_bytes).sum()
    }

    /// Reads what the job that opened the object may read: all of a small body, the beginning of another.
    pub fn begin(mut self) -> Result<Begun, ReadError> {
        let length = self.len();
        if length > ONE_JOB_LEN as u64 {
            let first = self.next_of_job()?.unwrap_or_default();
            let rest = (!self.pieces.is_empty()).then_some(self);
            return Ok(Begun { length, first, rest });
        }
        let first = self.next(ONE_JOB_LEN)?.unwrap_or_default();
        let Some(second) = self.next(ONE_JOB_LEN)? else { return Ok(Begun { length, first, rest: None }) };
        let mut all = BytesMut::with_capacity(length as usize);
        all.extend_from_slice(&first);
        all.extend_from_slice(&second);
        while let Some(more) = self.next(ONE_JOB_LEN)? {
            all.extend_from_slice(&more);
        }
        Ok(Begun { length, first: all.freeze(), rest: None })
    }
}

/// A body whose first bytes are there.
pub(super) struct Begun {
    length: u64,
    first: Bytes,
    rest: Option<Source>,
}

impl Begun {
    /// The body; what is still to be read is read by `pools` on `device`.
    pub fn into_body(self, pools: &DevicePools, device: &str) -> Body {
        let Some(rest) = self.rest else { return Body::full(self.first) };
        let mut stream =
            ObjectStream { pools: pools.clone(), device: device.to_owned(), ahead: None, first: None };
        stream.read_ahead(rest);
        stream.first = Some(self.first);
        Body::stream(Some(self.length), stream)
    }
}

type ReadAhead = Result<(Source, Option<Bytes>), BodyError>;

struct ObjectStream {
    pools: DevicePools,
    device: String,
    first: Option<Bytes>,
    ahead: Option<JoinHandle<ReadAhead>>,
}

impl ObjectStream {
    fn read_ahead(&mut self, mut source: Source) {
        let (pools, device) = (self.pools.clone(), self.device.clone());
        self.ahead = Some(tokio::spawn(async move {
            let read = move || {
                let piece = source.next_of_job();
                (source, piece)
            };
            let (source, piece) =
                pools.run(&device, read).await.map_err(|e| BodyError::Other(e.to_string()))?;
            Ok((source, piece.map_err(|e| BodyError::Other(e.to_string()))?))
        }));
    }
}

#[async_trait]
impl BodyStream for ObjectStream {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let Some(ahead) = self.ahead.take() else { return Ok(None) };
        let (source, piece) = ahead.await.map_err(|e| BodyError::Other(e.to_string()))??;
        if piece.is_some() && !source.pieces.is_empty() {
            self.read_ahead(source);
        }
        Ok(piece)
    }
}
