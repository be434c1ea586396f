//! Where database work runs: on the bounded pool of its device.

use crate::http::Response;
use crate::serve::pool::{DevicePools, PoolError};

/// A handle to the pools.
#[derive(Clone, Default)]
pub struct Jobs {
    pools: DevicePools,
}

impl Jobs {
    /// Runs jobs on these pools.
    pub fn new(pools: DevicePools) -> Self {
        Self { pools }
    }

    /// Runs `job` for `device`; the error is the answer to the request that wanted it.
    pub async fn run<T: Send + 'static>(
        &self,
        device: &str,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Response> {
        self.pools.run(device, job).await.map_err(|error| {
            tracing::error!(%error, "a database job gave no outcome");
            Response::standard(if matches!(error, PoolError::Full { .. }) { 503 } else { 500 })
        })
    }
}
