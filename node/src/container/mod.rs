//! The container server: Swift's backend API for containers, and the daemons that look after them.

mod account_update;
mod handlers;
mod headers;
mod listing;
pub mod server;
mod sync_to;
pub mod updater;

pub use server::ContainerServer;

#[cfg(test)]
mod tests;
