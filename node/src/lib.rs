//! Swiftlet: every server, daemon and tool of OpenStack Swift in one binary.

pub mod account;
pub mod cli;
pub mod container;
pub mod daemon;
pub mod database;
pub mod dev;
pub mod http;
pub mod logging;
pub mod multicall;
pub mod object;
pub mod pod;
pub mod process;
pub mod proxy;
pub mod role;
pub mod serve;
