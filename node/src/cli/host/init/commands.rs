//! What `swift-init` does with servers: start, stop, and what is made of these.

use super::server::{Running, Server};
use super::session::Session;
use super::spawn::Started;
use crate::cli::foreground::runtime;
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions, kill_process_group, setrlimit, waitpid};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Limits for all that is started, and what each is called.
const LIMITS: [(Resource, u64, &str); 3] = [
    (Resource::Nofile, 32768, "file descriptor"),
    (Resource::Data, 2 << 30, "memory"),
    (Resource::Nproc, 8192, "max process"),
];

/// What a person may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    ForceReload,
    Kill,
    NoDaemon,
    NoWait,
    Once,
    Reload,
    ReloadSeamless,
    Restart,
    Shutdown,
    Start,
    Status,
    Stop,
}

impl Command {
    /// All of them, their names, and what they do.
    pub(super) const ALL: [(Self, &str); 12] = [
        (Self::ForceReload, "force-reload"),
        (Self::Kill, "kill"),
        (Self::NoDaemon, "no-daemon"),
        (Self::NoWait, "no-wait"),
        (Self::Once, "once"),
        (Self::Reload, "reload"),
        (Self::ReloadSeamless, "reload-seamless"),
        (Self::Restart, "restart"),
        (Self::Shutdown, "shutdown"),
        (Self::Start, "start"),
        (Self::Status, "status"),
        (Self::Stop, "stop"),
    ];

    /// The command of exactly that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(command, _)| command)
    }

    /// The command of that name in any case, with `_` for `-` if you like.
    pub(super) fn find(word: &str) -> Option<Self> {
        Self::named(&word.to_lowercase().replace('_', "-"))
    }
}

/// How processes are told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    AtOnce,
    /// Running requests finish.
    Graceful,
    /// A new process takes over.
    Seamless,
}

impl Manner {
    fn signal(self, server: &Server) -> Signal {
        match self {
            Self::Graceful if server.name.is_main() => Signal::HUP,
            Self::Seamless if server.name.is_main() => Signal::USR1,
            _ => Signal::TERM,
        }
    }
}

impl Session<'_> {
    /// Does what `command` says with `servers`; whether all went well. Without servers nothing does.
    pub(super) fn run(&mut self, command: Command, servers: &[Server], is_explicit: bool) -> bool {
        let all_well = match command {
            Command::Status => self.status(servers),
            Command::Start => self.start(servers, is_explicit),
            Command::NoWait => {
                self.options.wait = false;
                self.start(servers, is_explicit)
            }
            Command::NoDaemon => {
                self.options.daemon = false;
                self.start(servers, is_explicit)
            }
            Command::Once => {
                self.options.once = true;
                self.start(servers, is_explicit)
            }
            Command::Stop => self.stop(servers, self.manner()),
            Command::Kill => self.stop(servers, self.manner()) || !self.status(servers),
            Command::Shutdown => self.stop(servers, Manner::Graceful),
            Command::Restart => {
                let stopped = self.stop(servers, self.manner());
                self.start(servers, is_explicit) && stopped
            }
            Command::Reload | Command::ForceReload => self.reload(servers),
            Command::ReloadSeamless => self.reload_seamless(servers),
        };
        all_well && !servers.is_empty()
    }

    fn manner(&self) -> Manner {
        if self.options.graceful { Manner::Graceful } else { Manner::AtOnce }
    }

    /// Whether every one runs.
    fn status(&mut self, servers: &[Server]) -> bool {
        let up = servers.iter().filter(|server| server.status(self)).count();
        up == servers.len()
    }

    fn start(&mut self, servers: &[Server], is_explicit: bool) -> bool {
        self.raise_limits();
        let mut all_well = true;
        let mut started = Vec::new();
        for server in servers {
            let launched = server.launch(self);
            all_well &= !launched.is_empty();
            started.extend(launched);
        }
        all_well |= !self.options.strict.unwrap_or(is_explicit);
        if !self.options.daemon {
            return self.interact(servers, &mut started) && all_well;
        }
        if self.options.wait {
            for process in &mut started {
                all_well &= self.wait_for(process);
            }
        }
        all_well
    }

    fn raise_limits(&mut self) {
        for (resource, limit, name) in LIMITS {
            if setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) }).is_err() {
                self.say(format_args!("WARNING: Unable to modify {name} limit.  Running as non-root?"));
            }
        }
    }

    fn wait_for(&mut self, process: &mut Started) -> bool {
        match process.wait_until_ready() {
            Ok(outcome) => {
                if !outcome.said.is_empty() {
                    self.say(format_args!("{}", outcome.said));
                }
                outcome.is_ready
            }
            Err(error) => {
                self.say(format_args!("Unable to wait for a process: {error}"));
                false
            }
        }
    }

    /// Waits until all that was started ends; stops it where a person interrupts.
    fn interact(&mut self, servers: &[Server], started: &mut [Started]) -> bool {
        let waiting = runtime(Some(1)).map(|runtime| {
            runtime.block_on(async {
                tokio::select! {
                    all_well = all_ended(started) => Some(all_well),
                    _ = tokio::signal::ctrl_c() => None,
                }
            })
        });
        match waiting {
            Ok(Some(all_well)) => all_well,
            Ok(None) => {
                self.say(format_args!("\nuser quit"));
                self.stop(servers, self.manner());
                true
            }
            Err(error) => {
                self.say(format_args!("Unable to wait for processes: {error}"));
                false
            }
        }
    }

    fn stop(&mut self, servers: &[Server], manner: Manner) -> bool {
        let mut signaled = Vec::new();
        for server in servers {
            let processes = server.signal(self, manner.signal(server));
            match processes.is_empty() {
                true => self.say(format_args!("No {} running", server.name.server)),
                false => signaled.push((server, processes)),
            }
        }
        if signaled.is_empty() || self.wait_for_the_end(&signaled) {
            return !signaled.is_empty();
        }
        let waited_s = self.options.kill_wait.as_secs();
        for (server, left) in self.still_running(&signaled) {
            let name = &server.name.server;
            if !self.options.kill_after_timeout {
                self.say(format_args!("Waited {waited_s} seconds for {name} to die; giving up"));
                continue;
            }
            self.say(format_args!("Waited {waited_s} seconds for {name} to die; killing"));
            for process in left {
                self.say(format_args!("Signal {name}  pid: {}  signal: 9", process.number()));
                // It may have ended by now.
                let _ = kill_process_group(process.pid, Signal::KILL);
            }
        }
        false
    }

    /// Tells of processes as they end; whether all did in time.
    fn wait_for_the_end(&mut self, signaled: &[(&Server, Vec<Running>)]) -> bool {
        let deadline = Instant::now() + self.options.kill_wait;
        let mut gone: BTreeSet<i32> = BTreeSet::new();
        loop {
            for (_, process) in each(signaled) {
                reap(process.pid);
            }
            let left: BTreeSet<i32> = {
                let left = self.still_running(signaled);
                left.iter().flat_map(|(_, processes)| processes).map(Running::number).collect()
            };
            for (server, process) in each(signaled) {
                let number = process.number();
                if !left.contains(&number) && gone.insert(number) {
                    self.say(format_args!("{} ({number}) appears to have stopped", server.name.server));
                }
            }
            if left.is_empty() || Instant::now() > deadline {
                return left.is_empty();
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Those of the processes that have not ended.
    fn still_running<'s>(
        &mut self,
        signaled: &[(&'s Server, Vec<Running>)],
    ) -> Vec<(&'s Server, Vec<Running>)> {
        let mut still = Vec::new();
        for (server, processes) in signaled {
            let numbers: BTreeSet<_> = processes.iter().map(Running::number).collect();
            let mut running = server.running(self);
            running.retain(|process| numbers.contains(&process.number()));
            if !running.is_empty() {
                still.push((*server, running));
            }
        }
        still
    }

    /// One after the other, so that not all are away at once.
    fn reload(&mut self, servers: &[Server]) -> bool {
        let mut all_well = true;
        for server in servers {
            let server = std::slice::from_ref(server);
            all_well &= self.stop(server, Manner::Graceful);
            all_well &= self.start(server, true);
        }
        all_well
    }

    fn reload_seamless(&mut self, servers: &[Server]) -> bool {
        let mut all_well = true;
        for server in servers {
            if server.signal(self, Manner::Seamless.signal(server)).is_empty() {
                self.say(format_args!("No {} running", server.name.server));
                all_well = false;
            }
        }
        all_well
    }
}

fn each<'a>(signaled: &'a [(&'a Server, Vec<Running>)]) -> impl Iterator<Item = (&'a Server, &'a Running)> {
    signaled.iter().flat_map(|(server, processes)| processes.iter().map(move |process| (*server, process)))
}

/// Waits for a child of ours that ended; others are not ours to wait for.
fn reap(pid: Pid) {
    let _ = waitpid(Some(pid), WaitOptions::NOHANG);
}

/// Whether all ended well, once they have.
async fn all_ended(started: &mut [Started]) -> bool {
    let mut all_well = true;
    for process in started {
        loop {
            match process.ended() {
                Ok(None) => tokio::time::sleep(POLL_INTERVAL).await,
                Ok(Some(status)) => {
                    all_well &= status.success();
                    break;
                }
                Err(_) => {
                    all_well = false;
                    break;
                }
            }
        }
    }
    all_well
}
