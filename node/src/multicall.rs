//! Which program we are called as: Swift's names, and what does their work.

use crate::cli::client::ClientCommand;
use crate::cli::host::HostCommand;
use crate::cli::lookup::LookupCommand;
use crate::cli::swauth::SwauthCommand;
use crate::cli::{self, daemon, recon, reconciler_enqueue, relinker, ring_builder, server};
use crate::role::{DaemonKind, ServerKind};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// One of Swift's commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// A server.
    Server(ServerKind),
    /// A daemon.
    Daemon(DaemonKind),
    /// `swift-ring-builder`, or by the name under which it locks its folder.
    RingBuilder(&'static str),
    /// `swift-ring-builder-analyzer`
    RingBuilderAnalyzer,
    /// `swift-recon`
    Recon,
    /// `swift-object-relinker`
    Relinker,
    /// `swift-reconciler-enqueue`
    ReconcilerEnqueue,
    /// A tool that is a client of the cluster.
    Client(ClientCommand),
    /// A tool for one machine.
    Host(HostCommand),
    /// A tool that looks something up.
    Lookup(LookupCommand),
    /// One of swauth's.
    Swauth(SwauthCommand),
    /// One that is known, and not built.
    NotBuilt(&'static str),
}

const RING_BUILDER: Command = Command::RingBuilder("ring-builder");
/// Not installed under this name, but Swift's tool heeds it.
const RING_BUILDER_SAFE: Command = Command::RingBuilder("ring-builder-safe");

const SERVERS: [ServerKind; 4] =
    [ServerKind::Proxy, ServerKind::Account, ServerKind::Container, ServerKind::Object];

/// Those of Swift's commands that are not built yet, without `swift-`.
const NOT_BUILT: [&str; 2] = ["container-sharder", "manage-shard-ranges"];

impl Command {
    /// Every command that is built.
    pub fn built() -> impl Iterator<Item = Self> {
        let daemons = DaemonKind::ALL.into_iter().map(Self::Daemon);
        let clients = ClientCommand::ALL.into_iter().map(Self::Client);
        let hosts = HostCommand::ALL.into_iter().map(Self::Host);
        let lookups = LookupCommand::ALL.into_iter().map(Self::Lookup);
        let swauth = SwauthCommand::ALL.into_iter().map(Self::Swauth);
        SERVERS
            .into_iter()
            .map(Self::Server)
            .chain(daemons)
            .chain([
                RING_BUILDER,
                Self::RingBuilderAnalyzer,
                Self::Recon,
                Self::Relinker,
                Self::ReconcilerEnqueue,
            ])
            .chain(clients)
            .chain(hosts)
            .chain(lookups)
            .chain(swauth)
    }

    /// Its name, without `swift-`; swauth's are whole.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server(kind) => kind.name(),
            Self::Daemon(kind) => kind.name(),
            Self::RingBuilder(name) | Self::NotBuilt(name) => name,
            Self::RingBuilderAnalyzer => "ring-builder-analyzer",
            Self::Recon => "recon",
            Self::Relinker => "object-relinker",
            Self::ReconcilerEnqueue => "reconciler-enqueue",
            Self::Client(command) => command.name(),
            Self::Host(command) => command.name(),
            Self::Lookup(command) => command.name(),
            Self::Swauth(command) => command.name(),
        }
    }

    /// Its name as it is called.
    pub fn program(self) -> String {
        match self {
            Self::Swauth(command) => command.name().to_owned(),
            other => format!("swift-{}", other.name()),
        }
    }

    /// Runs it with the arguments that follow its name.
    pub fn run(self, arguments: Vec<OsString>) -> ExitCode {
        match self {
            Self::Server(kind) => server::run(kind, &arguments),
            Self::Daemon(kind) => daemon::run(kind, &arguments),
            Self::RingBuilder(name) => ring_builder::run(name, arguments),
            Self::RingBuilderAnalyzer => ring_builder::analyzer::run(&arguments),
            Self::Recon => recon::run(&arguments),
            Self::Relinker => relinker::run(&arguments),
            Self::ReconcilerEnqueue => reconciler_enqueue::run(&arguments),
            Self::Client(command) => command.run(&arguments),
            Self::Host(command) => command.run(&arguments),
            Self::Lookup(command) => command.run(&arguments),
            Self::Swauth(command) => command.run(&arguments),
            Self::NotBuilt(name) => {
                eprintln!("swift-{name} is not yet built");
                ExitCode::FAILURE
            }
        }
    }
}

/// The command called `name`, with or without `swift-` in front.
pub fn find(name: &str) -> Option<Command> {
    let name = name.strip_prefix("swift-").unwrap_or(name);
    let not_built = || NOT_BUILT.iter().find(|known| **known == name).map(|known| Command::NotBuilt(known));
    let mut known = Command::built().chain([RING_BUILDER_SAFE]);
    known.find(|command| command.name() == name).or_else(not_built)
}

/// What `swiftlet --help` says of Swift's commands.
pub fn help() -> String {
    let names: Vec<_> = Command::built().map(|command| format!("  {}", command.program())).collect();
    format!(
        "Swift's commands (swiftlet NAME, or NAME itself after swiftlet install-links DIR):\n{}",
        names.join("\n")
    )
}

/// The command whose name we are called as.
fn called_as(arguments: &[OsString]) -> Option<Command> {
    let called =
        arguments.first().map(Path::new).and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    find(&called).filter(|command| called == command.program() || called.starts_with("swift-"))
}

/// Whether these arguments, with the name we are called as, are those of a daemon.
pub fn is_daemon(arguments: &[OsString]) -> bool {
    let named = || find(&arguments.get(1)?.to_string_lossy());
    matches!(called_as(arguments).or_else(named), Some(Command::Daemon(_)))
}

/// Does what the name we are called as asks for.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    match called_as(&arguments) {
        Some(command) => command.run(arguments.into_iter().skip(1).collect()),
        None => cli::run(arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swifts_names_are_found_with_and_without_their_prefix() {
        assert_eq!(find("swift-object-server"), Some(Command::Server(ServerKind::Object)));
        assert_eq!(find("proxy-server"), Some(Command::Server(ServerKind::Proxy)));
        assert_eq!(find("swift-ring-builder-safe"), Some(RING_BUILDER_SAFE));
        assert_eq!(find("swauth-add-user"), Some(Command::Swauth(SwauthCommand::AddUser)));
        assert_eq!(find("swift-nonsense"), None);
    }

    #[test]
    fn daemons_are_known_by_either_name() {
        let is = |words: &str| is_daemon(&words.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert!(is("/usr/bin/swift-object-replicator x.conf") && is("swiftlet object-replicator x.conf"));
        assert!(!is("swift-object-server x.conf") && !is("swiftlet dev") && !is("swiftlet") && !is(""));
    }

    #[test]
    fn nothing_is_both_built_and_not() {
        assert!(Command::built().all(|command| !NOT_BUILT.contains(&command.name())));
    }
}
