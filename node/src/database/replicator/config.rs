//! The options of `[account-replicator]` and `[container-replicator]`.

use crate::daemon::{OwnAddress, RsyncModule};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use swiftlet_types::conf::{OptionError, Options};

/// Swift's options with Swift's defaults.
pub(super) struct Config {
    pub interval: Duration,
    pub databases_per_second: f64,
    pub concurrency: usize,
    /// Rows sent at once.
    pub per_diff: usize,
    /// How often rows are sent in one pass; a database that is further behind goes on in the next.
    pub max_diffs: usize,
    pub node_timeout: Duration,
    pub conn_timeout: Duration,
    pub rsync_compress: bool,
    pub rsync_module: RsyncModule,
    pub reclaim_age: Duration,
    /// Databases alone that do not belong here.
    pub handoffs_only: bool,
    /// After how many successes a database goes that does not belong here; 0: when all peers have it.
    pub handoff_delete: usize,
    pub own: OwnAddress,
}

impl Config {
    /// What was deleted before this moment is forgotten.
    pub fn reclaim_before(&self) -> SystemTime {
        SystemTime::now().checked_sub(self.reclaim_age).unwrap_or(UNIX_EPOCH)
    }

    /// Reads the section of the replicator of `server`, whose port is `default_port` unless told otherwise.
    pub fn from_options(options: &Options, server: &str, default_port: u16) -> Result<Self, OptionError> {
        // the name of old
        let interval = options.seconds("run_pause", 30.0)?;
        let per_diff: usize = options.int("per_diff", 1000)?;
        Ok(Self {
            interval: options.seconds("interval", interval.as_secs_f64())?,
            databases_per_second: options.float("databases_per_second", 50.0)?,
            concurrency: options.int::<usize>("concurrency", 8)?.max(1),
            per_diff: per_diff.max(1),
            max_diffs: match options.int("max_diffs", 100)? {
                0 => 100,
                max_diffs => max_diffs,
            },
            node_timeout: options.seconds("node_timeout", 10.0)?,
            conn_timeout: options.seconds("conn_timeout", 0.5)?,
            rsync_compress: options.bool("rsync_compress", false),
            rsync_module: RsyncModule::from_options(options, &format!("{{replication_ip}}::{server}"))?,
            reclaim_age: options.seconds("reclaim_age", 604_800.0)?,
            handoffs_only: options.bool("handoffs_only", false),
            handoff_delete: options.int_or_auto("handoff_delete", 0)?,
            own: OwnAddress::from_options(options, default_port)?,
        })
    }
}
