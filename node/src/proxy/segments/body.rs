//! The body that the segments make.

use super::coalesce::{Coalesced, Fetch};
use super::fetch::Reading;
use super::{Listing, SegmentError};
use crate::http::{BodyError, BodyStream};
use crate::proxy::app::{App, ProxyRequest};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Where segments come from, and on whose behalf.
#[derive(Clone)]
pub struct Origin {
    /// The link of the pipeline that is asked for them.
    pub next: Arc<dyn App>,
    /// What the client asked, without its body.
    pub client: Arc<ProxyRequest>,
    /// The manifest's path, for the log.
    pub name: String,
    /// What kind of large object it is (`SLO`), for the access log.
    pub kind: &'static str,
    /// How long one GET may take (`max_get_time`).
    pub max_get_time: Duration,
}

/// A large object as it is sent. What goes wrong on the way is logged and ends it.
pub struct SegmentedBody {
    origin: Origin,
    fetches: Coalesced,
    reading: Option<Reading>,
    /// The first chunk, which was read to see whether there is one.
    peeked: Option<Bytes>,
    /// How many bytes the client is still to get, where that is known.
    left: Option<u64>,
    ends_at: Instant,
}

impl SegmentedBody {
    /// What `listing` names, of `length` bytes where that is known. It has begun when this returns: where already the
    /// first segment cannot be sent, the client is told by the status.
    pub async fn begin(
        origin: Origin,
        listing: impl Listing + 'static,
        length: Option<u64>,
    ) -> Result<Self, SegmentError> {
        let mut body = Self {
            ends_at: Instant::now() + origin.max_get_time,
            origin,
            fetches: Coalesced::new(Box::new(listing)),
            reading: None,
            peeked: None,
            left: length,
        };
        body.peeked = body.checked_chunk().await.inspect_err(|error| tracing::error!("{error}"))?;
        Ok(body)
    }

    async fn checked_chunk(&mut self) -> Result<Option<Bytes>, SegmentError> {
        if Instant::now() > self.ends_at {
            let seconds = self.origin.max_get_time.as_secs();
            return Err(SegmentError::Segment(format!(
                "While processing manifest {}, max LO GET time of {seconds}s exceeded",
                self.origin.name
            )));
        }
        let chunk = self.chunk().await?;
        let Some(left) = &mut self.left else { return Ok(chunk) };
        let size = chunk.as_ref().map_or(0, Bytes::len) as u64;
        match left.checked_sub(size) {
            Some(0) | None if chunk.is_none() => Ok(None),
            Some(missing) if chunk.is_none() => Err(SegmentError::Segment(format!(
                "Expected another {missing} bytes for {}; closing connection",
                self.origin.name
            ))),
            Some(after) => {
                *left = after;
                Ok(chunk)
            }
            None => Err(SegmentError::Segment(format!(
                "Too many bytes for {}; closing connection",
                self.origin.name
            ))),
        }
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, SegmentError> {
        loop {
            if let Some(reading) = &mut self.reading {
                match reading.next(&self.origin.name).await? {
                    Some(chunk) if chunk.is_empty() => continue,
                    Some(chunk) => return Ok(Some(chunk)),
                    None => self.reading = None,
                }
            }
            match self.fetches.next().await? {
                None => return Ok(None),
                Some(Fetch::Inline(bytes)) => return Ok(Some(bytes)),
                Some(Fetch::Object(fetch)) => self.reading = Some(Reading::begin(&self.origin, fetch).await?),
            }
        }
    }
}

#[async_trait]
impl BodyStream for SegmentedBody {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        if let Some(peeked) = self.peeked.take() {
            return Ok(Some(peeked));
        }
        self.checked_chunk().await.map_err(|error| {
            tracing::error!("{error}");
            BodyError::Other(error.to_string())
        })
    }
}
