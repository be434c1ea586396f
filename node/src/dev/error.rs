//! Why a dev cluster does not start: one line that says what, where, and what would be right.

use std::net::SocketAddr;
use std::path::PathBuf;
use swiftlet_plan::documents::DocumentError;
use thiserror::Error;

/// Why a dev cluster does not start.
#[derive(Debug, Error)]
pub enum DevError {
    /// A manifest cannot be read as a file.
    #[error("{path}: {error}", path = path.display())]
    ReadManifest {
        /// The file.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// A manifest has a mistake.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The manifests ask for something that cannot be.
    #[error("{}", .0.join("\n"))]
    Invalid(Vec<String>),
    /// The proxy's address cannot be had.
    #[error("cannot listen on {address}: {error}; choose another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        error: std::io::Error,
    },
    /// A node's address, which is in the rings, cannot be had.
    #[error(
        "cannot listen on {address} as {node} did before: {error}; end what listens there, the rings name this address"
    )]
    NodeAddress {
        /// The node.
        node: String,
        /// The address.
        address: SocketAddr,
        /// The system's words.
        error: std::io::Error,
    },
    /// No loopback address is left, or none can be had.
    #[error("no loopback address for {node}: {error}")]
    NoAddress {
        /// The node.
        node: String,
        /// The system's words.
        error: std::io::Error,
    },
    /// The data folder or something in it cannot be used.
    #[error("{path}: cannot {doing}: {error}", path = path.display())]
    Data {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// The system's words.
        error: std::io::Error,
    },
    /// Another process runs this cluster.
    #[error("{path} is in use by another swiftlet dev; choose another folder with --data", path = .0.display())]
    InUse(PathBuf),
    /// Something in the data folder is not what this program wrote.
    #[error("{path}: {why}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// A device is somebody else's.
    #[error(transparent)]
    Device(#[from] swiftlet_storage::identity::IdentityError),
    /// What the manifests ask for would lose what the folder holds.
    #[error("{0}")]
    Refused(String),
    /// A server does not start.
    #[error("{what}: {why}")]
    Server {
        /// Which one.
        what: String,
        /// Its own words.
        why: String,
    },
}

impl DevError {
    /// An error of the file system at `path`.
    pub(super) fn data(path: impl Into<PathBuf>, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |error| Self::Data { path, doing, error }
    }
}
