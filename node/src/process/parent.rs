//! The parent: holds the sockets, keeps as many workers running as it should, and does what signals say.

use super::notify::notify;
use super::signals::SignalSet;
use super::stdio::leave_terminal;
use super::worker::HANDED_OVER;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, WaitOptions};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use thiserror::Error;

/// Set across a re-execution of ourselves: `<socket>,…;<pid>,…` of the workers before it.
const BEFORE_RELOAD: &str = "__SWIFTLET_BEFORE_RELOAD";
/// Swift's own: a pipe on which a Python parent that re-executed us wants to read our pid.
const SWIFT_NOTIFY_FD: &str = "__SWIFT_SERVER_NOTIFY_FD";
/// Swift's own: a pipe on which it then writes the pids of its workers.
const SWIFT_STATE_FD: &str = "__SWIFT_SERVER_CHILD_STATE_FD";
/// How long a worker that died waits to be replaced, so that one that cannot start costs little.
const REPLACE_AFTER: Duration = Duration::from_millis(500);

/// Why a server cannot go on.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// The system refused something.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A worker ended before it was ready; it has said why.
    #[error("worker {pid} did not start normally")]
    WorkerFailed {
        /// Its process id.
        pid: u32,
    },
}

fn system(doing: &'static str) -> impl Fn(io::Error) -> ProcessError {
    move |source| ProcessError::System { doing, source }
}

/// How a parent ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was told to stop.
    Stopped,
}

impl From<Outcome> for ExitCode {
    fn from(_: Outcome) -> Self {
        ExitCode::SUCCESS
    }
}

/// A server's parent process.
pub struct Parent {
    /// One socket for each worker.
    sockets: Vec<TcpListener>,
    /// Running workers by their socket's index.
    workers: BTreeMap<usize, u32>,
    /// Workers from before a reload, and when they are killed.
    stale: BTreeMap<u32, SystemTime>,
    old_sockets: Vec<OwnedFd>,
    stale_worker_timeout: Duration,
    /// Whether the log goes to stderr too.
    verbose: bool,
    signals: SignalSet,
}

impl Parent {
    /// A parent of one worker for each of `sockets`. Blocks signals: call it before there are threads.
    pub fn new(
        sockets: Vec<TcpListener>,
        stale_worker_timeout: Duration,
        verbose: bool,
    ) -> Result<Self, ProcessError> {
        let signals = SignalSet::block().map_err(system("block signals"))?;
        let mut parent = Self {
            sockets,
            workers: BTreeMap::new(),
            stale: BTreeMap::new(),
            old_sockets: Vec::new(),
            stale_worker_timeout,
            verbose,
            signals,
        };
        parent.take_over();
        Ok(parent)
    }

    /// Starts the workers, and keeps them running until a signal ends it.
    pub fn run(mut self) -> Result<Outcome, ProcessError> {
        for index in 0..self.sockets.len() {
            self.start_worker(index)?;
        }
        self.tell_that_we_are_ready()?;
        loop {
            let missing = (0..self.sockets.len()).find(|index| !self.workers.contains_key(index));
            let patience = match (missing, self.stale.is_empty()) {
                (Some(_), _) => Some(REPLACE_AFTER),
                (None, false) => Some(Duration::from_secs(1)),
                (None, true) => None,
            };
            match self.signals.wait(patience) {
                Some(libc::SIGTERM) => return self.stop_at_once(),
                Some(libc::SIGINT | libc::SIGHUP) => return self.drain(),
                Some(libc::SIGUSR1) => return Err(self.reload()),
                Some(_) => self.reap(),
                None => {
                    self.reap();
                    self.kill_stale();
                    if let Some(index) = missing
                        && let Err(error) = self.start_worker(index)
                    {
                        tracing::error!(%error, "cannot replace a worker");
                    }
                }
            }
        }
    }

    fn start_worker(&mut self, index: usize) -> Result<(), ProcessError> {
        let failed = system("start a worker");
        let (ours, theirs) = io::pipe().map_err(&failed)?;
        let socket = &self.sockets[index];
        fcntl_setfd(socket, FdFlags::empty()).map_err(|e| failed(e.into()))?;
        fcntl_setfd(&theirs, FdFlags::empty()).map_err(|e| failed(e.into()))?;
        let mut arguments = std::env::args_os();
        let spawned = Command::new(own_executable().map_err(&failed)?)
            .arg0(arguments.next().unwrap_or_default())
            .args(arguments)
            .env(HANDED_OVER, format!("{},{}", socket.as_raw_fd(), theirs.as_raw_fd()))
            .stdin(Stdio::null())
            .spawn();
        // The next worker must not get this one's socket.
        fcntl_setfd(socket, FdFlags::CLOEXEC).map_err(|e| failed(e.into()))?;
        drop(theirs);
        let pid = spawned.map_err(&failed)?.id();
        let mut word = String::new();
        // Its end of the pipe closes when it is ready, and when it dies.
        File::from(OwnedFd::from(ours)).read_to_string(&mut word).map_err(&failed)?;
        if word != "ready" {
            return Err(ProcessError::WorkerFailed { pid });
        }
        tracing::info!("Started child {pid} from parent {}", std::process::id());
        self.workers.insert(index, pid);
        Ok(())
    }

    fn tell_that_we_are_ready(&mut self) -> Result<(), ProcessError> {
        leave_terminal(self.verbose).map_err(system("leave the terminal"))?;
        for socket in std::mem::take(&mut self.old_sockets) {
            shut_down(&socket);
        }
        self.answer_python_parent();
        notify("READY=1");
        Ok(())
    }

    /// Notes the workers that a parent before us, which re-executed itself into us, has left running.
    fn take_over(&mut self) {
        let Ok(text) = std::env::var(BEFORE_RELOAD) else { return };
        // SAFETY: there is one thread.
        unsafe { std::env::remove_var(BEFORE_RELOAD) };
        let (sockets, pids) = text.split_once(';').unwrap_or_default();
        for fd in sockets.split(',').filter_map(|fd| fd.parse::<RawFd>().ok()) {
            // SAFETY: we left these descriptors to ourselves, and nobody else in this process knows them.
            self.old_sockets.push(unsafe { OwnedFd::from_raw_fd(fd) });
        }
        let now = SystemTime::now();
        for pid in pids.split(',').filter_map(|pid| pid.parse().ok()) {
            self.stale.insert(pid, now + self.stale_worker_timeout);
        }
    }

    /// Where Python's server re-executed itself into us (an upgrade in place): tells its helper our pid, upon which
    /// it shuts its sockets and tells us its workers.
    fn answer_python_parent(&mut self) {
        let take = |name: &str| {
            let fd: Option<RawFd> = std::env::var(name).ok()?.split(',').next()?.parse().ok();
            // SAFETY: there is one thread; the descriptor was opened for us and nobody else here knows it.
            unsafe {
                std::env::remove_var(name);
                fd.filter(|&fd| fd > 2).map(|fd| File::from_raw_fd(fd))
            }
        };
        let (notify, state) = (take(SWIFT_NOTIFY_FD), take(SWIFT_STATE_FD));
        let Some(mut notify) = notify else { return };
        if notify.write_all(std::process::id().to_string().as_bytes()).is_err() {
            return;
        }
        drop(notify);
        match state.map(read_python_state) {
            Some(Ok(pids)) => {
                self.stale.extend(pids.into_iter().map(|(pid, at)| (pid, at + self.stale_worker_timeout)))
            }
            Some(Err(error)) => tracing::warn!(%error, "Failed to read state from the old manager"),
            None => {}
        }
    }

    /// TERM: everything dies now, and running requests are cut.
    fn stop_at_once(&self) -> Result<Outcome, ProcessError> {
        tracing::info!("SIGTERM received ({})", std::process::id());
        notify("STOPPING=1");
        // Ourselves, too, but we have it blocked.
        rustix::process::kill_current_process_group(Signal::TERM)
            .map_err(|e| system("stop workers")(e.into()))?;
        Ok(Outcome::Stopped)
    }

    /// HUP: no new connections; workers finish what they have, without us.
    fn drain(&self) -> Result<Outcome, ProcessError> {
        tracing::info!("SIGHUP received ({})", std::process::id());
        notify("STOPPING=1");
        self.sockets.iter().for_each(shut_down);
        Ok(Outcome::Stopped)
    }

    /// USR1: executes our command line again under our pid; the new us shuts the old sockets when it has new ones.
    fn reload(&self) -> ProcessError {
        tracing::info!("SIGUSR1 received ({})", std::process::id());
        notify("RELOADING=1");
        let failed = system("re-execute");
        for socket in &self.sockets {
            if let Err(error) = fcntl_setfd(socket, FdFlags::empty()) {
                return failed(error.into());
            }
        }
        let join = |items: Vec<String>| items.join(",");
        let sockets = join(self.sockets.iter().map(|socket| socket.as_raw_fd().to_string()).collect());
        let pids = join(self.workers.values().chain(self.stale.keys()).map(u32::to_string).collect());
        let executable = match own_executable() {
            Ok(path) => path,
            Err(error) => return failed(error),
        };
        let mut arguments = std::env::args_os();
        let error = Command::new(executable)
            .arg0(arguments.next().unwrap_or_default())
            .args(arguments)
            .env(BEFORE_RELOAD, format!("{sockets};{pids}"))
            .exec();
        failed(error)
    }

    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let pid = pid.as_raw_nonzero().get().unsigned_abs();
            if self.stale.remove(&pid).is_none() {
                tracing::error!("Removing dead child {pid} from parent {}: {status:?}", std::process::id());
                self.workers.retain(|_, worker| *worker != pid);
            }
        }
    }

    fn kill_stale(&mut self) {
        let now = SystemTime::now();
        for (&pid, _) in self.stale.iter().filter(|(_, at)| **at <= now) {
            // Only our own: a pid that was passed on may have been given to another program since.
            let ours = parent_of(pid) == Some(std::process::id());
            if let (true, Some(target)) = (ours, Pid::from_raw(pid as i32)) {
                tracing::info!("Killing long-running stale worker {pid}");
                let _ = rustix::process::kill_process(target, Signal::KILL);
            }
        }
        self.stale.retain(|_, at| *at > now);
    }
}

fn shut_down(socket: &impl AsFd) {
    // Workers that share it see that accepting is over, and drain.
    let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
}

/// The program to execute again: the file that is there now, should it have been replaced.
fn own_executable() -> io::Result<std::path::PathBuf> {
    let path = std::env::current_exe()?;
    let text = path.to_string_lossy();
    Ok(text.strip_suffix(" (deleted)").map_or_else(|| path.clone(), Into::into))
}

/// A length of 4 bytes, then `{"old_pids": {"<pid>": <seconds>}}`.
fn read_python_state(mut pipe: File) -> io::Result<Vec<(u32, SystemTime)>> {
    let mut length = [0; 4];
    pipe.read_exact(&mut length)?;
    let mut text = Vec::new();
    pipe.take(u32::from_be_bytes(length).min(1 << 20).into()).read_to_end(&mut text)?;
    let state: serde_json::Value = serde_json::from_slice(&text)?;
    let pids = state.get("old_pids").and_then(|pids| pids.as_object()).into_iter().flatten();
    let at = |seconds: f64| Duration::try_from_secs_f64(seconds).ok().map(|since| UNIX_EPOCH + since);
    Ok(pids.filter_map(|(pid, seconds)| Some((pid.parse().ok()?, at(seconds.as_f64()?)?))).collect())
}

fn parent_of(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}
