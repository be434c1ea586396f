//! Reading a `multipart/byteranges` body part by part, as object servers send it.

use crate::http::{Body, BodyError, Headers};
use crate::proxy::ranges::ContentRange;
use bytes::{Bytes, BytesMut};

const MULTIPART: &[u8] = b"multipart/byteranges";

/// The head of one part may be so long, at most.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// One part's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartHead {
    /// The bytes that follow, of the whole object.
    pub range: ContentRange,
    /// Their content type.
    pub content_type: Bytes,
}

/// Reads parts from a body.
pub struct PartReader {
    body: Body,
    buffer: BytesMut,
    boundary: Bytes,
}

impl PartReader {
    /// Reads `body`, whose parts are divided by `boundary`.
    pub fn new(body: Body, boundary: Bytes) -> Self {
        Self { body, buffer: BytesMut::new(), boundary }
    }

    /// The next part's head, or `None` after the last. The bytes of the part before must have been read.
    pub async fn next_head(&mut self) -> Result<Option<PartHead>, BodyError> {
        let line = loop {
            let line = self.line().await?;
            if !line.is_empty() {
                break line;
            }
        };
        let divider = line.strip_prefix(b"--").and_then(|rest| rest.strip_prefix(&self.boundary[..]));
        match divider {
            Some(b"") => {}
            Some(b"--") => return Ok(None),
            _ => return Err(BodyError::Malformed("no boundary before a byte range")),
        }
        let (mut range, mut content_type) = (None, Bytes::from_static(b"application/octet-stream"));
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                break;
            }
            let colon = memchr::memchr(b':', &line).unwrap_or(line.len());
            let value = line.get(colon + 1..).unwrap_or_default().trim_ascii();
            if line[..colon].eq_ignore_ascii_case(b"content-range") {
                range = ContentRange::parse(value);
            } else if line[..colon].eq_ignore_ascii_case(b"content-type") {
                content_type = Bytes::copy_from_slice(value);
            }
        }
        let range = range.ok_or(BodyError::Malformed("a byte range without Content-Range"))?;
        Ok(Some(PartHead { range, content_type }))
    }

    /// Up to `left` bytes of the part; an error where the body ends before them.
    pub async fn chunk(&mut self, left: u64) -> Result<Bytes, BodyError> {
        if self.buffer.is_empty() {
            match self.body.next().await? {
                Some(chunk) if chunk.len() as u64 <= left => return Ok(chunk),
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => return Err(BodyError::Malformed("the last byte range is too short")),
            }
        }
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
        Ok(self.buffer.split_to(take).freeze())
    }

    /// The next line without its end; the last one may have none.
    async fn line(&mut self) -> Result<Bytes, BodyError> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let line = self.buffer.split_to(end).freeze();
                let _line_end = self.buffer.split_to(2);
                return Ok(line);
            }
            if self.buffer.len() > MAX_HEAD_BYTES {
                return Err(BodyError::Malformed("the head of a byte range is too long"));
            }
            match self.body.next().await? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None if self.buffer.is_empty() => return Err(BodyError::Malformed("no end of byte ranges")),
                None => return Ok(self.buffer.split().freeze()),
            }
        }
    }
}

/// The boundary of a multipart body, where a header says that it is one.
pub fn boundary(headers: &Headers) -> Option<Bytes> {
    let content_type = headers.get("content-type")?;
    let rest = content_type
        .get(MULTIPART.len()..)
        .filter(|_| content_type[..MULTIPART.len()].eq_ignore_ascii_case(MULTIPART))?;
    let at = memchr::memmem::find(rest, b"boundary=")? + b"boundary=".len();
    let value = rest[at..].split(|b| *b == b';').next()?.trim_ascii();
    let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
    (!value.is_empty()).then(|| Bytes::copy_from_slice(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::BodyStream;
    use async_trait::async_trait;

    /// Gives bytes in pieces of a size.
    struct Pieces(Bytes, usize);

    #[async_trait]
    impl BodyStream for Pieces {
        async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
            let take = self.1.min(self.0.len());
            Ok((take > 0).then(|| self.0.split_to(take)))
        }
    }

    const TWO_PARTS: &str = "--b1\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-3/10\r\n\r\nab\r\n\r\n\
        --b1\r\nContent-Type: text/plain\r\nContent-Range: bytes 5-6/10\r\n\r\nxy\r\n--b1--";

    async fn parts(text: &'static str, piece: usize) -> Result<Vec<(PartHead, Vec<u8>)>, BodyError> {
        let body = Body::stream(None, Pieces(Bytes::from_static(text.as_bytes()), piece));
        let mut reader = PartReader::new(body, Bytes::from_static(b"b1"));
        let mut parts = Vec::new();
        while let Some(head) = reader.next_head().await? {
            let mut data = Vec::new();
            while (data.len() as u64) < head.range.byte_count() {
                data.extend_from_slice(&reader.chunk(head.range.byte_count() - data.len() as u64).await?);
            }
            parts.push((head, data));
        }
        Ok(parts)
    }

    #[tokio::test]
    async fn reads_parts_however_they_are_cut() {
        for piece in 1..TWO_PARTS.len() + 1 {
            let parts = parts(TWO_PARTS, piece).await.unwrap();
            assert_eq!(parts.len(), 2);
            assert_eq!(
                (parts[0].0.range.start, &parts[0].1[..]),
                (0, &b"ab\r\n"[..]),
                "line ends are data too"
            );
            assert_eq!((parts[1].0.range.total, &parts[1].1[..]), (10, &b"xy"[..]));
            assert_eq!(parts[1].0.content_type, "text/plain");
        }
    }

    #[tokio::test]
    async fn refuses_what_is_cut_short_or_no_multipart() {
        for bad in
            [&TWO_PARTS[..40], &TWO_PARTS[..TWO_PARTS.len() - 12], "--other\r\n\r\n", "--b1\r\n\r\nab", ""]
        {
            assert!(parts(bad, 7).await.is_err(), "{bad:?}");
        }
    }
}
