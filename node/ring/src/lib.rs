//! Swift's rings: which devices hold which partition, how that is decided, and the files it is kept in.
//!
//! - [`Ring`] answers lookups and [`SharedRing`] keeps one in step with its file; servers, proxies and tools use them.
//! - [`RingData`] is a ring as it is stored; [`format`] turns it into bytes and back.
//! - [`Builder`] holds a ring under construction: devices and settings change, [`Builder::rebalance`] assigns. It
//!   does no I/O and reads no clock; [`builder::file`] reads and writes builder files.
//!
//! Partitions are `u32`, devices are known by [`DeviceId`], and a replica is an index from 0.

pub mod address;
pub mod builder;
mod device;
pub mod distribution;
pub mod format;
mod handoffs;
mod ids;
mod ring;
mod shared;

pub use builder::Builder;
pub use device::{Device, DeviceId, bracketed};
pub use handoffs::Handoffs;
pub use ids::DeviceIds;
pub use ring::{Ring, RingData, RingDataError};
pub use shared::{LoadError, SharedRing, load_data};
