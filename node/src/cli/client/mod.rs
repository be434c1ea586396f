//! Swift's tools that are clients of a cluster: through its proxies, through a pipeline of their own, or of each server
//! by itself. Arguments, output and exit codes are Swift's.

mod account_audit;
mod container_deleter;
mod dispersion;
mod form_signature;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

/// One of the tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCommand {
    /// Compares all replicas of accounts, containers and objects.
    AccountAudit,
    /// Queues a container's objects to be deleted.
    ContainerDeleter,
    /// Stores something in partitions spread over the rings.
    DispersionPopulate,
    /// Looks for what was stored so.
    DispersionReport,
    /// Signs a form that files are uploaded with.
    FormSignature,
}

impl ClientCommand {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::AccountAudit,
        Self::ContainerDeleter,
        Self::DispersionPopulate,
        Self::DispersionReport,
        Self::FormSignature,
    ];

    /// Its name, without `swift-`.
    pub fn name(self) -> &'static str {
        match self {
            Self::AccountAudit => "account-audit",
            Self::ContainerDeleter => "container-deleter",
            Self::DispersionPopulate => "dispersion-populate",
            Self::DispersionReport => "dispersion-report",
            Self::FormSignature => "form-signature",
        }
    }

    /// Runs it with the arguments that follow its name.
    pub fn run(self, arguments: &[OsString]) -> ExitCode {
        let outcome = match self {
            Self::AccountAudit => account_audit::run(arguments),
            Self::ContainerDeleter => container_deleter::run(arguments),
            Self::DispersionPopulate => dispersion::populate(arguments),
            Self::DispersionReport => dispersion::report(arguments),
            Self::FormSignature => form_signature::run(arguments),
        };
        outcome.unwrap_or_else(|error| {
            let closed = |io: &io::Error| io.kind() == io::ErrorKind::BrokenPipe;
            if !error.downcast_ref::<io::Error>().is_some_and(closed) {
                eprintln!("swift-{}: {error:#}", self.name());
            }
            ExitCode::FAILURE
        })
    }
}
