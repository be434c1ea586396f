//! Swiftlet's resources, and the planner that turns them and the observed world into steps.
//!
//! Pure and synchronous: no I/O, no clock, no Kubernetes objects. The operator and `swiftlet dev` are its two
//! executors.

pub mod resources;
