//! Figures about a server and its daemons: for Prometheus at `/metrics` on the server's own port, and by statsd under
//! Swift's names where `log_statsd_host` is set.
//!
//! `table` defines what there is; the rest counts it. A process with several workers has figures for each worker.

mod clocks;
mod daemons;
mod endpoint;
mod node;
mod node_table;
mod requests;
mod statsd;
mod storage;
mod table;

pub use clocks::ClockMetrics;
pub use daemons::{DaemonMetrics, Measured};
pub use endpoint::{Figures, MetricsEndpoint};
pub use node::NodeMetrics;
pub use requests::{Asked, Observation, RequestMetrics, Resource, bounded_method};
pub use statsd::Statsd;
pub use storage::StorageMetrics;

#[cfg(test)]
mod tests;
