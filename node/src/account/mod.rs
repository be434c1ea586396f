//! The account server: Swift's backend API for accounts, and the daemons that look after them.

pub mod auditor;
mod handlers;
mod headers;
mod listing;
pub mod reaper;
mod replica;
mod replicator;
pub mod server;
mod state;

pub use server::AccountServer;

#[cfg(test)]
mod tests;
