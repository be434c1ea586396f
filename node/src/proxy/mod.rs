//! The proxy: Swift's client API in front of account, container and object servers.
//!
//! It shares only `swiftlet-types` and HTTP with the storage servers. `pipeline` alone orders the
//! middleware; a middleware never imports another.

pub mod app;
pub mod info;
