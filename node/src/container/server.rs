//! The container server: which handler answers a request.

use super::account_update::AccountUpdate;
use super::handlers;
use super::sync_to::SyncTargets;
use crate::database::{DatabaseStore, Jobs, Outcome};
use crate::http::{Client, Method, Request, Response, Service, Timeouts};
use async_trait::async_trait;
use std::sync::Arc;
use swiftlet_types::SwiftConf;
use swiftlet_types::conf::{OptionError, Options};

/// What a handler works with.
pub(super) struct State {
    pub store: DatabaseStore,
    pub swift: Arc<SwiftConf>,
    pub sync_targets: SyncTargets,
}

/// Answers backend requests about containers.
pub struct ContainerServer {
    state: Arc<State>,
    jobs: Jobs,
    client: Client,
    timeouts: Timeouts,
}

/// The methods that are answered, as `Allow` names them.
const ALLOWED: &str = "DELETE, GET, HEAD, OPTIONS, POST, PUT, UPDATE";
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
        Ok(Self { state: Arc::new(state), jobs, client, timeouts })
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
            Method::Options => {
                return Ok(Response::new(200).with("Allow", ALLOWED).with("Server", SERVER));
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

/// A request that was read: one job on its device's pool, and perhaps a report to the account after it.
pub(super) struct Job {
    pub device: String,
    pub work: Box<dyn FnOnce() -> Result<Done, Response> + Send>,
}

/// What a job came to.
pub(super) struct Done {
    pub answer: Response,
    /// What the account's servers are told before the answer is given.
    pub account_update: Option<AccountUpdate>,
}

impl From<Response> for Done {
    fn from(answer: Response) -> Self {
        Self { answer, account_update: None }
    }
}

#[async_trait]
impl Service for ContainerServer {
    async fn call(&self, request: Request) -> Response {
        self.dispatch(request).await.unwrap_or_else(|answer| answer)
    }
}
