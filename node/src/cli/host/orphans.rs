//! `swift-orphans`: Swift's processes that no pid file knows.
//!
//! Those that do one pass are left out, as are this program's own, and children of processes that are known. Beside
//! Swift's: our programs and Python's are found wherever they are, and `--wide` is heeded.

use super::init::RUN_DIR;
use super::oldies::is_older;
use super::processes::{Parents, SwiftProcess, print_table, swift_processes};
use crate::cli::optparse::{HELP, Known, Program};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

const AGE: Known = Known { letter: Some('a'), name: "age", has_value: true };
const KILL: Known = Known { letter: Some('k'), name: "kill", has_value: true };
const WIDE: Known = Known { letter: Some('w'), name: "wide", has_value: false };
const RUN_DIR_OPTION: Known = Known { letter: Some('r'), name: "run-dir", has_value: true };
const DEFAULT_AGE_HOURS: i64 = 24;
/// More than any pid has digits.
const MAX_PID_LEN: u64 = 64;

const SIGNALS: [(&str, Signal); 13] = [
    ("ABRT", Signal::ABORT),
    ("ALRM", Signal::ALARM),
    ("CONT", Signal::CONT),
    ("HUP", Signal::HUP),
    ("INT", Signal::INT),
    ("KILL", Signal::KILL),
    ("PIPE", Signal::PIPE),
    ("QUIT", Signal::QUIT),
    ("STOP", Signal::STOP),
    ("TERM", Signal::TERM),
    ("TSTP", Signal::TSTP),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
];

const PROGRAM: Program = Program {
    name: "swift-orphans",
    usage: "swift-orphans [options]

Shows, and signals if asked to, Swift's processes that no pid file knows. Those
that do one pass (once) are left out.

TERM to those that began two hours ago, or earlier:
swift-orphans -a 2 -k TERM",
    options_help: "  -a HOURS, --age=HOURS
                        that run for at least HOURS; default: 24
  -k SIGNAL, --kill=SIGNAL
                        send them SIGNAL; default: only show them
  -w, --wide            do not clip lines at 80 characters
  -r RUN_DIR, --run-dir=RUN_DIR
                        folder of pid files (default /var/run/swift)",
    known: &[HELP, AGE, KILL, WIDE, RUN_DIR_OPTION],
};

/// Runs it with the arguments that follow its name.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let (given, age_hours) = match PROGRAM.parse(arguments).and_then(|given| {
        let age_hours = given.int(AGE, DEFAULT_AGE_HOURS).map_err(|mistake| PROGRAM.mistake(&mistake))?;
        Ok((given, age_hours))
    }) {
        Ok(read) => read,
        Err(code) => return code,
    };
    let run_dir = given.value(RUN_DIR_OPTION.name).unwrap_or(RUN_DIR);
    let mut out = io::stdout();
    let shown = known_pids(Path::new(run_dir)).and_then(|known| {
        let (processes, parents) = swift_processes()?;
        let orphans = orphans(processes, &parents, &known, age_hours);
        if !orphans.is_empty() {
            print_table(&orphans, given.has(WIDE.name), &mut out)?;
        }
        Ok(orphans)
    });
    match (shown, given.value(KILL.name)) {
        (Ok(orphans), Some(name)) if !orphans.is_empty() => kill(&orphans, name, &mut out),
        (shown, _) => super::ended(PROGRAM.name, shown.map(drop)),
    }
}

/// The pids in all pid files of a folder; one that cannot be read fails, so that nobody is taken for an orphan for it.
fn known_pids(folder: &Path) -> io::Result<Vec<i32>> {
    let mut known = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(known),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            known.extend(known_pids(&entry.path())?);
        } else if name.ends_with(".pid") || name.ends_with(".pid.d") {
            let mut text = String::new();
            File::open(entry.path())?.take(MAX_PID_LEN).read_to_string(&mut text)?;
            known.extend(text.trim().parse::<i32>());
        }
    }
    Ok(known)
}

fn orphans(
    mut processes: Vec<SwiftProcess>,
    parents: &Parents,
    known: &[i32],
    age_hours: i64,
) -> Vec<SwiftProcess> {
    processes.retain(|process| {
        let is_one_pass = process.command.arguments.iter().any(|word| word == "once");
        let is_meant = !is_one_pass && process.command.name != "orphans" && is_older(process, age_hours);
        is_meant && !parents.descends(process.pid, known)
    });
    processes
}

/// A number, or a name with or without `SIG`.
fn signal_named(name: &str) -> Option<Signal> {
    if let Ok(number) = name.parse() {
        return Signal::from_named_raw(number);
    }
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    SIGNALS.iter().find(|(known, _)| *known == name).map(|(_, signal)| *signal)
}

fn kill(orphans: &[SwiftProcess], name: &str, out: &mut impl Write) -> ExitCode {
    let Some(signal) = signal_named(name) else {
        eprintln!("Could not translate '{name}' to a signal number.");
        return ExitCode::FAILURE;
    };
    // Nobody may be there to read it.
    let _ = write!(out, "Sending processes {name} ({}) signal...", signal.as_raw());
    let mut code = ExitCode::SUCCESS;
    for pid in orphans.iter().filter_map(|orphan| Pid::from_raw(orphan.pid)) {
        match kill_process(pid, signal) {
            // It has ended meanwhile.
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => {
                eprintln!("cannot signal {}: {error}", pid.as_raw_nonzero());
                code = ExitCode::FAILURE;
            }
        }
    }
    let _ = writeln!(out, "Done.");
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::host::processes::SwiftCommand;
    use std::collections::BTreeMap;

    fn process(pid: i32, age_hours: u64, line: &str) -> SwiftProcess {
        let mut words = line.split(' ').map(str::to_owned);
        let command = SwiftCommand { name: words.next().unwrap(), arguments: words.collect() };
        SwiftProcess { pid, age_hours, command }
    }

    #[test]
    fn who_is_known_or_does_one_pass_is_no_orphan() {
        let processes = vec![
            process(10, 30, "object-server 1.conf"),
            process(11, 30, "object-server 1.conf"),
            process(12, 30, "object-updater 1.conf once"),
            process(13, 23, "object-auditor 1.conf"),
            process(14, 24, "object-auditor 2.conf"),
            process(15, 30, "orphans -a 2"),
        ];
        let parents = Parents::of(BTreeMap::from([(10, 1), (11, 9), (9, 10), (14, 1), (13, 1)]));
        let found = orphans(processes, &parents, &[10], 24);
        assert_eq!(found.iter().map(|process| process.pid).collect::<Vec<_>>(), [14]);
    }

    #[test]
    fn every_pid_file_below_the_folder_is_read() {
        let dir = tempfile::tempdir().unwrap();
        assert!(known_pids(&dir.path().join("none")).unwrap().is_empty());
        std::fs::create_dir(dir.path().join("object-server")).unwrap();
        for (name, text) in [
            ("a.pid", "1"),
            ("b.pid.d", "2\n"),
            ("c.txt", "3"),
            ("object-server/1.pid", " 4 "),
            ("e.pid", "x"),
        ] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let mut known = known_pids(dir.path()).unwrap();
        known.sort_unstable();
        assert_eq!(known, [1, 2, 4]);
    }

    #[test]
    fn signals_have_numbers_and_names() {
        for name in ["9", "kill", "SIGKILL", "sigkill"] {
            assert_eq!(signal_named(name), Some(Signal::KILL), "{name}");
        }
        for name in ["0", "-1", "99", "", "SIG", "NONE"] {
            assert_eq!(signal_named(name), None, "{name}");
        }
    }
}
