//! The head of a request within an SSYNC: its line without a version, and its header lines.

use super::lines::{LineError, Lines};
use crate::http::{Headers, Method};
use bytes::Bytes;
use memchr::memchr;
use swiftlet_types::names::{quote, unquote};
use thiserror::Error;

/// The most header lines taken, and the most bytes of them.
const MAX_HEADERS: usize = 1000;
const MAX_HEAD: usize = 256 << 10;

/// Why something is no head of a subrequest.
#[derive(Debug, Error)]
pub(in crate::object) enum HeadError {
    /// It cannot be read.
    #[error(transparent)]
    Line(#[from] LineError),
    /// It is none.
    #[error("{0}")]
    Bad(String),
}

/// One subrequest without its body.
#[derive(Debug)]
pub(in crate::object) struct Subrequest {
    /// PUT, POST or DELETE.
    pub method: Method,
    /// `/account/container/object`, not percent-encoded.
    pub path: Vec<u8>,
    /// As they were sent.
    pub headers: Headers,
    /// The bytes of the body that follows.
    pub length: u64,
}

impl Subrequest {
    /// Reads the head that begins with `line`.
    pub async fn read(line: &[u8], lines: &mut Lines) -> Result<Self, HeadError> {
        let shown = || line.escape_ascii().to_string();
        let at = memchr(b' ', line).ok_or_else(|| HeadError::Bad(format!("no subrequest: {}", shown())))?;
        let (method, path) = (&line[..at], &line[at + 1..]);
        let headers = read_headers(lines, &shown).await?;
        let length = match headers.get_str("Content-Length") {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| {
                HeadError::Bad(format!("Content-Length of {} is no number: {text:?}", shown()))
            })?),
        };
        let (method, length) = match (method, length) {
            (b"PUT", Some(length)) => (Method::Put, length),
            (b"PUT", None) => return Err(HeadError::Bad(format!("No content-length sent for {}", shown()))),
            (b"POST", None | Some(0)) => (Method::Post, 0),
            (b"DELETE", None | Some(0)) => (Method::Delete, 0),
            (b"POST" | b"DELETE", Some(_)) => {
                return Err(HeadError::Bad(format!("subrequest with content-length: {}", shown())));
            }
            _ => return Err(HeadError::Bad(format!("Invalid subrequest method: {}", shown()))),
        };
        Ok(Self { method, path: unquote(path), headers, length })
    }

    /// The names of the fields that say what the object's metadata is, for the object server to keep them all.
    pub fn replication_headers(&self) -> Bytes {
        let not_kept = [&b"etag"[..], b"x-backend-no-commit"];
        let names = self.headers.iter().map(|(name, _)| name.to_ascii_lowercase());
        let names: Vec<Vec<u8>> = names.filter(|name| !not_kept.contains(&&name[..])).collect();
        names.join(&b' ').into()
    }
}

async fn read_headers(lines: &mut Lines, of: &impl Fn() -> String) -> Result<Headers, HeadError> {
    let (mut headers, mut size) = (Headers::new(), 0);
    loop {
        let line = lines.next().await?;
        let line = line.ok_or_else(|| HeadError::Bad(format!("Got no headers for {}", of())))?;
        if line.is_empty() {
            return Ok(headers);
        }
        size += line.len();
        if headers.len() == MAX_HEADERS || size > MAX_HEAD {
            return Err(HeadError::Bad(format!("too many headers for {}", of())));
        }
        let colon = memchr(b':', &line).ok_or_else(|| HeadError::Bad(format!("bad header for {}", of())))?;
        // Copied: a piece of the body would keep all that was read with it.
        let part = |bytes: &[u8]| Bytes::copy_from_slice(bytes.trim_ascii());
        headers.set(part(&line[..colon]), part(&line[colon + 1..]));
    }
}

/// Appends the head of a subrequest to `out`. `false`, and nothing appended, where a field cannot be sent: a line end
/// in it would end it.
pub(in crate::object) fn write_head<'a>(
    out: &mut Vec<u8>,
    method: &Method,
    path: &[u8],
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> bool {
    let begin = out.len();
    out.extend_from_slice(format!("{method} {}\r\n", quote(path)).as_bytes());
    for (name, value) in fields {
        if name.iter().chain(value).any(|b| matches!(b, b'\r' | b'\n')) {
            out.truncate(begin);
            return false;
        }
        for part in [name, b": ", value, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Body;

    async fn read(text: &'static str) -> Result<Subrequest, HeadError> {
        let mut lines = Lines::new(Body::full(text));
        let line = lines.next().await.unwrap().unwrap();
        Subrequest::read(&line, &mut lines).await
    }

    #[tokio::test]
    async fn what_is_written_is_read() {
        let mut out = Vec::new();
        let fields = [("Content-Length", "3"), ("ETag", "abc"), ("X-Object-Meta-Ä", "ö : x")];
        let bytes = || fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        assert!(write_head(&mut out, &Method::Put, "/a/c/o ä%/p".as_bytes(), bytes()));
        assert!(out.starts_with(b"PUT /a/c/o%20%C3%A4%25/p\r\nContent-Length: 3\r\n"));
        let read = read(String::from_utf8(out).unwrap().leak()).await.unwrap();
        assert_eq!((read.method.as_str(), read.length), ("PUT", 3));
        assert_eq!(read.path, "/a/c/o ä%/p".as_bytes());
        assert_eq!(read.headers.get("x-object-meta-Ä"), Some("ö : x".as_bytes()));
        assert_eq!(read.replication_headers(), "content-length x-object-meta-Ä");
    }

    #[test]
    fn a_field_that_would_break_the_conversation_is_not_sent() {
        let mut out = b"before".to_vec();
        let fields = [(&b"X-Object-Meta-A"[..], &b"b\r\n:UPDATES: END"[..])];
        assert!(!write_head(&mut out, &Method::Post, b"/a/c/o", fields.into_iter()));
        assert_eq!(out, b"before");
    }

    #[tokio::test]
    async fn what_is_wrong_is_named() {
        for (text, why) in [
            ("PUT\r\n\r\n", "no subrequest: PUT"),
            ("PUT /a/c/o\r\n\r\n", "No content-length sent for PUT /a/c/o"),
            ("PUT /a/c/o\r\nContent-Length: -1\r\n\r\n", "Content-Length of PUT /a/c/o is no number: \"-1\""),
            ("POST /a/c/o\r\nContent-Length: 1\r\n\r\n", "subrequest with content-length: POST /a/c/o"),
            ("GET /a/c/o\r\n\r\n", "Invalid subrequest method: GET /a/c/o"),
            ("PUT /a/c/o\r\nContent-Length: 1\r\n", "Got no headers for PUT /a/c/o"),
            ("PUT /a/c/o\r\nX\r\n\r\n", "bad header for PUT /a/c/o"),
        ] {
            assert_eq!(read(text).await.unwrap_err().to_string(), why);
        }
        let many = format!("PUT /a/c/o\r\n{}\r\n", "X-Y: z\r\n".repeat(MAX_HEAD / 6 + 1));
        assert!(read(many.leak()).await.unwrap_err().to_string().starts_with("too many headers"));
    }
}
