//! The command line.

use crate::cli::optparse::{Given, HELP, Known, Program};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

/// The checks that options ask for, in the order in which they are done.
pub(super) const CHECKS: [&str; 17] = [
    "async",
    "unmounted",
    "replication",
    "auditor",
    "updater",
    "expirer",
    "sharding",
    "reconstruction",
    "validate-servers",
    "loadstats",
    "diskusage",
    "md5",
    "quarantined",
    "sockstat",
    "driveaudit",
    "time",
    "swift-versions",
];

const fn flag(letter: Option<char>, name: &'static str) -> Known {
    Known { letter, name, has_value: false }
}

const fn valued(letter: Option<char>, name: &'static str) -> Known {
    Known { letter, name, has_value: true }
}

const KNOWN: &[Known] = &[
    HELP,
    flag(Some('v'), "verbose"),
    flag(None, "suppress"),
    flag(Some('a'), "async"),
    flag(Some('r'), "replication"),
    flag(Some('R'), "reconstruction"),
    flag(None, "auditor"),
    flag(None, "updater"),
    flag(None, "expirer"),
    flag(None, "sharding"),
    flag(Some('u'), "unmounted"),
    flag(Some('d'), "diskusage"),
    flag(None, "human-readable"),
    flag(Some('l'), "loadstats"),
    flag(Some('q'), "quarantined"),
    flag(None, "validate-servers"),
    flag(None, "md5"),
    flag(None, "sockstat"),
    flag(None, "driveaudit"),
    flag(Some('T'), "time"),
    valued(None, "jitter"),
    flag(None, "swift-versions"),
    valued(None, "top"),
    valued(None, "lowest"),
    flag(None, "all"),
    valued(None, "region"),
    valued(Some('z'), "zone"),
    valued(Some('t'), "timeout"),
    valued(None, "swiftdir"),
    valued(Some('p'), "policy"),
];

pub(super) const PROGRAM: Program = Program {
    name: "swift-recon",
    usage: "swift-recon [account] [container] [object] [options]   (default: object)",
    options_help: "  -v, --verbose         show what each server answers
  --suppress            do not show servers that cannot be asked
  -a, --async           async pendings
  -r, --replication     replication
  -R, --reconstruction  reconstruction
  --auditor             auditors
  --updater             updaters
  --expirer             expirers
  --sharding            sharders
  -u, --unmounted       devices that are not mounted
  -d, --diskusage       how full devices are
  --human-readable      sizes in kB, MB, … (with -d)
  --top=COUNT           the fullest devices, too (with -d)
  --lowest=COUNT        the emptiest devices, too (with -d)
  -l, --loadstats       load averages
  -q, --quarantined     what is quarantined
  --validate-servers    whether each address is a server of that type
  --md5                 whether rings and swift.conf are those of this machine
  --sockstat            sockets
  --driveaudit          errors that drive-audit found
  -T, --time            whether clocks agree
  --jitter=SECONDS      by how much they may differ (with -T)
  --swift-versions      versions
  --all                 all of these that the type has
  --region=REGION       servers of this region alone
  -z ZONE, --zone=ZONE  servers of this zone alone
  -t SECONDS, --timeout=SECONDS
                        how long a server may take (default: 5)
  --swiftdir=DIR        where rings and swift.conf are (default: /etc/swift)
  -p POLICY, --policy=POLICY
                        object servers of this policy alone, by name or index",
    known: KNOWN,
};

/// A kind of storage server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ServerType {
    Account,
    Container,
    Object,
}

impl ServerType {
    pub fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Container => "container",
            Self::Object => "object",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Account, Self::Container, Self::Object].into_iter().find(|server| server.name() == name)
    }
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Options {
    given: Given,
    pub servers: BTreeSet<ServerType>,
    pub swift_dir: String,
    pub policy: Option<String>,
    pub region: Option<u32>,
    pub zone: Option<u32>,
    pub timeout: Duration,
    pub jitter_s: f64,
    pub top: usize,
    pub lowest: usize,
}

impl Options {
    /// Reads the arguments; the error is the exit code, all having been said.
    pub fn parse(arguments: &[OsString]) -> Result<Self, ExitCode> {
        let given = PROGRAM.parse(arguments)?;
        if arguments.is_empty() || given.arguments.len() > 3 {
            PROGRAM.print_help();
            return Err(ExitCode::SUCCESS);
        }
        let named: Option<BTreeSet<_>> =
            given.arguments.iter().map(|name| ServerType::from_name(name)).collect();
        let Some(mut servers) = named else {
            println!("Invalid Server Type");
            PROGRAM.print_help();
            return Err(ExitCode::FAILURE);
        };
        if servers.is_empty() {
            servers.insert(ServerType::Object);
        }
        Ok(Self {
            servers,
            swift_dir: given.value("swiftdir").unwrap_or("/etc/swift").to_owned(),
            policy: given.value("policy").map(str::to_owned),
            region: number(&given, "region", "integer")?,
            zone: number(&given, "zone", "integer")?,
            timeout: Duration::from_secs(number(&given, "timeout", "integer")?.unwrap_or(5)),
            jitter_s: number(&given, "jitter", "floating-point")?.map_or(0.0, f64::abs),
            top: number(&given, "top", "integer")?.unwrap_or(0),
            lowest: number(&given, "lowest", "integer")?.unwrap_or(0),
            given,
        })
    }

    /// Whether an option was given.
    pub fn has(&self, name: &str) -> bool {
        self.given.has(name)
    }
}

fn number<T: std::str::FromStr>(given: &Given, name: &str, kind: &str) -> Result<Option<T>, ExitCode> {
    let parse = |text: &str| {
        let mistake = || PROGRAM.mistake(&format!("option --{name}: invalid {kind} value: '{text}'"));
        text.trim().parse().map_err(|_| mistake())
    };
    given.value(name).map(parse).transpose()
}
