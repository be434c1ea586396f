//! `/healthcheck`: answers 200, or 503 where `disable_path` exists; the filter of storage servers.

use super::Service;
use crate::http::{Request, Response};
use async_trait::async_trait;
use std::path::PathBuf;
use std::sync::Arc;
use swiftlet_types::conf::Options;

/// What `/healthcheck` answers.
pub struct Health {
    /// While a file is here, the server says it is not to be used.
    disable_path: Option<PathBuf>,
}

impl Health {
    /// Reads the options of `[filter:healthcheck]`.
    pub fn new(options: &Options) -> Self {
        Self { disable_path: options.str("disable_path").filter(|path| !path.is_empty()).map(PathBuf::from) }
    }

    /// Whether a request is one for this.
    pub fn is_asked(request: &Request) -> bool {
        request.path == "/healthcheck"
    }

    /// 200, or 503 where the server is not to be used.
    pub async fn answer(&self) -> Response {
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

/// The filter.
pub struct HealthCheck {
    inner: Arc<dyn Service>,
    health: Health,
}

impl HealthCheck {
    /// Reads the options of `[filter:healthcheck]`.
    pub fn new(inner: Arc<dyn Service>, options: &Options) -> Self {
        Self { inner, health: Health::new(options) }
    }
}

#[async_trait]
impl Service for HealthCheck {
    async fn call(&self, request: Request) -> Response {
        match Health::is_asked(&request) {
            true => self.health.answer().await,
            false => self.inner.call(request).await,
        }
    }
}
