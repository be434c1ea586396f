//! The options of `[object-auditor]`.

use super::watcher::WatcherKind;
use std::time::Duration;
use swiftlet_types::conf::{OptionError, Options};

/// How long a file of rsync's may lie unfinished where nobody says how long rsync may take.
const TEMPFILE_TIMEOUT: Duration = Duration::from_secs(86_400);
/// How much longer than rsync itself may take: it is the other node's replicator that ends it.
const AFTER_RSYNC: Duration = Duration::from_secs(900);

/// Swift's own option names, defaults and meanings.
#[derive(Debug, Clone)]
pub struct AuditorConfig {
    /// How long to wait after a pass, and after a scan of sizes alone.
    pub interval: Duration,
    /// Devices audited at once.
    pub concurrency: usize,
    /// Objects looked at a second, in each scan.
    pub files_per_second: f64,
    /// Bytes read a second, in each scan.
    pub bytes_per_second: f64,
    /// Objects a second of the scan of sizes alone; 0: there is none.
    pub zero_byte_files_per_second: f64,
    /// How often figures are told.
    pub log_time: Duration,
    /// Sizes up to which objects are counted.
    pub object_size_stats: Vec<u64>,
    /// When unfinished files of rsync's are removed.
    pub rsync_tempfile_timeout: Duration,
    /// Who is shown the objects that pass.
    pub watchers: Vec<WatcherKind>,
}

impl AuditorConfig {
    /// Reads them; `replicator` is `[object-replicator]` of the same file, if it has one.
    pub fn from_options(o: &Options, replicator: Option<&Options>) -> Result<Self, OptionError> {
        let default_timeout = match replicator {
            None => TEMPFILE_TIMEOUT,
            Some(replicator) => Duration::from_secs(replicator.int("rsync_timeout", 900)?) + AFTER_RSYNC,
        };
        let timeout_s = o.int_or_auto("rsync_tempfile_timeout", default_timeout.as_secs())?;
        let mut object_size_stats = o
            .list("object_size_stats", "")
            .iter()
            .map(|size| {
                size.parse().map_err(|_| o.error("object_size_stats", "is not a list of numbers of bytes"))
            })
            .collect::<Result<Vec<u64>, _>>()?;
        object_size_stats.sort_unstable();
        Ok(Self {
            interval: o.seconds("interval", 30.0)?,
            concurrency: o.int("concurrency", 1)?,
            files_per_second: o.float("files_per_second", 20.0)?,
            bytes_per_second: o.float("bytes_per_second", 10_000_000.0)?,
            zero_byte_files_per_second: o.int::<u32>("zero_byte_files_per_second", 50)?.into(),
            log_time: Duration::from_secs(o.int("log_time", 3600)?),
            object_size_stats,
            rsync_tempfile_timeout: Duration::from_secs(timeout_s),
            watchers: WatcherKind::named_in(o)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options::new("object-server.conf", "object-auditor")
    }

    #[test]
    fn defaults_are_swifts() {
        let config = AuditorConfig::from_options(&options(), None).unwrap();
        assert_eq!((config.interval, config.concurrency), (Duration::from_secs(30), 1));
        assert_eq!((config.files_per_second, config.bytes_per_second), (20.0, 10_000_000.0));
        assert_eq!(config.zero_byte_files_per_second, 50.0);
        assert_eq!(config.rsync_tempfile_timeout, Duration::from_secs(86_400));
    }

    #[test]
    fn rsyncs_files_live_as_long_as_the_replicator_lets_rsync_run() {
        let timeout = |own: Options, replicator: Options| {
            AuditorConfig::from_options(&own, Some(&replicator)).unwrap().rsync_tempfile_timeout.as_secs()
        };
        let replicator = Options::new("object-server.conf", "object-replicator");
        assert_eq!(timeout(options(), replicator.clone()), 1800);
        assert_eq!(timeout(options(), replicator.clone().with("rsync_timeout", "30")), 930);
        assert_eq!(timeout(options().with("rsync_tempfile_timeout", "Auto"), replicator.clone()), 1800);
        assert_eq!(timeout(options().with("rsync_tempfile_timeout", "7"), replicator), 7);
    }

    #[test]
    fn what_cannot_be_right_is_named() {
        for (option, value) in
            [("object_size_stats", "10, many"), ("watchers", "nobody"), ("rsync_tempfile_timeout", "long")]
        {
            let error = AuditorConfig::from_options(&options().with(option, value), None).unwrap_err();
            assert!(error.to_string().contains(option), "{error}");
        }
    }
}
