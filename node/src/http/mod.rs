//! HTTP/1.1 as Swift speaks it, server and client, on tokio.
//!
//! Swift needs byte-valued header names and values, 1xx answers that carry headers (and more than one of
//! them), full duplex, and the exact limits of `[swift-constraints]`; general-purpose HTTP crates refuse
//! these. This module knows nothing of accounts, rings or disks.

pub mod body;
pub mod headers;
pub mod message;
pub mod standard;

pub use body::{Body, BodyError, BodyStream};
pub use headers::Headers;
pub use message::{Interim, Method, Request, Response};
