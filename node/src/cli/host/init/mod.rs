//! `swift-init`: starts and stops servers and daemons, ours or Python's, and remembers their pids in files.
//!
//! Beside Swift's, all of which is kept: `SWIFT_DIR` in the environment names another folder of configurations than
//! `/etc/swift`; `reload` heeds `--run-dir`; `object.1` means the configuration `1` and not `11` too; and a process that
//! took over the pid of one that ended is not signalled.

mod commands;
mod files;
mod names;
mod server;
mod session;
mod spawn;
#[cfg(test)]
mod tests;

pub(super) use files::{Places, RUN_DIR};
pub(super) use names::ServerName;

use crate::cli::optparse::{Given, HELP, Known, Program};
use commands::Command;
use names::resolve;
use server::Server;
use session::{Options, Session};
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

const VERBOSE: Known = Known { letter: Some('v'), name: "verbose", has_value: false };
const NO_WAIT: Known = Known { letter: Some('w'), name: "no-wait", has_value: false };
const ONCE: Known = Known { letter: Some('o'), name: "once", has_value: false };
const NO_DAEMON: Known = Known { letter: Some('n'), name: "no-daemon", has_value: false };
const GRACEFUL: Known = Known { letter: Some('g'), name: "graceful", has_value: false };
const CONFIG_NUM: Known = Known { letter: Some('c'), name: "config-num", has_value: true };
const KILL_WAIT: Known = Known { letter: Some('k'), name: "kill-wait", has_value: true };
const RUN_DIR_OPTION: Known = Known { letter: Some('r'), name: "run-dir", has_value: true };
const STRICT: Known = Known { letter: None, name: "strict", has_value: false };
const NON_STRICT: Known = Known { letter: None, name: "non-strict", has_value: false };
const KILL_AFTER_TIMEOUT: Known = Known { letter: None, name: "kill-after-timeout", has_value: false };

const PROGRAM: Program = Program {
    name: "swift-init",
    usage: "swift-init <server>[.<config>] [<server>[.<config>] ...] <command> [options]

<server>   a server or daemon (proxy-server, object-updater, ...; -server may be
           left out), several by a name with *, or a group:
             all    everything
             main   proxy, account, container and object servers
             rest   the daemons
<config>   one configuration of several, without .conf: object.1 is the server
           of /etc/swift/object-server/1.conf
<command>  one of these:

    force-reload  the same as reload
            kill  stop, and nothing is wrong if nothing ran
       no-daemon  start, and stay until it ends
         no-wait  start, and do not wait until it is ready
            once  start daemons for one pass
          reload  end after running requests, then start again
 reload-seamless  start again under the same pid, while running requests finish
         restart  stop, then start
        shutdown  end after running requests
           start  start
          status  show what runs
            stop  stop

SWIFT_DIR in the environment names another folder than /etc/swift.",
    options_help: "  -v, --verbose         say more
  -w, --no-wait         do not wait until a server is ready
  -o, --once            one pass of a daemon
  -n, --no-daemon       stay until it ends
  -g, --graceful        HUP for servers, so that running requests finish
  -c N, --config-num=N  only the server with the Nth configuration
  -k N, --kill-wait=N   wait N seconds for processes to end (default 15)
  -r RUN_DIR, --run-dir=RUN_DIR
                        folder of pid files (default /var/run/swift)
  --strict              a missing configuration is a failure; so it is without
                        this, if every server is named by its own name
  --non-strict          a missing configuration is no failure
  --kill-after-timeout  kill what has not ended by then, with its children",
    known: &[
        HELP,
        VERBOSE,
        NO_WAIT,
        ONCE,
        NO_DAEMON,
        GRACEFUL,
        CONFIG_NUM,
        KILL_WAIT,
        RUN_DIR_OPTION,
        STRICT,
        NON_STRICT,
        KILL_AFTER_TIMEOUT,
    ],
};

/// Runs it with the arguments that follow its name.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let (given, options) = match PROGRAM.parse(arguments).and_then(|given| {
        let options = options(&given).map_err(|mistake| PROGRAM.mistake(&mistake))?;
        Ok((given, options))
    }) {
        Ok(read) => read,
        Err(code) => return code,
    };
    let mut out = std::io::stdout();
    let places = Places::with_run_dir(given.value(RUN_DIR_OPTION.name).unwrap_or(RUN_DIR));
    let mut session = Session { options, places, out: &mut out };
    let (command, servers) = match command_of(&given.arguments) {
        Ok(asked) => asked,
        Err(mistake) => {
            PROGRAM.print_help();
            session.say(format_args!("ERROR: {mistake}"));
            return ExitCode::FAILURE;
        }
    };
    let asked = resolve(servers);
    let servers: Vec<_> = asked.names.into_iter().filter_map(Server::find).collect();
    match session.run(command, &servers, asked.is_explicit) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// The command, which stands last or first, and the servers.
fn command_of(words: &[String]) -> Result<(Command, &[String]), String> {
    let (Some((last, before)), Some((first, after))) = (words.split_last(), words.split_first()) else {
        return Err("specify server(s) and command".to_owned());
    };
    if before.is_empty() {
        return Err("specify server(s) and command".to_owned());
    }
    match (Command::named(last), Command::named(first)) {
        (None, Some(command)) => Ok((command, after)),
        _ => match Command::find(last) {
            Some(command) => Ok((command, before)),
            None => Err(format!("unknown command, {last}")),
        },
    }
}

fn options(given: &Given) -> Result<Options, String> {
    let kill_wait_s = u64::try_from(given.int(KILL_WAIT, 15)?).unwrap_or(0);
    let strict = given.last_of(&[STRICT.name, NON_STRICT.name]).map(|last| last == STRICT.name);
    Ok(Options {
        verbose: given.has(VERBOSE.name),
        wait: !given.has(NO_WAIT.name),
        once: given.has(ONCE.name),
        daemon: !given.has(NO_DAEMON.name),
        graceful: given.has(GRACEFUL.name),
        number: given.int(CONFIG_NUM, 0)?,
        kill_wait: Duration::from_secs(kill_wait_s.min(u64::from(u32::MAX))),
        strict,
        kill_after_timeout: given.has(KILL_AFTER_TIMEOUT.name),
    })
}
