//! The container server: which handler answers a request.

use super::handlers;
use super::state::State;
use super::sync_to::SyncTargets;
use crate::database::{DatabaseStore, Jobs, Outcome, replicate};
use crate::http::{Client, Method, Request, Response, Service, Timeouts};
use async_trait::async_trait;
use std::sync::Arc;
use swiftlet_storage::db::Container;
use swiftlet_types::SwiftConf;
use swiftlet_types::conf::{OptionError, Options};

/// Answers backend requests about containers.
pub struct ContainerServer {
    state: Arc<State>,
    jobs: Jobs,
    client: Client,
    timeouts: Timeouts,
    replication_server: bool,
}

/// The methods that are answered, as `Allow` names them.
const ALLOWED: &str = "DELETE, GET, HEAD, OPTIONS, POST, PUT, REPLICATE, UPDATE";
/// The same where replicators are to ask another server.
const ALLOWED_NO_REPLICATION: &str = "DELETE, GET, HEAD, OPTIONS, POST, PUT, UPDATE";
/// Who answers; `swift-recon` and the recon middleware look for the part before the slash.
const SERVER: &str = concat!("container-server/", env!("CARGO_PKG_VERSION"));

impl ContainerServer {
    /// Reads the options of `[app:container-server]`. `client` reaches account servers.
    pub fn from_options(
        options: &Options,
        swift: Arc<SwiftConf>,
        jobs: Jobs,
        client: Client,
    ) -> Result<Self, OptionError> {
        let store = DatabaseStore::from_options(options, swift.hash.clone())?;
        let timeouts = Timeouts {
            connect: options.seconds("conn_timeout", 0.5)?,
            node: options.seconds("node_timeout", 3.0)?,
        };
        let state = State { store, swift, sync_targets: SyncTargets::from_options(options) };
        let replication_server = options.bool("replication_server", true);
        Ok(Self { state: Arc::new(state), jobs, client, timeouts, replication_server })
    }

    async fn dispatch(&self, mut request: Request) -> Outcome {
        if std::str::from_utf8(&request.path).is_err() {
            return Err(Response::html(412, "Invalid UTF8 or contains NULL"));
        }
        let state = Arc::clone(&self.state);
        let job = match request.method {
            Method::Get => handlers::get(request, state)?,
            Method::Head => handlers::head(request, state)?,
            Method::Put if handlers::is_shard_put(&request) => {
                handlers::put_shards(&mut request, state).await?
            }
            Method::Put => handlers::put(request, state)?,
            Method::Post => handlers::post(request, state)?,
            Method::Delete => handlers::delete(request, state)?,
            Method::Update => handlers::update(&mut request, state).await?,
            Method::Replicate if self.replication_server && replicate::is_upload(&request) => {
                return replicate::receive::<Container>(request, &state.store, &self.jobs).await;
            }
            Method::Replicate if self.replication_server => handlers::replicate(&mut request, state).await?,
            Method::Options => {
                let allowed = if self.replication_server { ALLOWED } else { ALLOWED_NO_REPLICATION };
                return Ok(Response::new(200).with("Allow", allowed).with("Server", SERVER));
            }
            _ => return Err(Response::standard(405)),
        };
        let done = self.jobs.run(&job.device, job.work).await??;
        if let Some(update) = done.account_update {
            update.send(&self.client, &self.timeouts).await?;
        }
        Ok(done.answer)
    }
}

#[async_trait]
impl Service for ContainerServer {
    async fn call(&self, request: Request) -> Response {
        self.dispatch(request).await.unwrap_or_else(|answer| answer)
    }
}
