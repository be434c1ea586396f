//! `swift-object-updater` and the other daemons.

use super::foreground::{Roles, STOP, runtime};
use super::swift_options::{ONCE, SwiftOptions, VERBOSE};
use crate::process::{drop_privileges, leave_terminal, notify, raise_limits};
use crate::role::{DaemonKind, LoadedDaemon, Resources, StartError};
use crate::{daemon, logging};
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;
use swiftlet_types::conf::ConfError;

/// Runs the daemon: pass after pass, or once.
pub fn run(kind: DaemonKind, arguments: &[OsString]) -> ExitCode {
    let program = format!("swift-{}", kind.name());
    let options = match SwiftOptions::parse(&program, &[VERBOSE, ONCE], arguments) {
        Ok(options) => options,
        Err(code) => return code,
    };
    let loaded = match kind.load(&options.config, &Resources::default()) {
        Ok(loaded) => loaded,
        Err(error @ StartError::Conf(ConfError::NoSection { .. })) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
        Err(error) => {
            eprintln!("Error trying to load config from {}: {error}", options.config.display());
            return ExitCode::FAILURE;
        }
    };
    logging::to_syslog(&loaded.log, options.has(VERBOSE));
    raise_limits();
    let once = options.has(ONCE) || loaded.once;
    super::report(if once { pass(loaded) } else { forever(loaded, options.has(VERBOSE)) })
}

fn pass(loaded: LoadedDaemon) -> anyhow::Result<()> {
    drop_privileges(&loaded.user)?;
    tracing::info!("Starting {}", std::process::id());
    runtime(None)?.block_on(daemon::run_once(&*loaded.daemon));
    tracing::info!("Exited {}", std::process::id());
    Ok(())
}

fn forever(loaded: LoadedDaemon, verbose: bool) -> anyhow::Result<()> {
    // Already the leader where the shell made it one.
    let _ = rustix::process::setsid();
    drop_privileges(&loaded.user)?;
    tracing::info!("Starting {}", std::process::id());
    let roles = Roles { daemons: vec![loaded], grace: Duration::ZERO, ..Roles::default() };
    runtime(None)?.block_on(roles.run(STOP, || {
        if !verbose && let Err(error) = leave_terminal() {
            tracing::warn!(%error, "cannot leave the terminal");
        }
        notify("READY=1");
    }))?;
    notify("STOPPING=1");
    tracing::info!("Exited {}", std::process::id());
    Ok(())
}
