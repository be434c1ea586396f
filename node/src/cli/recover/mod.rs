//! `swiftlet recover rings|objects|containers`: what was lost, from devices alone. The work is `recover`'s; here are
//! arguments, and what is said of the outcome.

mod containers;
mod devices;
mod objects;
mod rings;

use crate::recover::problems::Problems;
use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Recover what was lost from devices alone, which are read and never written to
#[derive(Args)]
pub struct RecoverArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Rings(rings::RingsArgs),
    Objects(objects::ObjectsArgs),
    Containers(containers::ContainersArgs),
}

/// How the outcome is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// In words
    Text,
    /// As JSON: progress on standard error, the outcome on standard output
    Json,
}

/// Runs it.
pub fn run(args: RecoverArgs) -> ExitCode {
    super::report(match args.what {
        What::Rings(args) => rings::run(&args),
        What::Objects(args) => objects::run(&args),
        What::Containers(args) => containers::run(&args),
    })
}

/// Says what could not be read.
fn tell_problems(problems: &Problems) {
    if problems.count() == 0 {
        return;
    }
    eprintln!("{} problems:", problems.count());
    problems.shown().iter().for_each(|problem| eprintln!("  {problem}"));
    let rest = problems.count() - problems.shown().len() as u64;
    if rest > 0 {
        eprintln!("  and {rest} more");
    }
}

/// Makes a folder for what is recovered. On a device there is no place for it.
fn make_target(folder: &Path, devices: &[PathBuf]) -> anyhow::Result<()> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if let Some(device) = devices.iter().find(|device| absolute(folder).starts_with(absolute(device))) {
        bail!("{}: it lies on the device {}, which is not written to", folder.display(), device.display());
    }
    std::fs::create_dir_all(folder).with_context(|| format!("{}: cannot make the folder", folder.display()))
}
