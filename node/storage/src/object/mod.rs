//! Object files: `<device>/objects[-N]/<partition>/<suffix>/<hash>/<timestamp>.data|.meta|.ts`.
//!
//! Everything here is synchronous and meant to run as one job on a device's pool. The disk is the only truth: no
//! listing, hash or metadata is kept past the call that read it. FORMAT.md accounts for every byte written.

pub mod async_pending;
mod cleanup;
mod filename;
mod fileset;
pub mod hashes;
mod location;
mod metadata;
mod open;
mod quarantine;
mod reader;
mod store;
mod writer;
mod xattrs;

pub use cleanup::cleanup;
pub use filename::{Extension, FileName, FileNameError, Fragment};
pub use fileset::FileSet;
pub use location::{DirKind, Location, ObjectPath};
pub use metadata::{Metadata, MetadataFormatError};
pub use open::{ObjectState, OpenError, OpenObject, OpenOptions};
pub use reader::{ReadError, Reader};
pub use store::{ObjectStore, StoreConfig};
pub use writer::{WriteError, Writer};
pub use xattrs::{ReadMetadataError, WriteMetadataError};
