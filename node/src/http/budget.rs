//! The bound on body bytes in flight.

use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most that is granted at once is what is free divided by this: whoever holds on to bytes for long (a disk that
/// does not answer, a client that does not read) leaves enough for others, who go on in smaller pieces.
const PORTIONS: usize = 64;
/// What is granted however little is free.
const LEAST_PORTION: usize = 4 << 10;

/// Bytes of message bodies that may be in memory at once. A reader takes its share before it reads from the
/// socket; the share returns when the last reference to the bytes is dropped. Clones share one budget.
#[derive(Clone, Debug)]
pub struct Budget {
    free: Arc<Semaphore>,
    size: usize,
}

impl Budget {
    /// A budget of `size` bytes.
    pub fn new(size: usize) -> Self {
        let size = size.clamp(1, u32::MAX as usize);
        Self { free: Arc::new(Semaphore::new(size)), size }
    }

    /// Takes `bytes` (at most the whole budget), waiting for as long as `patience`. `None`: still full.
    pub(crate) async fn take(&self, bytes: usize, patience: Duration) -> Option<Share> {
        let bytes = bytes.min(self.size) as u32;
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_many_owned(bytes) {
            return Some(Share(Some(permit)));
        }
        let permit = tokio::time::timeout(patience, Arc::clone(&self.free).acquire_many_owned(bytes)).await;
        // The semaphore is never closed, so the inner error cannot happen.
        permit.ok().and_then(Result::ok).map(|p| Share(Some(p)))
    }

    /// Takes a fair portion of `wanted` bytes, or nothing where it is not free now.
    pub(crate) fn take_portion(&self, wanted: usize) -> Share {
        let portion = self.portion(wanted) as u32;
        Share(Arc::clone(&self.free).try_acquire_many_owned(portion).ok())
    }

    /// How many of `wanted` bytes are a fair portion now.
    pub(crate) fn portion(&self, wanted: usize) -> usize {
        wanted.min((self.free() / PORTIONS).max(LEAST_PORTION))
    }

    /// How many bytes are not taken.
    pub fn free(&self) -> usize {
        self.free.available_permits()
    }
}

impl Default for Budget {
    /// 128 MiB: 64 KiB for twice as many connections as there may be by default.
    fn default() -> Self {
        Self::new(128 << 20)
    }
}

/// A part of a [`Budget`]; returned when dropped.
#[derive(Debug, Default)]
pub(crate) struct Share(Option<OwnedSemaphorePermit>);

impl Share {
    /// How many bytes it is for.
    pub(crate) fn size(&self) -> usize {
        self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// Moves up to `bytes` of it out.
    pub(crate) fn split(&mut self, bytes: usize) -> Share {
        let bytes = bytes.min(self.size());
        Share(self.0.as_mut().and_then(|permit| permit.split(bytes)))
    }

    /// Adds `other` (of the same budget) to this one.
    pub(crate) fn merge(&mut self, other: Share) {
        match (&mut self.0, other.0) {
            (Some(mine), Some(more)) => mine.merge(more),
            (mine @ None, more) => *mine = more,
            (Some(_), None) => {}
        }
    }

    /// `bytes`, holding on to this share for as long as they live.
    pub(crate) fn attach(self, bytes: Bytes) -> Bytes {
        if self.size() == 0 { bytes } else { Bytes::from_owner(Counted { bytes, _share: self }) }
    }
}

struct Counted {
    bytes: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_hold_their_share_until_the_last_reference_goes() {
        let budget = Budget::new(100);
        let mut share = budget.take(80, Duration::ZERO).await.unwrap();
        let kept = share.split(30).attach(Bytes::from_static(b"x"));
        drop(share);
        assert_eq!(budget.free(), 70);
        let twin = kept.clone();
        drop(kept);
        assert_eq!(budget.free(), 70);
        assert!(budget.take(80, Duration::from_millis(20)).await.is_none());
        drop(twin);
        assert_eq!(budget.free(), 100);
    }

    #[tokio::test]
    async fn the_less_is_free_the_less_one_is_granted() {
        let budget = Budget::new(64 << 20);
        assert_eq!(budget.portion(64 << 10), 64 << 10);
        assert_eq!(budget.portion(2 << 20), 1 << 20);
        let _taken = budget.take(63 << 20, Duration::ZERO).await.unwrap();
        assert_eq!(budget.portion(64 << 10), 16 << 10);
        let _more = budget.take(1 << 20, Duration::ZERO).await.unwrap();
        assert_eq!((budget.portion(64 << 10), budget.portion(10)), (LEAST_PORTION, 10));
    }

    #[tokio::test]
    async fn more_than_the_whole_budget_is_the_whole_budget() {
        let budget = Budget::new(10);
        assert_eq!(budget.take(1 << 20, Duration::ZERO).await.unwrap().size(), 10);
    }
}
