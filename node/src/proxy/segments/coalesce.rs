//! Neighbouring ranges of one object are fetched with one request.

use super::{Listing, ObjectSegment, Segment, SegmentError};
use crate::http::byte_ranges::{Asked, asked};
use bytes::Bytes;

/// What is fetched next.
#[derive(Debug)]
pub(super) enum Fetch {
    /// Nothing: these bytes are there.
    Inline(Bytes),
    /// An object, or ranges of it.
    Object(ObjectFetch),
}

/// An object to be fetched.
#[derive(Debug)]
pub(super) struct ObjectFetch {
    pub path: Bytes,
    /// See [`ObjectSegment::etag`].
    pub etag: Option<String>,
    /// See [`ObjectSegment::size`].
    pub size: Option<u64>,
    /// The value of `Range`; `None`: all of it.
    pub range: Option<String>,
}

impl ObjectFetch {
    fn of(segment: ObjectSegment) -> Self {
        let ObjectSegment { path, etag, size, first, last } = segment;
        let last = last.filter(|last| size.is_none_or(|size| last.checked_add(1) != Some(size)));
        let range = match (first, last) {
            (0, None) => None,
            (first, None) => Some(format!("bytes={first}-")),
            (first, Some(last)) => Some(format!("bytes={first}-{last}")),
        };
        Self { path, etag, size, range }
    }

    /// Takes `next` in, where one request may ask for both; gives it back where not.
    fn join(&mut self, next: Self) -> Result<(), Self> {
        let Some(size) = next.size.filter(|_| next.path == self.path) else { return Err(next) };
        let all = || format!("bytes=0-{}", size.saturating_sub(1));
        let ranges = self.range.clone().unwrap_or_else(all);
        let more = next.range.clone().unwrap_or_else(all);
        let both = format!("{ranges},{}", more.trim_start_matches("bytes="));
        match asked(Some(both.as_bytes()), size) {
            Asked::Ranges(_) => {
                self.range = Some(both);
                Ok(())
            }
            Asked::All | Asked::Unsatisfiable => Err(next),
        }
    }
}

/// The requests that a listing comes to.
pub(super) struct Coalesced {
    listing: Box<dyn Listing>,
    pending: Option<ObjectFetch>,
    /// What came after `pending`, once it is known that nothing can join it.
    after: Option<Result<Option<Fetch>, SegmentError>>,
}

impl Coalesced {
    pub fn new(listing: Box<dyn Listing>) -> Self {
        Self { listing, pending: None, after: None }
    }

    /// The next request, or `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Fetch>, SegmentError> {
        loop {
            if let Some(after) = self.after.take() {
                if matches!(after, Ok(None)) {
                    self.after = Some(Ok(None));
                }
                return after;
            }
            let next = match self.listing.next().await {
                Ok(Some(Segment::Object(segment))) => {
                    let Some(unjoined) = self.take_in(ObjectFetch::of(segment)) else { continue };
                    return Ok(Some(Fetch::Object(unjoined)));
                }
                Ok(Some(Segment::Inline(bytes))) => Ok(Some(Fetch::Inline(bytes))),
                Ok(None) => Ok(None),
                Err(error) => Err(error),
            };
            self.after = Some(next);
            if let Some(pending) = self.pending.take() {
                return Ok(Some(Fetch::Object(pending)));
            }
        }
    }

    /// Joins `next` to what is pending; otherwise it is pending now, and what was is returned.
    fn take_in(&mut self, next: ObjectFetch) -> Option<ObjectFetch> {
        let next = match &mut self.pending {
            Some(pending) => pending.join(next).err()?,
            None => next,
        };
        self.pending.replace(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;

    struct Given(std::vec::IntoIter<Segment>);

    #[async_trait]
    impl Listing for Given {
        async fn next(&mut self) -> Result<Option<Segment>, SegmentError> {
            Ok(self.0.next())
        }
    }

    fn part(path: &'static str, first: u64, last: Option<u64>) -> Segment {
        let (etag, size) = (None, Some(10));
        Segment::Object(ObjectSegment { path: path.into(), etag, size, first, last })
    }

    async fn fetches(segments: Vec<Segment>) -> Vec<String> {
        let mut coalesced = Coalesced::new(Box::new(Given(segments.into_iter())));
        let mut fetches = Vec::new();
        while let Some(fetch) = coalesced.next().await.unwrap() {
            fetches.push(match fetch {
                Fetch::Inline(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Fetch::Object(object) => {
                    let path = String::from_utf8_lossy(&object.path).into_owned();
                    format!("{path} {}", object.range.unwrap_or_default())
                }
            });
        }
        fetches
    }

    #[tokio::test]
    async fn neighbours_share_a_request() {
        let inline = Segment::Inline("inline".into());
        let segments = vec![
            part("/o", 2, Some(4)),
            part("/o", 7, Some(9)),
            part("/p", 0, Some(9)),
            part("/p", 0, None),
            inline.clone(),
            part("/p", 3, None),
            inline,
        ];
        assert_eq!(
            fetches(segments).await,
            ["/o bytes=2-4,7-", "/p bytes=0-9,0-9", "inline", "/p bytes=3-", "inline"]
        );
        assert_eq!(fetches(Vec::new()).await, [""; 0]);
    }

    #[tokio::test]
    async fn greedy_lists_are_not_joined() {
        let overlapping = (0..5).map(|first| part("/o", first, Some(first + 4))).collect();
        assert_eq!(fetches(overlapping).await, ["/o bytes=0-4,1-5", "/o bytes=2-6,3-7", "/o bytes=4-8"]);
    }
}
