//! What the server gives its handlers, and what they give back.

use crate::database::{DatabaseStore, Outcome};
use std::sync::Arc;
use swiftlet_types::SwiftConf;

/// What a handler works with.
pub(super) struct State {
    pub store: DatabaseStore,
    pub swift: Arc<SwiftConf>,
}

/// A request that was read: what remains is one job on its device's pool.
pub(super) struct Job {
    pub device: String,
    pub work: Box<dyn FnOnce() -> Outcome + Send>,
}
