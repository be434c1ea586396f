//! Where storage work runs: off the async workers, on the pool of its device.

use crate::http::Response;
use thiserror::Error;

/// Why a job gave no outcome.
#[derive(Debug, Error)]
#[error("a storage job on {device} did not finish: {why}")]
pub(super) struct JobError {
    device: String,
    why: String,
}

impl JobError {
    /// The answer to the request that wanted the job.
    pub fn into_response(self) -> Response {
        tracing::error!(error = %self);
        Response::standard(500)
    }
}

/// A handle to the device pools.
#[derive(Debug, Clone, Default)]
pub(super) struct Jobs;

impl Jobs {
    /// Runs `job` on the pool of `device`.
    pub async fn run<T: Send + 'static>(
        &self,
        device: &str,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JobError> {
        let failed = |e: tokio::task::JoinError| JobError { device: device.to_owned(), why: e.to_string() };
        tokio::task::spawn_blocking(job).await.map_err(failed)
    }
}
