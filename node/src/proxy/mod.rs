//! The proxy: Swift's client API in front of account, container and object servers.
//!
//! It shares only `swiftlet-types` and HTTP with the storage servers. `pipeline` alone orders the
//! middleware; a middleware never imports another.

pub mod acl;
pub mod affinity;
mod answer;
pub mod app;
mod backend;
pub mod cache;
mod checks;
pub mod config;
mod content_type;
mod controllers;
mod cors;
mod entity;
mod error_limit;
mod fanout;
mod get;
pub mod info;
pub mod info_section;
pub mod meta;
pub mod middleware;
mod nodes;
pub mod pipeline;
mod put;
pub mod query;
mod quorum;
mod ranges;
pub mod rings;
pub mod server;
pub mod service;
pub mod swift_info;
mod timings;

#[cfg(test)]
mod tests;
