//! The options of `[container-sync]`.

use std::time::Duration;
use swiftlet_types::conf::{OptionError, Options};

/// How container sync works.
#[derive(Debug, Clone)]
pub struct SyncConfig {
    /// From the beginning of one pass to that of the next.
    pub interval: Duration,
    /// How long one container is worked on before it is the next one's turn.
    pub container_time: Duration,
    /// Rows of a container that are sent at once.
    pub sync_row_concurrency: usize,
}

impl SyncConfig {
    /// Reads them.
    pub fn from_options(o: &Options) -> Result<Self, OptionError> {
        if o.str("sync_proxy").is_some_and(|text| !text.trim().is_empty()) {
            return Err(o.error("sync_proxy", "is not yet built: clusters are reached without a proxy"));
        }
        Ok(Self {
            interval: o.seconds("interval", 300.0)?,
            container_time: o.seconds("container_time", 60.0)?,
            sync_row_concurrency: o.int("sync_row_concurrency", 8_usize)?.max(1),
        })
    }
}
