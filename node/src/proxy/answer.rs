//! What a backend answered, and what of it the client sees.

use super::nodes::Candidate;
use crate::http::headers::has_prefix;
use crate::http::{Headers, Response};
use bytes::Bytes;

/// A backend's answer with its (small) body.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The reason phrase where it is not the usual one.
    pub reason: Option<Bytes>,
    /// The header fields.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
    /// Who answered; nobody where the answer stands for one that did not come.
    pub from: Option<Candidate>,
}

impl Answer {
    /// A stand-in of `status`, for a node that did not answer or whose answer does not count.
    pub fn stand_in(status: u16) -> Self {
        Self { status, reason: None, headers: Headers::new(), body: Bytes::new(), from: None }
    }

    /// The answer for the client.
    pub fn into_response(self) -> Response {
        let mut response = Response::html(self.status, self.body);
        response.reason = self.reason;
        copy_headers(&self.headers, &mut response.headers);
        response
    }
}

/// Fields of a backend's answer that are its own affair; what describes the body is set by who passes it on.
const NOT_PASSED_ON: &[&str] = &[
    "date",
    "content-length",
    "content-type",
    "connection",
    "transfer-encoding",
    "x-put-timestamp",
    "x-delete-after",
];

/// Copies what a client may see of a backend's header fields. ETags lose their quotes, as Swift's always do.
pub fn copy_headers(from: &Headers, to: &mut Headers) {
    for (name, value) in from.iter() {
        if name.eq_ignore_ascii_case(b"etag") {
            to.set(name.clone(), without_quotes(value));
        } else if !NOT_PASSED_ON.iter().any(|skip| name.len() == skip.len() && has_prefix(name, skip)) {
            to.set(name.clone(), value.clone());
        }
    }
}

fn without_quotes(value: &Bytes) -> Bytes {
    if !value.contains(&b'"') {
        return value.clone();
    }
    value.iter().copied().filter(|b| *b != b'"').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_see_what_is_theirs() {
        let answer = Answer {
            headers: [
                ("Content-Type", "text/plain"),
                ("Content-Length", "7"),
                ("Date", "now"),
                ("X-PUT-Timestamp", "1"),
                ("Etag", "\"abc\""),
                ("X-Object-Meta-A", "b"),
            ]
            .into_iter()
            .collect(),
            ..Answer::stand_in(201)
        };
        let response = answer.into_response();
        assert_eq!(response.headers.len(), 3);
        assert_eq!(response.headers.get_str("content-type"), Some("text/html; charset=UTF-8"));
        assert_eq!(response.headers.get_str("etag"), Some("abc"));
        assert_eq!(response.headers.get_str("x-object-meta-a"), Some("b"));
    }
}
