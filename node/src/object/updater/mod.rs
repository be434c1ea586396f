//! The object updater: sends the container updates that object servers could not.

mod plan;
mod run;

pub use run::{ObjectUpdater, UpdaterConfig};
