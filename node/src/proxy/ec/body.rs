//! The body of a GET, decoded segment by segment as fragments come: where a node breaks off, another one goes on.

use super::gather::{Asking, Gathered, Source};
use super::{ETAG, off_the_workers};
use crate::http::byte_ranges::Piece;
use crate::http::{Body, BodyError, BodyStream, Headers};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::future::join_all;
use std::collections::VecDeque;
use std::ops::Range;

/// What the client is sent.
pub(super) struct Decoded {
    pub asking: Asking,
    /// Bytes of the object.
    pub object_len: u64,
    /// The object's; a PUT in between must not be mixed in.
    pub etag: Bytes,
    /// What is still to come.
    pub pieces: VecDeque<Piece>,
    /// What is being sent.
    pub current: Option<Decoding>,
}

/// A range of the object that is being decoded.
pub(super) struct Decoding {
    sources: Vec<Stream>,
    gathered: Gathered,
    /// Bytes of the object that are still to be sent.
    range: Range<u64>,
}

/// One node's archive.
struct Stream {
    source: Source,
    buffer: BytesMut,
}

impl Stream {
    /// The next `len` bytes.
    async fn read(&mut self, len: usize) -> Result<Bytes, BodyError> {
        while self.buffer.len() < len {
            let chunk = self.source.body.next().await?;
            let chunk = chunk.ok_or(BodyError::Malformed("a node sent too few bytes of a fragment"))?;
            self.buffer.extend_from_slice(&chunk);
        }
        Ok(self.buffer.split_to(len).freeze())
    }
}

impl Decoding {
    /// Of `range` of the object, by sources of [`archive_range`].
    pub fn new(mut gathered: Gathered, range: Range<u64>) -> Self {
        let sources = std::mem::take(&mut gathered.sources);
        let stream = |source| Stream { source, buffer: BytesMut::new() };
        Self { sources: sources.into_iter().map(stream).collect(), gathered, range }
    }
}

/// The bytes of each archive that hold `range` of an object of so many bytes.
pub(super) fn archive_range(asking: &Asking, range: &Range<u64>, object_len: u64) -> Range<u64> {
    let (segment_len, fragment_len) = (asking.scheme.segment_len as u64, asking.scheme.fragment_len());
    let start = range.start / segment_len * fragment_len;
    let end = range.end.div_ceil(segment_len) * fragment_len;
    start..end.min(asking.scheme.archive_len(object_len))
}

impl Decoded {
    /// As a body.
    pub fn into_body(self) -> Body {
        let current = self.current.as_ref().map_or(0, |decoding| decoding.range.end - decoding.range.start);
        let len = current + self.pieces.iter().map(Piece::len_bytes).sum::<u64>();
        Body::stream(Some(len), self)
    }

    async fn begin(&self, range: Range<u64>) -> Result<Decoding, BodyError> {
        let archive_range = archive_range(&self.asking, &range, self.object_len);
        let gathered = self.asking.gather(Some(&archive_range)).await;
        let gathered = gathered.map_err(|_| BodyError::Malformed("too few fragments of a byte range"))?;
        match is_of(&gathered.headers, &self.etag) {
            true => Ok(Decoding::new(gathered, range)),
            false => Err(BodyError::Malformed("the object was replaced between two of its byte ranges")),
        }
    }

    /// The next segment of what is being sent, as far as it was asked for.
    async fn segment(&self, decoding: &mut Decoding) -> Result<Bytes, BodyError> {
        let scheme = &self.asking.scheme;
        let segment_len = scheme.segment_len as u64;
        let start = decoding.range.start / segment_len * segment_len;
        let len = scheme.codec.fragment_len(scheme.segment_len_at(start, self.object_len));
        let fragments = self.read_fragments(decoding, start, len).await?;
        let codec = scheme.codec.clone();
        let decoded = off_the_workers(move || codec.decode(&fragments)).await;
        let failed = |error: String| BodyError::Other(format!("cannot decode fragments: {error}"));
        let decoded = decoded.map_err(|error| failed(error.escape_ascii().to_string()))?;
        let mut segment = Bytes::from(decoded.map_err(|error| failed(error.to_string()))?);
        let skip = (decoding.range.start - start).min(segment.len() as u64) as usize;
        let wanted = (decoding.range.end - decoding.range.start).min((segment.len() - skip) as u64);
        if wanted == 0 {
            return Err(BodyError::Malformed("a segment is shorter than it should be"));
        }
        decoding.range.start += wanted;
        let _before = segment.split_to(skip);
        segment.truncate(wanted as usize);
        Ok(segment)
    }

    /// A fragment from each source, of the segment that begins at `start`. Sources that fail are replaced.
    async fn read_fragments(
        &self,
        decoding: &mut Decoding,
        start: u64,
        len: usize,
    ) -> Result<Vec<Bytes>, BodyError> {
        let Decoding { sources, gathered, range } = decoding;
        let mut fragments = join_all(sources.iter_mut().map(|stream| stream.read(len))).await;
        for at in 0..sources.len() {
            while let Err(error) = &fragments[at] {
                let message = format!("Trying to read EC fragment during GET (retrying): {error}");
                self.asking.app.error_occurred(&sources[at].source.node, &message);
                let have: Vec<usize> = sources.iter().map(|stream| stream.source.index).collect();
                let rest = archive_range(&self.asking, &(start..range.end), self.object_len);
                let (spares, time) = (&mut gathered.spares, gathered.timestamp);
                let Some(source) = self.asking.replace(spares, time, &have, &rest).await else { break };
                sources[at] = Stream { source, buffer: BytesMut::new() };
                fragments[at] = sources[at].read(len).await;
            }
        }
        fragments.into_iter().collect()
    }
}

/// Whether `headers` are of the object with this ETag.
pub(super) fn is_of(headers: &Headers, etag: &[u8]) -> bool {
    headers.get(ETAG) == Some(etag)
}

#[async_trait]
impl BodyStream for Decoded {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            if let Some(mut decoding) = self.current.take().filter(|decoding| !decoding.range.is_empty()) {
                let segment = self.segment(&mut decoding).await?;
                self.current = Some(decoding);
                return Ok(Some(segment));
            }
            match self.pieces.pop_front() {
                None => return Ok(None),
                Some(Piece::Literal(bytes)) => return Ok(Some(bytes)),
                Some(Piece::Object(range)) => self.current = Some(self.begin(range).await?),
            }
        }
    }
}
