//! A cache in this process: bounded in bytes, the least recently used entries go first.

use crate::proxy::info::SharedCache;
use async_trait::async_trait;
use bytes::Bytes;
use lru::LruCache;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// What an entry costs beside its key and value (list links, table slot, times), roughly.
const ENTRY_OVERHEAD_BYTES: usize = 128;

/// A cache in this process.
///
/// Other proxies do not see what is forgotten here, so where there are any, entries must not live long:
/// `max_ttl` caps every [`set`](SharedCache::set).
pub struct LocalCache {
    entries: Mutex<Entries>,
    capacity_bytes: usize,
    max_ttl: Option<Duration>,
}

struct Entries {
    lru: LruCache<Box<str>, Entry>,
    size_bytes: usize,
}

struct Entry {
    value: Bytes,
    expires: Instant,
}

impl Entries {
    fn fresh(&mut self, key: &str) -> Option<&mut Entry> {
        let expired = self.lru.peek(key)?.expires <= Instant::now();
        if expired {
            self.remove(key);
            return None;
        }
        self.lru.get_mut(key)
    }

    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.lru.pop(key) {
            self.size_bytes -= cost(key, &entry.value);
        }
    }

    fn insert(&mut self, key: &str, value: Bytes, ttl: Duration, capacity_bytes: usize) {
        self.remove(key);
        let cost_bytes = cost(key, &value);
        if cost_bytes > capacity_bytes || ttl.is_zero() {
            return;
        }
        while self.size_bytes + cost_bytes > capacity_bytes {
            let Some((key, entry)) = self.lru.pop_lru() else { break };
            self.size_bytes -= cost(&key, &entry.value);
        }
        let now = Instant::now();
        let expires = now.checked_add(ttl).unwrap_or(now + Duration::from_secs(30 * 86_400));
        self.lru.put(key.into(), Entry { value, expires });
        self.size_bytes += cost_bytes;
    }
}

fn cost(key: &str, value: &Bytes) -> usize {
    key.len() + value.len() + ENTRY_OVERHEAD_BYTES
}

impl LocalCache {
    /// An empty cache that holds at most `capacity_bytes`, nothing that was set longer than `max_ttl`.
    pub fn new(capacity_bytes: usize, max_ttl: Option<Duration>) -> Self {
        let entries = Entries { lru: LruCache::unbounded(), size_bytes: 0 };
        Self { entries: Mutex::new(entries), capacity_bytes, max_ttl }
    }
}

#[async_trait]
impl SharedCache for LocalCache {
    async fn get(&self, key: &str) -> Option<Bytes> {
        self.entries.lock().fresh(key).map(|entry| entry.value.clone())
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) {
        let ttl = self.max_ttl.map_or(ttl, |max| ttl.min(max));
        // A copy of its own: a slice would keep the whole buffer it was cut from alive.
        self.entries.lock().insert(key, Bytes::copy_from_slice(&value), ttl, self.capacity_bytes);
    }

    async fn delete(&self, key: &str) {
        self.entries.lock().remove(key);
    }

    async fn incr(&self, key: &str, delta: i64, ttl: Duration) -> Option<i64> {
        let mut entries = self.entries.lock();
        if let Some(entry) = entries.fresh(key) {
            let counter: i64 = std::str::from_utf8(&entry.value).ok()?.parse().ok()?;
            let counter = counter.saturating_add(delta).max(0);
            let (expires, now) = (entry.expires, Instant::now());
            entries.insert(key, counter.to_string().into(), expires - now, self.capacity_bytes);
            return Some(counter);
        }
        let counter = delta.max(0);
        entries.insert(key, counter.to_string().into(), ttl, self.capacity_bytes);
        Some(counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn keeps_forgets_and_counts() {
        let cache = LocalCache::new(1 << 20, None);
        cache.set("a", Bytes::from_static(b"1"), LONG).await;
        assert_eq!(cache.get("a").await.as_deref(), Some(&b"1"[..]));
        cache.delete("a").await;
        assert_eq!(cache.get("a").await, None);
        assert_eq!(cache.incr("n", 3, LONG).await, Some(3));
        assert_eq!(cache.incr("n", -1, LONG).await, Some(2));
        assert_eq!(cache.incr("n", -5, LONG).await, Some(0), "memcached's counters stop at 0");
        assert_eq!(cache.incr("m", -5, LONG).await, Some(0));
    }

    #[tokio::test]
    async fn entries_end_when_their_time_is_up_or_the_cap_says() {
        let cache = LocalCache::new(1 << 20, Some(Duration::from_millis(30)));
        cache.set("a", Bytes::from_static(b"1"), LONG).await;
        assert!(cache.get("a").await.is_some());
        tokio::time::sleep(Duration::from_millis(40)).await;
        assert_eq!(cache.get("a").await, None);
        assert_eq!(cache.entries.lock().size_bytes, 0);
    }

    #[tokio::test]
    async fn the_least_recently_used_goes_first() {
        let cache = LocalCache::new(3 * (1 + 100 + ENTRY_OVERHEAD_BYTES), None);
        for key in ["a", "b", "c"] {
            cache.set(key, vec![0; 100].into(), LONG).await;
        }
        cache.get("a").await;
        cache.set("d", vec![0; 100].into(), LONG).await;
        let mut kept = Vec::new();
        for key in ["a", "b", "c", "d"] {
            kept.push(cache.get(key).await.is_some());
        }
        assert_eq!(kept, [true, false, true, true]);
        cache.set("huge", vec![0; 10_000].into(), LONG).await;
        assert!(cache.get("huge").await.is_none() && cache.get("d").await.is_some());
    }
}
