//! Swiftlet: every server, daemon and tool of OpenStack Swift in one binary.

pub mod http;
pub mod proxy;
pub mod serve;
