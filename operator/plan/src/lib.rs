//! Swiftlet's resources, and the planner that turns them and the observed world into steps.
//!
//! Pure and synchronous: no I/O, no clock, no Kubernetes objects. The operator and `swiftlet dev` are its two
//! executors. The way of a manifest: [`documents`] (or the Kubernetes API) -> [`validate`] -> plan -> executor.

pub mod check;
pub mod conf;
pub mod disruption;
pub mod documents;
pub mod forecast;
mod leaving;
mod parallel;
pub mod plan;
pub mod report;
pub mod resources;
pub mod revision;
pub mod rings;
#[cfg(test)]
mod testing;
pub mod validate;
pub mod world;
