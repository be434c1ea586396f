//! `swiftlet dev`: a whole cluster in one process.

use super::foreground::runtime;
use crate::dev::{DevCluster, DevError, DevOptions};
use crate::logging;
use crate::process::raise_limits;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Run a whole cluster in the foreground, from the manifests that Kubernetes gets
#[derive(Debug, Args)]
pub struct DevArgs {
    /// A file with a SwiftCluster, its Zones and Secrets; may be given several times. None: three Zones, built in
    #[arg(long, value_name = "FILE")]
    manifest: Vec<PathBuf>,
    /// The folder that everything is kept in
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// Where the proxy listens
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

/// Runs it until it is told to stop. What keeps it from starting is told in plain lines on stderr.
pub fn run(args: DevArgs) -> ExitCode {
    logging::to_stderr();
    raise_limits();
    let options = DevOptions { manifests: args.manifest, data: args.data, listen: args.listen };
    let outcome = runtime(None)
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(serve(&options)).map_err(|error| error.to_string()));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: &DevOptions) -> Result<(), DevError> {
    let mut cluster = DevCluster::start(options).await?;
    println!("{}", cluster.summary(&options.data));
    let tell = |outcome: Result<String, String>| match outcome {
        Ok(change) => println!("{change}"),
        Err(mistake) => eprintln!("{mistake}"),
    };
    tokio::select! {
        () = told_to_stop() => {}
        () = cluster.follow_manifests(tell) => {}
    }
    cluster.stop().await;
    Ok(())
}

/// Ends with Ctrl-C or SIGTERM.
async fn told_to_stop() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the signals end the process by themselves.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
