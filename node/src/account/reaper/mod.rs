//! The account reaper: deletes what is left in accounts that were deleted, objects first, then their containers. The
//! account's own databases go when they are empty: that is the account replicator's.
//!
//! Each primary of an account reaps its share of the containers. `run` walks accounts, `account` and `container` reap one
//! of each, `nodes` speaks with servers, `stats` counts, `plan` holds what needs neither disk nor wire.

mod account;
mod container;
mod nodes;
mod plan;
mod run;
mod stats;

pub use run::{AccountReaper, Surroundings};

#[cfg(test)]
mod tests;
