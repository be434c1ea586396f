//! How fast nodes answered of late, for `sorting_method = timing`.

use super::rings::Node;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Times by address, each good for a while. Nothing is kept where nobody sorts by them.
pub struct NodeTimings {
    kept_for: Option<Duration>,
    times: Mutex<HashMap<String, (Duration, Instant)>>,
}

impl NodeTimings {
    /// Keeps times for `kept_for`; `None` keeps none.
    pub fn new(kept_for: Option<Duration>) -> Self {
        Self { kept_for, times: Mutex::default() }
    }

    /// Notes how long `node` took.
    pub fn record(&self, node: &Node, took: Duration) {
        let Some(kept_for) = self.kept_for else { return };
        self.times.lock().insert(node.ip().to_owned(), (took, Instant::now() + kept_for));
    }

    /// What to sort `node` by, in milliseconds: one that nothing is known of goes first, to be learnt of.
    pub fn sort_key_ms(&self, node: &Node, now: Instant) -> i64 {
        match self.times.lock().get(node.ip()) {
            Some((took, until)) if *until > now => i64::try_from(took.as_millis()).unwrap_or(i64::MAX),
            _ => -1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_good_for_a_while() {
        let (timings, node) = (NodeTimings::new(Some(Duration::from_secs(300))), Node::for_tests(0));
        let now = Instant::now();
        assert_eq!(timings.sort_key_ms(&node, now), -1);
        timings.record(&node, Duration::from_micros(7_900));
        assert_eq!(timings.sort_key_ms(&node, now), 7);
        assert_eq!(timings.sort_key_ms(&node, now + Duration::from_secs(301)), -1);
        let off = NodeTimings::new(None);
        off.record(&node, Duration::from_secs(1));
        assert_eq!(off.sort_key_ms(&node, now), -1);
    }
}
