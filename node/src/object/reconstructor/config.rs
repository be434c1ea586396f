//! The options of `[object-reconstructor]`.

use crate::daemon::OwnAddress;
use crate::object::replication::interval;
use std::time::Duration;
use swiftlet_types::conf::{NodeCount, OptionError, Options};

/// Swift's own option names, defaults and meanings.
#[derive(Debug, Clone)]
pub struct ReconstructorConfig {
    /// At which of a ring's addresses this node is.
    pub(super) own: OwnAddress,
    /// How long to wait after a pass.
    pub(super) interval: Duration,
    /// Partitions worked on at once, by each worker.
    pub(super) concurrency: usize,
    /// Workers, which share the devices; 0: one, of all devices.
    pub(super) workers: usize,
    /// How often figures are told.
    pub(super) stats_interval: Duration,
    /// How often a pass looks for new rings.
    pub(super) ring_check_interval: Duration,
    /// A pass in which no partition is finished for so long is given up.
    pub(super) lockup_timeout: Duration,
    /// How long a node may take to accept a connection.
    pub(super) conn_timeout: Duration,
    /// How long it may take to answer, to take what is sent, and to send more of a fragment.
    pub(super) node_timeout: Duration,
    /// How long it may take to hash a partition, or to store what it was sent.
    pub(super) http_timeout: Duration,
    /// Whether only partitions that belong elsewhere are worked on.
    pub(super) handoffs_only: bool,
    /// How many handoffs may stand in for a node whose device cannot be used; `None`: all.
    pub(super) rebuild_handoff_node_count: Option<usize>,
    /// The most objects of a partition that are handed over in one pass; 0: all.
    pub(super) max_objects_per_revert: usize,
    /// A fragment that can never be decoded is set aside where no more than so many of its object are found; 0: never.
    pub(super) quarantine_threshold: usize,
    /// How old it must be.
    pub(super) quarantine_age: Duration,
    /// How many nodes must have said that they have none.
    pub(super) request_node_count: NodeCount,
    /// Whether fragments are written for liberasurecode before 1.6.
    pub(super) legacy_crc: bool,
}

impl ReconstructorConfig {
    /// Reads them.
    pub fn from_options(o: &Options) -> Result<Self, OptionError> {
        let reclaim_age = o.seconds("reclaim_age", 604_800.0)?.as_secs_f64();
        let handoffs = o.int("rebuild_handoff_node_count", 2i64)?;
        Ok(Self {
            own: OwnAddress::from_options(o, 6200)?,
            interval: interval(o)?,
            concurrency: o.int::<usize>("concurrency", 1)?.max(1),
            workers: o.int("reconstructor_workers", 0)?,
            stats_interval: o.seconds("stats_interval", 300.0)?,
            ring_check_interval: o.seconds("ring_check_interval", 15.0)?,
            lockup_timeout: o.seconds("lockup_timeout", 1800.0)?,
            conn_timeout: o.seconds("conn_timeout", 0.5)?,
            node_timeout: o.seconds("node_timeout", 10.0)?,
            http_timeout: o.seconds("http_timeout", 60.0)?,
            handoffs_only: handoffs_only(o),
            rebuild_handoff_node_count: usize::try_from(handoffs).ok(),
            max_objects_per_revert: o.int("max_objects_per_revert", 0)?,
            quarantine_threshold: o.int("quarantine_threshold", 0)?,
            quarantine_age: o.seconds("quarantine_age", reclaim_age)?,
            request_node_count: NodeCount::from_options(o, "request_node_count")?,
            legacy_crc: o.bool("write_legacy_ec_crc", false),
        })
    }

    /// Whether fragments are written for liberasurecode before 1.6.
    pub fn legacy_crc(&self) -> bool {
        self.legacy_crc
    }
}

/// `handoffs_only`, which was `handoffs_first` once.
fn handoffs_only(o: &Options) -> bool {
    let old = o.bool("handoffs_first", false);
    if o.str("handoffs_first").is_some() {
        tracing::warn!(
            "The handoffs_first option is deprecated in favor of handoffs_only. This option may be ignored in a \
             future release."
        );
    }
    let only = o.bool("handoffs_only", old);
    if only {
        tracing::warn!(
            "Handoff only mode is not intended for normal operation, use handoffs_only with care."
        );
    } else if old {
        tracing::warn!("Ignored handoffs_first option in favor of handoffs_only.");
    }
    only
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<ReconstructorConfig, OptionError> {
        let begin = Options::new("object-server.conf", "object-reconstructor");
        let all = options.iter().fold(begin, |all, (name, value)| all.with(name, value));
        ReconstructorConfig::from_options(&all)
    }

    #[test]
    fn defaults_are_swifts() {
        let config = read(&[]).unwrap();
        assert_eq!((config.interval, config.concurrency, config.workers), (Duration::from_secs(30), 1, 0));
        assert_eq!((config.rebuild_handoff_node_count, config.max_objects_per_revert), (Some(2), 0));
        assert_eq!((config.quarantine_threshold, config.quarantine_age.as_secs()), (0, 604_800));
        assert_eq!(config.request_node_count.for_replicas(6), 12);
        assert!(!config.handoffs_only && !config.legacy_crc);
    }

    #[test]
    fn values_that_mean_something_else() {
        assert_eq!(read(&[("rebuild_handoff_node_count", "-1")]).unwrap().rebuild_handoff_node_count, None);
        assert!(read(&[("handoffs_first", "yes")]).unwrap().handoffs_only);
        assert!(!read(&[("handoffs_first", "yes"), ("handoffs_only", "no")]).unwrap().handoffs_only);
        assert_eq!(read(&[("reclaim_age", "60")]).unwrap().quarantine_age.as_secs(), 60);
        assert!(read(&[("quarantine_threshold", "-1")]).is_err());
        assert!(
            read(&[("request_node_count", "many")]).unwrap_err().to_string().contains("request_node_count")
        );
    }
}
