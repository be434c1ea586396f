//! `kubectl swift`: what a person asks of a running cluster, with their own kubeconfig.

use clap::Parser;
use std::process::ExitCode;
use swiftlet_operator::kubectl::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The whole chain in one line: what was tried, and what came in between.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
