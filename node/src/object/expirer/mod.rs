//! The object expirer: deletes objects whose time is over, and those whose deletion was queued, as
//! `.expiring_objects` says. Several of them may share the queue.

mod config;
mod plan;
mod run;
#[cfg(test)]
mod tests;

pub use config::ExpirerConfig;
pub use run::ObjectExpirer;
