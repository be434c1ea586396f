//! `kubectl swift ring`: looking at rings, taking them out, bringing them in, and going back.

mod diff;
pub mod export;
pub mod import;
mod list;
mod rollback;
mod show;
pub mod store;

use super::target::Where;

/// What can be done with rings.
#[derive(clap::Subcommand)]
pub enum Command {
    /// The generations that are kept.
    List(list::Options),
    /// One ring: its settings, its zones, its devices.
    Show(show::Options),
    /// What changed between two generations: devices, weights, partitions that moved.
    Diff(diff::Options),
    /// Writes builders and rings to a folder, in Swift's own formats.
    Export(export::Options),
    /// Makes a Swift cluster's builders the first rings of a cluster that has none yet.
    Import(import::Options),
    /// Publishes the rings of an earlier generation once more, as a new one.
    Rollback(rollback::Options),
}

/// Does it.
pub async fn run(place: &Where, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(options) => list::run(place, options).await,
        Command::Show(options) => show::run(place, options).await,
        Command::Diff(options) => diff::run(place, options).await,
        Command::Export(options) => export::run(place, options).await,
        Command::Import(options) => import::run(place, options).await,
        Command::Rollback(options) => rollback::run(place, options).await,
    }
}

/// The node that a device is of: builders say it in `meta`, those from elsewhere have its address alone.
fn node_of(device: &swiftlet_ring::Device) -> &str {
    if device.meta.is_empty() { &device.ip } else { &device.meta }
}

fn now_s() -> i64 {
    k8s_openapi::jiff::Timestamp::now().as_second()
}
