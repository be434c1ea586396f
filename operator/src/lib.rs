//! What `swiftlet-operator` and `kubectl-swift` are made of: the loop that runs clusters, and what a person asks of one.

mod cluster;
pub mod crds;
pub mod http_get;
pub mod kubectl;
mod leader;
mod metrics;
mod pod_status;
mod serve;
pub mod verify;
pub mod wiring;
