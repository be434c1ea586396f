//! The account and the container replicator: bring the replicas of every database in step with those of the node.
//!
//! One engine with two kinds ([`Replica`]). `sweep` finds databases, `pass` does for one of them what is to be done,
//! `push` speaks with one peer, `whole` sends files, `peer` is the wire; what needs neither disk nor wire is in `plan`.

mod config;
mod kind;
mod pass;
mod peer;
mod plan;
mod push;
mod run;
mod stats;
mod sweep;
mod whole;

pub use kind::{PassContext, Replica};
pub use run::{DatabaseReplicator, Surroundings};
pub use sweep::Database;

#[cfg(test)]
mod tests;
