//! The container server: Swift's backend API for containers, and the daemons that look after them.

mod account_update;
pub mod auditor;
mod handlers;
mod headers;
mod listing;
pub mod misplaced;
pub(crate) mod policy_choice;
pub mod reconciler;
mod replica;
mod replicator;
mod row;
pub mod server;
mod state;
pub mod sync;
mod sync_to;
pub mod updater;

pub use server::ContainerServer;

#[cfg(test)]
mod tests;
