//! The options by which devices are described, and numbers as Python reads them.

use swiftlet_ring::address::normalize_address;
use swiftlet_ring::builder::{DeviceChange, Search};

use super::{Exit, Session, Stop};
use crate::cli::optparse::{Given, Known, parse};

const fn with_value(letter: char, name: &'static str) -> Known {
    Known { letter: Some(letter), name, has_value: true }
}

/// Options of the commands on devices.
const DEVICE_OPTIONS: &[Known] = &[
    with_value('u', "id"),
    with_value('r', "region"),
    with_value('z', "zone"),
    with_value('i', "ip"),
    with_value('p', "port"),
    with_value('j', "replication-ip"),
    with_value('q', "replication-port"),
    with_value('d', "device"),
    with_value('w', "weight"),
    with_value('m', "meta"),
    with_value('I', "change-ip"),
    with_value('P', "change-port"),
    with_value('J', "change-replication-ip"),
    with_value('Q', "change-replication-port"),
    with_value('D', "change-device"),
    with_value('M', "change-meta"),
    Known { letter: Some('y'), name: "yes", has_value: false },
    Known { letter: Some('h'), name: "help", has_value: false },
];

/// Options that describe a device; with one of them no description by position is allowed.
const DESCRIBING: &[&str] =
    &["id", "region", "zone", "ip", "port", "replication-ip", "replication-port", "device", "weight", "meta"];

impl Session<'_> {
    /// The options and arguments of a command on devices.
    pub(super) fn device_arguments(&mut self, args: &[String]) -> Result<Given, Stop> {
        self.options(args, DEVICE_OPTIONS)
    }

    /// The options and arguments of a command. A mistake is complained about on standard error.
    pub(super) fn options(&mut self, args: &[String], known: &'static [Known]) -> Result<Given, Stop> {
        let given = parse(args, known).map_err(|error| usage_error(&error))?;
        if given.has("help") {
            self.print("Usage: swift-ring-builder [options]\n\nOptions:\n  -h, --help");
            for option in known.iter().filter(|option| option.name != "help") {
                let letter = option.letter.map(|letter| format!("-{letter}, ")).unwrap_or_default();
                self.print(&format!("  {letter}--{}", option.name));
            }
            return Err(Stop::Silent(Exit::Success));
        }
        Ok(given)
    }
}

/// What `optparse` says of a wrong option.
pub(super) fn usage_error(error: &str) -> Stop {
    Stop::Failed(format!("Usage: swift-ring-builder [options]\n\nswift-ring-builder: error: {error}"))
}

/// Whether devices are described by options.
pub(super) fn describes(given: &Given) -> bool {
    DESCRIBING.iter().any(|name| given.value(name).is_some_and(|value| !value.is_empty()))
}

/// A number among the options.
pub(super) fn number<T: std::str::FromStr>(given: &Given, name: &str) -> Result<Option<T>, Stop> {
    let kind = if name == "weight" { "floating-point" } else { "integer" };
    let parse = |text: &str| {
        text.trim()
            .parse()
            .map_err(|_| usage_error(&format!("option --{name}: invalid {kind} value: '{text}'")))
    };
    given.value(name).map(parse).transpose()
}

fn address(given: &Given, name: &str) -> Result<Option<String>, Stop> {
    let normalize =
        |text: &str| normalize_address(text).ok_or_else(|| Stop::Refused(format!("Invalid address {text}")));
    given.value(name).filter(|text| !text.is_empty()).map(normalize).transpose()
}

fn text(given: &Given, name: &str) -> Option<String> {
    given.value(name).map(str::to_owned)
}

/// The devices that options ask for.
pub(super) fn search_of(given: &Given) -> Result<Search, Stop> {
    Ok(Search {
        id: number(given, "id")?,
        region: number(given, "region")?,
        zone: number(given, "zone")?,
        ip: address(given, "ip")?,
        port: number(given, "port")?,
        replication_ip: address(given, "replication-ip")?,
        replication_port: number(given, "replication-port")?,
        device: text(given, "device"),
        weight: number(given, "weight")?,
        meta: text(given, "meta"),
    })
}

/// The new values that options give.
pub(super) fn change_of(given: &Given) -> Result<DeviceChange, Stop> {
    Ok(DeviceChange {
        ip: address(given, "change-ip")?,
        port: number(given, "change-port")?,
        replication_ip: address(given, "change-replication-ip")?,
        replication_port: number(given, "change-replication-port")?,
        device: text(given, "change-device").filter(|name| !name.is_empty()),
        meta: text(given, "change-meta").filter(|meta| !meta.is_empty()),
    })
}

/// `int(text)`.
pub(super) fn int<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| match text.trim().parse::<i128>() {
        Ok(_) => format!("number out of range: {text}"),
        Err(_) => format!("invalid literal for int() with base 10: '{text}'"),
    })
}

/// `float(text)`.
pub(super) fn float(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| format!("could not convert string to float: '{text}'"))
}
