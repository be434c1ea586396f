//! An answer's first line, and how its body is framed.

use crate::http::wire::chunked::Decoder;
use crate::http::wire::head::{HeadError, HeadScanner, parse_length};
use crate::http::wire::reader::Framing;
use crate::http::{Headers, standard};
use bytes::Bytes;

/// A parsed answer head.
#[derive(Debug)]
pub(super) struct ResponseHead {
    pub(super) status: u16,
    /// The reason phrase where it is not the usual one.
    pub(super) reason: Option<Bytes>,
    pub(super) headers: Headers,
    /// Whether the connection may go on after it.
    pub(super) keep_alive: bool,
}

impl ResponseHead {
    pub(super) fn parse(head: &Bytes, scanner: &HeadScanner) -> Result<Self, HeadError> {
        let line = head.slice(scanner.first_line(head));
        let rest = line.strip_prefix(b"HTTP/1.").ok_or(HeadError::BadFirstLine)?;
        let [minor @ b'0'..=b'9', b' ', code @ ..] = rest else { return Err(HeadError::BadFirstLine) };
        let (digits, phrase) = code.split_at_checked(3).ok_or(HeadError::BadFirstLine)?;
        let status =
            parse_length(digits).filter(|code| (100..1000).contains(code)).ok_or(HeadError::BadFirstLine)?;
        let phrase = match phrase {
            [] => phrase,
            [b' ', phrase @ ..] => phrase,
            _ => return Err(HeadError::BadFirstLine),
        };
        let headers = scanner.headers(head)?;
        let connection = headers.get("Connection").unwrap_or_default();
        let keep_alive = match minor {
            b'0' => connection.eq_ignore_ascii_case(b"keep-alive"),
            _ => !connection.eq_ignore_ascii_case(b"close"),
        };
        let usual = standard::reason(status as u16).as_bytes() == phrase;
        let reason = (!usual).then(|| line.slice_ref(phrase));
        Ok(Self { status: status as u16, reason, headers, keep_alive })
    }

    /// Where the body ends; `to_head`: the request was a HEAD.
    pub(super) fn framing(&self, to_head: bool) -> Result<Framing, HeadError> {
        if to_head || matches!(self.status, 100..=199 | 204 | 304) {
            return Ok(Framing::Length(0));
        }
        if let Some(coding) = self.headers.get("Transfer-Encoding") {
            let chunked = coding.eq_ignore_ascii_case(b"chunked");
            return if chunked { Ok(Framing::Chunked(Decoder::new())) } else { Err(HeadError::BadHeader) };
        }
        let mut lengths = self.headers.get_all("Content-Length");
        match (lengths.next(), lengths.next()) {
            (None, _) => Ok(Framing::UntilClose),
            (Some(length), None) => parse_length(length).map(Framing::Length).ok_or(HeadError::BadHeader),
            (Some(_), Some(_)) => Err(HeadError::BadHeader),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Limits;

    fn parse(text: &'static str) -> Result<ResponseHead, HeadError> {
        let head = Bytes::from_static(text.as_bytes());
        let mut scanner = HeadScanner::default();
        scanner.scan(&head, &Limits::default())?.expect("a whole head");
        ResponseHead::parse(&head, &scanner)
    }

    #[test]
    fn status_lines() {
        let head = parse("HTTP/1.1 507 Insufficient Storage\r\n\r\n").unwrap();
        assert_eq!((head.status, head.reason, head.keep_alive), (507, None, true));
        assert_eq!(parse("HTTP/1.1 200 Fine\r\n\r\n").unwrap().reason.as_deref(), Some(&b"Fine"[..]));
        assert_eq!(parse("HTTP/1.0 299\r\n\r\n").unwrap().status, 299);
        for bad in [
            "HTTP/2 200 OK",
            "HTTP/1.1 20 OK",
            "HTTP/1.1 2000 OK",
            "HTTP/1.1  200 OK",
            "ICY 200",
            "HTTP/1.1 099 x",
        ] {
            assert!(parse(format!("{bad}\r\n\r\n").leak()).is_err(), "{bad}");
        }
    }

    #[test]
    fn framing_depends_on_request_and_status() {
        let framing = |text, to_head| parse(text).unwrap().framing(to_head);
        let five = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(framing(five, false), Ok(Framing::Length(5)));
        assert_eq!(framing(five, true), Ok(Framing::Length(0)));
        assert_eq!(framing("HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", false), Ok(Framing::Length(0)));
        assert_eq!(framing("HTTP/1.1 200 OK\r\n\r\n", false), Ok(Framing::UntilClose));
        assert!(framing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", false).is_err());
    }
}
