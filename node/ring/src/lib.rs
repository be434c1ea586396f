//! Swift rings: devices, builder, rebalance, lookup, file formats, and their distribution in chunks.

pub mod distribution;
