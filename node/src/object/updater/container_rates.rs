//! Rates of updates for each container: one that gets very many must not keep those of all others waiting.
//!
//! Containers share buckets, by a hash; an update whose bucket is not ready waits in it until the rest is done, and is
//! left for the next pass where too many wait or time is over. Pure, the clock passed in.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// What becomes of an update now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission<T> {
    /// Its bucket is ready: send it.
    Now(T),
    /// It waits; perhaps another one waits no longer, and is left for the next pass.
    Deferred {
        /// Whether it, or another in its place, is left for the next pass.
        skipped: bool,
    },
}

/// The buckets.
#[derive(Debug)]
pub(super) struct ContainerRates<T> {
    /// Between two updates of a bucket; zero is no limit.
    step: Duration,
    max_deferred: usize,
    buckets: Vec<Bucket<T>>,
    /// The bucket of each update that waits, in the order in which they came.
    order: VecDeque<usize>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Bucket<T> {
    ready: Instant,
    deferred: VecDeque<T>,
}

impl<T> ContainerRates<T> {
    /// So many buckets of at most `per_second` updates each (0 is no limit); `max_deferred` may wait in all of them.
    pub(super) fn new(buckets: usize, per_second: f64, max_deferred: usize, now: Instant) -> Self {
        let step = if per_second > 0.0 { Duration::from_secs_f64(1.0 / per_second) } else { Duration::ZERO };
        let bucket = || Bucket { ready: now, deferred: VecDeque::new() };
        Self {
            step,
            max_deferred,
            buckets: (0..buckets.max(1)).map(|_| bucket()).collect(),
            order: VecDeque::new(),
            hasher: RandomState::new(),
        }
    }

    /// Whether an update of the container may be sent now; otherwise it waits, where it may.
    pub(super) fn admit(&mut self, account: &str, container: &str, update: T, now: Instant) -> Admission<T> {
        if self.step.is_zero() {
            return Admission::Now(update);
        }
        let at = (self.hasher.hash_one((account, container)) % self.buckets.len() as u64) as usize;
        let bucket = &mut self.buckets[at];
        if now >= bucket.ready {
            bucket.ready = now + self.step;
            return Admission::Now(update);
        }
        if self.max_deferred == 0 {
            return Admission::Deferred { skipped: true };
        }
        let is_full = self.order.len() >= self.max_deferred;
        // the one that has waited longest is the likeliest to have been made useless by a newer one
        if let Some(oldest) = self.order.pop_front_if(|_| is_full) {
            self.buckets[oldest].deferred.pop_front();
        }
        self.buckets[at].deferred.push_back(update);
        self.order.push_back(at);
        Admission::Deferred { skipped: is_full }
    }

    /// Once all others are done: the update that may be sent first, and when; `None` where none may before `until`.
    pub(super) fn next_deferred(&mut self, now: Instant, until: Instant) -> Option<(Instant, T)> {
        let waiting = self.buckets.iter_mut().filter(|bucket| !bucket.deferred.is_empty());
        let bucket = waiting.min_by_key(|bucket| bucket.ready)?;
        let ready = bucket.ready.max(now);
        if ready >= until {
            return None;
        }
        bucket.ready = ready + self.step;
        bucket.deferred.pop_back().map(|update| (ready, update))
    }

    /// How many wait.
    pub(super) fn deferred(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.deferred.len() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_busy_container_waits_and_others_do_not() {
        let now = Instant::now();
        // so many buckets that two containers hardly share one
        let mut rates = ContainerRates::new(1 << 20, 1.0, 2, now);
        assert_eq!(rates.admit("a", "busy", 1, now), Admission::Now(1));
        assert_eq!(rates.admit("a", "busy", 2, now), Admission::Deferred { skipped: false });
        assert_eq!(rates.admit("a", "other", 9, now), Admission::Now(9));
        assert_eq!(rates.admit("a", "busy", 3, now), Admission::Deferred { skipped: false });
        assert_eq!(rates.admit("a", "busy", 4, now), Admission::Deferred { skipped: true });
        assert_eq!(rates.deferred(), 2, "the second is left out");
        assert_eq!(rates.next_deferred(now, now + 3 * SECOND), Some((now + SECOND, 4)));
        assert_eq!(rates.next_deferred(now, now + 3 * SECOND), Some((now + 2 * SECOND, 3)));
        assert_eq!(rates.next_deferred(now, now + 9 * SECOND), None);
        assert_eq!(rates.admit("a", "busy", 5, now + 3 * SECOND), Admission::Now(5));
    }

    #[test]
    fn what_waits_is_left_when_time_is_over() {
        let now = Instant::now();
        let mut rates = ContainerRates::new(1, 0.5, 10, now);
        rates.admit("a", "c", 1, now);
        rates.admit("a", "c", 2, now);
        assert_eq!(rates.next_deferred(now, now + SECOND), None);
        assert_eq!(rates.deferred(), 1);
    }

    #[test]
    fn without_a_limit_nothing_waits_and_without_room_nothing_is_kept() {
        let now = Instant::now();
        let mut free = ContainerRates::new(1, 0.0, 0, now);
        assert!((0..9).all(|n| free.admit("a", "c", n, now) == Admission::Now(n)));
        let mut strict = ContainerRates::new(1, 1.0, 0, now);
        strict.admit("a", "c", 1, now);
        assert_eq!(strict.admit("a", "c", 2, now), Admission::Deferred { skipped: true });
        assert_eq!(strict.deferred(), 0);
    }
}
