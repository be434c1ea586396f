//! Reading devices of which nothing else is known: no ring, no configuration, no database, perhaps damaged.
//!
//! Nothing here writes to a device, takes a lock on it or sets anything aside; what cannot be read is an error that
//! names it, and the caller goes on with the next. Databases: [`SalvagedDb`](crate::db::SalvagedDb).

mod object;
mod walk;

pub use object::{SalvageError, assemble, layout_of, object_files, open_file, read_metadata};
pub use walk::{DataDir, HashDirs, WalkError};
