//! The object server: Swift's backend API for objects, and the daemons that look after them.
//!
//! A handler turns a request into jobs on the device's pool (`swiftlet_storage::object`) and its outcome into an
//! answer. Nothing here remembers anything about an object between requests.

mod body;
mod checks;
mod conditional;
pub mod config;
mod container_update;
mod expirer_queue;
mod footers;
mod handlers;
mod mime;
mod placement;
mod ranges;
pub mod server;
mod stored_headers;
pub mod updater;
mod upload;

#[cfg(test)]
mod tests;

pub use config::ObjectServerConfig;
pub use server::ObjectServer;
