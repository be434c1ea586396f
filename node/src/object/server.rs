//! The object server: which handler answers what.

use super::config::ObjectServerConfig;
use super::container_update::Updates;
use crate::http::{Client, Method, Request, Response, Service, Timeouts};
use crate::serve::DevicePools;
use async_trait::async_trait;
use std::sync::Arc;
use swiftlet_storage::object::ObjectStore;
use swiftlet_types::{Constraints, Policies};
use tokio::time::Instant;

/// What OPTIONS offers.
const ALLOW: &str = "DELETE, GET, HEAD, OPTIONS, POST, PUT";
/// `swift-recon` reads the part before the slash.
const SERVER: &str = concat!("object-server/", env!("CARGO_PKG_VERSION"));

/// Answers backend requests for objects.
pub struct ObjectServer {
    pub(super) config: ObjectServerConfig,
    pub(super) policies: Policies,
    pub(super) constraints: Constraints,
    pub(super) store: Arc<ObjectStore>,
    pub(super) pools: DevicePools,
    pub(super) updates: Updates,
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
        Self { config, policies, constraints, store, pools, updates }
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

    async fn dispatch(&self, request: Request) -> Result<Response, Response> {
        if std::str::from_utf8(&request.path).is_err() {
            return Err(Response::html(412, "Invalid UTF8 or contains NULL"));
        }
        match request.method {
            Method::Get => self.read(request, true).await,
            Method::Head => self.read(request, false).await,
            Method::Put => self.put(request).await,
            Method::Post => self.post(request).await,
            Method::Delete => self.delete(request).await,
            Method::Options => Ok(Response::new(200).with("Allow", ALLOW).with("Server", SERVER)),
            _ => Err(Response::standard(405)),
        }
    }
}

#[async_trait]
impl Service for ObjectServer {
    async fn call(&self, request: Request) -> Response {
        let changes = matches!(request.method, Method::Put | Method::Delete);
        let begun = Instant::now();
        let answer = self.dispatch(request).await.unwrap_or_else(|refusal| refusal);
        if changes && !self.config.slow.is_zero() {
            tokio::time::sleep_until(begun + self.config.slow).await;
        }
        answer
    }
}
