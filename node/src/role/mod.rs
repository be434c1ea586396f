//! The roles a process can take: each server and each daemon, made from Swift's configuration by one constructor.
//!
//! This is where configuration, rings, devices and code meet; commands, `storage` and `dev` differ only in which
//! roles they start. Nothing here asks which of them it is.

mod daemon;
mod proxy;
mod server;
mod storage;
#[cfg(test)]
pub mod testing;
mod through_proxy;
mod without_effect;

pub use daemon::{DaemonKind, LoadedDaemon};
pub use server::{Server, ServerKind};

use crate::http::{Budget, Client, ClientOptions};
use crate::serve::metrics::DaemonMetrics;
use crate::serve::tls::TlsError;
use crate::serve::{DevicePools, ListenError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use swiftlet_types::SwiftConf;
use swiftlet_types::conf::{ConfError, OptionError, Options};
use swiftlet_types::swift_conf::SwiftConfError;
use thiserror::Error;

/// What the roles of a process share. Clones are the same.
#[derive(Clone)]
pub struct Resources {
    /// What bodies in memory are taken from.
    pub budget: Budget,
    /// Connections to other servers.
    pub client: Client,
    /// Threads for the devices.
    pub pools: DevicePools,
    /// What its daemons did.
    pub daemon_metrics: DaemonMetrics,
}

impl Resources {
    /// Resources with a budget of their own.
    ///
    /// A proxy must not share its budget with storage servers that it sends to: it would hold on to bytes
    /// until they can read them, and they could not before it let go.
    pub fn new(budget: Budget) -> Self {
        let client = Client::new(ClientOptions { budget: budget.clone(), ..ClientOptions::default() });
        Self { budget, client, pools: DevicePools::default(), daemon_metrics: DaemonMetrics::default() }
    }
}

impl Default for Resources {
    fn default() -> Self {
        Self::new(Budget::default())
    }
}

/// Why a role cannot be taken.
#[derive(Debug, Error)]
pub enum StartError {
    /// Its configuration cannot be read.
    #[error(transparent)]
    Conf(#[from] ConfError),
    /// An option cannot be right.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// `swift.conf` cannot be used.
    #[error(transparent)]
    SwiftConf(#[from] SwiftConfError),
    /// A ring cannot be used.
    #[error(transparent)]
    Ring(#[from] swiftlet_ring::LoadError),
    /// The proxy application cannot be set up.
    #[error(transparent)]
    Proxy(#[from] crate::proxy::server::StartError),
    /// The proxy's options cannot be right.
    #[error(transparent)]
    ProxyConfig(#[from] crate::proxy::config::ConfigError),
    /// The proxy's pipeline cannot be built.
    #[error(transparent)]
    Pipeline(#[from] crate::proxy::pipeline::PipelineError),
    /// The client of its cluster cannot be set up.
    #[error(transparent)]
    InternalClient(#[from] crate::internal_client::SetupError),
    /// The client of other clusters cannot be set up.
    #[error(transparent)]
    WebClient(#[from] crate::web_client::WebClientError),
    /// The object auditor's watchers cannot be set up.
    #[error(transparent)]
    Watcher(#[from] crate::object::auditor::WatcherError),
    /// A storage server's pipeline has a filter that is not there.
    #[error("{path} [{section}]: {why}")]
    Filter {
        /// The file.
        path: PathBuf,
        /// The section, without brackets.
        section: String,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The socket cannot be used.
    #[error("cannot use the listening socket: {0}")]
    Socket(std::io::Error),
}

/// The `swift.conf` that `swift_dir` names.
fn swift_conf(options: &Options) -> Result<Arc<SwiftConf>, StartError> {
    let dir = options.str_or("swift_dir", "/etc/swift");
    Ok(Arc::new(SwiftConf::read(Path::new(&dir).join("swift.conf"))?))
}
