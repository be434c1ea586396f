//! The object replicator: brings other nodes' copies of this node's partitions up to date, and hands over those that
//! belong elsewhere.
//!
//! `plan` and `stats` need no disk: what is to be done, and what is said of it. `collect` finds the partitions (as
//! `../replication` does for the reconstructor too),
//! `pass` works on them beside each other, `update` on those that belong here and `revert` on those that do not; `ahead`
//! asks other nodes for many partitions' hashes at once;
//! `push` sends to them, by SSYNC (`../ssync`) or by the program rsync (`rsync`). `run` says
//! when, and leaves figures for recon.
//!
//! Nothing is removed that is not known to be on as many other nodes as the configuration asks for.

mod ahead;
mod collect;
mod config;
mod pass;
mod plan;
mod push;
mod revert;
mod rsync;
mod run;
mod stats;
mod update;

#[cfg(test)]
pub(super) mod tests;

pub use config::ReplicatorConfig;
pub use run::ObjectReplicator;
