//! SSYNC, the conversation in which one object server's replicator brings a partition of another up to date: one
//! request whose body and answer run beside each other.
//!
//! The sender offers objects by the times of their files (`offer`), between `:MISSING_CHECK: START` and `END`; the
//! receiver answers which it wants, in the same frame. Between `:UPDATES: START` and `END` the sender then sends them as
//! requests of their own (`subrequest`), and the receiver says the same two lines once it has them all, or `:ERROR:`.
//! Both sides speak with Python Swift's. `lines` reads either side; `receiver` is the object server's, `sender` the
//! replicator's, which never import each other.

pub(super) mod lines;
pub(super) mod offer;
pub(super) mod receiver;
pub(super) mod replication_lock;
pub(super) mod sender;
pub(super) mod subrequest;

/// What frames the offers, and the answer to them.
pub(super) const MISSING_CHECK_START: &[u8] = b":MISSING_CHECK: START";
/// Ends them.
pub(super) const MISSING_CHECK_END: &[u8] = b":MISSING_CHECK: END";
/// What frames the objects, and the answer to them.
pub(super) const UPDATES_START: &[u8] = b":UPDATES: START";
/// Ends them.
pub(super) const UPDATES_END: &[u8] = b":UPDATES: END";

#[cfg(test)]
mod tests;
