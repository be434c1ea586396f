//! What every server of the program needs around its service: listeners, TLS, the request shell, health,
//! recon, the bounded disk pool, and stopping gracefully.

pub use crate::http::Service;
