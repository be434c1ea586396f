//! The options of `[object-replicator]`.

use crate::daemon::{OwnAddress, RsyncModule};
use crate::object::replication::interval;
use std::time::Duration;
use swiftlet_types::conf::{OptionError, Options};

/// How objects are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SyncMethod {
    /// By the program rsync, to the rsync daemon of the other node.
    Rsync,
    /// By SSYNC, to the other node's object server.
    Ssync,
}

/// The options about rsync.
#[derive(Debug, Clone)]
pub(super) struct RsyncConfig {
    /// How long it may run.
    pub timeout: Duration,
    /// How long it may wait for the other side, in seconds, as it is told.
    pub io_timeout: String,
    /// `--bwlimit`
    pub bwlimit: String,
    /// Whether to compress what goes to other regions.
    pub compress: bool,
    /// Where devices are on the other node.
    pub module: RsyncModule,
    /// Whether the files that it sent are told in the log.
    pub log_transfers: bool,
    /// How much of an error is told; 0: all.
    pub error_log_line_length: usize,
}

/// Swift's own option names, defaults and meanings.
#[derive(Debug, Clone)]
pub struct ReplicatorConfig {
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
    pub(super) sync_method: SyncMethod,
    pub(super) rsync: RsyncConfig,
    /// How long a node may take to accept a connection.
    pub(super) conn_timeout: Duration,
    /// How long an SSYNC may take to be answered, and to take what is sent.
    pub(super) node_timeout: Duration,
    /// How long a node may take to hash a partition, or to store what it was sent.
    pub(super) http_timeout: Duration,
    /// Whether partitions that belong elsewhere go first, and others wait until all of those are gone.
    pub(super) handoffs_first: bool,
    /// On how many nodes an object must be before it is removed from one where it does not belong; 0: on all.
    pub(super) handoff_delete: usize,
}

impl ReplicatorConfig {
    /// Reads them.
    pub fn from_options(o: &Options) -> Result<Self, OptionError> {
        let sync_method = match o.str_or("sync_method", "rsync").as_str() {
            "rsync" | "" => SyncMethod::Rsync,
            "ssync" => SyncMethod::Ssync,
            _ => return Err(o.error("sync_method", "is neither rsync nor ssync")),
        };
        let rsync = RsyncConfig {
            timeout: Duration::from_secs(o.int("rsync_timeout", 900)?),
            io_timeout: o.str_or("rsync_io_timeout", "30"),
            bwlimit: o.str_or("rsync_bwlimit", "0"),
            compress: o.bool("rsync_compress", false),
            module: RsyncModule::from_options(o, "{replication_ip}::object")?,
            log_transfers: o.bool("log_rsync_transfers", true),
            error_log_line_length: o.int("rsync_error_log_line_length", 0)?,
        };
        Ok(Self {
            own: OwnAddress::from_options(o, 6200)?,
            interval: interval(o)?,
            concurrency: o.int::<usize>("concurrency", 1)?.max(1),
            workers: o.int("replicator_workers", 0)?,
            stats_interval: o.seconds("stats_interval", 300.0)?,
            ring_check_interval: o.seconds("ring_check_interval", 15.0)?,
            sync_method,
            rsync,
            conn_timeout: o.seconds("conn_timeout", 0.5)?,
            node_timeout: o.seconds("node_timeout", 10.0)?,
            http_timeout: o.seconds("http_timeout", 60.0)?,
            handoffs_first: o.bool("handoffs_first", false),
            handoff_delete: o.int_or_auto("handoff_delete", 0)?,
        })
    }

    /// Says what is not meant for every day, and turns off what can have no effect on rings of so many replicas.
    pub(super) fn settle(&mut self, replicas: impl Iterator<Item = f64>) {
        if self.handoffs_first || self.handoff_delete > 0 {
            tracing::warn!(
                "Handoff only mode is not intended for normal operation, please disable handoffs_first and \
                 handoff_delete before the next normal rebalance"
            );
        }
        let wanted = self.handoff_delete;
        if wanted > 0 && replicas.into_iter().all(|replicas| replicas <= wanted as f64) {
            tracing::warn!(
                "No storage policies found for which handoff_delete={wanted} would have an effect. Disabling."
            );
            self.handoff_delete = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options::new("object-server.conf", "object-replicator")
    }

    #[test]
    fn defaults_are_swifts() {
        let config = ReplicatorConfig::from_options(&options()).unwrap();
        assert_eq!((config.interval, config.concurrency), (Duration::from_secs(30), 1));
        assert_eq!((config.workers, config.handoff_delete), (0, 0));
        assert_eq!((config.sync_method, config.rsync.timeout), (SyncMethod::Rsync, Duration::from_secs(900)));
        assert_eq!(config.conn_timeout, Duration::from_millis(500));
    }

    #[test]
    fn old_names_and_wrong_values() {
        let config = |name, value| ReplicatorConfig::from_options(&options().with(name, value));
        assert_eq!(config("run_pause", "7").unwrap().interval, Duration::from_secs(7));
        assert_eq!(config("handoff_delete", "auto").unwrap().handoff_delete, 0);
        assert!(config("sync_method", "scp").unwrap_err().to_string().contains("sync_method"));
    }

    #[test]
    fn a_handoff_delete_that_asks_for_all_is_none() {
        let mut config = ReplicatorConfig::from_options(&options().with("handoff_delete", "2")).unwrap();
        config.settle([3.0, 2.0].into_iter());
        assert_eq!(config.handoff_delete, 2);
        config.settle([2.0].into_iter());
        assert_eq!(config.handoff_delete, 0);
    }
}
