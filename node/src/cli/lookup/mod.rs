//! Swift's tools that look things up: where an item lies, and what an object file or a database on a device holds.
//! Arguments, output and exit codes are Swift's. They read beside running servers, and never write.

mod cluster;
mod database_info;
mod get_nodes;
mod locations;
mod object_info;

use super::optparse::{Given, Known, Program};
use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

/// Shows metadata without the prefix that its section has in common.
const DROP_PREFIXES: Known = Known { letter: None, name: "drop-prefixes", has_value: false };

/// One of the tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookupCommand {
    /// Shows the devices that are responsible for an item.
    GetNodes,
    /// Shows what an object file holds.
    ObjectInfo,
    /// Shows what a container database holds.
    ContainerInfo,
    /// Shows what an account database holds.
    AccountInfo,
}

impl LookupCommand {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::GetNodes, Self::ObjectInfo, Self::ContainerInfo, Self::AccountInfo];

    /// Its name, without `swift-`.
    pub fn name(self) -> &'static str {
        match self {
            Self::GetNodes => "get-nodes",
            Self::ObjectInfo => "object-info",
            Self::ContainerInfo => "container-info",
            Self::AccountInfo => "account-info",
        }
    }

    /// Runs it with the arguments that follow its name.
    pub fn run(self, arguments: &[OsString]) -> ExitCode {
        let mut out = BufWriter::new(io::stdout().lock());
        let outcome = match self {
            Self::GetNodes => get_nodes::run(arguments, &mut out),
            Self::ObjectInfo => object_info::run(arguments, &mut out),
            Self::ContainerInfo => database_info::run_container(arguments, &mut out),
            Self::AccountInfo => database_info::run_account(arguments, &mut out),
        };
        // What was found out before a failure is shown before it is told.
        let outcome = out.flush().map_err(Into::into).and(outcome);
        outcome.unwrap_or_else(|error| failed(self.name(), &error))
    }
}

/// The options and the one file that a tool was given; the error is what it ends with, having printed its help.
fn one_file(program: &Program, arguments: &[OsString]) -> Result<(Given, String), ExitCode> {
    let given = program.parse(arguments)?;
    let [file] = &given.arguments[..] else {
        program.print_help();
        return Err(ExitCode::SUCCESS);
    };
    let file = file.clone();
    Ok((given, file))
}

/// Tells why a tool ends early.
fn failed(name: &str, error: &anyhow::Error) -> ExitCode {
    let closed = |io: &io::Error| io.kind() == io::ErrorKind::BrokenPipe;
    if !error.downcast_ref::<io::Error>().is_some_and(closed) {
        eprintln!("swift-{name}: {error:#}");
    }
    ExitCode::FAILURE
}
