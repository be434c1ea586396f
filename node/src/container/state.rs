//! What the server gives its handlers, and what they give back.

use super::account_update::AccountUpdate;
use super::sync_to::SyncTargets;
use crate::database::DatabaseStore;
use crate::http::Response;
use std::sync::Arc;
use swiftlet_types::SwiftConf;

/// What a handler works with.
pub(super) struct State {
    pub store: DatabaseStore,
    pub swift: Arc<SwiftConf>,
    pub sync_targets: SyncTargets,
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
