//! The command line: one file a command. Swift's own names are in `multicall`.

pub mod client;
pub mod daemon;
pub mod dev;
pub mod foreground;
pub mod host;
pub mod install_links;
pub mod lookup;
mod optparse;
pub mod pod;
pub mod recon;
pub mod reconciler_enqueue;
mod recover;
pub mod relinker;
pub mod ring_builder;
pub mod server;
pub mod storage;
pub mod swauth;
mod swift_options;

use crate::multicall;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

/// OpenStack Swift in one binary.
#[derive(Parser)]
#[command(name = "swiftlet", version, about, after_help = multicall::help())]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Dev(dev::DevArgs),
    Storage(storage::StorageArgs),
    Pod(pod::PodArgs),
    InstallLinks(install_links::InstallLinksArgs),
    Recover(recover::RecoverArgs),
    /// Any of Swift's commands, with or without `swift-` in front
    #[command(external_subcommand)]
    Swift(Vec<OsString>),
}

/// Runs `swiftlet`, whose arguments are `arguments` (its own name first).
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    match Cli::try_parse_from(arguments) {
        Err(error) => {
            // `--help` is an "error" too, but a successful one. Nobody may be there to read either.
            let _ = error.print();
            ExitCode::from(error.exit_code().clamp(0, 255) as u8)
        }
        Ok(Cli { command }) => match command {
            Command::Dev(args) => dev::run(args),
            Command::Storage(args) => storage::run(args),
            Command::Pod(args) => pod::run(args),
            Command::InstallLinks(args) => install_links::run(&args),
            Command::Recover(args) => recover::run(args),
            Command::Swift(words) => match words.split_first().and_then(|(name, rest)| {
                let command = multicall::find(&name.to_string_lossy())?;
                Some((command, rest.to_vec()))
            }) {
                Some((command, rest)) => command.run(rest),
                None => {
                    let name =
                        words.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                    eprintln!("swiftlet: there is no command {name:?}; see swiftlet --help");
                    ExitCode::from(2)
                }
            },
        },
    }
}

/// The exit code for `outcome`; an error is one line on stderr, and in the log.
fn report(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
