//! The object auditor: reads everything that is stored, and sets aside what is not what was stored.
//!
//! `scan` walks devices and keeps count, `inspect` judges one object, `run` says which scans run beside each other and
//! after one another, `watcher` shows objects to whoever asked to see them, `plan` holds what needs no disk.

mod config;
mod inspect;
mod plan;
mod run;
mod scan;
mod watcher;

pub use config::AuditorConfig;
pub use run::ObjectAuditor;
pub use watcher::{WatcherError, Watchers};

#[cfg(test)]
mod tests;
