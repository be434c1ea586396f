//! The account server: which handler answers a request.

use super::handlers;
use crate::database::{DatabaseStore, Jobs, Outcome};
use crate::http::{Method, Request, Response, Service};
use async_trait::async_trait;
use std::sync::Arc;
use swiftlet_types::SwiftConf;
use swiftlet_types::conf::{OptionError, Options};

/// What a handler works with.
pub(super) struct State {
    pub store: DatabaseStore,
    pub swift: Arc<SwiftConf>,
}

/// Answers backend requests about accounts.
pub struct AccountServer {
    state: Arc<State>,
    jobs: Jobs,
}

/// The methods that are answered, as `Allow` names them.
const ALLOWED: &str = "DELETE, GET, HEAD, OPTIONS, POST, PUT";
/// Who answers; `swift-recon` and the recon middleware look for the part before the slash.
const SERVER: &str = concat!("account-server/", env!("CARGO_PKG_VERSION"));

impl AccountServer {
    /// Reads the options of `[app:account-server]`.
    pub fn from_options(options: &Options, swift: Arc<SwiftConf>, jobs: Jobs) -> Result<Self, OptionError> {
        let store = DatabaseStore::from_options(options, swift.hash.clone())?;
        Ok(Self { state: Arc::new(State { store, swift }), jobs })
    }

    async fn dispatch(&self, request: Request) -> Outcome {
        if std::str::from_utf8(&request.path).is_err() {
            return Err(Response::html(412, "Invalid UTF8"));
        }
        let handler = match request.method {
            Method::Get => handlers::get,
            Method::Head => handlers::head,
            Method::Put => handlers::put,
            Method::Post => handlers::post,
            Method::Delete => handlers::delete,
            Method::Options => {
                return Ok(Response::new(200).with("Allow", ALLOWED).with("Server", SERVER));
            }
            _ => return Err(Response::standard(405)),
        };
        let job = handler(request, Arc::clone(&self.state))?;
        self.jobs.run(&job.device, job.work).await?
    }
}

/// A request that was read: what remains is one job on its device's pool.
pub(super) struct Job {
    pub device: String,
    pub work: Box<dyn FnOnce() -> Outcome + Send>,
}

#[async_trait]
impl Service for AccountServer {
    async fn call(&self, request: Request) -> Response {
        self.dispatch(request).await.unwrap_or_else(|answer| answer)
    }
}
