//! What would happen: partitions that move between two tables.

mod moves;

pub use moves::{DeviceMoves, Moves, Place, compare};
