//! The object updater: sends the container updates that object servers could not.

mod config;
mod container_rates;
mod file;
mod plan;
mod run;
mod stats;
#[cfg(test)]
mod tests;

pub use config::UpdaterConfig;
pub use run::ObjectUpdater;
