//! How fast segments may follow each other: a client that reads a manifest of a thousand tiny segments must not keep
//! the cluster busier than one that reads a large object.

use super::{Listing, Segment, SegmentError};
use async_trait::async_trait;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The rate of segments.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// So many segments pass freely (`rate_limit_after_segment`).
    pub free: u32,
    /// Then so many a second; 0: no limit (`rate_limit_segments_per_sec`).
    pub per_second: u32,
}

/// A listing that is held to a pace.
pub struct Paced<L> {
    listing: L,
    pace: Pace,
    counts: fn(&Segment, u64) -> bool,
    small_bytes: u64,
    next_at: Option<Instant>,
}

impl<L: Listing> Paced<L> {
    /// Every segment counts.
    pub fn new(listing: L, pace: Pace) -> Self {
        Self { listing, pace, counts: |_, _| true, small_bytes: 0, next_at: None }
    }

    /// Only objects of less than `small_bytes` count.
    pub fn small_ones(listing: L, pace: Pace, small_bytes: u64) -> Self {
        let counts = |segment: &Segment, small_bytes| match segment {
            Segment::Inline(_) => false,
            Segment::Object(object) => object.size.is_some_and(|size| size < small_bytes),
        };
        Self { counts, small_bytes, ..Self::new(listing, pace) }
    }

    async fn wait(&mut self) {
        if self.pace.free > 0 {
            self.pace.free -= 1;
            return;
        }
        if self.pace.per_second == 0 {
            return;
        }
        let now = Instant::now();
        let at = self.next_at.map_or(now, |at| at.max(now));
        self.next_at = Some(at + Duration::from_secs(1) / self.pace.per_second);
        sleep_until(at).await;
    }
}

#[async_trait]
impl<L: Listing> Listing for Paced<L> {
    async fn next(&mut self) -> Result<Option<Segment>, SegmentError> {
        let next = self.listing.next().await?;
        if next.as_ref().is_some_and(|segment| (self.counts)(segment, self.small_bytes)) {
            self.wait().await;
        }
        Ok(next)
    }
}
