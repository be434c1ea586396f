//! `swift-container-info` and `swift-account-info`: what a database on a device holds. They look at a snapshot, so that
//! nothing on the device changes.

use super::cluster::{Cluster, SWIFT_DIR_OPTION};
use super::locations::{self, Item, Shown, Target};
use super::{DROP_PREFIXES, one_file};
use crate::cli::optparse::{Given, HELP, Known, Program};
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use swiftlet_storage::db::{
    Account, Broker, Container, ContainerInfo, DbError, Direction, Kind, Metadata, ShardQuery, ShardRange,
    Snapshot,
};
use swiftlet_types::python::{repr, title};
use swiftlet_types::timestamp::Timestamp;

const VERBOSE: Known = Known { letter: Some('v'), name: "verbose", has_value: false };
const SYNC: Known = Known { letter: Some('s'), name: "sync", has_value: false };

const CONTAINER: Program = Program {
    name: "swift-container-info",
    usage: "swift-container-info [options] CONTAINER_DB_FILE",
    options_help: "  -d SWIFT_DIR, --swift-dir=SWIFT_DIR
                        the folder of swift.conf and rings [/etc/swift]
  --drop-prefixes       show metadata without the prefix that its section has in common
  -v, --verbose         show every shard range
  -s, --sync            show up to where replicas are in step",
    known: &[SWIFT_DIR_OPTION, DROP_PREFIXES, VERBOSE, SYNC, HELP],
};

const ACCOUNT: Program = Program {
    name: "swift-account-info",
    usage: "swift-account-info [options] ACCOUNT_DB_FILE",
    options_help: "  -d SWIFT_DIR, --swift-dir=SWIFT_DIR
                        the folder of swift.conf and rings [/etc/swift]
  --drop-prefixes       show metadata without the prefix that its section has in common
  -s, --sync            show up to where replicas are in step",
    known: &[SWIFT_DIR_OPTION, DROP_PREFIXES, SYNC, HELP],
};

/// Runs `swift-container-info`.
pub(super) fn run_container(arguments: &[OsString], out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    run(&CONTAINER, "container", arguments, out, |path, report, out| {
        let broker = Snapshot::of_container(path)?;
        report.container(&broker, out)
    })
}

/// Runs `swift-account-info`.
pub(super) fn run_account(arguments: &[OsString], out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    run(&ACCOUNT, "account", arguments, out, |path, report, out| {
        let broker = Snapshot::of_account(path)?;
        report.account(&broker, out)
    })
}

fn run(
    program: &Program,
    kind: &'static str,
    arguments: &[OsString],
    out: &mut dyn Write,
    show: impl FnOnce(&Path, &Report<'_>, &mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let (given, file) = match one_file(program, arguments) {
        Ok(given) => given,
        Err(code) => return Ok(code),
    };
    if !Path::new(&file).exists() || !file.ends_with(".db") {
        writeln!(out, "DB file doesn't exist")?;
        return Ok(ExitCode::FAILURE);
    }
    let cluster = Cluster::of(&given)?;
    let report = Report { kind, given: &given, cluster: &cluster };
    let here = if file.starts_with('/') || file.starts_with("./") { "" } else { "./" };
    let file = format!("{here}{file}");
    let Err(error) = show(Path::new(&file), &report, out) else { return Ok(ExitCode::SUCCESS) };
    match error.downcast_ref::<DbError>() {
        Some(DbError::Sqlite { source, .. }) if source.to_string().contains("no such table") => {
            writeln!(out, "Does not appear to be a DB of type \"{kind}\": {file}")?;
            Ok(ExitCode::FAILURE)
        }
        Some(DbError::LockTimeout { timeout, .. }) => {
            // Swift looks a second time, as long and in vain, before it gives up.
            writeln!(out, "WARNING: Possibly Stale Data")?;
            writeln!(out, "{} info failed: {} seconds: {file}", title(kind), timeout.as_secs())?;
            Ok(ExitCode::FAILURE)
        }
        // It is the snapshot that was set aside; the database itself is where it was.
        Some(DbError::Quarantined { reason, .. }) => anyhow::bail!("{file}: {reason}"),
        _ => Err(error),
    }
}

/// What is shown of a database.
struct Report<'a> {
    /// `account` or `container`.
    kind: &'static str,
    given: &'a Given,
    cluster: &'a Cluster,
}

impl Report<'_> {
    fn container(&self, broker: &Broker<Container>, out: &mut dyn Write) -> anyhow::Result<()> {
        let info = broker.info()?;
        let item = Item { account: &info.account, container: &info.container, object: "" };
        self.head(&item, broker.is_deleted()?, out)?;
        let times = [&info.created_at, &info.put_timestamp, &info.delete_timestamp, &info.status_changed_at];
        print_times(times, out)?;
        self.counts_of_container(&info, out)?;
        writeln!(out, "  Chexor: {}\n  UUID: {}", info.hash, info.id)?;
        writeln!(out, "  X-Container-Sync-Point1: {}", info.x_container_sync_point1)?;
        writeln!(out, "  X-Container-Sync-Point2: {}", info.x_container_sync_point2)?;
        self.metadata(&broker.metadata()?, out)?;
        let kind = if broker.is_root_container()? { "root" } else { "shard" };
        writeln!(out, "Sharding Metadata:\n  Type: {kind}\n  State: {}", info.db_state.name())?;
        let ranges = broker.shard_ranges(&ShardQuery::default())?;
        if !ranges.is_empty() {
            self.shard_ranges(&ranges, out)?;
        }
        self.tail(broker, item, out)
    }

    fn account(&self, broker: &Broker<Account>, out: &mut dyn Write) -> anyhow::Result<()> {
        let info = broker.info()?;
        let item = Item { account: &info.account, ..Item::default() };
        self.head(&item, broker.is_deleted()?, out)?;
        let times = [&info.created_at, &info.put_timestamp, &info.delete_timestamp, &info.status_changed_at];
        print_times(times, out)?;
        writeln!(out, "  Container Count: {}", info.container_count)?;
        writeln!(out, "  Object Count: {}\n  Bytes Used: {}", info.object_count, info.bytes_used)?;
        writeln!(out, "  Chexor: {}\n  UUID: {}", info.hash, info.id)?;
        self.metadata(&broker.metadata()?, out)?;
        self.tail(broker, item, out)
    }

    fn head(&self, item: &Item<'_>, is_deleted: bool, out: &mut dyn Write) -> anyhow::Result<()> {
        writeln!(out, "Path: /{}\n  Account: {}", item.path(), item.account)?;
        if self.kind == "container" {
            writeln!(out, "  Container: {}", item.container)?;
        }
        writeln!(out, "  Deleted: {}", if is_deleted { "True" } else { "False" })?;
        writeln!(out, "  {} Hash: {}", title(self.kind), item.hash(&self.cluster.hash))?;
        Ok(writeln!(out, "Metadata:")?)
    }

    fn counts_of_container(&self, info: &ContainerInfo, out: &mut dyn Write) -> anyhow::Result<()> {
        writeln!(out, "  Object Count: {}\n  Bytes Used: {}", info.object_count, info.bytes_used)?;
        let index = info.storage_policy_index;
        let policy = u32::try_from(index).ok().and_then(|index| self.cluster.policies.by_index(index));
        writeln!(out, "  Storage Policy: {} ({index})", policy.map_or("Unknown", |policy| policy.name()))?;
        writeln!(out, "  Reported Put Timestamp: {}", moment(&info.reported_put_timestamp)?)?;
        writeln!(out, "  Reported Delete Timestamp: {}", moment(&info.reported_delete_timestamp)?)?;
        writeln!(out, "  Reported Object Count: {}", info.reported_object_count)?;
        Ok(writeln!(out, "  Reported Bytes Used: {}", info.reported_bytes_used)?)
    }

    fn metadata(&self, metadata: &Metadata, out: &mut dyn Write) -> anyhow::Result<()> {
        let prefixes = ["sysmeta", "meta"].map(|word| format!("x-{}-{word}-", self.kind));
        let mut sections: [Vec<(&str, &str)>; 2] = Default::default();
        for entry in metadata.entries() {
            let Some(at) = prefixes.iter().position(|prefix| has_prefix(&entry.key, prefix)) else {
                writeln!(out, "  {}: {}", title(&entry.key.replace('_', "-")), entry.value)?;
                continue;
            };
            let dropped = if self.given.has(DROP_PREFIXES.name) { prefixes[at].len() } else { 0 };
            let key = &entry.key[dropped..];
            match sections[at].iter_mut().find(|(known, _)| *known == key) {
                Some(known) => known.1 = &entry.value,
                None => sections[at].push((key, &entry.value)),
            }
        }
        for (word, fields) in ["system", "user"].into_iter().zip(&sections) {
            if fields.is_empty() {
                writeln!(out, "No {word} metadata found in db file")?;
                continue;
            }
            writeln!(out, "  {} Metadata:", title(word))?;
            fields.iter().try_for_each(|(key, value)| writeln!(out, "    {key}: {value}"))?;
        }
        Ok(())
    }

    fn shard_ranges(&self, ranges: &[ShardRange], out: &mut dyn Write) -> anyhow::Result<()> {
        writeln!(out, "Shard Ranges ({}):\n  States:", ranges.len())?;
        let mut states: Vec<_> = ranges.iter().map(|range| range.state).collect();
        states.sort();
        for same in states.chunk_by(|a, b| a == b) {
            writeln!(out, "    {:>9}: {}", same[0].name(), same.len())?;
        }
        if !self.given.has(VERBOSE.name) {
            return Ok(writeln!(out, "(Use -v/--verbose to show more Shard Ranges details)")?);
        }
        for range in ranges {
            writeln!(out, "  Name: {}", range.name)?;
            writeln!(out, "    lower: {}, upper: {}", repr(&range.lower), repr(&range.upper))?;
            let (count, bytes, state) = (range.object_count, range.bytes_used, range.state);
            let state = format!("{} ({})", state.name(), state.number());
            writeln!(out, "    Object Count: {count}, Bytes Used: {bytes}, State: {state}")?;
            for (title, time) in [("Created at", range.timestamp), ("Meta Timestamp", range.meta_timestamp)] {
                writeln!(out, "    {title}: {} ({})", time.isoformat(), time.internal())?;
            }
        }
        Ok(())
    }

    /// Where replicas are in step, if that is asked for, and where the database lies, if the ring is there.
    fn tail<K: Kind>(&self, broker: &Broker<K>, item: Item<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
        if self.given.has(SYNC.name) {
            for (word, direction) in [("Incoming", Direction::Incoming), ("Outgoing", Direction::Outgoing)] {
                writeln!(out, "{word} Syncs:")?;
                print_sync_points(broker, direction, out)?;
            }
        }
        if let Ok(ring) = self.cluster.ring(self.kind) {
            let shown = Shown { data_dir: K::DATA_DIR, policy: None, all_handoffs: false };
            locations::print(out, &ring, &Target::Item(item, &self.cluster.hash), &shown)?;
        }
        Ok(())
    }
}

fn print_times(times: [&String; 4], out: &mut dyn Write) -> anyhow::Result<()> {
    for (title, time) in
        ["Created at", "Put Timestamp", "Delete Timestamp", "Status Timestamp"].into_iter().zip(times)
    {
        writeln!(out, "  {title}: {}", moment(time)?)?;
    }
    Ok(())
}

/// A stored timestamp as a date, and as it is stored.
fn moment(stored: &str) -> anyhow::Result<String> {
    Ok(format!("{} ({stored})", stored.parse::<Timestamp>()?.isoformat()))
}

fn print_sync_points<K: Kind>(
    broker: &Broker<K>,
    direction: Direction,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut points = Vec::new();
    for (point, time) in broker.sync_points_and_times(direction)? {
        points.push((point.sync_point.to_string(), point.remote_id, moment(&time)?));
    }
    let (titles, len) = (("Sync Point", "Remote ID"), |text: &str| text.chars().count());
    let point_len = points.iter().map(|(point, ..)| len(point)).chain([len(titles.0)]).max().unwrap_or(0);
    let remote_len =
        points.iter().map(|(_, remote, _)| len(remote)).chain([len(titles.1)]).max().unwrap_or(0);
    writeln!(out, "  {:<point_len$}\t{:<remote_len$}\tUpdated At", titles.0, titles.1)?;
    for (point, remote, time) in points {
        writeln!(out, "  {point:<point_len$}\t{remote:<remote_len$}\t{time}")?;
    }
    Ok(())
}

/// Whether `key` starts with `prefix`, in any case, and goes on.
fn has_prefix(key: &str, prefix: &str) -> bool {
    key.len() > prefix.len() && key.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_followed_by_a_name() {
        assert!(has_prefix("X-Account-Meta-a", "x-account-meta-"));
        assert!(!has_prefix("X-Account-Meta-", "x-account-meta-"));
        assert!(!has_prefix("X-Account-Metaü", "x-account-meta-"));
    }

    #[test]
    fn moments_keep_what_is_stored() {
        assert_eq!(moment("0").unwrap(), "1970-01-01T00:00:00.000000 (0)");
        assert!(moment("").is_err());
    }
}
