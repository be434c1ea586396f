//! `kubectl swift`: what a person asks of a running cluster, with their own kubeconfig.

use clap::Parser;
use std::process::ExitCode;
use swiftlet_operator::kubectl::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if has_no_reader(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // The whole chain in one line: what was tried, and what came in between.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether what was printed went to a pipe whose reader has gone.
fn has_no_reader(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
