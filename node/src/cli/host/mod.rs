//! Swift's tools for one machine: they start, stop, find and signal its servers and daemons, show what these are
//! configured with, and look after its disks. Arguments, output and exit codes are Swift's.

mod config;
mod drive_audit;
mod init;
mod oldies;
mod orphans;
mod processes;
mod recon_cron;
mod reload;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

/// One of the tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostCommand {
    /// Shows what a server is configured with.
    Config,
    /// Takes devices with errors out.
    DriveAudit,
    /// Starts and stops servers and daemons.
    Init,
    /// Shows processes that run for a long time.
    Oldies,
    /// Shows processes that no pid file knows.
    Orphans,
    /// Counts async pendings.
    ReconCron,
    /// Has a server start anew under its pid.
    Reload,
}

impl HostCommand {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Config,
        Self::DriveAudit,
        Self::Init,
        Self::Oldies,
        Self::Orphans,
        Self::ReconCron,
        Self::Reload,
    ];

    /// Its name, without `swift-`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::DriveAudit => "drive-audit",
            Self::Init => "init",
            Self::Oldies => "oldies",
            Self::Orphans => "orphans",
            Self::ReconCron => "recon-cron",
            Self::Reload => "reload",
        }
    }

    /// Runs it with the arguments that follow its name.
    pub fn run(self, arguments: &[OsString]) -> ExitCode {
        match self {
            Self::Config => config::run(arguments),
            Self::DriveAudit => drive_audit::run(arguments),
            Self::Init => init::run(arguments),
            Self::Oldies => oldies::run(arguments),
            Self::Orphans => orphans::run(arguments),
            Self::ReconCron => recon_cron::run(arguments),
            Self::Reload => reload::run(arguments),
        }
    }
}

/// The exit code of a tool that shows something. Nobody there to read it any longer is no failure worth a word.
fn ended<E: Into<anyhow::Error>>(program: &str, outcome: Result<(), E>) -> ExitCode {
    let Err(error) = outcome.map_err(Into::into) else { return ExitCode::SUCCESS };
    let is_closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    if !error.downcast_ref().is_some_and(is_closed) {
        eprintln!("{program}: {error:#}");
    }
    ExitCode::FAILURE
}
