//! `swift-reload`: a server starts anew under its pid, without a request lost, if its configuration is right.

use super::processes::{SwiftCommand, command_line, session};
use crate::multicall::{self, Command};
use crate::process::notification_address;
use clap::Parser;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::process::ExitCode;
use std::time::Duration;
use thiserror::Error;

const MAX_NOTIFICATION_LEN: usize = 1024;
/// The states that have a name.
const STATES: [&[u8]; 3] = [b"READY=1", b"RELOADING=1", b"STOPPING=1"];

/// Reloads a server: checks its configuration, has it start anew under its pid, and waits until it is ready
#[derive(Debug, Parser)]
#[command(name = "swift-reload", infer_long_args = true)]
struct Arguments {
    /// Of the server that holds the workers
    pid: i32,
    /// Seconds that it may take
    #[arg(short, long, default_value_t = 300.0, value_parser = seconds, conflicts_with = "no_wait")]
    timeout: f64,
    /// Do not wait until it is ready
    #[arg(short = 'w', long)]
    no_wait: bool,
    /// Say what it does meanwhile
    #[arg(short, long)]
    verbose: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds =
        text.parse().ok().filter(|&seconds| seconds > 0.0 && Duration::try_from_secs_f64(seconds).is_ok());
    seconds.ok_or_else(|| "must be a number of seconds".to_owned())
}

/// Why a server was not reloaded.
#[derive(Debug, Error)]
enum ReloadError {
    #[error("Failed to get process information for {0}")]
    NoProcess(i32),
    #[error("Non-swift process: '{0}'")]
    NotSwift(String),
    #[error("Process does not support config checks: {0}")]
    NoServer(String),
    #[error("Process appears to be a {program} worker, not a manager. Did you mean {manager}?")]
    Worker { program: String, manager: i32 },
    #[error("Failed to validate config")]
    BadConfig,
    #[error("Could not bind notification socket: {0}")]
    Listen(io::Error),
    #[error("Could not signal {pid}: {source}")]
    Signal { pid: i32, source: io::Error },
    #[error("Timed out reloading {0}")]
    TimedOut(String),
}

impl ReloadError {
    /// As Swift's tool ends.
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoProcess(_) | Self::NotSwift(_) | Self::NoServer(_) | Self::Worker { .. } => {
                ExitCode::from(2)
            }
            Self::BadConfig | Self::Listen(_) | Self::Signal { .. } => ExitCode::FAILURE,
            Self::TimedOut(_) => ExitCode::from(128 + libc::ETIMEDOUT as u8),
        }
    }
}

/// Runs it with the arguments that follow its name.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let named = std::iter::once(OsString::from("swift-reload")).chain(arguments.iter().cloned());
    let arguments = match Arguments::try_parse_from(named) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help is an "error" too. Nobody may be there to read either.
            let _ = error.print();
            return ExitCode::from(error.exit_code().clamp(0, 255) as u8);
        }
    };
    match reload(&arguments) {
        Ok(program) => {
            say(&format!("Reloaded {program}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            error.exit_code()
        }
    }
}

/// Reloads the server; its program's name.
fn reload(arguments: &Arguments) -> Result<String, ReloadError> {
    let server = Manager::find(arguments.pid)?;
    let verbose = |line: &str| {
        if arguments.verbose {
            say(line);
        }
    };
    verbose(&format!("Checking config for {}", server.program));
    server.check_configuration()?;
    let signal = || {
        verbose("Sending USR1 signal");
        kill_process(server.pid, Signal::USR1)
            .map_err(|error| ReloadError::Signal { pid: arguments.pid, source: error.into() })
    };
    if arguments.no_wait {
        signal()?;
        return Ok(server.program);
    }
    let socket =
        listen(arguments.pid, Duration::from_secs_f64(arguments.timeout)).map_err(ReloadError::Listen)?;
    signal()?;
    let mut buffer = [0; MAX_NOTIFICATION_LEN];
    loop {
        let Ok(length) = socket.recv(&mut buffer) else { return Err(ReloadError::TimedOut(server.program)) };
        let mut is_ready = false;
        for state in buffer[..length].split(|byte| *byte == b'\n') {
            let text = String::from_utf8_lossy(state);
            verbose(&match STATES.contains(&state) {
                true => format!("Process is {}", text.trim_end_matches("=1")),
                false => format!("Received notification {text:?}"),
            });
            is_ready |= state == b"READY=1";
        }
        if is_ready {
            return Ok(server.program);
        }
    }
}

/// Takes what a server says of its state from now on.
fn listen(pid: i32, patience: Duration) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::bind_addr(&notification_address(pid.unsigned_abs())?)?;
    socket.set_read_timeout(Some(patience))?;
    Ok(socket)
}

/// The process of a server that holds its workers.
struct Manager {
    pid: Pid,
    /// `swift-object-server`
    program: String,
    command: Vec<String>,
}

impl Manager {
    fn find(number: i32) -> Result<Self, ReloadError> {
        let no_process = || ReloadError::NoProcess(number);
        let pid = Some(number).filter(|&number| number > 0).and_then(Pid::from_raw).ok_or_else(no_process)?;
        let command = command_line(number).map_err(|_| no_process())?;
        let session = session(number).map_err(|_| no_process())?;
        let Some(SwiftCommand { name, .. }) = SwiftCommand::of(&command) else {
            return Err(ReloadError::NotSwift(command.join(" ")));
        };
        let program = format!("swift-{name}");
        if !matches!(multicall::find(&program), Some(Command::Server(_))) {
            return Err(ReloadError::NoServer(program));
        }
        if session != number {
            return Err(ReloadError::Worker { program, manager: session });
        }
        Ok(Self { pid, program, command })
    }

    /// Has the same program look at the configuration.
    fn check_configuration(&self) -> Result<(), ReloadError> {
        let (program, arguments) = self.command.split_first().ok_or(ReloadError::BadConfig)?;
        let checked = std::process::Command::new(program).args(arguments).arg("--test-config").status();
        match checked {
            Ok(status) if status.success() => Ok(()),
            _ => Err(ReloadError::BadConfig),
        }
    }
}

/// Prints a line. Nobody may be there to read it.
fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::host::processes::sleeper;

    #[test]
    fn only_servers_are_reloaded() {
        let own = std::process::id() as i32;
        let error = |number| Manager::find(number).map(|manager| manager.program).unwrap_err();
        assert!(matches!(error(-5), ReloadError::NoProcess(-5)));
        assert!(matches!(error(i32::MAX), ReloadError::NoProcess(i32::MAX)));
        assert!(matches!(error(own), ReloadError::NotSwift(_)));
        let dir = tempfile::tempdir().unwrap();
        let mut wrong = Vec::new();
        for name in ["swift-object-updater", "swift-object-server"] {
            let mut child = sleeper(dir.path(), name);
            wrong.push(Manager::find(child.id() as i32).map(|manager| manager.program).unwrap_err());
            child.kill().and_then(|()| child.wait()).unwrap();
        }
        assert!(
            matches!(&wrong[0], ReloadError::NoServer(program) if program == "swift-object-updater"),
            "{wrong:?}"
        );
        assert!(
            matches!(&wrong[1], ReloadError::Worker { program, .. } if program == "swift-object-server"),
            "{wrong:?}"
        );
    }

    #[test]
    fn waiting_and_not_waiting_exclude_each_other() {
        let parse = |words: &[&str]| Arguments::try_parse_from(words.iter().copied());
        assert!(parse(&["swift-reload", "5", "-w", "-t", "3"]).is_err());
        assert!(parse(&["swift-reload", "5", "-t", "nan"]).is_err());
        assert!(parse(&["swift-reload"]).is_err());
        let read = parse(&["swift-reload", "--timeout=1.5", "-v", "5"]).unwrap();
        assert_eq!((read.pid, read.timeout, read.verbose, read.no_wait), (5, 1.5, true, false));
    }
}
