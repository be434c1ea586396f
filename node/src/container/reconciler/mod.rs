//! The container reconciler: objects that are in another storage policy than their container (made while two proxies
//! disagreed about it) are moved to the right one, as the queue `.misplaced_objects` tells of them.

mod config;
mod policy_cache;
mod queue;
mod run;
mod standing;
#[cfg(test)]
mod tests;

pub use config::ReconcilerConfig;
pub use queue::Misplaced;
pub use run::ContainerReconciler;
