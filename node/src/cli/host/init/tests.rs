//! Real processes: a script under a server's name, which is ready, or not, as its configuration says.

use super::commands::Command;
use super::files::Places;
use super::names::ServerName;
use super::server::Server;
use super::session::{Options, Session};
use super::{command_of, options};
use crate::cli::optparse::Given;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

/// Sources its configuration, closes its output, and stays until it is told to end.
const PROGRAM: &str = "#!/usr/bin/setsid /bin/sh
trap 'exit 0' TERM
. $1
exec >/dev/null 2>&1
while :; do sleep 0.05; done
";

struct Home {
    dir: tempfile::TempDir,
    options: Options,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = options(&Given::default()).unwrap();
        options.kill_wait = Duration::from_secs(60);
        let home = Self { dir, options };
        std::fs::create_dir_all(home.path("etc/object-server")).unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn conf(&self, name: &str, script: &str) {
        std::fs::write(self.path(&format!("etc/object-server/{name}.conf")), script).unwrap();
    }

    fn server(&self, name: &str) -> Server {
        let name = ServerName::parse(name);
        let program = self.path(&format!("swift-{}", name.server));
        std::fs::write(&program, PROGRAM).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        Server::with_program(name, program)
    }

    /// Whether all went well, and what was said, with paths in the test's folder and pids made short.
    fn run(&self, command: Command, server: &str) -> (bool, String) {
        let mut out = Vec::new();
        let [etc, run] = ["etc", "run"].map(|name| self.path(name).display().to_string());
        let places = Places::new(&etc, &run);
        let mut session = Session { options: self.options.clone(), places, out: &mut out };
        let all_well = session.run(command, &[self.server(server)], true);
        let said = String::from_utf8(out).unwrap().replace(&format!("{}/", self.dir.path().display()), "");
        // Without root's rights limits stay as they are, and that is said first.
        let lines = said.split_inclusive('\n').filter(|line| !line.starts_with("WARNING: Unable to modify"));
        let pids = regex::Regex::new(r"\b[0-9]{2,}\b").unwrap();
        (all_well, pids.replace_all(&lines.collect::<String>(), "PID").replace("signal: PID", "signal: 15"))
    }

    fn pid(&self, pid_file: &str) -> String {
        std::fs::read_to_string(self.path("run").join(pid_file)).unwrap_or_default()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.options.kill_after_timeout = true;
        self.options.number = 0;
        self.options.kill_wait = Duration::ZERO;
        self.run(Command::Stop, "object");
        self.run(Command::Stop, "object-updater");
    }
}

#[test]
fn a_server_for_each_configuration_is_started_shown_and_stopped() {
    let home = Home::new();
    let missing = "Unable to locate config for object-server\n";
    assert_eq!(home.run(Command::Start, "object"), (false, missing.into()));
    home.conf("1", "");
    home.conf("2", "");
    let starting = "Starting object-server...(etc/object-server/1.conf)\n\
                    Starting object-server...(etc/object-server/2.conf)\n";
    assert_eq!(home.run(Command::Start, "object"), (true, starting.into()));
    let running = "object-server running (PID - etc/object-server/1.conf)\n\
                   object-server running (PID - etc/object-server/2.conf)\n";
    assert_eq!(home.run(Command::Status, "object"), (true, running.into()));
    let again = format!("{running}object-server already started...\n");
    assert_eq!(home.run(Command::Start, "object"), (false, again));
    let stopped = "Signal object-server  pid: PID  signal: 15\nobject-server (PID) appears to have stopped\n";
    assert_eq!(home.run(Command::Stop, "object.1"), (true, stopped.into()));
    assert!(home.pid("object-server/1.pid").is_empty() && !home.pid("object-server/2.pid").is_empty());
    assert!(home.run(Command::Stop, "object").0);
    let none = "No object-server running\n";
    assert_eq!(home.run(Command::Stop, "object"), (false, none.into()));
    assert_eq!(home.run(Command::Kill, "object"), (true, format!("{none}{none}")));
    assert_eq!(home.run(Command::Status, "object"), (false, none.into()));
}

#[test]
fn one_of_several_is_chosen_by_number() {
    let mut home = Home::new();
    home.conf("1", "");
    home.conf("2", "");
    home.options.number = 2;
    let starting = "Starting object-server...(etc/object-server/2.conf)\n";
    assert_eq!(home.run(Command::Start, "object"), (true, starting.into()));
    home.options.number = 1;
    let down = "object-server #1 not running (etc/object-server/1.conf)\n";
    assert_eq!(home.run(Command::Status, "object"), (false, down.into()));
    home.options.number = 3;
    home.options.verbose = true;
    let found = "Unable to locate config number 3 for object-server\nFound configs:\n  \
                 1) etc/object-server/1.conf\n  2) etc/object-server/2.conf\n";
    assert_eq!(home.run(Command::Start, "object"), (false, found.into()));
}

#[test]
fn what_a_program_says_is_shown_and_its_failure_counts() {
    let home = Home::new();
    home.conf("1", "echo no disks; exit 3");
    let starting = "Starting object-server...(etc/object-server/1.conf)\n";
    assert_eq!(home.run(Command::Start, "object"), (false, format!("{starting}no disks\n\n")));
    home.conf("1", "exit 3");
    assert_eq!(home.run(Command::Start, "object"), (true, starting.into()), "as in Swift");
    assert!(!home.run(Command::Status, "object").0);
}

#[test]
fn daemons_alone_know_once() {
    let home = Home::new();
    home.conf("1", "echo \"$2\" >>$1.args; [ -z \"$2\" ] || exit 0");
    let once = "Running object-updater once...(etc/object-server/1.conf)\n";
    assert_eq!(home.run(Command::Once, "object-updater"), (true, once.into()));
    assert!(!home.run(Command::Status, "object-updater").0);
    assert!(home.run(Command::Start, "object").0);
    assert_eq!(std::fs::read_to_string(home.path("etc/object-server/1.conf.args")).unwrap(), "once\n\n");
}

#[test]
fn who_does_not_end_is_given_up_or_killed() {
    let mut home = Home::new();
    home.conf("1", "trap '' TERM");
    assert!(home.run(Command::Start, "object").0);
    home.options.kill_wait = Duration::from_millis(300);
    let signaled = "Signal object-server  pid: PID  signal: 15\nWaited 0 seconds for object-server to die;";
    assert_eq!(home.run(Command::Stop, "object"), (false, format!("{signaled} giving up\n")));
    home.options.kill_after_timeout = true;
    let killed = format!("{signaled} killing\nSignal object-server  pid: PID  signal: 9\n");
    assert_eq!(home.run(Command::Stop, "object"), (false, killed));
    home.options.kill_wait = Duration::from_secs(60);
    assert_eq!(home.run(Command::Stop, "object").1, "No object-server running\n");
}

#[test]
fn another_program_that_has_the_pid_by_now_is_left_alone() {
    let mut home = Home::new();
    home.options.verbose = true;
    let mut other = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    std::fs::create_dir_all(home.path("run/object-server")).unwrap();
    let write = |text: &str| std::fs::write(home.path("run/object-server/1.pid"), text).unwrap();
    write(&other.id().to_string());
    let removed = "Removing pid file run/object-server/1.pid with";
    let none = "No object-server running\n";
    assert_eq!(home.run(Command::Stop, "object"), (false, format!("{removed} wrong pid PID\n{none}")));
    for text in ["", "x", "0", "-1", "99999999999"] {
        write(text);
        assert_eq!(
            home.run(Command::Stop, "object"),
            (false, format!("{removed} invalid pid\n{none}")),
            "{text}"
        );
    }
    let lives = other.try_wait().unwrap().is_none();
    other.kill().and_then(|()| other.wait()).unwrap();
    assert!(lives);
}

#[test]
fn signals_are_those_that_a_command_means() {
    let home = Home::new();
    home.conf("1", "for n in HUP USR1; do trap \"echo $n >>$1.signals\" $n; done");
    assert!(home.run(Command::Start, "object").0);
    assert!(home.run(Command::ReloadSeamless, "object").0);
    let signals =
        || std::fs::read_to_string(home.path("etc/object-server/1.conf.signals")).unwrap_or_default();
    while signals().is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(signals(), "USR1\n");
    let before = home.pid("object-server/1.pid");
    home.conf("1", "trap 'exit 0' HUP");
    assert!(home.run(Command::Restart, "object").0);
    let between = home.pid("object-server/1.pid");
    assert!(home.run(Command::Reload, "object").0);
    let after = home.pid("object-server/1.pid");
    assert!(before != between && between != after && !after.is_empty());
}

#[test]
fn the_command_stands_last_or_first() {
    let read = |words: &[&str]| {
        let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
        command_of(&words).map(|(command, servers)| (command, servers.join(" ")))
    };
    assert_eq!(
        read(&["main", "object-updater", "start"]),
        Ok((Command::Start, "main object-updater".into()))
    );
    assert_eq!(read(&["reload-seamless", "main"]), Ok((Command::ReloadSeamless, "main".into())));
    assert_eq!(read(&["main", "No_Wait"]), Ok((Command::NoWait, "main".into())));
    assert_eq!(read(&["main", "beginn"]), Err("unknown command, beginn".into()));
    for words in [&[][..], &["start"]] {
        assert_eq!(read(words), Err("specify server(s) and command".into()));
    }
}
