//! Objects brought back from devices: the newest version of each, to a folder or into a cluster.
//!
//! An inventory tells what there is; `content` reads an object's bytes from a sound copy, or puts them together from
//! fragments; a [`Target`] takes them: `folder` (whose `paths` are safe whatever an object is called) or `cluster`.

mod cluster;
mod content;
mod folder;
mod paths;
mod work;

pub use cluster::{ClusterTarget, Credentials};
pub use content::Content;
pub use folder::FolderTarget;
pub use work::{Options, Report, recover};

use swiftlet_storage::object::{ObjectPath, ObjectState};
use swiftlet_types::Timestamp;
use thiserror::Error;

/// An object on its way.
#[derive(Debug)]
pub struct Object {
    /// What it is called.
    pub path: ObjectPath,
    /// Its metadata and times.
    pub state: ObjectState,
    /// Its storage policy.
    pub policy: u32,
    /// Whether others are called like it and `/…`.
    pub is_folder_too: bool,
}

impl Object {
    /// Whether it is a static large object's manifest.
    pub fn is_static_manifest(&self) -> bool {
        let field = self.state.metadata.get_str("X-Static-Large-Object");
        field.is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Whether it is to be no more at `now`.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        let at = self.state.metadata.get_str("X-Delete-At").and_then(|at| at.trim().parse::<u64>().ok());
        at.is_some_and(|at| at <= now.seconds())
    }

    /// Whether its bytes are ciphertext.
    pub fn is_encrypted(&self) -> bool {
        self.state.metadata.get("X-Object-Sysmeta-Crypto-Body-Meta").is_some()
    }
}

/// How a target took an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It has it now.
    Stored,
    /// It had one already, which stays.
    Present,
    /// Not before others are there.
    Later,
    /// No more: its time ran out on the way.
    Expired,
}

/// Why a target has no object.
#[derive(Debug, Error)]
pub enum PutError {
    /// What was read is not what was written once: another copy may do.
    #[error("{0}")]
    Damaged(String),
    /// The target failed: it may be tried again.
    #[error("{0}")]
    Target(String),
}

/// Where objects go. Several threads use it at once.
pub trait Target: Sync {
    /// Takes an object with its bytes.
    fn put(&self, object: &Object, content: Content) -> Result<Taken, PutError>;

    /// Makes what it took durable.
    fn sync(&self) -> std::io::Result<()>;

    /// Whether it is to be told of objects whose names are folders too.
    fn has_folders(&self) -> bool;
}
