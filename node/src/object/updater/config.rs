//! The options of `[object-updater]`.

use std::time::Duration;
use swiftlet_types::conf::{OptionError, Options};

/// How the updater works.
#[derive(Debug, Clone)]
pub struct UpdaterConfig {
    /// From the beginning of one pass to that of the next.
    pub interval: Duration,
    /// Updates under way at once.
    pub concurrency: usize,
    /// Updates begun a second, on each device.
    pub objects_per_second: f64,
    /// Updates of one container a second, from each device; 0 is no limit.
    pub max_objects_per_container_per_second: f64,
    /// Containers share so many of these limits.
    pub per_container_ratelimit_buckets: usize,
    /// Updates of a device that wait for their container's turn.
    pub max_deferred_updates: usize,
    /// Containers whose updates fail that are remembered, and of these those told of in recon.
    pub async_tracker_max_entries: usize,
    /// See `async_tracker_max_entries`.
    pub async_tracker_dump_count: usize,
    /// How often a sweep tells how far it came.
    pub report_interval: Duration,
    /// How long a connection to a container server may take to be made.
    pub conn_timeout: Duration,
    /// How long a container server may take to answer.
    pub node_timeout: Duration,
}

impl UpdaterConfig {
    /// Reads them.
    pub fn from_options(o: &Options) -> Result<Self, OptionError> {
        // An option of old: a pause after each update, in seconds.
        let per_second = match o.str("slowdown") {
            Some(_) => 1.0 / (o.float("slowdown", 0.01)? + 0.01),
            None => 50.0,
        };
        let at_least_1 = |option: &str, default: usize| match o.int(option, default)? {
            0 => Err(o.error(option, "must be at least 1")),
            count => Ok(count),
        };
        let per_container = o.float("max_objects_per_container_per_second", 0.0)?;
        if per_container.is_nan() || per_container < 0.0 {
            return Err(o.error("max_objects_per_container_per_second", "must not be negative"));
        }
        Ok(Self {
            interval: o.seconds("interval", 300.0)?,
            concurrency: at_least_1("concurrency", 8)?,
            objects_per_second: o.float("objects_per_second", per_second)?,
            max_objects_per_container_per_second: per_container,
            per_container_ratelimit_buckets: at_least_1("per_container_ratelimit_buckets", 1000)?,
            max_deferred_updates: o.int("max_deferred_updates", 10_000)?,
            async_tracker_max_entries: at_least_1("async_tracker_max_entries", 100)?,
            async_tracker_dump_count: at_least_1("async_tracker_dump_count", 5)?,
            report_interval: o.seconds("report_interval", 300.0)?,
            conn_timeout: o.seconds("conn_timeout", 0.5)?,
            node_timeout: o.seconds("node_timeout", 10.0)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_pause_is_a_rate_and_what_cannot_be_is_refused() {
        let options = Options::new("object-server.conf", "object-updater");
        let config = UpdaterConfig::from_options(&options).unwrap();
        assert_eq!((config.objects_per_second, config.max_deferred_updates), (50.0, 10_000));
        let slow = UpdaterConfig::from_options(&options.clone().with("slowdown", "0.04")).unwrap();
        assert_eq!(slow.objects_per_second, 20.0);
        for (option, value) in
            [("max_objects_per_container_per_second", "-1"), ("per_container_ratelimit_buckets", "0")]
        {
            let error = UpdaterConfig::from_options(&options.clone().with(option, value)).unwrap_err();
            assert!(error.to_string().contains(option), "{error}");
        }
    }
}
