//! The body of a GET on its way to the client: where a node breaks off, another one goes on.

use super::multipart::{self, PartReader};
use super::{Getter, Source};
use crate::http::{Body, BodyError, BodyStream};
use crate::proxy::meta::ServerKind;
use crate::proxy::ranges::{ContentRange, Left, Ranges};
use crate::proxy::rings::Node;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;

/// The body that `getter` found at `source`.
pub(super) fn of(getter: Getter, source: Source) -> Body {
    let length = source.response.headers.get_str("content-length").and_then(|n| n.parse().ok());
    let boundary = multipart::boundary(&source.response.headers);
    let reader = Reader::of(source);
    Body::stream(length, GetBody { getter, boundary, reader, at: At::PartStart })
}

struct GetBody {
    getter: Getter,
    /// What divides the parts that the client is sent, where there is more than one.
    boundary: Option<Bytes>,
    reader: Reader,
    at: At,
}

/// Where in the body we are.
enum At {
    PartStart,
    /// In a part, of which so many bytes were sent; how many are left, where that is known, and its first byte.
    Part {
        start: u64,
        sent: u64,
        left: Option<u64>,
    },
    End,
}

/// One node's body.
struct Reader {
    node: Arc<Node>,
    parts: Parts,
}

enum Parts {
    /// A whole object, or one range of it. `None`: of unknown length.
    One {
        body: Body,
        range: Option<ContentRange>,
        begun: bool,
    },
    Many(PartReader),
    Malformed,
}

/// What a part is, as the client is told.
struct Part {
    range: Option<ContentRange>,
    content_type: Bytes,
}

impl Reader {
    fn of(source: Source) -> Self {
        let Source { node, response, .. } = source;
        let headers = &response.headers;
        let length = || headers.get_str("content-length")?.parse::<u64>().ok();
        let parts = match (response.status, multipart::boundary(headers)) {
            (206, Some(boundary)) => Parts::Many(PartReader::new(response.body, boundary)),
            (206, None) => match headers.get("content-range").and_then(ContentRange::parse) {
                range @ Some(_) => Parts::One { body: response.body, range, begun: false },
                None => Parts::Malformed,
            },
            _ => {
                let whole = |total: u64| Some(ContentRange { start: 0, end: total.checked_sub(1)?, total });
                Parts::One { range: length().and_then(whole), body: response.body, begun: false }
            }
        };
        Self { node, parts }
    }

    async fn next_part(&mut self) -> Result<Option<Part>, BodyError> {
        match &mut self.parts {
            Parts::Malformed => Err(BodyError::Malformed("a 206 without Content-Range")),
            Parts::One { begun: true, .. } => Ok(None),
            Parts::One { range, begun, .. } => {
                *begun = true;
                Ok(Some(Part { range: *range, content_type: Bytes::new() }))
            }
            Parts::Many(parts) => {
                let head = parts.next_head().await?;
                Ok(head.map(|head| Part { range: Some(head.range), content_type: head.content_type }))
            }
        }
    }

    /// More of the part, `None` at its end; an error where it ends too early.
    async fn chunk(&mut self, left: Option<u64>) -> Result<Option<Bytes>, BodyError> {
        if left == Some(0) {
            return Ok(None);
        }
        match &mut self.parts {
            Parts::One { body, .. } => match body.next().await? {
                None if left.is_some() => Err(BodyError::Malformed("the node sent too few bytes")),
                chunk => Ok(chunk),
            },
            Parts::Many(parts) => parts.chunk(left.unwrap_or(u64::MAX)).await.map(Some),
            Parts::Malformed => Err(BodyError::Malformed("a 206 without Content-Range")),
        }
    }
}

#[async_trait]
impl BodyStream for GetBody {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            match &mut self.at {
                At::End => return Ok(None),
                At::PartStart => {
                    if let Some(bytes) = self.begin_part().await? {
                        return Ok(Some(bytes));
                    }
                }
                At::Part { sent, left, .. } => match self.reader.chunk(*left).await {
                    Ok(Some(chunk)) => {
                        let n = chunk.len() as u64;
                        *sent += n;
                        *left = left.map(|left| left.saturating_sub(n));
                        return Ok(Some(chunk));
                    }
                    Ok(None) => {
                        if let Some(bytes) = self.end_part() {
                            return Ok(Some(bytes));
                        }
                    }
                    Err(error) => self.resume(error).await?,
                },
            }
        }
    }
}

impl GetBody {
    /// Begins the next part; what the client is sent ahead of it, or at the end.
    async fn begin_part(&mut self) -> Result<Option<Bytes>, BodyError> {
        let part = match self.reader.next_part().await {
            Ok(part) => part,
            Err(error) => {
                self.replace_reader(error).await?;
                return Ok(None);
            }
        };
        let Some(part) = part else {
            self.at = At::End;
            return Ok(self.boundary.as_ref().map(|boundary| [b"--", &boundary[..], b"--"].concat().into()));
        };
        let start = part.range.map_or(0, |range| range.start);
        self.at = At::Part { start, sent: 0, left: part.range.map(|range| range.byte_count()) };
        if let Some(range) = part.range {
            let mut ranges = self.ranges().unwrap_or_else(|| Ranges::from(0));
            ranges.learn_first(range.start, range.end);
            self.set_ranges(&ranges);
        }
        Ok(self.boundary.as_ref().zip(part.range).map(|(boundary, range)| part_head(boundary, &part, range)))
    }

    /// Ends a part; what the client is sent after it.
    fn end_part(&mut self) -> Option<Bytes> {
        if let Some(mut ranges) = self.ranges() {
            match ranges.pop_first() {
                true => self.set_ranges(&ranges),
                false => drop(self.getter.get.headers.remove("Range")),
            }
        }
        self.at = if self.boundary.is_some() { At::PartStart } else { At::End };
        self.boundary.is_some().then(|| Bytes::from_static(b"\r\n"))
    }

    /// Goes on with the rest of the part at another node, or gives up with `error`.
    async fn resume(&mut self, error: BodyError) -> Result<(), BodyError> {
        let At::Part { start, sent, left } = self.at else { return Err(error) };
        self.getter.get.headers.remove("X-Backend-Ignore-Range-If-Metadata-Present");
        let mut ranges = self.ranges().unwrap_or_else(|| Ranges::from(0));
        match ranges.skip(sent) {
            Left::More => {}
            Left::Overrun => return Err(error),
            Left::Nothing => {
                self.at = At::Part { start, sent, left: Some(0) };
                return Ok(());
            }
        }
        self.set_ranges(&ranges);
        self.replace_reader(error).await?;
        // boundaries, where the new node sends any, were sent to the client already
        match self.reader.next_part().await? {
            Some(Part { range: Some(range), .. }) if range.start == start + sent => {
                let left = Some(range.byte_count()).filter(|n| left.is_none_or(|left| left == *n));
                let left = left.ok_or(BodyError::Malformed("another node has another length"))?;
                self.at = At::Part { start: range.start, sent: 0, left: Some(left) };
                Ok(())
            }
            _ => Err(BodyError::Malformed("another node did not go on where the last one broke off")),
        }
    }

    /// Finds another node that has the same, or gives up with `error`.
    async fn replace_reader(&mut self, error: BodyError) -> Result<(), BodyError> {
        let get = &self.getter.get;
        if get.newest || get.kind != ServerKind::Object {
            return Err(error);
        }
        let message = format!("Trying to read object during GET (retrying): {error}");
        self.getter.app.error_occurred(&self.reader.node, &message);
        match self.getter.find_source().await {
            Some(source) => {
                self.reader = Reader::of(source);
                Ok(())
            }
            None => Err(error),
        }
    }

    fn ranges(&self) -> Option<Ranges> {
        Ranges::parse(self.getter.get.headers.get("Range")?)
    }

    fn set_ranges(&mut self, ranges: &Ranges) {
        self.getter.get.headers.set("Range", ranges.to_string());
    }
}

fn part_head(boundary: &Bytes, part: &Part, range: ContentRange) -> Bytes {
    let content_range = format!("bytes {}-{}/{}", range.start, range.end, range.total);
    [
        b"--",
        &boundary[..],
        b"\r\nContent-Type: ",
        &part.content_type,
        b"\r\nContent-Range: ",
        content_range.as_bytes(),
        b"\r\n\r\n",
    ]
    .concat()
    .into()
}
