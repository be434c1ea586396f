//! The commands of `kubectl swift`. Each is a file or folder: what it reads and writes there, what it says in pure
//! functions beside it. Nothing here decides what the operator would decide: it changes what is declared, or asks.

/// Prints a line, and ends the command where nobody reads any more.
macro_rules! say {
    ($($text:tt)*) => { $crate::kubectl::out(format_args!("{}\n", format_args!($($text)*)))? };
}
/// Prints lines that end by themselves.
macro_rules! show {
    ($($text:tt)*) => { $crate::kubectl::out(format_args!($($text)*))? };
}

mod adopt;
mod backup;
mod change;
mod plan;
mod recon;
mod ring;
mod status;
mod table;
mod target;
mod version;

use clap::{Parser, Subcommand};
use std::io::Write;
use target::Where;

/// Looks at Swiftlet clusters and changes what is declared about them.
#[derive(Parser)]
#[command(name = "kubectl-swift", bin_name = "kubectl swift", version)]
pub struct Cli {
    #[command(flatten)]
    place: Where,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// One screen: is the data safe, what is the cluster doing, what does it wait for.
    Status(status::Options),
    /// What a changed manifest would come to: the steps, what moves, how long it takes. Nothing is changed.
    Plan(plan::Options),
    /// A node leaves: its data moves to the others, then its pod stops.
    Drain(change::drain::Options),
    /// A node that was to leave stays, or comes back.
    Undrain(change::drain::UndrainOptions),
    /// A node's or a device's volume is dead or gone: a new one takes its place and is filled by replication.
    Replace(change::replace::Options),
    /// No pod is restarted for a change of image or configuration until `resume`.
    Pause(change::pause::Options),
    /// Restarts for a change of image or configuration go on.
    Resume(change::pause::Options),
    /// Asks nodes what their recon tells.
    Recon(recon::Options),
    /// The generations of rings that a cluster keeps.
    #[command(subcommand)]
    Ring(ring::Command),
    /// Writes hash path, builders, users and manifests to a place of your choice.
    Backup(backup::Options),
    /// Takes running volumes back into a cluster whose namespace or etcd was lost, from a backup.
    Adopt(adopt::Options),
    /// The versions of this program, of Kubernetes and of the clusters here.
    Version(version::Options),
}

impl Cli {
    /// Does what the command line asks.
    ///
    /// # Errors
    /// Say what was tried, what is wrong and what would be right; nothing was changed unless they say so.
    pub async fn run(self) -> anyhow::Result<()> {
        let place = self.place;
        match self.command {
            Command::Status(options) => status::run(&place, options).await,
            Command::Plan(options) => plan::run(&place, options).await,
            Command::Drain(options) => change::drain::drain(&place, options).await,
            Command::Undrain(options) => change::drain::undrain(&place, options).await,
            Command::Replace(options) => change::replace::run(&place, options).await,
            Command::Pause(options) => change::pause::run(&place, options, true).await,
            Command::Resume(options) => change::pause::run(&place, options, false).await,
            Command::Recon(options) => recon::run(&place, options).await,
            Command::Ring(command) => ring::run(&place, command).await,
            Command::Backup(options) => backup::run(&place, options).await,
            Command::Adopt(options) => adopt::run(&place, options).await,
            Command::Version(options) => version::run(&place, options).await,
        }
    }
}

/// Prints. Whoever reads may have seen enough, as `head` does: that is an error of its own kind, not a panic.
fn out(text: std::fmt::Arguments<'_>) -> std::io::Result<()> {
    std::io::stdout().write_fmt(text)
}

/// How something is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
