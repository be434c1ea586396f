//! The answers to requests that no service gets to see, byte for byte those of eventlet and Swift.

use super::head::Refusal;
use crate::http::standard::reason;
use crate::http::wire::date;
use crate::http::wire::head::HeadError;

/// What eventlet answers to a head that breaks its limits, or that is malformed.
pub(super) fn for_head_error(error: &HeadError, trans_id: &str) -> Vec<u8> {
    match error {
        HeadError::FirstLineTooLong => bare("414 Request URI Too Long"),
        HeadError::HeaderLineTooLong => bare("400 Header Line Too Long"),
        HeadError::HeadersTooLarge => bare("400 Headers Too Large"),
        HeadError::TooManyHeaders(count) => {
            page(431, "Too many headers", &format!("got more than {} headers", count + 1), trans_id)
        }
        HeadError::BadHeader | HeadError::BadFirstLine => bare("400 Bad Request"),
    }
}

/// What Swift or eventlet answers to a head that was read and refused.
pub(super) fn for_refusal(refusal: &Refusal, trans_id: &str) -> Vec<u8> {
    match refusal {
        Refusal::Bare => bare("400 Bad Request"),
        Refusal::Page { status: 505, message } => page(505, message, "Cannot fulfill request", trans_id),
        Refusal::Page { status, message } => {
            page(*status, message, "Bad request syntax or unsupported method", trans_id)
        }
    }
}

/// The answer to a line that is not one of the PROXY protocol.
pub(super) fn for_proxy_line(line: &[u8], trans_id: &str) -> Vec<u8> {
    let message = format!("Invalid PROXY line b'{}'", line.escape_ascii());
    page(400, &message, "Bad request syntax or unsupported method", trans_id)
}

/// The answer when there is no memory for a request's body.
pub(super) fn overloaded() -> Vec<u8> {
    format!(
        "HTTP/1.1 503 {}\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        reason(503)
    )
    .into_bytes()
}

fn bare(status: &str) -> Vec<u8> {
    format!("HTTP/1.0 {status}\r\nConnection: close\r\nContent-length: 0\r\n\r\n").into_bytes()
}

/// Swift's page for requests it cannot read: the layout of Python's `http.server`.
fn page(status: u16, message: &str, explain: &str, trans_id: &str) -> Vec<u8> {
    let body = format!(
        "<!DOCTYPE HTML>\n<html lang=\"en\">\n    <head>\n        <meta charset=\"utf-8\">\n        \
         <title>Error response</title>\n    </head>\n    <body>\n        <h1>Error response</h1>\n        \
         <p>Error code: {status}</p>\n        <p>Message: {}.</p>\n        \
         <p>Error code explanation: {status} - {}.</p>\n    </body>\n</html>\n",
        escape(message),
        escape(explain),
    );
    let mut answer = format!(
        "HTTP/1.1 {status} {message}\r\nDate: {}\r\nConnection: close\r\nContent-Type: text/html;charset=utf-8\r\n\
         Content-Length: {}\r\nX-Trans-Id: {trans_id}\r\nX-Openstack-Request-Id: {trans_id}\r\n\r\n",
        String::from_utf8_lossy(&date::now()),
        body.len(),
    )
    .into_bytes();
    answer.extend_from_slice(body.as_bytes());
    answer
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
