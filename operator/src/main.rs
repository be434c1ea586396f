//! `swiftlet-operator`: runs SwiftCluster and Zone resources on Kubernetes.

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;
use swiftlet_operator::{crds, http_get, verify, wiring};

/// How long `probe` waits for an answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the operator until it is told to stop.
    Run(wiring::Options),
    /// Write the definitions of both resources, one file each, or print them.
    Crds {
        /// Folder to write them to.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Write nothing; fail if what the folder holds is out of step.
        #[arg(long, requires = "out")]
        check: bool,
    },
    /// Ask an HTTP address and succeed if it answers 200.
    Probe {
        /// Such as http://swiftlet-operator:8081/readyz
        url: String,
    },
    /// Ask whether the operator that is installed can do its work, and say what is in its way.
    Verify(verify::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Run(options) => wiring::run(options).await,
        Command::Crds { out: None, .. } => crds::print(),
        Command::Crds { out: Some(dir), check: true } => crds::check(&dir),
        Command::Crds { out: Some(dir), check: false } => crds::write(&dir),
        Command::Verify(options) => verify::run(options).await,
        Command::Probe { url } => {
            http_get::get(&url, PROBE_TIMEOUT).await?;
            Ok(())
        }
    }
}
