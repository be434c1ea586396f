//! Container sync: sends what happens in a container to a container of another cluster, as `X-Container-Sync-To` says.
//!
//! Each replica's node sends its share of the new rows at once, and in the next pass all rows of before, so that what
//! another node could not send is sent nevertheless. How far it came is in the database: it goes on from there.

mod config;
mod container;
mod row;
mod run;
#[cfg(test)]
mod tests;

pub use config::SyncConfig;
pub use run::{ContainerSync, Reach};
