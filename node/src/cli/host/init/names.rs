//! The names that servers and daemons have on the command line, and what they stand for.

use regex::Regex;

/// The servers.
const MAIN: [&str; 4] = ["proxy-server", "account-server", "container-server", "object-server"];
/// The daemons: the only ones that know `once`.
const REST: [&str; 14] = [
    "account-auditor",
    "account-reaper",
    "account-replicator",
    "container-auditor",
    "container-reconciler",
    "container-replicator",
    "container-sharder",
    "container-sync",
    "container-updater",
    "object-auditor",
    "object-expirer",
    "object-reconstructor",
    "object-replicator",
    "object-updater",
];

/// A server or daemon, and which of its configurations is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::host) struct ServerName {
    /// `object-server`, `object-replicator`, …
    pub server: String,
    /// The configuration's name without its ending: `1` for `object-server/1.conf`. All of them where it is not given.
    pub conf: Option<String>,
}

impl ServerName {
    /// Reads `object-server`, `object` or `object.1`.
    pub(in crate::cli::host) fn parse(word: &str) -> Self {
        let word = word.to_lowercase();
        let (server, conf) = match word.rsplit_once('.') {
            Some((server, conf)) => (server, Some(conf.to_owned())),
            None => (word.as_str(), None),
        };
        let server = match server.contains('-') {
            true => server.to_owned(),
            false => format!("{server}-server"),
        };
        Self { server, conf }
    }

    /// The program that is started.
    pub(super) fn program(&self) -> String {
        format!("swift-{}", self.server)
    }

    /// `object` for all that share the configuration of object servers.
    pub(super) fn kind(&self) -> &str {
        self.server.rsplit_once('-').map_or(&self.server, |(kind, _)| kind)
    }

    /// Whether it is a server, and so takes HUP and USR1.
    pub(super) fn is_main(&self) -> bool {
        MAIN.contains(&self.server.as_str())
    }

    /// Whether it can do one pass.
    pub(super) fn knows_once(&self) -> bool {
        REST.contains(&self.server.as_str())
    }
}

/// What the names on a command line stand for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// Each once, in the order of the names, servers before daemons.
    pub names: Vec<ServerName>,
    /// Whether no name stands for several.
    pub is_explicit: bool,
}

/// Resolves `all`, `main`, `rest` and names with `*`.
pub(super) fn resolve(words: &[String]) -> Asked {
    let mut asked = Asked { names: Vec::new(), is_explicit: true };
    let known = || MAIN.into_iter().chain(REST);
    for word in words {
        let group: Vec<&str> = match word.as_str() {
            "all" => known().collect(),
            "main" => MAIN.to_vec(),
            "rest" => REST.to_vec(),
            glob if glob.contains('*') => {
                let beginning = beginning_of(glob);
                known().filter(|name| beginning.as_ref().is_some_and(|regex| regex.is_match(name))).collect()
            }
            _ => {
                asked.add(ServerName::parse(word));
                continue;
            }
        };
        asked.is_explicit = false;
        group.into_iter().for_each(|name| asked.add(ServerName::parse(name)));
    }
    asked
}

/// As in Swift, what a glob matches may go on: `object-*r` finds the object server, too.
fn beginning_of(glob: &str) -> Option<Regex> {
    let parts: Vec<_> = glob.split('*').map(regex::escape).collect();
    Regex::new(&format!("^{}", parts.join(".*"))).ok()
}

impl Asked {
    fn add(&mut self, name: ServerName) {
        if !self.names.contains(&name) {
            self.names.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(words: &[&str]) -> (Vec<String>, bool) {
        let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
        let asked = resolve(&words);
        (asked.names.into_iter().map(|name| name.server).collect(), asked.is_explicit)
    }

    #[test]
    fn names_may_be_short_and_have_a_configuration() {
        let name = |server: &str, conf: Option<&str>| ServerName {
            server: server.into(),
            conf: conf.map(str::to_owned),
        };
        assert_eq!(ServerName::parse("object"), name("object-server", None));
        assert_eq!(ServerName::parse("Object.1"), name("object-server", Some("1")));
        assert_eq!(ServerName::parse("container-sync.a"), name("container-sync", Some("a")));
        assert_eq!(ServerName::parse("container-sync").kind(), "container");
        assert!(ServerName::parse("proxy").is_main() && !ServerName::parse("proxy").knows_once());
        assert!(ServerName::parse("object-updater").knows_once());
    }

    #[test]
    fn groups_and_globs_are_resolved() {
        assert_eq!(resolved(&["all"]).0.len(), 18);
        assert_eq!(resolved(&["main", "proxy"]), (MAIN.map(str::to_owned).to_vec(), false));
        assert_eq!(resolved(&["rest"]).0, REST);
        assert_eq!(
            resolved(&["object-*r"]).0,
            [
                "object-server",
                "object-auditor",
                "object-expirer",
                "object-reconstructor",
                "object-replicator",
                "object-updater"
            ]
        );
        assert_eq!(resolved(&["*-server"]).0, MAIN);
        assert_eq!(resolved(&["no*"]), (vec![], false));
        assert_eq!(resolved(&["object.1", "object.2"]), (vec!["object-server".into(); 2], true));
    }
}
