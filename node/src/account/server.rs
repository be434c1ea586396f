//! The account server: which handler answers a request.

use super::handlers;
use super::state::State;
use crate::database::{DatabaseStore, Jobs, Outcome, replicate};
use crate::http::{Method, Request, Response, Service};
use async_trait::async_trait;
use std::sync::Arc;
use swiftlet_storage::db::Account;
use swiftlet_types::SwiftConf;
use swiftlet_types::conf::{OptionError, Options};

/// Answers backend requests about accounts.
pub struct AccountServer {
    state: Arc<State>,
    jobs: Jobs,
    replication_server: bool,
}

/// The methods that are answered, as `Allow` names them.
const ALLOWED: &str = "DELETE, GET, HEAD, OPTIONS, POST, PUT, REPLICATE";
/// The same where replicators are to ask another server.
const ALLOWED_NO_REPLICATION: &str = "DELETE, GET, HEAD, OPTIONS, POST, PUT";
/// Who answers; `swift-recon` and the recon middleware look for the part before the slash.
const SERVER: &str = concat!("account-server/", env!("CARGO_PKG_VERSION"));

impl AccountServer {
    /// Reads the options of `[app:account-server]`.
    pub fn from_options(options: &Options, swift: Arc<SwiftConf>, jobs: Jobs) -> Result<Self, OptionError> {
        let store = DatabaseStore::from_options(options, swift.hash.clone())?;
        let replication_server = options.bool("replication_server", true);
        Ok(Self { state: Arc::new(State { store, swift }), jobs, replication_server })
    }

    async fn dispatch(&self, mut request: Request) -> Outcome {
        if std::str::from_utf8(&request.path).is_err() {
            return Err(Response::html(412, "Invalid UTF8"));
        }
        let state = Arc::clone(&self.state);
        let job = match request.method {
            Method::Get => handlers::get(request, state)?,
            Method::Head => handlers::head(request, state)?,
            Method::Put => handlers::put(request, state)?,
            Method::Post => handlers::post(request, state)?,
            Method::Delete => handlers::delete(request, state)?,
            Method::Replicate if self.replication_server && replicate::is_upload(&request) => {
                return replicate::receive::<Account>(request, &state.store, &self.jobs).await;
            }
            Method::Replicate if self.replication_server => handlers::replicate(&mut request, state).await?,
            Method::Options => {
                let allowed = if self.replication_server { ALLOWED } else { ALLOWED_NO_REPLICATION };
                return Ok(Response::new(200).with("Allow", allowed).with("Server", SERVER));
            }
            _ => return Err(Response::standard(405)),
        };
        self.jobs.run(&job.device, job.work).await?
    }
}

#[async_trait]
impl Service for AccountServer {
    async fn call(&self, request: Request) -> Response {
        self.dispatch(request).await.unwrap_or_else(|answer| answer)
    }
}
