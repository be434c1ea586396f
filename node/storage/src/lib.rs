//! Swift's disk formats: object files, SQLite brokers, locks, devices. No HTTP, no runtime.
//!
//! Everything is synchronous: a caller runs it where blocking is allowed. FORMAT.md beside this crate accounts
//! for every byte on disk.

pub mod db;
pub mod device;
mod durable_dirs;
mod fs;
pub mod identity;
pub mod lock;
pub mod object;
pub mod run_mark;
pub mod salvage;
