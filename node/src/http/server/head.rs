//! A request's first line and framing.

use crate::http::wire::chunked::Decoder;
use crate::http::wire::head::{HeadScanner, parse_length};
use crate::http::wire::reader::Framing;
use crate::http::{Headers, Method, Version};
use bytes::Bytes;
use percent_encoding::percent_decode;
use std::borrow::Cow;

/// A parsed request head.
#[derive(Debug)]
pub(super) struct RequestHead {
    pub(super) method: Method,
    pub(super) path: Bytes,
    pub(super) query: Bytes,
    pub(super) headers: Headers,
    pub(super) version: Version,
    pub(super) framing: Framing,
    /// Whether the client waits for a 100 before it sends the body.
    pub(super) expects_continue: bool,
    /// Whether the connection may serve another request after this one.
    pub(super) keep_alive: bool,
    /// Whether the client asked in words to keep the connection alive.
    pub(super) asked_keep_alive: bool,
}

/// Why a head is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Answered with this status and message in Swift's HTML page (`SwiftHttpProtocol.send_error`).
    Page { status: u16, message: String },
    /// Answered as eventlet does, with 400 and no body.
    Bare,
}

impl RequestHead {
    /// Parses the head whose lines `scanner` found.
    pub(super) fn parse(head: &Bytes, scanner: &HeadScanner) -> Result<Self, Refusal> {
        let line = head.slice(scanner.first_line(head));
        let (method, target, version) = parse_request_line(&line)?;
        let fields = scanner.headers(head).map_err(|_| Refusal::Bare)?;
        let framing = parse_framing(&fields)?;
        let odd_coding = fields.contains("Transfer-Encoding") && !matches!(framing, Framing::Chunked(_));
        let connection = fields.get("Connection").unwrap_or_default();
        let asked_keep_alive = connection.eq_ignore_ascii_case(b"keep-alive");
        let keep_alive = match version {
            Some(Version::Http11) => !connection.eq_ignore_ascii_case(b"close") && !odd_coding,
            Some(Version::Http10) => asked_keep_alive && !odd_coding,
            None => false,
        };
        let version = version.unwrap_or(Version::Http10);
        let expects_continue = version == Version::Http11
            && fields.get("Expect").is_some_and(|v| v.eq_ignore_ascii_case(b"100-continue"));
        let (path, query) = split_target(target);
        Ok(Self {
            method,
            path,
            query,
            headers: as_environ(fields),
            version,
            framing,
            expects_continue,
            keep_alive,
            asked_keep_alive,
        })
    }
}

fn bad_request(message: impl Into<String>) -> Refusal {
    Refusal::Page { status: 400, message: message.into() }
}

/// Splits `METHOD target HTTP/1.1`. The version is `None` for the two words of HTTP/0.9, which Swift answers
/// as HTTP/1.0.
fn parse_request_line(line: &Bytes) -> Result<(Method, Bytes, Option<Version>), Refusal> {
    let words: Vec<&[u8]> = line.split(|&b| b == b' ').take(4).collect();
    let bad_syntax = || bad_request(format!("Bad request syntax ('{}')", line.escape_ascii()));
    let version = match words[..] {
        [_, _] => None,
        [.., version] if words.len() > 2 => {
            // With more than three words the last one tells the version, and then the syntax is bad.
            let last = line.rsplit(|&b| b == b' ').next().unwrap_or(version);
            Some(parse_version(last)?)
        }
        _ => return Err(bad_syntax()),
    };
    let [method, target, ..] = words[..] else { return Err(bad_syntax()) };
    if words.len() > 3 {
        return Err(bad_syntax());
    }
    if version.is_none() && method != b"GET" {
        return Err(bad_request(format!("Bad HTTP/0.9 request type ('{}')", method.escape_ascii())));
    }
    // Swift compares method names with ASCII ones; whatever else a name is, it is none of them.
    let method = Method::from_name(&String::from_utf8_lossy(method));
    Ok((method, line.slice_ref(target), version))
}

fn parse_version(word: &[u8]) -> Result<Version, Refusal> {
    let bad = || bad_request(format!("Bad request version ('{}')", word.escape_ascii()));
    let number = word.strip_prefix(b"HTTP/").ok_or_else(bad)?;
    let dot = number.iter().position(|&b| b == b'.').ok_or_else(bad)?;
    let major = parse_length(&number[..dot]).ok_or_else(bad)?;
    let minor = parse_length(&number[dot + 1..]).ok_or_else(bad)?;
    match (major, minor) {
        (2.., _) => Err(Refusal::Page {
            status: 505,
            message: format!("Invalid HTTP version ({})", number.escape_ascii()),
        }),
        (1, 1) => Ok(Version::Http11),
        _ => Ok(Version::Http10),
    }
}

/// Splits the target into its percent-decoded path and its query. An absolute form's host is dropped.
fn split_target(target: Bytes) -> (Bytes, Bytes) {
    let after_scheme = target.strip_prefix(b"http://").or_else(|| target.strip_prefix(b"https://"));
    let target = match after_scheme.and_then(|rest| memchr::memchr(b'/', rest).map(|at| &rest[at..])) {
        Some(rest) => target.slice_ref(rest),
        None => target,
    };
    let (path, query) = match memchr::memchr(b'?', &target) {
        Some(at) => (target.slice(..at), target.slice(at + 1..)),
        None => (target, Bytes::new()),
    };
    // Escapes that are none stay as they are, as Python's unquote has it.
    let path = match Cow::from(percent_decode(&path)) {
        Cow::Borrowed(_) => path,
        Cow::Owned(decoded) => decoded.into(),
    };
    (path, query)
}

/// How the body is framed. A second Content-Length, one that is no number, and one beside a
/// Transfer-Encoding are refused: another program in front might have read them differently. A coding other
/// than chunked leaves the body unread; the service answers that it is unknown.
fn parse_framing(fields: &Headers) -> Result<Framing, Refusal> {
    let mut lengths = fields.get_all("Content-Length");
    let mut codings = fields.get_all("Transfer-Encoding");
    match (lengths.next(), codings.next()) {
        (None, None) => Ok(Framing::Length(0)),
        (Some(length), None) => match (saturating_length(length), lengths.next()) {
            (Some(length), None) => Ok(Framing::Length(length)),
            _ => Err(Refusal::Bare),
        },
        (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") && codings.next().is_none() => {
            Ok(Framing::Chunked(Decoder::new()))
        }
        (None, Some(_)) => Ok(Framing::Length(0)),
        (Some(_), Some(_)) => Err(Refusal::Bare),
    }
}

/// A length in digits; one past all numbers is as large as can be, and the service answers that it is too large.
fn saturating_length(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    is_number.then(|| parse_length(value).unwrap_or(u64::MAX))
}

/// The fields as a WSGI application of Swift's gets them: names with an underscore are dropped (they could
/// pass for ones with a dash), fields of one name are joined with a comma, only the first Content-Type counts.
fn as_environ(fields: Headers) -> Headers {
    let mut seen = Headers::with_capacity(fields.len() + 2);
    for (name, value) in fields.iter() {
        if memchr::memchr(b'_', name).is_some() {
            continue;
        }
        match seen.get_bytes(name) {
            None => seen.append(name.clone(), value.clone()),
            Some(_) if name.eq_ignore_ascii_case(b"Content-Type") => {}
            Some(first) => {
                let joined = [first, b",", value].concat();
                seen.set(name.clone(), joined);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Limits;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<RequestHead, Refusal> {
        let head = Bytes::from(text.to_owned());
        let mut scanner = HeadScanner::default();
        scanner.scan(&head, &Limits::default()).unwrap().expect("a whole head");
        RequestHead::parse(&head, &scanner)
    }

    fn with_headers(headers: &str) -> Result<RequestHead, Refusal> {
        parse(&format!("PUT /a HTTP/1.1\r\n{headers}\r\n"))
    }

    #[test]
    fn request_lines() {
        let head = parse("PUT /v1/a%20b/%C3%A4%zz?x=%20&y HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(head.method, Method::Put);
        assert_eq!(head.path, "/v1/a b/ä%zz".as_bytes());
        assert_eq!(head.query, &b"x=%20&y"[..]);
        assert!(head.keep_alive);
        assert_eq!(parse("GET http://host:80/a?b HTTP/1.0\r\n\r\n").unwrap().path, &b"/a"[..]);
        assert_eq!(parse("GET /a\r\n\r\n").unwrap().version, Version::Http10);
        assert_eq!(parse("GET  HTTP/1.1\r\n\r\n").unwrap().path, "");
    }

    #[test]
    fn bad_request_lines_get_swifts_messages() {
        let page = |status, message: &str| Refusal::Page { status, message: message.into() };
        for (line, want) in [
            ("", page(400, "Bad request syntax ('')")),
            ("GET", page(400, "Bad request syntax ('GET')")),
            ("PUT /a", page(400, "Bad HTTP/0.9 request type ('PUT')")),
            ("GET /a b HTTP/1.1", page(400, "Bad request syntax ('GET /a b HTTP/1.1')")),
            ("GET /a HTTQ/1.1", page(400, "Bad request version ('HTTQ/1.1')")),
            ("GET /a HTTP/1.1.1", page(400, "Bad request version ('HTTP/1.1.1')")),
            ("GET /a HTTP/2.0", page(505, "Invalid HTTP version (2.0)")),
        ] {
            assert_eq!(parse(&format!("{line}\r\n\r\n")).unwrap_err(), want, "{line}");
        }
    }

    #[test]
    fn framing_that_could_be_read_two_ways_is_refused() {
        for headers in [
            "Content-Length: 1\r\nContent-Length: 2\r\n",
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: 0x1\r\n",
            "Content-Length: 1, 1\r\n",
        ] {
            assert_eq!(with_headers(headers).unwrap_err(), Refusal::Bare, "{headers:?}");
        }
    }

    #[test]
    fn a_length_past_all_numbers_is_the_largest() {
        let head = with_headers("Content-Length: 99999999999999999999\r\n").unwrap();
        assert_eq!(head.framing, Framing::Length(u64::MAX));
    }

    #[test]
    fn an_unknown_coding_is_left_to_the_service_and_ends_the_connection() {
        let head = with_headers("Transfer-Encoding: gzip, chunked\r\n").unwrap();
        assert_eq!((head.framing, head.keep_alive), (Framing::Length(0), false));
        let head = with_headers("Transfer-Encoding: Chunked\r\n").unwrap();
        assert!(matches!(head.framing, Framing::Chunked(_)) && head.keep_alive);
    }

    #[test]
    fn fields_are_those_of_a_wsgi_environment() {
        let head =
            with_headers("X-A: 1\r\nx-a: 2\r\nX_A: 3\r\nContent-Type: a\r\nContent-Type: b\r\n").unwrap();
        assert_eq!(head.headers.get("X-A"), Some(&b"1,2"[..]));
        assert_eq!(head.headers.get("Content-Type"), Some(&b"a"[..]));
        assert_eq!(head.headers.len(), 2);
    }

    #[test]
    fn keep_alive_follows_version_and_words() {
        let keep = |text: &str| parse(text).unwrap().keep_alive;
        assert!(!keep("GET / HTTP/1.0\r\n\r\n"));
        assert!(keep("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
        assert!(!keep("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"));
        assert!(!keep("GET /\r\nConnection: keep-alive\r\n\r\n"));
        assert!(!keep("GET / HTTP/1.2\r\n\r\n"));
    }

    proptest! {
        #[test]
        fn hostile_heads_never_panic(text in "[A-Z /%:.0-9a-zé?\t\r]{0,60}") {
            let head = Bytes::from(text + "\r\n\r\n");
            let mut scanner = HeadScanner::default();
            if let Ok(Some(length)) = scanner.scan(&head, &Limits::default()) {
                let _ = RequestHead::parse(&head.slice(..length), &scanner);
            }
        }
    }
}
