//! `swift-get-nodes`: the devices responsible for an account, container, object or partition.

use super::cluster::{Cluster, POLICY_NAME, SWIFT_DIR_OPTION};
use super::locations::{self, Item, Shown, Target};
use crate::cli::optparse::{Given, HELP, Known, Program};
use anyhow::Context;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use swiftlet_ring::Ring;
use swiftlet_types::names::{quote, unquote};
use swiftlet_types::{Policies, python};

const PROGRAM: Program = Program {
    name: "swift-get-nodes",
    usage: "
    Shows the devices that are responsible for an item.
    swift-get-nodes [-a] <ring.gz> <account> [<container> [<object>]]
    swift-get-nodes [-a] <ring.gz> -p <partition>
    swift-get-nodes [-a] -P <policy> <account> [<container> [<object>]]
    swift-get-nodes [-a] -P <policy> -p <partition>
    The item may be one argument, too, its parts separated by /.",
    options_help: "  -a, --all             show all handoffs
  -p PARTITION, --partition=PARTITION
                        show the devices of this partition
  -P POLICY_NAME, --policy-name=POLICY_NAME
                        the storage policy whose ring to look in
  -d SWIFT_DIR, --swift-dir=SWIFT_DIR
                        the folder of swift.conf and rings [/etc/swift]
  -Q, --quoted          the names are URL-quoted",
    known: &[
        Known { letter: Some('a'), name: "all", has_value: false },
        Known { letter: Some('p'), name: "partition", has_value: true },
        POLICY_NAME,
        SWIFT_DIR_OPTION,
        Known { letter: Some('Q'), name: "quoted", has_value: false },
        HELP,
    ],
};

/// Runs the tool.
pub(super) fn run(arguments: &[OsString], out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let given = match PROGRAM.parse(arguments) {
        Ok(given) => given,
        Err(code) => return Ok(code),
    };
    let cluster = Cluster::of(&given)?;
    let request = match Request::read(&given, &cluster.policies) {
        Ok(request) => request,
        Err(mistake) => {
            PROGRAM.print_help();
            eprintln!("ERROR: {mistake}");
            return Ok(ExitCode::FAILURE);
        }
    };
    request.answer(&cluster, out)
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    /// The ring's file, unless the policy tells which ring.
    ring_file: Option<PathBuf>,
    policy: Option<u32>,
    /// Account, container and object, as many as were given.
    names: Vec<String>,
    partition: Option<String>,
    all_handoffs: bool,
}

impl Request {
    /// Reads the arguments; the error is Swift's text of what is wrong with them.
    fn read(given: &Given, policies: &Policies) -> Result<Self, String> {
        let option = |name| given.value(name).filter(|value| !value.is_empty());
        let mut words = &given.arguments[..];
        let (mut ring_file, mut policy) = (None, None);
        if let Some(name) = option(POLICY_NAME.name) {
            let found = policies.by_name(name);
            policy = Some(found.ok_or_else(|| format!("No policy named {}", python::repr(name)))?.index);
        } else if let Some((first, rest)) =
            words.split_first().filter(|(first, _)| first.ends_with(".ring.gz"))
        {
            if !Path::new(first).exists() {
                return Err("Ring file does not exist".to_owned());
            }
            (ring_file, words) = (Some(PathBuf::from(first)), rest);
        }
        let unquoted = |word: &String| String::from_utf8_lossy(&unquote(word)).into_owned();
        let mut names: Vec<String> =
            if given.has("quoted") { words.iter().map(unquoted).collect() } else { words.to_vec() };
        if let [path] = &names[..] {
            names = path.trim_matches('/').splitn(3, '/').map(str::to_owned).collect();
        }
        let partition = option("partition").map(str::to_owned);
        if ring_file.is_none() && policy.is_none() {
            return Err("Need to specify policy_name or <ring.gz>".to_owned());
        }
        if names.is_empty() && partition.is_none() {
            return Err("No target specified".to_owned());
        }
        if names.len() > 3 {
            return Err("Invalid arguments".to_owned());
        }
        Ok(Self { ring_file, policy, names, partition, all_handoffs: given.has("all") })
    }

    fn item(&self) -> Item<'_> {
        let name = |at: usize| self.names.get(at).map_or("", String::as_str);
        Item { account: name(0), container: name(1), object: name(2) }
    }

    fn answer(&self, cluster: &Cluster, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let item = self.item();
        let found = self.find_ring(cluster)?;
        if let Some(missing) = self.missing() {
            writeln!(out, "{missing}")?;
            return Ok(ExitCode::FAILURE);
        }
        let place = Place::of(&item, self.partition.is_some(), &found.name)?;
        if let Some(warning) = place.warning {
            writeln!(out, "{warning}")?;
        }
        if !item.account.is_empty() {
            writeln!(out, "\nAccount  \t{}", quote(item.account))?;
        }
        if !item.container.is_empty() {
            writeln!(out, "Container\t{}", quote(item.container))?;
        }
        if !item.object.is_empty() {
            writeln!(out, "Object   \t{}\n\n", quote(item.object))?;
        }
        let path = item.path();
        let target = match &self.partition {
            None => Target::Item(item, &cluster.hash),
            // What Python makes of an account that was not given.
            Some(text) => {
                Target::Partition(partition(text)?, if self.names.is_empty() { "None" } else { &path })
            }
        };
        let policy = place.policy.or(found.policy);
        let shown = Shown { data_dir: &place.data_dir, policy, all_handoffs: self.all_handoffs };
        locations::print(out, &found.ring, &target, &shown)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The ring asked for: with a policy it is the ring of its objects, unless an account or container is looked for.
    fn find_ring(&self, cluster: &Cluster) -> anyhow::Result<Found> {
        if let Some(file) = &self.ring_file {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let name = name.strip_suffix(".ring.gz").unwrap_or(&name).to_owned();
            return Ok(Found { ring: cluster.load_ring(file)?, name, policy: None });
        }
        let policy = self.policy.context("there is neither a ring nor a policy")?;
        let item = self.item();
        if !item.object.is_empty() || self.partition.is_some() {
            let name = swiftlet_types::policy::path_name("object", policy);
            return Ok(Found { ring: cluster.object_ring(policy)?, name, policy: Some(policy) });
        }
        let name = if item.container.is_empty() { "account" } else { "container" };
        Ok(Found { ring: cluster.ring(name)?, name: name.to_owned(), policy: None })
    }

    /// What of the item should have been given, in Swift's words.
    fn missing(&self) -> Option<&'static str> {
        let Item { account, container, object } = self.item();
        match (account.is_empty(), container.is_empty(), object.is_empty()) {
            (true, false, _) | (true, _, false) => Some("No account specified"),
            (_, true, false) => Some("No container specified"),
            (true, true, true) if self.partition.is_none() => Some("No target specified"),
            _ => None,
        }
    }
}

struct Found {
    ring: Ring,
    /// Its file's name without `.ring.gz`.
    name: String,
    /// The policy that led to it.
    policy: Option<u32>,
}

/// Where on a device an item of a ring of this name lies.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    data_dir: String,
    /// The policy that the ring's name tells.
    policy: Option<u32>,
    warning: Option<&'static str>,
}

impl Place {
    fn of(item: &Item<'_>, has_partition: bool, ring_name: &str) -> anyhow::Result<Self> {
        let of_policy =
            ring_name.split_once('-').filter(|_| ring_name.starts_with("object")).map(|(_, after)| after);
        let mut place = Self { data_dir: String::new(), policy: None, warning: None };
        if has_partition {
            place.data_dir =
                of_policy.map_or_else(|| format!("{ring_name}s"), |index| format!("objects-{index}"));
        }
        let names = [item.account, item.container, item.object].map(|name| !name.is_empty());
        match names {
            [true, true, true] => {
                let index = ring_name.rsplit('-').next().filter(|_| of_policy.is_some());
                let number = |text: &str| {
                    text.parse::<u32>().with_context(|| format!("{ring_name} is no name of an object ring"))
                };
                place.policy = index.map(number).transpose()?;
                place.data_dir =
                    place.policy.map_or("objects".to_owned(), |index| format!("objects-{index}"));
            }
            [true, true, false] => {
                place.data_dir = "containers".to_owned();
                place.warning = (ring_name != "container")
                    .then_some("WARNING: account/container specified but ring not named \"container\"");
            }
            [true, false, false] => {
                place.data_dir = "accounts".to_owned();
                place.warning = (ring_name != "account")
                    .then_some("WARNING: account specified but ring not named \"account\"");
            }
            _ => {}
        }
        Ok(place)
    }
}

fn partition(text: &str) -> anyhow::Result<u32> {
    let number = python::int(text).and_then(|number| u32::try_from(number).ok());
    number.with_context(|| format!("{} is no partition", python::repr(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Request, String> {
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        Request::read(&PROGRAM.parse(&arguments).expect("options that it knows"), &Policies::default())
    }

    #[test]
    fn an_item_is_one_argument_or_several() {
        for arguments in [
            &["a", "c", "o/p q"][..],
            &["/a/c/o/p q"],
            &["-Q", "/a/c/o%2Fp%20q"],
            &["-Q", "a", "c", "o/p%20q"],
        ] {
            let request = read(&[&["-P", "policy-0"][..], arguments].concat()).unwrap();
            let Item { account, container, object } = request.item();
            assert_eq!((account, container, object), ("a", "c", "o/p q"), "{arguments:?}");
            assert_eq!((request.policy, request.missing()), (Some(0), None));
        }
    }

    #[test]
    fn mistakes_are_told_in_swifts_words() {
        for (arguments, words) in [
            (&[][..], "Need to specify policy_name or <ring.gz>"),
            (&["a"], "Need to specify policy_name or <ring.gz>"),
            (&["-P", "it's"], "No policy named \"it's\""),
            (&["/no/such.ring.gz", "a"], "Ring file does not exist"),
            (&["-P", "Policy-0"], "No target specified"),
            (&["-P", "Policy-0", "a", "c", "o", "p"], "Invalid arguments"),
        ] {
            assert_eq!(read(arguments).unwrap_err(), words);
        }
        for (names, words) in [
            (&[""][..], "No target specified"),
            (&["", "c"], "No account specified"),
            (&["a", "", "o"], "No container specified"),
        ] {
            assert_eq!(read(&[&["-P", "Policy-0"][..], names].concat()).unwrap().missing(), Some(words));
        }
    }

    #[test]
    fn the_rings_name_tells_the_folder() {
        let object = Item { account: "a", container: "c", object: "o" };
        let container = Item { object: "", ..object };
        let place = |item: &Item<'_>, has_partition, ring| {
            let Place { data_dir, policy, warning } = Place::of(item, has_partition, ring).unwrap();
            (data_dir, policy, warning.is_some())
        };
        assert_eq!(place(&object, false, "object-2"), ("objects-2".into(), Some(2), false));
        assert_eq!(place(&object, false, "account"), ("objects".into(), None, false));
        assert_eq!(place(&container, false, "container"), ("containers".into(), None, false));
        assert_eq!(place(&container, false, "object"), ("containers".into(), None, true));
        assert_eq!(place(&Item::default(), true, "object-2"), ("objects-2".into(), None, false));
        assert_eq!(place(&Item::default(), true, "container"), ("containers".into(), None, false));
        assert!(Place::of(&object, false, "object-two").is_err());
    }

    #[test]
    fn partitions_are_numbers_of_a_ring() {
        assert_eq!(partition(" 7 ").unwrap(), 7);
        for bad in ["", "-1", "x", "4294967296"] {
            assert!(partition(bad).is_err(), "{bad:?}");
        }
    }
}
