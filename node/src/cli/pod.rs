//! `swiftlet pod … -- storage DIR` and `… -- proxy-server CONF`: a role in a Kubernetes pod.

use super::foreground::{Roles, STOP, runtime};
use super::storage::{self, StorageArgs};
use crate::logging;
use crate::pod::{self, PodOptions};
use crate::process::raise_limits;
use crate::role::{Resources, Server, ServerKind};
use crate::serve::options::POD_GRACE;
use anyhow::Context;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Run a role in a pod: with configuration, rings and volumes where Kubernetes mounts them
#[derive(Args)]
pub struct PodArgs {
    #[command(flatten)]
    options: PodOptions,
    #[command(subcommand)]
    role: PodRole,
}

#[derive(Subcommand)]
enum PodRole {
    Storage(StorageArgs),
    /// Run a proxy in the foreground
    ProxyServer {
        /// proxy-server.conf
        config: PathBuf,
    },
}

/// Runs it until it is told to stop.
pub fn run(args: PodArgs) -> ExitCode {
    logging::to_stdout_as_json();
    if let Err(error) = pod::start(args.options) {
        return super::report(Err(error.into()));
    }
    match args.role {
        PodRole::Storage(args) => storage::run(args),
        PodRole::ProxyServer { config } => super::report(serve_proxy(&config)),
    }
}

fn serve_proxy(config: &Path) -> anyhow::Result<()> {
    raise_limits();
    let server =
        Server::load(ServerKind::Proxy, config, &Resources::default()).context("cannot start the proxy")?;
    let listener = server.listen.bind().context("cannot start the proxy")?;
    let roles = Roles { servers: vec![(server, listener)], grace: POD_GRACE, ..Roles::default() };
    runtime(None)?.block_on(roles.run(STOP, || tracing::info!("ready")))
}
