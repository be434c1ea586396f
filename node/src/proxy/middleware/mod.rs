//! The filters of the proxy's pipeline, each in a room of its own; none knows another.
//!
//! A filter reads its section of `proxy-server.conf` once, into a struct that is the one place where its options
//! are defined, and becomes a [`Layer`]: what puts it in front of the next link. `pipeline` alone orders them.

pub mod catch_errors;
pub mod copy;
pub mod gatekeeper;
pub mod healthcheck;
pub mod listing_formats;
pub mod memcache;
pub mod proxy_logging;
pub mod tempauth;

use super::app::App;
use super::cache::memcached;
use super::swift_info::SwiftInfo;
use std::path::PathBuf;
use std::sync::Arc;
use swiftlet_types::Constraints;
use swiftlet_types::conf::{ConfError, OptionError};
use thiserror::Error;

/// Puts a filter in front of the next link.
pub type Layer = Box<dyn FnOnce(Arc<dyn App>) -> Arc<dyn App> + Send>;

/// What filters are built from beside their own section, and what they leave for those after them.
pub struct Setup {
    /// `[swift-constraints]`
    pub constraints: Arc<Constraints>,
    /// What `/info` shows; each filter adds its section.
    pub info: SwiftInfo,
    /// Whether an outer filter shares a cache between proxies: tokens can then live there.
    pub cache_is_shared: bool,
    /// Lines to warn the operator of, that the sections themselves do not know.
    pub warnings: Vec<String>,
}

impl Setup {
    /// What the outermost filter finds.
    pub fn new(constraints: Arc<Constraints>) -> Self {
        Self { constraints, info: SwiftInfo::default(), cache_is_shared: false, warnings: Vec::new() }
    }
}

/// Why a filter cannot be built.
#[derive(Debug, Error)]
pub enum FilterError {
    /// An option's value cannot be right.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// A file that it names cannot be used as configuration.
    #[error(transparent)]
    Conf(#[from] ConfError),
    /// memcached cannot be used as it is described.
    #[error(transparent)]
    Memcached(#[from] memcached::SetupError),
    /// The key that signs tokens cannot be used.
    #[error("token_key_path {path}: {why}", path = path.display())]
    TokenKey {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

#[cfg(test)]
pub(super) mod tests;
