//! `swift-dispersion-populate` and `swift-dispersion-report`: how much of a cluster is where its rings say, judged by
//! containers and objects in a sample of the partitions.
//!
//! `populate` stores them through a proxy, as a user; `report` asks each server that should have them.

mod populate;
mod progress;
mod report;
mod settings;
mod user;

pub(super) use populate::run as populate;
pub(super) use report::run as report;
