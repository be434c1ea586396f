//! The object reconstructor: brings the fragments of erasure-coded objects to where they belong, and makes those that
//! are missing out of others.
//!
//! A node looks after its neighbours: `plan` tells what is to be done with a partition, `sync` compares it with the
//! partners of this node and has `rebuild` make on the way what they lack, `revert` hands over fragments that belong
//! elsewhere, and removes them. `pass` goes over the partitions, `run` says when, and leaves figures for recon. What
//! the replicator does just so is in `../replication`; what they both send with, in `../ssync`.
//!
//! Nothing is removed that the node it belongs on does not have.

mod config;
mod pass;
mod plan;
mod rebuild;
mod revert;
mod run;
mod scheme;
mod stats;
mod sync;

#[cfg(test)]
mod tests;

pub use config::ReconstructorConfig;
pub use run::{EcPolicy, ObjectReconstructor};
pub use scheme::Scheme;
