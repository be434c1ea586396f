//! What all of Swiftlet shares: names, timestamps, hash paths, storage policies, constraints, pickle, configuration.
//!
//! No I/O but reading configuration files; no runtime, no HTTP.

pub mod accept;
pub mod conf;
pub mod constraints;
pub mod hash_path;
pub mod json;
pub mod listing;
pub mod names;
pub mod pickle;
pub mod policy;
pub mod python;
pub mod swift_conf;
pub mod sync_realms;
pub mod timestamp;

pub use constraints::Constraints;
pub use hash_path::{HashConf, PathHash};
pub use policy::{Policies, Policy};
pub use swift_conf::SwiftConf;
pub use timestamp::Timestamp;
