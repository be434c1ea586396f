//! Error limiting: a node that keeps failing is left alone for a while.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Counts the errors of each node (`<ip>:<port>/<device>`), for one proxy process.
pub struct ErrorLimiter {
    suppression_interval: Duration,
    suppression_limit: u32,
    nodes: Mutex<HashMap<String, Errors>>,
    /// How many nodes have errors: while it is 0, as it mostly is, nobody takes the lock.
    failing: AtomicUsize,
}

struct Errors {
    count: u32,
    last: Instant,
}

impl ErrorLimiter {
    /// A node is limited for `suppression_interval` after its last error, once it has had more than
    /// `suppression_limit` of them.
    pub fn new(suppression_interval: Duration, suppression_limit: u32) -> Self {
        Self {
            suppression_interval,
            suppression_limit,
            nodes: Mutex::default(),
            failing: AtomicUsize::new(0),
        }
    }

    /// How long a limited node is left alone.
    pub fn suppression_interval(&self) -> Duration {
        self.suppression_interval
    }

    /// Whether `node` is to be left alone at `now`.
    pub fn is_limited(&self, node: &str, now: Instant) -> bool {
        if self.failing.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let mut nodes = self.nodes.lock();
        let Some(errors) = nodes.get(node) else { return false };
        if now.saturating_duration_since(errors.last) > self.suppression_interval {
            nodes.remove(node);
            self.failing.store(nodes.len(), Ordering::Relaxed);
            return false;
        }
        errors.count > self.suppression_limit
    }

    /// Counts an error of `node`; whether that limits it.
    pub fn increment(&self, node: &str, now: Instant) -> bool {
        self.record(node, now, |count| count.saturating_add(1))
    }

    /// Limits `node` at once, as a full device deserves.
    pub fn limit(&self, node: &str, now: Instant) {
        self.record(node, now, |_| self.suppression_limit.saturating_add(1));
    }

    fn record(&self, node: &str, now: Instant, count: impl Fn(u32) -> u32) -> bool {
        let mut nodes = self.nodes.lock();
        let count = count(nodes.get(node).map_or(0, |e| e.count));
        nodes.insert(node.to_owned(), Errors { count, last: now });
        self.failing.store(nodes.len(), Ordering::Relaxed);
        count > self.suppression_limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = "127.0.0.1:6200/sda";
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn more_errors_than_the_limit_suppress_for_the_interval() {
        let limiter = ErrorLimiter::new(60 * SECOND, 2);
        let start = Instant::now();
        assert!(!limiter.is_limited(NODE, start));
        assert!(!limiter.increment(NODE, start));
        assert!(!limiter.increment(NODE, start));
        assert!(!limiter.is_limited(NODE, start));
        assert!(limiter.increment(NODE, start + SECOND));
        assert!(limiter.is_limited(NODE, start + 61 * SECOND));
        assert!(!limiter.is_limited(NODE, start + 62 * SECOND));
        assert!(!limiter.increment(NODE, start + 62 * SECOND), "it starts anew");
    }

    #[test]
    fn a_full_device_is_limited_at_once() {
        let limiter = ErrorLimiter::new(60 * SECOND, 10);
        let now = Instant::now();
        limiter.limit(NODE, now);
        assert!(limiter.is_limited(NODE, now));
        assert!(!limiter.is_limited("127.0.0.1:6200/sdb", now));
    }

    #[test]
    fn an_interval_of_nothing_switches_it_off() {
        let limiter = ErrorLimiter::new(Duration::ZERO, 0);
        let now = Instant::now();
        limiter.limit(NODE, now);
        assert!(!limiter.is_limited(NODE, now + Duration::from_micros(1)));
    }
}
