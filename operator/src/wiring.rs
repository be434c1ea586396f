//! Everything the operator is made of, put together in one place.

use crate::cluster::{self, Context};
use crate::leader::Leadership;
use crate::metrics::Metrics;
use crate::serve;
use anyhow::Context as _;
use kube::Client;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// What `swiftlet-operator run` is told.
#[derive(clap::Args)]
pub struct Options {
    /// A namespace whose clusters it runs; may be given more than once. None: every namespace.
    #[arg(long, value_name = "NAMESPACE")]
    watch_namespace: Vec<String>,
    /// Image of the clusters' pods, without its tag, for clusters that name none.
    #[arg(long, value_name = "REPOSITORY", default_value = "localhost/swiftlet")]
    node_image: String,
    /// The Lease that makes one of several operators the acting one.
    #[arg(long, value_name = "NAME", default_value = "swiftlet-operator")]
    lease_name: String,
    /// Where the kubelet asks.
    #[arg(long, value_name = "ADDR:PORT", default_value = "[::]:8081")]
    health_listen: SocketAddr,
    /// Where Prometheus asks.
    #[arg(long, value_name = "ADDR:PORT", default_value = "[::]:9090")]
    metrics_listen: SocketAddr,
    /// This process among operators.
    #[arg(long, env = "POD_NAME", value_name = "NAME", default_value = "swiftlet-operator")]
    identity: String,
    /// The namespace of the Lease.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE", default_value = "default")]
    namespace: String,
}

/// Serves health and metrics, waits to lead, then runs clusters until a signal or the loss of the lease.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(filter)
        .init();
    let metrics = Arc::new(Metrics::new());
    let ready = Arc::new(AtomicBool::new(false));
    serve::start(options.health_listen, options.metrics_listen, metrics.clone(), ready.clone()).await?;

    let client = Client::try_default().await.context("find the Kubernetes API")?;
    let version = client.apiserver_version().await.context("ask the Kubernetes API for its version")?;
    tracing::info!(kubernetes = version.git_version, operator = env!("CARGO_PKG_VERSION"), "connected");
    ready.store(true, Ordering::Relaxed);

    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut leadership =
        Leadership::new(client.clone(), &options.namespace, &options.lease_name, &options.identity);
    tokio::select! {
        () = leadership.acquire() => {}
        _ = terminate.recv() => return Ok(()),
    }
    tracing::info!(identity = options.identity, "leading");
    metrics.set_leading(true);

    let context = Arc::new(
        Context::new(client, options.node_image, options.identity, metrics).in_namespace(options.namespace),
    );
    tokio::select! {
        lost = leadership.keep() => lost,
        () = cluster::run(context, &options.watch_namespace) => anyhow::bail!("the watch of the API ended"),
        _ = terminate.recv() => leadership.release().await,
    }
}
