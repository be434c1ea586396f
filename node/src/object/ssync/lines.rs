//! Lines, and bytes between them, from a body that comes in pieces.

use crate::http::{Body, BodyError};
use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;
use thiserror::Error;

/// The longest line taken, in bytes: a header with any metadata that Swift keeps is shorter.
const MAX_LINE: usize = 64 << 10;

/// Why no line came.
#[derive(Debug, Error)]
pub(in crate::object) enum LineError {
    /// The body broke off.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// It is longer than any should be.
    #[error("a line of more than {MAX_LINE} bytes")]
    TooLong,
    /// The body ended within it.
    #[error("missing newline")]
    Cut,
    /// The body ended within the bytes that were announced.
    #[error("early termination: {0} bytes are missing")]
    Short(u64),
}

/// Reads a body.
pub(in crate::object) struct Lines {
    body: Body,
    /// Read and not taken yet.
    ahead: Bytes,
}

impl Lines {
    /// From the beginning of `body`.
    pub fn new(body: Body) -> Self {
        Self { body, ahead: Bytes::new() }
    }

    /// The next line without its end and blanks around it, `None` at the end of the body.
    pub async fn next(&mut self) -> Result<Option<Bytes>, LineError> {
        let mut begun = BytesMut::new();
        loop {
            if let Some(end) = memchr(b'\n', &self.ahead) {
                let mut line = self.ahead.split_to(end + 1);
                if !begun.is_empty() {
                    begun.extend_from_slice(&line);
                    line = begun.freeze();
                }
                let trimmed = line.trim_ascii();
                return if line.len() > MAX_LINE {
                    Err(LineError::TooLong)
                } else {
                    Ok(Some(line.slice_ref(trimmed)))
                };
            }
            begun.extend_from_slice(&self.ahead);
            self.ahead.clear();
            if begun.len() > MAX_LINE {
                return Err(LineError::TooLong);
            }
            match self.body.next().await? {
                Some(more) => self.ahead = more,
                None if begun.is_empty() => return Ok(None),
                None => return Err(LineError::Cut),
            }
        }
    }

    /// Some of the next `left` bytes (which are not 0), as they come.
    pub async fn bytes(&mut self, left: u64) -> Result<Bytes, LineError> {
        while self.ahead.is_empty() {
            self.ahead = self.body.next().await?.ok_or(LineError::Short(left))?;
        }
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.ahead.remaining());
        Ok(self.ahead.split_to(here))
    }

    /// Reads to the end of the body, where nothing should be left but its framing.
    pub async fn end(mut self) -> Result<(), LineError> {
        while self.next().await?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::BodyStream;
    use async_trait::async_trait;
    use std::collections::VecDeque;

    pub(in crate::object) struct Pieces(pub VecDeque<Bytes>);

    #[async_trait]
    impl BodyStream for Pieces {
        async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
            Ok(self.0.pop_front())
        }
    }

    fn lines(text: &'static str, piece: usize) -> Lines {
        let pieces = text.as_bytes().chunks(piece).map(Bytes::from_static).collect();
        Lines::new(Body::stream(None, Pieces(pieces)))
    }

    #[tokio::test]
    async fn lines_and_bytes_come_whole_however_the_body_is_cut() {
        let text = "\r\n:A: START\r\nPUT /a\r\nhello\nabc\n";
        for piece in 1..text.len() {
            let mut lines = lines(text, piece);
            assert_eq!(lines.next().await.unwrap().unwrap(), "");
            assert_eq!(lines.next().await.unwrap().unwrap(), ":A: START");
            assert_eq!(lines.next().await.unwrap().unwrap(), "PUT /a");
            let mut body = Vec::new();
            while body.len() < 6 {
                body.extend_from_slice(&lines.bytes(6 - body.len() as u64).await.unwrap());
            }
            assert_eq!(body, b"hello\n");
            assert_eq!(lines.next().await.unwrap().unwrap(), "abc");
            assert!(lines.next().await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn what_is_cut_off_or_without_end_is_an_error() {
        assert!(matches!(lines("abc", 2).next().await, Err(LineError::Cut)));
        assert!(matches!(lines("", 2).bytes(3).await, Err(LineError::Short(3))));
        let long = "x".repeat(MAX_LINE + 1).leak();
        assert!(matches!(lines(long, 4096).next().await, Err(LineError::TooLong)));
    }
}
