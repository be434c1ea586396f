//! `swift-proxy-server`, `swift-account-server`, `swift-container-server`, `swift-object-server`.

use super::foreground::{DRAIN, Roles, STOP, runtime};
use super::swift_options::{SwiftOptions, TEST_CONFIG, VERBOSE};
use crate::logging;
use crate::process::{Parent, Worker, drop_privileges, leave_terminal, notify, raise_limits};
use crate::role::{Resources, Server, ServerKind};
use crate::serve::options::Workers;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

/// A worker finishes its requests without limit.
const NO_LIMIT: Duration = Duration::from_secs(u32::MAX as u64);

/// Runs the server, as the parent of its workers or as one of them.
pub fn run(kind: ServerKind, arguments: &[OsString]) -> ExitCode {
    let worker = Worker::handed_over();
    let program = format!("swift-{}", kind.name());
    let options = match SwiftOptions::parse(&program, &[VERBOSE, TEST_CONFIG], arguments) {
        Ok(options) => options,
        Err(code) => return code,
    };
    let server = match Server::load(kind, &options.config, &Resources::default()) {
        Ok(server) => server,
        Err(error) => {
            println!("Error trying to load config from {}: {error}", options.config.display());
            return ExitCode::FAILURE;
        }
    };
    if options.has(TEST_CONFIG) {
        return ExitCode::SUCCESS;
    }
    logging::to_syslog(&server.log, server.access_log.as_ref(), options.has(VERBOSE));
    raise_limits();
    super::report(match worker {
        Some(worker) => work(server, worker, options.has(VERBOSE)),
        None => lead(server, options.has(VERBOSE)),
    })
}

fn lead(server: Server, verbose: bool) -> anyhow::Result<()> {
    // Already the leader where the shell made it one.
    let _ = rustix::process::setsid();
    let sockets = match server.workers {
        Workers::InProcess => return serve_alone(server, verbose),
        Workers::Auto => 1,
        Workers::Children(count) => count,
    };
    let sockets = (0..sockets).map(|_| server.listen.bind()).collect::<Result<_, _>>()?;
    Parent::new(sockets, server.stale_worker_timeout, verbose)?.run()?;
    tracing::info!("Exited ({})", std::process::id());
    Ok(())
}

/// `workers = 0`: everything in this process.
fn serve_alone(server: Server, verbose: bool) -> anyhow::Result<()> {
    let listener = server.listen.bind()?;
    server.priority.apply();
    drop_privileges(&server.user)?;
    let roles = Roles { servers: vec![(server, listener)], grace: NO_LIMIT, ..Roles::default() };
    runtime(None)?.block_on(roles.run(STOP, || {
        if let Err(error) = leave_terminal(verbose) {
            tracing::warn!(%error, "cannot leave the terminal");
        }
        notify("READY=1");
    }))?;
    notify("STOPPING=1");
    Ok(())
}

fn work(server: Server, worker: Worker, verbose: bool) -> anyhow::Result<()> {
    server.priority.apply();
    drop_privileges(&server.user)?;
    // Whoever is one of several gets one thread; the only one gets one for each processor.
    let threads = matches!(server.workers, Workers::Children(_)).then_some(1);
    let runtime = runtime(threads)?;
    let (listener, ready) = worker.split();
    let roles = Roles { servers: vec![(server, listener)], grace: NO_LIMIT, ..Roles::default() };
    runtime.block_on(roles.run(DRAIN, || {
        if let Err(error) = ready.tell(verbose) {
            tracing::error!(%error, "cannot tell the parent that this worker is ready");
        }
    }))?;
    tracing::info!("Child {} exiting normally", std::process::id());
    Ok(())
}
