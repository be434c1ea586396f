//! The proxy: Swift's client API in front of account, container and object servers.
//!
//! It shares only `swiftlet-types` and HTTP with the storage servers. `pipeline` alone orders the
//! middleware; a middleware never imports another.

pub mod acl;
pub mod affinity;
mod answer;
pub mod app;
pub mod auth;
mod backend;
pub mod cache;
mod checks;
pub mod clock_watch;
pub mod config;
mod content_type;
mod controllers;
mod cors;
mod deletions;
mod ec;
mod entity;
mod error_limit;
mod expirer_queue;
mod fanout;
mod get;
mod heartbeat;
mod host;
pub mod info;
pub mod info_section;
mod listing;
pub mod meta;
pub mod middleware;
mod nodes;
pub mod pipeline;
pub mod placement;
mod put;
pub mod query;
mod quorum;
pub mod ranges;
pub mod rings;
mod segments;
pub mod server;
pub mod service;
mod signature;
pub(crate) mod subrequest;
pub mod swift_info;
mod symlinks;
mod timings;

#[cfg(test)]
mod tests;
