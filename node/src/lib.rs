//! Swiftlet: every server, daemon and tool of OpenStack Swift in one binary.

pub mod account;
pub mod container;
pub mod daemon;
pub mod database;
pub mod http;
pub mod object;
pub mod pod;
pub mod proxy;
pub mod serve;
