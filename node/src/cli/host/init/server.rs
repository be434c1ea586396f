//! One server or daemon: which of its processes run, signals to them, and starting it.

use super::files::Places;
use super::names::ServerName;
use super::session::Session;
use super::spawn::Started;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// More than any pid has digits.
const MAX_PID_LEN: u64 = 64;

/// A server or daemon whose program is there.
#[derive(Debug)]
pub(super) struct Server {
    pub name: ServerName,
    program: PathBuf,
}

/// A process that a pid file names, and that is there.
#[derive(Debug, Clone)]
pub(super) struct Running {
    pub pid: Pid,
    pub pid_file: String,
}

impl Running {
    pub(super) fn number(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }
}

/// Who has the pid that a pid file names.
enum Holder {
    Server,
    AnotherProgram,
    Nobody,
    SomebodyElses,
}

impl Server {
    /// The server, if its program is on PATH or beside us.
    pub(super) fn find(name: ServerName) -> Option<Self> {
        let program = super::spawn::find_program(&name.program())?;
        Some(Self { name, program })
    }

    /// The server with this program.
    #[cfg(test)]
    pub(super) fn with_program(name: ServerName, program: PathBuf) -> Self {
        Self { name, program }
    }

    /// The configurations that are meant; where there are none, says so unless `quiet`.
    fn conf_files(&self, session: &mut Session<'_>, quiet: bool) -> Vec<String> {
        let found = session.places.conf_files(&self.name);
        let number = session.options.number;
        let chosen = Places::numbered(&found, number).to_vec();
        if quiet {
            return chosen;
        }
        let server = &self.name.server;
        let is_deprecated = chosen.iter().any(|conf| conf.contains("object-expirer"));
        match (chosen.is_empty(), number) {
            (true, 0) => session.say(format_args!("Unable to locate config for {server}")),
            (true, _) => session.say(format_args!("Unable to locate config number {number} for {server}")),
            (false, _) if is_deprecated => session.say(format_args!(
                "WARNING: object-expirer.conf is deprecated. Move object-expirers' configuration into object-server.conf."
            )),
            (false, _) => return chosen,
        }
        if session.options.verbose && !found.is_empty() {
            session.say(format_args!("Found configs:"));
            for (at, conf) in found.iter().enumerate() {
                session.say(format_args!("  {}) {conf}", at + 1));
            }
        }
        chosen
    }

    /// Processes of this server that are there. Pid files without one are removed.
    pub(super) fn running(&self, session: &mut Session<'_>) -> Vec<Running> {
        self.processes(session, None)
    }

    /// Signals this server's processes; those that were.
    pub(super) fn signal(&self, session: &mut Session<'_>, signal: Signal) -> Vec<Running> {
        self.processes(session, Some(signal))
    }

    fn processes(&self, session: &mut Session<'_>, signal: Option<Signal>) -> Vec<Running> {
        let mut pid_files = session.places.pid_files(&self.name);
        if session.options.number != 0 {
            let confs = self.conf_files(session, false);
            pid_files.retain(|pid_file| confs.contains(&session.places.conf_file_of(&self.name, pid_file)));
        }
        let running = pid_files.into_iter().filter_map(|pid_file| self.process(session, pid_file, signal));
        running.collect()
    }

    fn process(
        &self,
        session: &mut Session<'_>,
        pid_file: String,
        signal: Option<Signal>,
    ) -> Option<Running> {
        let pid = match read_pid(&pid_file) {
            Ok(Some(pid)) => pid,
            Ok(None) => {
                session.say(format_args!("Removing pid file {pid_file} with invalid pid"));
                remove(&pid_file);
                return None;
            }
            // Gone meanwhile, or not ours to read.
            Err(_) => return None,
        };
        let running = Running { pid, pid_file };
        let (number, pid_file, verbose) = (running.number(), &running.pid_file, session.options.verbose);
        match (holder(pid, &self.name.program()), signal) {
            (Holder::Server, None) => return Some(running),
            (Holder::Server, Some(signal)) => {
                let (server, raw) = (&self.name.server, signal.as_raw());
                session.say(format_args!("Signal {server}  pid: {number}  signal: {raw}"));
                if let Err(Errno::SRCH) = kill_process(pid, signal) {
                    remove(pid_file);
                    return None;
                }
                return Some(running);
            }
            // Swift signals it nevertheless, whoever it is by now.
            (Holder::AnotherProgram, _) => {
                if verbose {
                    session.say(format_args!("Removing pid file {pid_file} with wrong pid {number}"));
                }
                remove(pid_file);
            }
            (Holder::Nobody, _) => {
                if verbose {
                    session.say(format_args!("Removing stale pid file {pid_file}"));
                }
                remove(pid_file);
            }
            (Holder::SomebodyElses, _) => session.say(format_args!("No permission to signal PID {number}")),
        }
        None
    }

    /// Says which of this server's processes run; whether any does.
    pub(super) fn status(&self, session: &mut Session<'_>) -> bool {
        let running = self.running(session);
        let server = &self.name.server;
        for process in &running {
            let conf = session.places.conf_file_of(&self.name, &process.pid_file);
            session.say(format_args!("{server} running ({} - {conf})", process.number()));
        }
        match (running.is_empty(), session.options.number) {
            (false, _) => return true,
            (true, 0) => session.say(format_args!("No {server} running")),
            (true, number) => {
                if let Some(conf) = self.conf_files(session, true).first() {
                    session.say(format_args!("{server} #{number} not running ({conf})"));
                }
            }
        }
        false
    }

    /// Starts a process for each configuration. None where one runs already.
    pub(super) fn launch(&self, session: &mut Session<'_>) -> Vec<Started> {
        let confs = self.conf_files(session, false);
        if confs.is_empty() || self.is_started(session, &confs) {
            return Vec::new();
        }
        let once = session.options.once && self.name.knows_once();
        let doing = if once {
            format!("Running {} once", self.name.server)
        } else {
            format!("Starting {}", self.name.server)
        };
        let mut started = Vec::new();
        for conf in confs {
            session.say(format_args!("{doing}...({conf})"));
            let pid_file = session.places.pid_file_of(&self.name, &conf);
            match Started::new(&self.program, &conf, once, &session.options, Path::new(&pid_file)) {
                Ok(process) => started.push(process),
                Err(error) => {
                    session.say(format_args!("Unable to start {}: {error}", self.name.program()));
                    break;
                }
            }
        }
        started
    }

    /// Whether one of the processes to start runs, or any at all where they were not told apart by number.
    fn is_started(&self, session: &mut Session<'_>, confs: &[String]) -> bool {
        let server = &self.name.server;
        let mut is_started = false;
        for process in self.running(session) {
            let conf = session.places.conf_file_of(&self.name, &process.pid_file);
            let shown = match (confs.contains(&conf), session.options.number) {
                (true, _) => &conf,
                (false, 0) => &process.pid_file,
                (false, _) => continue,
            };
            is_started = true;
            session.say(format_args!("{server} running ({} - {shown})", process.number()));
        }
        if is_started {
            session.say(format_args!("{server} already started..."));
        }
        is_started
    }
}

/// What is in a pid file; `None` where that is no pid.
fn read_pid(path: &str) -> io::Result<Option<Pid>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_PID_LEN).read_to_end(&mut text)?;
    let number = std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok());
    Ok(number.filter(|&number: &i32| number > 0).and_then(Pid::from_raw))
}

fn holder(pid: Pid, program: &str) -> Holder {
    // Both `swift-x CONF` and `python …/swift-x CONF`; what ended, and is not yet waited for, has an empty one.
    let command = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
    if command.is_ok_and(|command| memchr::memmem::find(&command, program.as_bytes()).is_none()) {
        return Holder::AnotherProgram;
    }
    match test_kill_process(pid) {
        Ok(()) => Holder::Server,
        Err(Errno::PERM) => Holder::SomebodyElses,
        Err(_) => Holder::Nobody,
    }
}

/// Removes a pid file; one that cannot be removed is looked at again the next time.
fn remove(pid_file: &str) {
    let _ = std::fs::remove_file(pid_file);
}
