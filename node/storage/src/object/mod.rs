//! Object files: `<device>/objects[-N]/<partition>/<suffix>/<hash>/<timestamp>.data|.meta|.ts`.
//!
//! Everything here is synchronous and meant to run as one job on a device's pool. The disk is the only truth: no
//! listing, hash or metadata is kept past the call that read it. FORMAT.md accounts for every byte written.

pub mod async_pending;
mod audit;
mod changes;
mod cleanup;
mod filename;
mod fileset;
mod group_sync;
pub mod hashes;
mod layout;
mod location;
mod metadata;
mod open;
mod post;
pub mod purge;
mod quarantine;
mod reader;
pub mod recent;
mod relink;
mod staged;
mod store;
mod suffix_hash;
pub mod summary;
mod together;
mod writer;
mod xattrs;

pub use audit::ByteAudit;
pub use changes::{Change, Changes};
pub use cleanup::{CleanupRules, cleanup, cleanup_as, cleanup_by, remove_up_to};
pub use filename::{Extension, FileName, FileNameError, Fragment};
pub use fileset::{FileSet, FragmentChoice, FragmentPreference, FragmentPreferences, FragmentSets};
pub use layout::{FragmentRules, Layout, Layouts};
pub use location::{DirKind, HashDir, Location, ObjectPath, partition_dir};
pub use metadata::{FRAGMENT_INDEX, Metadata, MetadataFormatError};
pub use open::{ObjectState, OpenError, OpenObject, OpenOptions};
pub(crate) use post::{merge_post, take_content_type};
pub use quarantine::quarantine_dir;
pub use reader::{ReadError, Reader};
pub use relink::{Relink, RelinkCounts, Step};
pub use staged::Staged;
pub use store::{ObjectStore, StoreConfig};
pub use suffix_hash::SuffixHash;
pub use together::Together;
pub use writer::{WriteError, Writer};
pub use xattrs::{ReadMetadataError, WriteMetadataError, open_with_metadata};
