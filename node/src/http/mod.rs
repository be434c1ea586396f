//! HTTP/1.1 as Swift speaks it, server and client, on tokio.
//!
//! Swift needs byte-valued header names and values, 1xx answers that carry headers (and more than one of
//! them), full duplex, and the exact limits of `[swift-constraints]`; general-purpose HTTP crates refuse
//! these. This module knows nothing of accounts, rings or disks.

pub mod body;
pub mod budget;
pub mod byte_ranges;
pub mod client;
pub mod conditions;
pub mod dates;
pub mod headers;
pub mod limits;
pub mod message;
pub mod server;
pub mod service;
pub mod standard;
mod wire;

pub use body::{Body, BodyError, BodyStream};
pub use budget::Budget;
pub use client::{Client, ClientError, ClientOptions, Timeouts};
pub use headers::Headers;
pub use limits::Limits;
pub use message::{Interim, Method, Request, Response, Version};
pub use server::ServerOptions;
pub use service::Service;
