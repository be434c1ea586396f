//! `swift-object-updater` and the other daemons.

use super::foreground::{Roles, STOP, runtime};
use super::swift_options::{Flag, NO_SHORT, ONCE, SwiftOptions, VERBOSE};
use crate::daemon::HowToRun;
use crate::process::{drop_privileges, leave_terminal, notify, raise_limits};
use crate::role::{DaemonKind, LoadedDaemon, Resources, StartError};
use crate::{daemon, logging};
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;
use swiftlet_types::conf::ConfError;

/// Of the object auditor.
const ZERO_BYTE_FPS: Flag = Flag {
    short: 'z',
    long: "zero_byte_fps",
    takes_value: true,
    help: "Audit only zero byte files at specified files/sec",
};
/// Of the object auditor and of replicators.
const DEVICES: Flag = Flag {
    short: 'd',
    long: "devices",
    takes_value: true,
    help: "Work on given devices only. Comma-separated list. Only has effect if --once is used.",
};

/// Of replicators.
const PARTITIONS: Flag = Flag {
    short: 'p',
    long: "partitions",
    takes_value: true,
    help: "Replicate only given partitions. Comma-separated list. Only has effect if --once is used.",
};

/// Of the object expirer.
const PROCESSES: Flag = Flag {
    short: NO_SHORT,
    long: "processes",
    takes_value: true,
    help: "How many processes share the work; without it one does all of it",
};
/// Of the object expirer.
const PROCESS: Flag =
    Flag { short: NO_SHORT, long: "process", takes_value: true, help: "Which of them this one is, from 0" };

/// Of replicators: the same option as the auditor's.
const REPLICATED_DEVICES: Flag = Flag {
    help: "Replicate only given devices. Comma-separated list. Only has effect if --once is used.",
    ..DEVICES
};

/// Of the object replicator.
const POLICIES: Flag = Flag {
    short: 'i',
    long: "policies",
    takes_value: true,
    help: "Replicate only given policy indices. Comma-separated list. Only has effect if --once is used.",
};

/// The options that a daemon has.
fn flags(kind: DaemonKind) -> &'static [Flag] {
    match kind {
        DaemonKind::ObjectExpirer => &[VERBOSE, ONCE, PROCESSES, PROCESS],
        DaemonKind::ObjectAuditor => &[VERBOSE, ONCE, ZERO_BYTE_FPS, DEVICES],
        DaemonKind::AccountReplicator | DaemonKind::ContainerReplicator | DaemonKind::ObjectReconstructor => {
            &[VERBOSE, ONCE, REPLICATED_DEVICES, PARTITIONS]
        }
        DaemonKind::ObjectReplicator => &[VERBOSE, ONCE, REPLICATED_DEVICES, PARTITIONS, POLICIES],
        _ => &[VERBOSE, ONCE],
    }
}

/// What the options ask for; the error says which value is wrong.
fn how_to_run(options: &SwiftOptions) -> Result<HowToRun, String> {
    let rate = |text: &str| text.trim().parse().ok().filter(|rate: &f64| rate.is_finite() && *rate >= 0.0);
    let zero_byte_fps = match options.value(ZERO_BYTE_FPS) {
        None => None,
        Some(text) => {
            Some(rate(text).ok_or_else(|| format!("option -z: {text:?} is not a number of files a second"))?)
        }
    };
    let devices = items(options, DEVICES).map(str::to_owned).collect();
    let partition =
        |text: &str| text.parse().map_err(|_| format!("option -p: {text:?} is no number of a partition"));
    let partitions = items(options, PARTITIONS).map(partition).collect::<Result<_, _>>()?;
    let count = |flag: Flag| match options.value(flag) {
        None => Ok(None),
        Some(text) => match text.trim().parse() {
            Ok(count) => Ok(Some(count)),
            Err(_) => Err(format!("option --{}: {text:?} is not a number of processes", flag.long)),
        },
    };
    let (process, processes) = (count(PROCESS)?, count(PROCESSES)?);
    let policy =
        |text: &str| text.parse().map_err(|_| format!("option -i: {text:?} is no index of a policy"));
    let policies = items(options, POLICIES).map(policy).collect::<Result<_, _>>()?;
    Ok(HowToRun { once: options.has(ONCE), devices, partitions, policies, zero_byte_fps, process, processes })
}

/// What an option lists, separated by commas.
fn items(options: &SwiftOptions, flag: Flag) -> impl Iterator<Item = &str> {
    let items = options.value(flag).unwrap_or_default().split(',').map(str::trim);
    items.filter(|item| !item.is_empty())
}

/// Runs the daemon: pass after pass, or once.
pub fn run(kind: DaemonKind, arguments: &[OsString]) -> ExitCode {
    let program = format!("swift-{}", kind.name());
    let options = match SwiftOptions::parse(&program, flags(kind), arguments) {
        Ok(options) => options,
        Err(code) => return code,
    };
    let how = match how_to_run(&options) {
        Ok(how) => how,
        Err(why) => {
            eprintln!("{program}: error: {why}");
            return ExitCode::from(2);
        }
    };
    let loaded = match kind.load(&options.config, &Resources::default(), how) {
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
    logging::to_syslog(&loaded.log, None, options.has(VERBOSE));
    raise_limits();
    super::report(if loaded.once { pass(loaded) } else { forever(loaded, options.has(VERBOSE)) })
}

fn pass(loaded: LoadedDaemon) -> anyhow::Result<()> {
    loaded.priority.apply();
    drop_privileges(&loaded.user)?;
    tracing::info!("Starting {}", std::process::id());
    runtime(None)?.block_on(daemon::run_once(&*loaded.daemon));
    tracing::info!("Exited {}", std::process::id());
    Ok(())
}

fn forever(loaded: LoadedDaemon, verbose: bool) -> anyhow::Result<()> {
    // Already the leader where the shell made it one.
    let _ = rustix::process::setsid();
    loaded.priority.apply();
    drop_privileges(&loaded.user)?;
    tracing::info!("Starting {}", std::process::id());
    let roles = Roles { daemons: vec![loaded], grace: Duration::ZERO, ..Roles::default() };
    runtime(None)?.block_on(roles.run(STOP, || {
        if let Err(error) = leave_terminal(verbose) {
            tracing::warn!(%error, "cannot leave the terminal");
        }
        notify("READY=1");
    }))?;
    notify("STOPPING=1");
    tracing::info!("Exited {}", std::process::id());
    Ok(())
}
