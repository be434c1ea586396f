//! The `healthcheck` filter of storage servers: `/healthcheck` answers 200, or 503 where `disable_path` exists.

use super::Service;
use crate::http::{Request, Response};
use async_trait::async_trait;
use std::path::PathBuf;
use std::sync::Arc;
use swiftlet_types::conf::Options;

/// The filter.
pub struct HealthCheck {
    inner: Arc<dyn Service>,
    disable_path: Option<PathBuf>,
}

impl HealthCheck {
    /// Reads the options of `[filter:healthcheck]`.
    pub fn new(inner: Arc<dyn Service>, options: &Options) -> Self {
        let disable_path = options.str("disable_path").filter(|path| !path.is_empty()).map(PathBuf::from);
        Self { inner, disable_path }
    }
}

#[async_trait]
impl Service for HealthCheck {
    async fn call(&self, request: Request) -> Response {
        if request.path != "/healthcheck" {
            return self.inner.call(request).await;
        }
        let disabled = match &self.disable_path {
            Some(path) => tokio::fs::try_exists(path).await.unwrap_or(false),
            None => false,
        };
        match disabled {
            true => Response::plain(503, "DISABLED BY FILE"),
            false => Response::plain(200, "OK"),
        }
    }
}
