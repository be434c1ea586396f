//! The object server: which handler answers what.

use super::config::ObjectServerConfig;
use super::container_update::Updates;
use crate::http::{Budget, Client, Method, Request, Response, Service, Timeouts};
use crate::serve::DevicePools;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_storage::object::ObjectStore;
use swiftlet_types::{Constraints, Policies};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// What OPTIONS offers.
const ALLOW: &str = "DELETE, GET, HEAD, OPTIONS, POST, PUT, REPLICATE, SSYNC";
/// The same where replicators are to ask another server.
const ALLOW_NO_REPLICATION: &str = "DELETE, GET, HEAD, OPTIONS, POST, PUT";
/// `swift-recon` reads the part before the slash.
const SERVER: &str = concat!("object-server/", env!("CARGO_PKG_VERSION"));

/// What may be read ahead for clients that do not take it, in bytes.
const READ_AHEAD: usize = 64 << 20;

/// Answers backend requests for objects. Clones share what they work with.
#[derive(Clone)]
pub struct ObjectServer {
    pub(super) config: ObjectServerConfig,
    pub(super) policies: Policies,
    pub(super) constraints: Constraints,
    pub(super) store: Arc<ObjectStore>,
    pub(super) pools: DevicePools,
    pub(super) updates: Updates,
    pub(super) read_budget: Budget,
    /// For each SSYNC that may go on in this process; `None`: any number.
    pub(super) replication_slots: Option<Arc<Semaphore>>,
}

impl ObjectServer {
    /// A server of `store`, whose disks are worked on by the threads of `pools` and which tells container servers
    /// through `client`.
    pub fn new(
        config: ObjectServerConfig,
        policies: Policies,
        constraints: Constraints,
        store: Arc<ObjectStore>,
        pools: DevicePools,
        client: Client,
    ) -> Self {
        let timeouts = Timeouts { connect: config.conn_timeout, node: config.node_timeout };
        let updates = Updates { client, timeouts, pools: pools.clone(), store: store.clone() };
        let slots = config.replication.concurrency;
        let replication_slots =
            (slots > 0).then(|| Arc::new(Semaphore::new(slots.min(Semaphore::MAX_PERMITS))));
        let read_budget = Budget::new(READ_AHEAD);
        Self { config, policies, constraints, store, pools, updates, read_budget, replication_slots }
    }

    /// Says in the log which devices can be used, and which have room for all metadata in extended attributes;
    /// to be called at the start.
    pub async fn report_devices(&self) {
        let devices = match self.store.config().devices.list() {
            Ok(devices) => devices,
            Err(error) => return tracing::warn!(%error, "cannot list devices"),
        };
        let report = devices.into_iter().map(|device| async move {
            let (store, name) = (self.store.clone(), device.clone());
            let probe =
                move || store.config().devices.check(&name).map(|path| store.has_full_xattr_room(&path));
            match self.pools.run(&device, probe).await {
                Ok(Ok(true)) => tracing::info!(%device, "ready"),
                Ok(Ok(false)) => {
                    tracing::info!(%device, "ready; large metadata goes to side files (see FORMAT.md)")
                }
                Ok(Err(error)) => tracing::warn!(%error, "device cannot be used"),
                Err(error) => tracing::warn!(%error, "device cannot be probed"),
            }
        });
        futures_util::future::join_all(report).await;
    }

    pub(super) async fn dispatch(&self, request: Request) -> Result<Response, Response> {
        if std::str::from_utf8(&request.path).is_err() {
            return Err(Response::html(412, "Invalid UTF8 or contains NULL"));
        }
        match request.method {
            Method::Get => self.read(request, true).await,
            Method::Head => self.read(request, false).await,
            Method::Put => self.put(request).await,
            Method::Post => self.post(request).await,
            Method::Delete => self.delete(request).await,
            Method::Replicate if self.config.replication_server => self.replicate(request).await,
            Method::Ssync if self.config.replication_server => self.ssync(request).await,
            Method::Options => {
                let allow = if self.config.replication_server { ALLOW } else { ALLOW_NO_REPLICATION };
                Ok(Response::new(200).with("Allow", allow).with("Server", SERVER))
            }
            _ => Err(Response::standard(405)),
        }
    }
}

#[async_trait]
impl Service for ObjectServer {
    async fn call(&self, request: Request) -> Response {
        let changes = matches!(request.method, Method::Put | Method::Delete);
        let begun = Instant::now();
        let deleted = (request.method == Method::Delete).then(|| request.path.clone());
        let answer = self.dispatch(request).await.unwrap_or_else(|refusal| refusal);
        let threshold = self.config.slow_delete_log_threshold.unwrap_or(Duration::MAX);
        if let Some(path) = deleted.filter(|_| begun.elapsed() > threshold) {
            let (took, path, status) = (begun.elapsed().as_secs_f64(), path.escape_ascii(), answer.status);
            tracing::warn!("Slow DELETE ({took:.3}s) for {path}, status {status}");
        }
        if changes && !self.config.slow.is_zero() {
            tokio::time::sleep_until(begun + self.config.slow).await;
        }
        answer
    }
}
