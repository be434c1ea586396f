//! The policies of containers as they were found lately: many entries of the queue name the same container.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long what was found is believed, as in Swift.
const TTL: Duration = Duration::from_secs(30);
/// Containers that are remembered.
const MAX_CONTAINERS: usize = 1000;

/// The policies by account and container.
#[derive(Debug, Default)]
pub(super) struct PolicyCache(Mutex<HashMap<(String, String), (u32, Instant)>>);

impl PolicyCache {
    /// The policy that was found not long before `now`.
    pub fn get(&self, account: &str, container: &str, now: Instant) -> Option<u32> {
        let known = self.0.lock();
        let (policy, found) = known.get(&(account.to_owned(), container.to_owned()))?;
        (now.duration_since(*found) < TTL).then_some(*policy)
    }

    /// Remembers what was found at `now`.
    pub fn set(&self, account: &str, container: &str, policy: u32, now: Instant) {
        let mut known = self.0.lock();
        if known.len() >= MAX_CONTAINERS {
            known.retain(|_, (_, found)| now.duration_since(*found) < TTL);
        }
        if known.len() < MAX_CONTAINERS {
            known.insert((account.to_owned(), container.to_owned()), (policy, now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_believed_for_a_while() {
        let (cache, begun) = (PolicyCache::default(), Instant::now());
        let after = |seconds| begun + Duration::from_secs(seconds);
        cache.set("a", "c", 1, begun);
        assert_eq!(cache.get("a", "c", after(29)), Some(1));
        assert_eq!((cache.get("a", "c", after(30)), cache.get("a", "d", begun)), (None, None));
        (0..2 * MAX_CONTAINERS).for_each(|n| cache.set("b", &n.to_string(), 0, begun));
        assert_eq!(cache.0.lock().len(), MAX_CONTAINERS);
        cache.set("a", "late", 2, after(40));
        assert_eq!(cache.get("a", "late", after(41)), Some(2));
        assert_eq!(cache.0.lock().len(), 1);
    }
}
