//! Large objects on their way to the client: the segments that a manifest names, fetched one after the other as the
//! client takes them, and put together as one body.
//!
//! What a manifest means is its filter's business: a [`Listing`] says which bytes of which segments come next. Here
//! they are fetched, checked against what the manifest says of them, and held to the limits of a GET.

mod answer;
mod body;
mod coalesce;
mod fetch;
mod pace;

pub use answer::{Plan, plan};
pub use body::{Origin, SegmentedBody};
pub use pace::{Pace, Paced};

use crate::http::Response;
use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

/// Some bytes of a large object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Bytes that the manifest itself holds.
    Inline(Bytes),
    /// Bytes of an object.
    Object(ObjectSegment),
}

/// Some bytes of an object that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectSegment {
    /// Its path, with version and account, not percent-encoded.
    pub path: Bytes,
    /// The ETag it must have, where the manifest says.
    pub etag: Option<String>,
    /// The length it must have, in bytes, where the manifest says.
    pub size: Option<u64>,
    /// The first byte that is wanted.
    pub first: u64,
    /// The last byte that is wanted; `None`: all that follow.
    pub last: Option<u64>,
}

/// Tells which segments make up what was asked for.
#[async_trait]
pub trait Listing: Send {
    /// The next segment, or `None` at the end. Not called again after the end or an error.
    async fn next(&mut self) -> Result<Option<Segment>, SegmentError>;
}

/// Why a large object cannot be put together.
#[derive(Debug, Clone, Error)]
pub enum SegmentError {
    /// The manifest, or the segments that it names, cannot be listed.
    #[error("{0}")]
    Listing(String),
    /// A segment is not what the manifest says, or there are too many or too few bytes, or it takes too long.
    #[error("{0}")]
    Segment(String),
    /// The cluster could not serve a segment.
    #[error("{0}")]
    Unavailable(String),
}

impl SegmentError {
    /// The answer where it is found before the answer's head is out: conflict, or unavailable.
    pub fn into_response(self) -> Response {
        match self {
            Self::Unavailable(_) => Response::standard(503).with("Content-Type", "text/plain"),
            Self::Listing(_) | Self::Segment(_) => Response::standard(409),
        }
    }
}
