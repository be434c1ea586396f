//! How often something may be done: rates by a container's size, and the counter that spreads requests in time.

use crate::proxy::info::SharedCache;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use swiftlet_types::conf::{OptionError, Options};

/// How long a counter is kept; one that went starts anew, at the present.
const COUNTER_TTL: Duration = Duration::from_secs(86_400);

/// Rates (requests a second) by size (objects), the sizes ascending.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates(Vec<(u64, f64)>);

impl Rates {
    /// Nothing is limited.
    pub const NONE: Self = Self(Vec::new());

    /// Reads the options `<prefix><size>`.
    pub fn read(section: &Options, prefix: &str) -> Result<Self, OptionError> {
        let mut rates = Vec::new();
        for (size, _) in section.with_prefix(prefix) {
            let option = format!("{prefix}{size}");
            let refusal = || section.error(&option, "does not end in a number of objects");
            rates.push((size.parse().map_err(|_| refusal())?, section.float(&option, 0.0)?));
        }
        rates.sort_by_key(|(size, _)| *size);
        Ok(Self(rates))
    }

    /// What `/info` tells of them.
    pub fn info(&self) -> &[(u64, f64)] {
        &self.0
    }

    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rate for a container of `size`: between two sizes that are given, in between. Empty containers and those
    /// that are smaller than any size are not limited.
    pub fn of(&self, size: u64) -> Option<f64> {
        let at = self.0.iter().rposition(|(from, _)| *from <= size).filter(|_| size > 0)?;
        let (from, rate) = self.0[at];
        let Some((to, next_rate)) = self.0.get(at + 1) else { return Some(rate) };
        let slope = (next_rate - rate) / (to - from) as f64;
        Some((size - from) as f64 * slope + rate)
    }
}

/// Longer than anybody is to wait.
#[derive(Debug, PartialEq)]
pub struct TooLong(pub Duration);

/// Gives out moments in time. A counter holds the next free one, in units of 1 / `accuracy` seconds since 1970.
#[derive(Debug, Clone)]
pub struct Clock {
    /// Units a second (`clock_accuracy`).
    pub accuracy: u32,
    /// The longest wait.
    pub max_sleep_s: f64,
    /// How far a counter may lag behind before it starts anew: what was not used that long ago may be used now.
    pub rate_buffer_s: i64,
}

impl Clock {
    /// Takes the next moment of the counter `key`, `rate` of which there are a second; how long to wait for it.
    pub async fn take_turn(
        &self,
        cache: &dyn SharedCache,
        key: &str,
        rate: f64,
    ) -> Result<Duration, TooLong> {
        let accuracy = f64::from(self.accuracy);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = (since.as_secs_f64() * accuracy).round() as i64;
        let turn = (accuracy / rate).round() as i64;
        // a cache that does not answer limits nobody
        let Some(next) = cache.incr(key, turn, COUNTER_TTL).await else { return Ok(Duration::ZERO) };
        let mut wait = 0;
        if now - next > self.rate_buffer_s * i64::from(self.accuracy) {
            cache.incr(key, now + turn - next, COUNTER_TTL).await;
        } else {
            wait = (next - now - turn).max(0);
        }
        let waited = Duration::try_from_secs_f64(wait as f64 / accuracy).unwrap_or(Duration::MAX);
        if self.max_sleep_s * accuracy - wait as f64 <= accuracy * 0.01 {
            // the turn is not used
            cache.incr(key, -turn, COUNTER_TTL).await;
            return Err(TooLong(waited));
        }
        Ok(waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::cache::LocalCache;

    fn rates(options: &[(&str, &str)]) -> Result<Rates, OptionError> {
        let section = Options::new("p.conf", "filter:ratelimit");
        let section = options.iter().fold(section, |section, (option, value)| section.with(option, value));
        Rates::read(&section, "container_ratelimit_")
    }

    #[test]
    fn rates_between_sizes_are_in_between() {
        let sizes = [
            ("container_ratelimit_10", "50"),
            ("container_ratelimit_50", "20.0"),
            ("container_ratelimit_0", "100"),
        ];
        let rates = rates(&sizes).unwrap();
        let of = [0, 5, 10, 30, 50, 1000].map(|size| rates.of(size));
        assert_eq!(of, [None, Some(75.0), Some(50.0), Some(35.0), Some(20.0), Some(20.0)]);
        assert_eq!(serde_json::to_string(rates.info()).unwrap(), "[[0,100.0],[10,50.0],[50,20.0]]");
    }

    #[test]
    fn what_cannot_be_right_is_refused_by_name() {
        for (option, value) in [("container_ratelimit_many", "1"), ("container_ratelimit_1", "often")] {
            let error = rates(&[(option, value)]).unwrap_err().to_string();
            assert!(error.contains(option), "{error}");
        }
        assert!(rates(&[]).unwrap().is_empty());
    }

    #[tokio::test]
    async fn turns_follow_each_other() {
        let cache = LocalCache::new(1 << 20, None);
        let clock = Clock { accuracy: 1000, max_sleep_s: 1.0, rate_buffer_s: 5 };
        let mut waits = Vec::new();
        for _ in 0..4 {
            waits.push(clock.take_turn(&cache, "k", 2.0).await.map_err(|TooLong(wait)| wait.as_millis()));
        }
        assert_eq!(waits[0], Ok(Duration::ZERO));
        let near = |wait: &Duration, ms: u128| (ms - 50..=ms).contains(&wait.as_millis());
        assert!(waits[1].as_ref().is_ok_and(|wait| near(wait, 500)), "{waits:?}");
        for refused in &waits[2..] {
            assert!(refused.as_ref().is_err_and(|ms| (950..=1000).contains(ms)), "{waits:?}");
        }
    }
}
