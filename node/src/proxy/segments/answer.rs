//! The answer of which the segments are the body: what conditions and ranges make of it.

use super::SegmentedBody;
use crate::http::byte_ranges::{Asked, Piece, asked, content_range, multipart};
use crate::http::conditions::{normalize_etag, refused};
use crate::http::dates::parse_http_date;
use crate::http::{Body, BodyError, BodyStream, Headers, Method, Response};
use crate::proxy::app::ProxyRequest;
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::VecDeque;
use std::ops::Range;

/// How a large object is answered.
pub enum Plan {
    /// Without any of its bytes: a HEAD, conditions that are not met, ranges that there are not.
    Complete(Response),
    /// With some or all of its bytes.
    Send(Sending),
}

/// An answer that lacks its body.
pub struct Sending {
    response: Response,
    ranges: Vec<Range<u64>>,
    pieces: Vec<Piece>,
}

/// Plans the answer to `client`, whose conditions and ranges count. `response` describes the whole large object, which
/// is of `length` bytes where that is known; without a length, ranges do not count.
pub fn plan(client: &ProxyRequest, mut response: Response, length: Option<u64>) -> Plan {
    let headers = &client.http.headers;
    let modified = response.headers.get_str("Last-Modified").and_then(parse_http_date).unwrap_or_default();
    let etag = conditional_etag(headers, &response.headers);
    if let Some(status) = refused(headers, etag, modified) {
        response.status = status;
        response.reason = None;
        response.headers.set_int("Content-Length", 0);
        response.body = Body::empty();
        return Plan::Complete(response);
    }
    match length {
        Some(length) => response.headers.set_int("Content-Length", length),
        None => drop(response.headers.remove("Content-Length")),
    }
    if client.http.method == Method::Head {
        response.body = Body::empty();
        return Plan::Complete(response);
    }
    let length = length.unwrap_or(u64::MAX);
    let range = headers.get("Range").filter(|_| response.headers.contains("Content-Length"));
    let whole = 0..length;
    let (ranges, pieces) = match asked(range, length) {
        Asked::All => (vec![whole], Vec::new()),
        Asked::Unsatisfiable => {
            let page = Response::standard(416);
            response.status = page.status;
            response.headers.remove("Content-Length");
            response.headers.set("Content-Range", format!("bytes */{length}"));
            response.body = page.body;
            return Plan::Complete(response);
        }
        Asked::Ranges(ranges) => {
            response.status = 206;
            let pieces = in_parts(&mut response.headers, &ranges, length);
            let sent = pieces.iter().map(Piece::len_bytes).sum::<u64>();
            response.headers.set_int("Content-Length", if pieces.is_empty() { size(&ranges) } else { sent });
            (ranges, pieces)
        }
    };
    Plan::Send(Sending { response, ranges, pieces })
}

/// Says in `headers` which ranges are sent; how they are laid out where there is more than one.
fn in_parts(headers: &mut Headers, ranges: &[Range<u64>], length: u64) -> Vec<Piece> {
    if let [range] = ranges {
        headers.set("Content-Range", content_range(range, length));
        return Vec::new();
    }
    let boundary = format!("{:032x}", rand::random::<u128>());
    let content_type = headers.get("Content-Type").unwrap_or_default().to_vec();
    headers.set("Content-Type", format!("multipart/byteranges;boundary={boundary}"));
    multipart(ranges.to_vec(), &content_type, &boundary, length)
}

fn size(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

/// The ETag that conditions are about: the first of those that the links before this one name, or the answer's.
fn conditional_etag<'a>(request: &Headers, response: &'a Headers) -> &'a [u8] {
    let names = request.get("X-Backend-Etag-Is-At").unwrap_or_default();
    let mut named = names.split(|b| *b == b',').map(<[u8]>::trim_ascii);
    let alternate = named.find_map(|name| response.get_bytes(name));
    normalize_etag(alternate.or_else(|| response.get("Etag")).unwrap_or_default())
}

impl Sending {
    /// The bytes of the large object that are wanted, in the order they are sent.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// How many they are, where the length of the whole is known.
    pub fn len(&self) -> Option<u64> {
        self.response.headers.contains("Content-Length").then(|| size(&self.ranges))
    }

    /// The answer as it is so far.
    pub fn into_response(self) -> Response {
        self.response
    }

    /// The answer, `body` being the bytes of [`Self::ranges`].
    pub fn with_body(self, body: SegmentedBody) -> Response {
        let length = self.response.headers.get_str("Content-Length").and_then(|length| length.parse().ok());
        let body = match self.pieces.is_empty() {
            true => Body::stream(length, body),
            false => {
                let pieces = self.pieces.into();
                Body::stream(length, Spliced { pieces, body: Body::stream(None, body), rest: Bytes::new() })
            }
        };
        Response { body, ..self.response }
    }
}

/// Ranges of the large object, with what divides them.
struct Spliced {
    pieces: VecDeque<Piece>,
    body: Body,
    /// What came of the body beyond the range before.
    rest: Bytes,
}

#[async_trait]
impl BodyStream for Spliced {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            let range = match self.pieces.front_mut() {
                None => return Ok(None),
                Some(Piece::Literal(text)) => {
                    let text = std::mem::take(text);
                    self.pieces.pop_front();
                    return Ok(Some(text));
                }
                Some(Piece::Object(range)) => range,
            };
            if range.start >= range.end {
                self.pieces.pop_front();
                continue;
            }
            if self.rest.is_empty() {
                let Some(chunk) = self.body.next().await? else {
                    return Err(BodyError::Malformed("the large object ends within a range"));
                };
                self.rest = chunk;
            }
            let wanted = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            let chunk = self.rest.split_to(wanted.min(self.rest.len()));
            range.start += chunk.len() as u64;
            return Ok(Some(chunk));
        }
    }
}
