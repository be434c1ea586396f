//! The filters of the proxy's pipeline, each in a room of its own; none knows another.
//!
//! A filter reads its section of `proxy-server.conf` once, into a struct that is the one place where its options
//! are defined, and becomes a [`Layer`]: what puts it in front of the next link. `pipeline` alone orders them.

pub mod account_quotas;
pub mod bulk;
pub mod catch_errors;
pub mod cname_lookup;
pub mod container_quotas;
pub mod container_sync;
pub mod copy;
pub mod crossdomain;
pub mod dlo;
pub mod domain_remap;
pub mod etag_quoter;
pub mod external_auth;
pub mod formpost;
pub mod gatekeeper;
pub mod healthcheck;
pub mod list_endpoints;
pub mod listing_formats;
pub mod memcache;
pub mod name_check;
pub mod proxy_logging;
pub mod ratelimit;
pub mod read_only;
pub mod recon;
pub mod slo;
pub mod staticweb;
pub mod swauth;
pub mod symlink;
pub mod tempauth;
pub mod tempurl;
pub mod versioned_writes;

use super::app::App;
use super::auth::TokenKeyError;
use super::cache::memcached;
use super::content_type::ContentTypes;
use super::expirer_queue::ExpirerQueue;
use super::placement::Placement;
use super::swift_info::SwiftInfo;
use crate::serve::metrics::RequestMetrics;
use crate::web_client::WebClientError;
use std::sync::Arc;
use swiftlet_types::conf::{ConfError, OptionError};
use swiftlet_types::swift_conf::SwiftConfError;
use swiftlet_types::{Constraints, Policies};
use thiserror::Error;

/// Puts a filter in front of the next link.
pub type Layer = Box<dyn FnOnce(Arc<dyn App>) -> Arc<dyn App> + Send>;

/// What filters are built from beside their own section, and what they leave for those after them.
pub struct Setup {
    /// `[swift-constraints]`
    pub constraints: Arc<Constraints>,
    /// The storage policies.
    pub policies: Arc<Policies>,
    /// Where names lie; none in a pipeline without rings.
    pub placement: Option<Placement>,
    /// What names say of content types.
    pub content_types: Arc<ContentTypes>,
    /// Where the expirer's queue holds what is to be deleted later.
    pub expirer_queue: Arc<ExpirerQueue>,
    /// What `/info` shows; each filter adds its section.
    pub info: SwiftInfo,
    /// Whether an outer filter shares a cache between proxies: tokens can then live there.
    pub cache_is_shared: bool,
    /// Lines to warn the operator of, that the sections themselves do not know.
    pub warnings: Vec<String>,
    /// Figures about clients' requests.
    pub metrics: Arc<RequestMetrics>,
}

impl Setup {
    /// What the outermost filter finds: one policy and no rings, unless told of them.
    pub fn new(constraints: Arc<Constraints>) -> Self {
        Self {
            constraints,
            policies: Arc::default(),
            placement: None,
            content_types: Arc::default(),
            expirer_queue: Arc::default(),
            info: SwiftInfo::default(),
            cache_is_shared: false,
            warnings: Vec::new(),
            metrics: Arc::new(RequestMetrics::new("proxy-server")),
        }
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
    /// It needs to know where names lie, and nobody told.
    #[error("there are no rings")]
    NoRings,
    /// It works on what another filter makes.
    #[error("{feature} needs the filter {needs} in the pipeline")]
    Needs {
        /// What does.
        feature: &'static str,
        /// The other filter.
        needs: &'static str,
    },
    /// A service that it asks cannot be asked that way.
    #[error(transparent)]
    WebClient(#[from] WebClientError),
    /// `swift.conf` cannot be used.
    #[error(transparent)]
    SwiftConf(#[from] SwiftConfError),
    /// The key that signs tokens cannot be used.
    #[error(transparent)]
    TokenKey(#[from] TokenKeyError),
}

#[cfg(test)]
pub(super) mod tests;
