//! What every server of the program needs around its service: listeners, TLS, the request shell with its span
//! and access log, health, recon, and the bounded disk pools. Which service it is belongs to `role`.

pub mod access_log;
pub mod backend_ratelimit;
pub mod healthcheck;
pub mod listener;
pub mod metrics;
pub mod options;
pub mod pool;
pub mod recon;
pub mod tls;
pub mod trans_id;
pub mod xprofile;

pub use crate::http::Service;
pub use listener::{ListenError, ListenOptions};
pub use pool::{DevicePool, DevicePools, PoolError};
