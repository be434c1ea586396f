//! What the account and the container server have in common: reading a backend request, the way to a database
//! and back to an answer.
//!
//! A handler reads its request here, runs one job on the device's pool against a broker of
//! `swiftlet_storage::db`, and answers. Nothing is remembered between requests but open databases.

pub mod answer;
pub mod auditor;
pub mod body;
pub mod jobs;
pub mod listing;
pub mod metadata;
pub mod params;
pub mod replicate;
pub mod replicator;
pub mod store;
pub mod target;
#[cfg(test)]
pub(crate) mod testing;

pub use answer::Outcome;
pub use jobs::Jobs;
pub use params::Params;
pub use store::DatabaseStore;
pub use target::Target;
