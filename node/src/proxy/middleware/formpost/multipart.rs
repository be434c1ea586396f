//! `multipart/form-data` as it comes: one part after the other, each read to its end before the next.

use super::mime_header::Parameters;
use crate::http::{Body, BodyError};
use bytes::{Bytes, BytesMut};
use memchr::memmem;
use std::collections::BTreeMap;
use thiserror::Error;

/// Longer headers of a part are refused.
const MAX_PART_HEADER_BYTES: usize = 16 * 1024;
/// Of a longer value of a field the rest is left out.
const MAX_VALUE_BYTES: usize = 4096;
/// Longer boundaries are none (RFC 2046 allows 70 characters).
const MAX_BOUNDARY_BYTES: usize = 1024;

/// Why a form cannot be read.
#[derive(Debug, Error)]
pub enum MultipartError {
    /// It does not begin with its boundary.
    #[error("invalid starting boundary")]
    NoBoundary,
    /// The header of a part is too long.
    #[error("the header of a part is longer than {MAX_PART_HEADER_BYTES} bytes")]
    HeaderTooLong,
    /// The request's body broke off.
    #[error(transparent)]
    Read(#[from] BodyError),
}

/// A form on its way in.
pub struct Multipart {
    body: Body,
    buffer: BytesMut,
    /// What stands between two parts: a line end, two dashes, and the boundary.
    delimiter: Vec<u8>,
    is_at_end: bool,
    /// Whether the current part has no more data.
    part_ended: bool,
    /// Whether no part follows the current one.
    is_last: bool,
}

/// The header of a part.
pub struct Part {
    /// By name in lower case.
    headers: BTreeMap<String, String>,
    disposition: Parameters,
}

impl Part {
    /// The name of a file that is one of the form's.
    pub fn filename(&self) -> Option<String> {
        let name = self.disposition.parameters.get("filename").filter(|name| !name.is_empty());
        name.filter(|_| self.disposition.value == "form-data").cloned()
    }

    /// The name of the field.
    pub fn name(&self) -> Option<&str> {
        self.disposition.parameters.get("name").map(String::as_str)
    }

    /// A header field, by name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

impl Multipart {
    /// A form of this `boundary` in `body`.
    pub fn new(body: Body, boundary: &str) -> Self {
        let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
        let (part_ended, is_last) = (true, false);
        Self { body, buffer: BytesMut::new(), delimiter, is_at_end: false, part_ended, is_last }
    }

    /// Reads the first boundary, before which there may be empty lines.
    pub async fn start(&mut self) -> Result<(), MultipartError> {
        if self.delimiter.len() > MAX_BOUNDARY_BYTES {
            return Err(MultipartError::NoBoundary);
        }
        loop {
            while self.buffer.len() < self.delimiter.len() && self.fill().await? {}
            if !self.buffer.starts_with(b"\r\n") {
                break;
            }
            let _ = self.buffer.split_to(2);
        }
        let boundary_len = self.delimiter.len() - 2;
        if !self.buffer.starts_with(&self.delimiter[2..]) {
            return Err(MultipartError::NoBoundary);
        }
        let _ = self.buffer.split_to(boundary_len);
        while self.buffer.len() < 2 && self.fill().await? {}
        match self.buffer.get(..2) {
            Some(b"\r\n") => {
                let _ = self.buffer.split_to(2);
                Ok(())
            }
            // a form that ends there has no part
            None => {
                self.is_last = true;
                Ok(())
            }
            Some(_) => Err(MultipartError::NoBoundary),
        }
    }

    /// Reads past the rest of the current part, and the header of the next; `None` after the last.
    pub async fn next_part(&mut self) -> Result<Option<Part>, MultipartError> {
        while self.next_data().await?.is_some() {}
        if self.is_last {
            return Ok(None);
        }
        self.part_ended = false;
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        let (mut read, mut last) = (0, None::<String>);
        while let Some(line) = self.line(MAX_PART_HEADER_BYTES.saturating_sub(read)).await? {
            read += line.len() + 2;
            let line = String::from_utf8_lossy(&line).into_owned();
            if line.is_empty() {
                break;
            }
            // a line that begins with a blank goes on with the one before
            match (line.starts_with([' ', '\t']), line.split_once(':')) {
                (true, _) => {
                    if let Some(value) = last.as_ref().and_then(|name| headers.get_mut(name)) {
                        value.push_str(&line);
                    }
                }
                (false, Some((name, value))) => {
                    let name = name.to_lowercase();
                    headers.insert(name.clone(), value.trim().to_owned());
                    last = Some(name);
                }
                (false, None) => {}
            }
        }
        let disposition = headers.get("content-disposition").map(|d| Parameters::parse(d));
        Ok(Some(Part { headers, disposition: disposition.unwrap_or_default() }))
    }

    /// The next bytes of the current part's data.
    pub async fn next_data(&mut self) -> Result<Option<Bytes>, MultipartError> {
        if self.part_ended {
            return Ok(None);
        }
        loop {
            if let Some(at) = memmem::find(&self.buffer, &self.delimiter) {
                if at > 0 {
                    return Ok(Some(self.buffer.split_to(at).freeze()));
                }
                self.end_part().await?;
                return Ok(None);
            }
            // the end of what is there may be the begin of a delimiter
            let certain = match self.is_at_end {
                true => self.buffer.len(),
                false => (self.buffer.len() + 1).saturating_sub(self.delimiter.len()),
            };
            if certain > 0 {
                return Ok(Some(self.buffer.split_to(certain).freeze()));
            }
            if !self.fill().await? && self.buffer.is_empty() {
                (self.part_ended, self.is_last) = (true, true);
                return Ok(None);
            }
        }
    }

    /// The current part as the value of a field, as much of it as a value may have.
    pub async fn read_value(&mut self) -> Result<Vec<u8>, MultipartError> {
        let mut value = Vec::new();
        while let Some(data) = self.next_data().await? {
            let room = MAX_VALUE_BYTES - value.len();
            value.extend_from_slice(&data[..data.len().min(room)]);
        }
        Ok(value)
    }

    async fn end_part(&mut self) -> Result<(), MultipartError> {
        let _ = self.buffer.split_to(self.delimiter.len());
        while self.buffer.len() < 2 && self.fill().await? {}
        self.part_ended = true;
        self.is_last = self.buffer.len() < 2 || self.buffer.starts_with(b"--");
        let _ = self.buffer.split_to(self.buffer.len().min(2));
        Ok(())
    }

    /// The next line of a part's header, without its end; `None` where the part ends first.
    async fn line(&mut self, limit: usize) -> Result<Option<BytesMut>, MultipartError> {
        loop {
            let end = memmem::find(&self.buffer, b"\r\n");
            if let Some(end) = end
                && (self.is_at_end || self.buffer.len() >= end + self.delimiter.len())
            {
                if self.buffer[end..].starts_with(&self.delimiter) {
                    while self.next_data().await?.is_some() {}
                    return Ok(None);
                }
                let line = self.buffer.split_to(end);
                let _ = self.buffer.split_to(2);
                return if end > limit { Err(MultipartError::HeaderTooLong) } else { Ok(Some(line)) };
            }
            if end.is_none() && self.buffer.len() > limit {
                return Err(MultipartError::HeaderTooLong);
            }
            if !self.fill().await? && end.is_none() {
                while self.next_data().await?.is_some() {}
                return Ok(None);
            }
        }
    }

    /// Reads more of the body; whether more came.
    async fn fill(&mut self) -> Result<bool, MultipartError> {
        if self.is_at_end {
            return Ok(false);
        }
        match self.body.next().await? {
            Some(chunk) => {
                self.buffer.extend_from_slice(&chunk);
                Ok(true)
            }
            None => {
                self.is_at_end = true;
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::BodyStream;
    use async_trait::async_trait;
    use proptest::prelude::*;

    struct Pieces(std::vec::IntoIter<Vec<u8>>);

    #[async_trait]
    impl BodyStream for Pieces {
        async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
            Ok(self.0.next().map(Bytes::from))
        }
    }

    /// The names and data of every part of `form`, which comes in pieces of so many bytes.
    async fn parts(form: &[u8], piece_bytes: usize) -> Result<Vec<(String, Vec<u8>)>, MultipartError> {
        let pieces: Vec<_> = form.chunks(piece_bytes).map(<[u8]>::to_vec).collect();
        let mut multipart = Multipart::new(Body::stream(None, Pieces(pieces.into_iter())), "b");
        multipart.start().await?;
        let mut parts = Vec::new();
        while let Some(part) = multipart.next_part().await? {
            let mut all = Vec::new();
            while let Some(data) = multipart.next_data().await? {
                all.extend_from_slice(&data);
            }
            parts.push((part.name().unwrap_or_default().to_owned(), all));
        }
        Ok(parts)
    }

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    const FORM: &[u8] = b"\r\n--b\r\nContent-Disposition: form-data;\r\n name=\"x\"\r\n\r\none\r\n--b\r\n\
        content-disposition: form-data; name=\"y\"\r\nX: y\r\n\r\n\r\n--\r\n-\r\n--b\r\n\r\n\r\n--b--\r\nafter";

    #[test]
    fn parts_come_one_after_the_other_however_they_are_cut() {
        for piece_bytes in 1..FORM.len() {
            let parts = run(parts(FORM, piece_bytes)).unwrap();
            let expected = [("x", &b"one"[..]), ("y", b"\r\n--\r\n-"), ("", b"")];
            let expected: Vec<_> =
                expected.iter().map(|(name, data)| ((*name).to_owned(), data.to_vec())).collect();
            assert_eq!(parts, expected, "pieces of {piece_bytes}");
        }
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for wrong in [&b""[..], b"--c\r\n", b"b\r\n", b"--bb\r\n"] {
            assert!(matches!(run(parts(wrong, 3)), Err(MultipartError::NoBoundary)), "{wrong:?}");
        }
        let long = [b"--b\r\nX: ", &[b'y'; 20_000][..]].concat();
        assert!(matches!(run(parts(&long, 1000)), Err(MultipartError::HeaderTooLong)));
    }

    #[test]
    fn a_header_that_is_full_takes_no_further_line() {
        for filler in MAX_PART_HEADER_BYTES - 6..MAX_PART_HEADER_BYTES {
            let full = [b"--b\r\nX:", &vec![b'y'; filler][..], b"\r\nY: z\r\n\r\ndata\r\n--b--"].concat();
            assert!(matches!(run(parts(&full, 1000)), Err(MultipartError::HeaderTooLong)), "{filler}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in prop::collection::vec(prop::sample::select(b"b-\r\n:x".to_vec()), 0..200),
                                    piece_bytes in 1_usize..20) {
            let form = [b"--b\r\n", &bytes[..]].concat();
            let total: usize = run(parts(&form, piece_bytes)).unwrap().iter().map(|(_, data)| data.len()).sum();
            prop_assert!(total <= bytes.len());
        }
    }
}
