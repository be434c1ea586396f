//! The operator's own ports: health for the kubelet, metrics for Prometheus.

use crate::metrics::Metrics;
use anyhow::Context;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The media type of Prometheus' text format, as prometheus-client writes it.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Binds both ports and answers on them for as long as the process lives. `ready` turns true once the API server has
/// answered; an operator that stands by is ready.
pub async fn start(
    health: SocketAddr,
    metrics: SocketAddr,
    registry: Arc<Metrics>,
    ready: Arc<AtomicBool>,
) -> anyhow::Result<()> {
    let readyz = move || async move {
        match ready.load(Ordering::Relaxed) {
            true => (StatusCode::OK, "ok\n"),
            false => (StatusCode::SERVICE_UNAVAILABLE, "the API server has not answered yet\n"),
        }
    };
    let health_routes = Router::new().route("/livez", get(|| async { "ok\n" })).route("/readyz", get(readyz));
    let metrics_routes = Router::new().route(
        "/metrics",
        get(move || async move { ([(header::CONTENT_TYPE, OPENMETRICS)], registry.render()) }),
    );
    for (address, routes) in [(health, health_routes), (metrics, metrics_routes)] {
        let listener =
            tokio::net::TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))?;
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::error!(%error, %address, "no longer serving");
            }
        });
    }
    Ok(())
}
