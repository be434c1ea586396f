//! Recovery of what was lost from devices alone: rings, objects, containers' and accounts' databases.
//!
//! Devices are read and never written to. What cannot be read is noted as a [`Problem`](problems::Problems) and the
//! next thing looked at; work that was cut off goes on where it was. Nothing here asks a running cluster, but for
//! objects that are put into one. Arguments and what is printed are `cli::recover`'s.

pub mod containers;
pub mod inventory;
pub mod objects;
mod part_power;
pub mod problems;
pub mod progress;
pub mod rings;
