//! `swiftlet storage DIR`: a whole storage node in one process.

use super::foreground::{Roles, STOP, runtime};
use crate::daemon::HowToRun;
use crate::logging;
use crate::process::raise_limits;
use crate::role::{DaemonKind, Resources, Server, ServerKind, StartError};
use crate::serve::options::POD_GRACE;
use anyhow::Context;
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use swiftlet_types::conf::ConfError;

/// Run a storage node in the foreground: account, container and object server, and the node's daemons
#[derive(Args)]
pub struct StorageArgs {
    /// Where account-server.conf, container-server.conf and object-server.conf are
    #[arg(default_value = "/etc/swift")]
    dir: PathBuf,
}

/// Runs it until it is told to stop.
pub fn run(args: StorageArgs) -> ExitCode {
    logging::to_stdout_as_json();
    super::report(serve(&args.dir))
}

fn serve(dir: &Path) -> anyhow::Result<()> {
    raise_limits();
    let roles = load(dir)?;
    // Requests to other nodes and their answers run on the same threads as everything else.
    runtime(None)?.block_on(roles.run(STOP, || tracing::info!("ready")))
}

fn load(dir: &Path) -> anyhow::Result<Roles> {
    let resources = Resources::default();
    let mut roles = Roles { grace: POD_GRACE, ..Roles::default() };
    for kind in [ServerKind::Account, ServerKind::Container, ServerKind::Object] {
        let server = Server::load(kind, &dir.join(format!("{}.conf", kind.name())), &resources)
            .with_context(|| format!("cannot start the {}", kind.name()))?;
        let listener = server.listen.bind().with_context(|| format!("cannot start the {}", kind.name()))?;
        roles.servers.push((server, listener));
    }
    for kind in DaemonKind::ALL {
        let file = dir.join(format!("{}.conf", kind.server().name()));
        match kind.load(&file, &resources, HowToRun::default()) {
            Ok(daemon) => roles.daemons.push(daemon),
            // as in Swift, whoever wants a daemon writes its section
            Err(StartError::Conf(ConfError::NoSection { .. })) => {
                tracing::info!("{} has no section in {}: it does not run", kind.name(), file.display());
            }
            Err(error) => return Err(error).with_context(|| format!("cannot start the {}", kind.name())),
        }
    }
    Ok(roles)
}
