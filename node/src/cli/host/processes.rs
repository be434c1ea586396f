//! Processes of this machine that run Swift's programs, Python's or ours, from `/proc`.

use crate::multicall::{self, Command};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

/// In what Linux counts the times of processes for programs: a part of its interface, the same on every machine we run on.
const TICKS_PER_S: u64 = 100;
const SECS_PER_HOUR: u64 = 3600;
/// Of a listing that is clipped.
const LINE_LEN: usize = 80;

/// A process that runs one of Swift's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SwiftProcess {
    pub pid: i32,
    /// Whole hours since it began.
    pub age_hours: u64,
    /// Its program and arguments.
    pub command: SwiftCommand,
}

/// The command line of one of Swift's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SwiftCommand {
    /// The program's name, without `swift-`.
    pub name: String,
    pub arguments: Vec<String>,
}

impl SwiftCommand {
    /// Reads `swift-x …`, `python … swift-x …` and `swiftlet x …`; `None` for any other program.
    pub(super) fn of(words: &[String]) -> Option<Self> {
        let file_name =
            |word: &String| Path::new(word).file_name().map(|name| name.to_string_lossy().into_owned());
        let (program, rest) = words.split_first()?;
        let program = file_name(program)?;
        if program == "swiftlet" {
            let (name, arguments) = rest.split_first()?;
            let command =
                multicall::find(name).filter(|c| matches!(c, Command::Server(_) | Command::Daemon(_)))?;
            return Some(Self { name: command.name().to_owned(), arguments: arguments.to_vec() });
        }
        let (program, arguments) = match program.starts_with("python") {
            false => (program, rest),
            true => {
                let script = rest.iter().position(|word| !word.starts_with('-'))?;
                (file_name(&rest[script])?, &rest[script + 1..])
            }
        };
        Some(Self { name: program.strip_prefix("swift-")?.to_owned(), arguments: arguments.to_vec() })
    }

    /// As a line, without `swift-`.
    fn line(&self) -> String {
        std::iter::once(&self.name).chain(&self.arguments).map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// The command line of a process.
pub(super) fn command_line(pid: i32) -> io::Result<Vec<String>> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline"))?;
    let words = bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
    let mut words: Vec<_> = words.collect();
    while words.last().is_some_and(String::is_empty) {
        words.pop();
    }
    Ok(words)
}

/// All of them but ourselves, in the order of their pids, and who is whose parent among all processes.
pub(super) fn swift_processes() -> io::Result<(Vec<SwiftProcess>, Parents)> {
    let uptime = std::fs::read_to_string("/proc/uptime")?;
    let uptime_s = uptime.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
    let mut processes = Vec::new();
    let mut parents = BTreeMap::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // It may be gone by now.
        let Ok(stat) = std::fs::read(entry.path().join("stat")) else { continue };
        let Some(Stat { parent, started_s, .. }) = Stat::parse(&stat) else { continue };
        parents.insert(pid, parent);
        let command = command_line(pid).ok().and_then(|words| SwiftCommand::of(&words));
        if let Some(command) = command.filter(|_| pid as u32 != std::process::id()) {
            let age_s: u64 = uptime_s;
            let age_hours = age_s.saturating_sub(started_s) / SECS_PER_HOUR;
            processes.push(SwiftProcess { pid, age_hours, command });
        }
    }
    processes.sort_by_key(|process| process.pid);
    Ok((processes, Parents(parents)))
}

/// Who is whose parent.
pub(super) struct Parents(BTreeMap<i32, i32>);

impl Parents {
    /// With each process and its parent.
    #[cfg(test)]
    pub(super) fn of(parents: BTreeMap<i32, i32>) -> Self {
        Self(parents)
    }

    /// Whether a process is one of `known`, or comes from one of them.
    pub(super) fn descends(&self, pid: i32, known: &[i32]) -> bool {
        let ancestors = std::iter::successors(Some(pid), |pid| self.0.get(pid).copied());
        // Pids are given anew while we read: the way up need not end.
        ancestors.take(self.0.len() + 1).any(|pid| known.contains(&pid))
    }
}

/// What we need of `/proc/<pid>/stat`.
struct Stat {
    parent: i32,
    /// Its leader's pid; 0 where that is outside our namespace.
    session: i32,
    /// Since the machine began.
    started_s: u64,
}

impl Stat {
    /// The program's name, which may hold anything, ends with the last parenthesis.
    fn parse(stat: &[u8]) -> Option<Self> {
        let stat = String::from_utf8_lossy(stat);
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let started: u64 = fields.get(19)?.parse().ok()?;
        let number = |index: usize| fields.get(index)?.parse().ok();
        Some(Self { parent: number(1)?, session: number(3)?, started_s: started / TICKS_PER_S })
    }
}

/// The session that a process belongs to, by its leader's pid; 0 where the leader is outside our namespace of processes,
/// as for what is begun in a container from without.
pub(super) fn session(pid: i32) -> io::Result<i32> {
    let stat = std::fs::read(format!("/proc/{pid}/stat"))?;
    Stat::parse(&stat).map(|stat| stat.session).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Prints them as a table, no line longer than a terminal's unless it is `wide`.
pub(super) fn print_table(processes: &[SwiftProcess], wide: bool, out: &mut impl Write) -> io::Result<()> {
    let width = |title: &str, of: &dyn Fn(&SwiftProcess) -> String| {
        processes.iter().map(|process| of(process).len()).fold(title.len(), usize::max)
    };
    let hours_len = width("Hours", &|process| process.age_hours.to_string());
    let pid_len = width("PID", &|process| process.pid.to_string());
    let command_len = if wide { usize::MAX } else { LINE_LEN.saturating_sub(2 + hours_len + pid_len) };
    writeln!(out, "{:>hours_len$} {:>pid_len$} Command", "Hours", "PID")?;
    for SwiftProcess { pid, age_hours, command } in processes {
        let command: String = command.line().chars().take(command_len).collect();
        writeln!(out, "{age_hours:>hours_len$} {pid:>pid_len$} {command}")?;
    }
    Ok(())
}

/// A process that runs under `program`'s name for the rest of a test, which ends it.
#[cfg(test)]
pub(super) fn sleeper(dir: &Path, program: &str) -> std::process::Child {
    let program = dir.join(program);
    std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
    let child = std::process::Command::new(&program).arg("600").spawn().unwrap();
    // It is there a moment before its command line is.
    while command_line(child.id() as i32).unwrap().is_empty() {
        std::thread::yield_now();
    }
    child
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn swifts_programs_are_known_however_they_run() {
        for line in [
            "swift-object-server /etc/x.conf -v",
            "/opt/bin/swift-object-server /etc/x.conf -v",
            "/usr/bin/python3.11 -u /usr/local/bin/swift-object-server /etc/x.conf -v",
            "/opt/swiftlet object-server /etc/x.conf -v",
            "swiftlet swift-object-server /etc/x.conf -v",
        ] {
            let command = SwiftCommand::of(&words(line)).unwrap();
            assert_eq!(command.line(), "object-server /etc/x.conf -v", "{line}");
        }
        for line in [
            "",
            "swift",
            "python3",
            "python3 server.py swift-x",
            "vi swift-x",
            "swiftlet dev",
            "swiftlet recon",
        ] {
            assert_eq!(SwiftCommand::of(&words(line)), None, "{line}");
        }
    }

    #[test]
    fn a_process_of_ours_is_found_with_its_parent() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = sleeper(dir.path(), "swift-found-by-test");
        let found = swift_processes();
        child.kill().and_then(|()| child.wait()).unwrap();
        let (processes, parents) = found.unwrap();
        let found = processes.iter().find(|process| process.pid == child.id() as i32).unwrap();
        assert_eq!((found.command.line(), found.age_hours), ("found-by-test 600".to_owned(), 0));
        let own = std::process::id() as i32;
        assert!(
            parents.descends(found.pid, &[own])
                && parents.descends(own, &[own])
                && !parents.descends(1, &[own])
        );
    }

    #[test]
    fn a_session_may_be_led_from_outside() {
        let stat =
            |session| format!("7 (a) b) S 1 7 {session} 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 250 0 0");
        let parsed =
            |session| Stat::parse(stat(session).as_bytes()).map(|s| (s.parent, s.session, s.started_s));
        assert_eq!((parsed(0), parsed(42)), (Some((1, 0, 2)), Some((1, 42, 2))));
    }

    #[test]
    fn lines_are_clipped_unless_they_may_be_wide() {
        let process = |pid, age_hours, argument: &str| SwiftProcess {
            pid,
            age_hours,
            command: SwiftCommand { name: "object-server".into(), arguments: vec![argument.into()] },
        };
        let processes = [process(7, 1_234_567, "a.conf"), process(12345, 0, &"x".repeat(99))];
        let table = |wide| {
            let mut out = Vec::new();
            print_table(&processes, wide, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let clipped = format!("      0 12345 object-server {}", "x".repeat(52));
        assert_eq!(clipped.len(), 80);
        assert_eq!(
            table(false),
            format!("  Hours   PID Command\n1234567     7 object-server a.conf\n{clipped}\n")
        );
        assert!(table(true).ends_with(&format!("{}\n", "x".repeat(99))));
    }
}
