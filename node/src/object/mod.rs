//! The object server: Swift's backend API for objects, and the daemons that look after them.
//!
//! A handler turns a request into jobs on the device's pool (`swiftlet_storage::object`) and its outcome into an
//! answer. Nothing here remembers anything about an object between requests.

pub mod auditor;
mod body;
mod checks;
mod conditional;
pub mod config;
mod container_row;
mod container_update;
pub mod expirer;
mod expirer_queue;
mod footers;
mod fragments;
mod handlers;
mod many_partitions;
mod mime;
mod placement;
pub mod reconstructor;
pub mod relinker;
pub mod replication;
pub mod replicator;
pub mod server;
mod settle;
mod ssync;
mod stored_headers;
pub mod updater;
mod upload;

#[cfg(test)]
mod tests;

pub use config::ObjectServerConfig;
pub(crate) use container_row::container_row;
pub use server::ObjectServer;
