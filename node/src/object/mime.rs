//! The MIME documents of an upload whose metadata follows its bytes: parts read from a body as it comes.

use crate::http::{Body, BodyError, Headers};
use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;
use thiserror::Error;

/// A bound on a part's header fields.
const MAX_HEAD_LEN: usize = 64 << 10;

/// Why a part could not be read.
#[derive(Debug, Error)]
pub(super) enum MimeError {
    /// The body under it.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// It is no MIME document.
    #[error("malformed MIME document: {0}")]
    Malformed(&'static str),
}

/// Reads part after part. Each is a head and bytes up to the next boundary.
pub(super) struct MimeReader {
    body: Body,
    /// Line break, two dashes and the boundary: what ends a part.
    delimiter: Vec<u8>,
    buffer: BytesMut,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    InPart,
    AfterDelimiter,
    AtEnd,
}

impl MimeReader {
    /// The documents in `body`, with this boundary between them.
    pub fn new(body: Body, boundary: &[u8]) -> Self {
        // With a line break put in front, the first boundary looks like any other, and what is before it like a
        // part that nobody reads.
        let delimiter = [b"\r\n--", boundary].concat();
        Self { body, delimiter, buffer: BytesMut::from(&b"\r\n"[..]), place: Place::InPart }
    }

    /// Goes to the next part, over what is left of this one; its header fields, or `None` after the last part.
    pub async fn next_part(&mut self) -> Result<Option<Headers>, MimeError> {
        while self.read().await?.is_some() {}
        if self.place == Place::AtEnd {
            return Ok(None);
        }
        self.place = Place::InPart;
        let mut headers = Headers::new();
        let mut left = MAX_HEAD_LEN;
        loop {
            let line = self.line(left).await?;
            if line.is_empty() {
                return Ok(Some(headers));
            }
            left = left.saturating_sub(line.len());
            let colon =
                line.iter().position(|b| *b == b':').ok_or(MimeError::Malformed("a header without colon"))?;
            let value = line.slice_ref(line[colon + 1..].trim_ascii());
            headers.append(line.slice_ref(line[..colon].trim_ascii()), value);
        }
    }

    /// Whether all that the body holds was read; the parts may go on in [another](Self::go_on_with).
    pub async fn is_at_end_of_body(&mut self) -> Result<bool, MimeError> {
        if !self.buffer.is_empty() {
            return Ok(false);
        }
        match self.body.next().await? {
            None => Ok(true),
            Some(chunk) => {
                self.buffer.extend_from_slice(&chunk);
                Ok(false)
            }
        }
    }

    /// Reads what follows from `body`.
    pub fn go_on_with(&mut self, body: Body) {
        self.body = body;
    }

    /// The next bytes of this part; `None` at its end.
    pub async fn read(&mut self) -> Result<Option<Bytes>, MimeError> {
        while self.place == Place::InPart {
            if let Some(at) = memmem::find(&self.buffer, &self.delimiter) {
                if at > 0 {
                    return Ok(Some(self.buffer.split_to(at).freeze()));
                }
                self.buffer.advance(self.delimiter.len());
                self.pass_delimiter().await?;
                break;
            }
            // all but what may be the delimiter's beginning
            let safe = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
            if safe > 0 {
                return Ok(Some(self.buffer.split_to(safe).freeze()));
            }
            self.fill("the body ended inside a part").await?;
        }
        Ok(None)
    }

    async fn pass_delimiter(&mut self) -> Result<(), MimeError> {
        while self.buffer.len() < 2 {
            self.fill("the body ended after a boundary").await?;
        }
        self.place = match &self.buffer.split_to(2)[..] {
            b"--" => Place::AtEnd,
            b"\r\n" => Place::AfterDelimiter,
            _ => return Err(MimeError::Malformed("a boundary that goes on")),
        };
        Ok(())
    }

    async fn line(&mut self, limit: usize) -> Result<Bytes, MimeError> {
        loop {
            if let Some(at) = memmem::find(&self.buffer, b"\r\n") {
                let line = self.buffer.split_to(at).freeze();
                self.buffer.advance(2);
                return Ok(line);
            }
            if self.buffer.len() > limit {
                return Err(MimeError::Malformed("a part's head is too long"));
            }
            self.fill("the body ended inside a part's head").await?;
        }
    }

    async fn fill(&mut self, at_end: &'static str) -> Result<(), MimeError> {
        let chunk = self.body.next().await?.ok_or(MimeError::Malformed(at_end))?;
        self.buffer.extend_from_slice(&chunk);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::BodyStream;
    use async_trait::async_trait;

    const DOCUMENT: &str = "--b0\r\nX-Document: object body\r\n\r\none\r\n--b\r\ntwo\r\n--b0\r\nX-Document:object metadata\r\n\
                            Content-MD5: x\r\n\r\n{}\r\n--b0\r\n\r\n\r\n--b0--";

    struct Pieces(Vec<Bytes>);

    #[async_trait]
    impl BodyStream for Pieces {
        async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
            Ok(self.0.pop())
        }
    }

    async fn parts(text: &str, piece_len: usize) -> Result<Vec<(Option<String>, String)>, MimeError> {
        let pieces = text.as_bytes().chunks(piece_len).rev().map(Bytes::copy_from_slice).collect();
        let mut reader = MimeReader::new(Body::stream(None, Pieces(pieces)), b"b0");
        let mut parts = Vec::new();
        while let Some(headers) = reader.next_part().await? {
            let mut bytes = Vec::new();
            while let Some(chunk) = reader.read().await? {
                bytes.extend_from_slice(&chunk);
            }
            let kind = headers.get_str("X-Document").map(str::to_owned);
            parts.push((kind, String::from_utf8(bytes).expect("ascii")));
        }
        Ok(parts)
    }

    #[tokio::test]
    async fn parts_come_out_however_the_body_is_cut() {
        for piece_len in 1..DOCUMENT.len() {
            let parts = parts(DOCUMENT, piece_len).await.unwrap();
            assert_eq!(parts.len(), 3, "pieces of {piece_len}");
            assert_eq!(parts[0], (Some("object body".to_owned()), "one\r\n--b\r\ntwo".to_owned()));
            assert_eq!(parts[1], (Some("object metadata".to_owned()), "{}".to_owned()));
            assert_eq!(parts[2], (None, String::new()));
        }
    }

    #[tokio::test]
    async fn what_is_cut_short_is_an_error() {
        for end in 0..DOCUMENT.len() {
            assert!(parts(&DOCUMENT[..end], 7).await.is_err(), "cut at {end}");
        }
        assert!(parts("--b0\r\nno colon\r\n\r\n\r\n--b0--", 7).await.is_err());
    }
}
