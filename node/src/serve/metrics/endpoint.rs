//! `/metrics`: outside the pipeline, so that it is there whatever the pipeline says.

use super::RequestMetrics;
use super::daemons::Passes;
use crate::http::{Method, Request, Response, Service};
use async_trait::async_trait;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// The media type of what Prometheus reads.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Figures that a server shows beside those of its requests and daemons.
#[async_trait]
pub trait Figures: Send + Sync {
    /// Those of now; `None` where they cannot be had.
    async fn registry(&self) -> Option<Registry>;
}

/// Answers `/metrics` in front of a server.
pub struct MetricsEndpoint {
    inner: Arc<dyn Service>,
    requests: Arc<RequestMetrics>,
    daemons: Arc<Passes>,
    more: Option<Arc<dyn Figures>>,
}

impl MetricsEndpoint {
    /// In front of `inner`, with these figures.
    pub fn new(
        inner: Arc<dyn Service>,
        requests: Arc<RequestMetrics>,
        daemons: Arc<Passes>,
        more: Option<Arc<dyn Figures>>,
    ) -> Self {
        Self { inner, requests, daemons, more }
    }

    async fn page(&self) -> Result<String, std::fmt::Error> {
        let more = match &self.more {
            Some(more) => more.registry().await,
            None => None,
        };
        let mut page = String::new();
        encode_registry(&mut page, &self.requests.registry)?;
        encode_registry(&mut page, &self.daemons.registry)?;
        if let Some(more) = more {
            encode_registry(&mut page, &more)?;
        }
        encode_eof(&mut page)?;
        Ok(page)
    }
}

#[async_trait]
impl Service for MetricsEndpoint {
    async fn call(&self, request: Request) -> Response {
        if request.path != "/metrics" {
            return self.inner.call(request).await;
        }
        if !matches!(request.method, Method::Get | Method::Head) {
            return Response::standard(405);
        }
        match self.page().await {
            Ok(page) => Response::new(200).with("Content-Type", CONTENT_TYPE).with_body(page),
            Err(error) => {
                tracing::error!(%error, "metrics cannot be shown");
                Response::standard(500)
            }
        }
    }
}
