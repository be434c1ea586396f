//! A request's head on its way out.

use crate::http::{Headers, Method, Request};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// What Python's `quote` leaves alone in a path.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'_').remove(b'.').remove(b'-').remove(b'~');

/// What a request's head says.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path, not percent-encoded.
    pub path: &'a [u8],
    /// The query string as it is to stand in the request line, without `?`; empty for none.
    pub query: &'a [u8],
    /// The header fields. `Content-Length`, `Transfer-Encoding` and `Connection` are the connection's
    /// business; `Host` is added where it is missing.
    pub headers: &'a Headers,
}

/// How long a request's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none, and no header says so.
    None,
    /// So many bytes.
    Known(u64),
    /// Not known before it ends.
    Chunked,
}

impl BodyLength {
    /// What goes with `request`'s body and method.
    pub(super) fn of(request: &Request) -> Self {
        match (request.body.len(), &request.method) {
            (None, _) => Self::Chunked,
            (Some(0), Method::Get | Method::Head | Method::Delete | Method::Options) => Self::None,
            (Some(length), _) => Self::Known(length),
        }
    }
}

impl<'a> RequestHead<'a> {
    /// The head of `request`.
    pub fn of(request: &'a Request) -> Self {
        let Request { method, path, query, headers, .. } = request;
        Self { method, path, query, headers }
    }

    pub(super) fn encode(&self, host: &str, port: u16, length: BodyLength) -> Bytes {
        let mut out = Vec::with_capacity(512);
        let mut number = itoa::Buffer::new();
        out.extend_from_slice(self.method.as_str().as_bytes());
        out.push(b' ');
        for part in percent_encode(self.path, QUOTED) {
            out.extend_from_slice(part.as_bytes());
        }
        if !self.query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(self.query);
        }
        out.extend_from_slice(b" HTTP/1.1\r\n");
        if !self.headers.contains("Host") {
            out.extend_from_slice(format!("Host: {}\r\n", super::node_name(host, port)).as_bytes());
        }
        for (name, value) in self.headers.iter() {
            let ours = ["Content-Length", "Transfer-Encoding", "Connection"];
            if !ours.iter().any(|n| name.eq_ignore_ascii_case(n.as_bytes())) {
                for part in [name, &b": "[..], value, b"\r\n"] {
                    out.extend_from_slice(part);
                }
            }
        }
        match length {
            BodyLength::None => {}
            BodyLength::Known(bytes) => {
                for part in ["Content-Length: ", number.format(bytes), "\r\n"] {
                    out.extend_from_slice(part.as_bytes());
                }
            }
            BodyLength::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        }
        out.extend_from_slice(b"\r\n");
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_paths_as_python_quotes_them() {
        let mut request = Request::new(Method::Put, "/sda1/7/AUTH_a/c/o ~ä%/x?".as_bytes());
        request.query = "a=b%20c".into();
        request.headers.set("X-Ä", "1");
        request.headers.set("content-length", "9");
        let head = RequestHead::of(&request).encode("::1", 6200, BodyLength::Known(12));
        assert_eq!(
            String::from_utf8_lossy(&head),
            "PUT /sda1/7/AUTH_a/c/o%20~%C3%A4%25/x%3F?a=b%20c HTTP/1.1\r\nHost: [::1]:6200\r\nX-Ä: 1\r\n\
             Content-Length: 12\r\n\r\n"
        );
    }
}
