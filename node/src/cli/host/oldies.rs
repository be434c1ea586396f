//! `swift-oldies`: Swift's processes that run for a long time. Swift's own knows Python's programs alone, and those only
//! in some folders; this one knows ours too, wherever they are.

use super::processes::{SwiftProcess, print_table, swift_processes};
use crate::cli::optparse::{HELP, Known, Program};
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

const AGE: Known = Known { letter: Some('a'), name: "age", has_value: true };
const PIDS: Known = Known { letter: Some('p'), name: "pids", has_value: false };
/// 30 days.
const DEFAULT_AGE_HOURS: i64 = 720;

const PROGRAM: Program = Program {
    name: "swift-oldies",
    usage: "swift-oldies [options]\n\nShows Swift's processes that run for a long time.",
    options_help: "  -a HOURS, --age=HOURS\n                        \
                   for at least HOURS; default: 720 (30 days)\n  \
                   -p, --pids            only their pids, to hand them on to another command",
    known: &[HELP, AGE, PIDS],
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
    let shown = swift_processes().and_then(|(mut processes, _)| {
        processes.retain(|process| is_older(process, age_hours));
        show(&processes, given.has(PIDS.name), &mut io::stdout())
    });
    super::ended(PROGRAM.name, shown)
}

/// Whether it began at least so long ago.
pub(super) fn is_older(process: &SwiftProcess, age_hours: i64) -> bool {
    i64::try_from(process.age_hours).is_ok_and(|age| age >= age_hours)
}

fn show(processes: &[SwiftProcess], only_pids: bool, out: &mut impl Write) -> io::Result<()> {
    if !only_pids && !processes.is_empty() {
        return print_table(processes, false, out);
    }
    processes.iter().try_for_each(|process| writeln!(out, "{}", process.pid))
}
