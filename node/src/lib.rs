//! Swiftlet: every server, daemon and tool of OpenStack Swift in one binary.

pub mod account;
pub mod cli;
pub mod container;
pub mod daemon;
pub mod database;
pub mod dev;
pub mod direct_client;
pub mod holdings;
pub mod http;
pub mod internal_client;
pub mod logging;
pub mod multicall;
pub mod object;
pub mod pod;
pub mod process;
pub mod proxy;
pub mod recover;
pub mod role;
pub mod serve;
pub mod web_client;
