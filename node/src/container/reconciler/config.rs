//! The options of `[container-reconciler]`.

use crate::daemon::{HowToRun, Sharing};
use std::time::Duration;
use swiftlet_types::conf::{OptionError, Options};

/// How the reconciler works.
#[derive(Debug, Clone)]
pub struct ReconcilerConfig {
    /// From the end of one pass to the beginning of the next.
    pub interval: Duration,
    /// How long an object is looked for that cannot be had.
    pub reclaim_age: Duration,
    /// Objects moved at once.
    pub concurrency: usize,
    /// How it is told which entries are this process's.
    pub sharing: Sharing,
}

impl ReconcilerConfig {
    /// Reads them.
    pub fn from_options(o: &Options) -> Result<Self, OptionError> {
        let concurrency = o.int("concurrency", 1)?;
        if concurrency == 0 {
            return Err(o.error("concurrency", "must be at least 1"));
        }
        Ok(Self {
            interval: o.seconds("interval", 30.0)?,
            reclaim_age: o.seconds("reclaim_age", 604_800.0)?,
            concurrency,
            sharing: Sharing::from_options(o, &HowToRun::default())?,
        })
    }
}
