//! Asking each server that should have something whether it has it.

use super::progress::{CLEAR_LINE, Progress};
use super::settings::{CONTAINER_ONLY, INSECURE, OBJECT_ONLY, POLICY_NAME, Settings, exit};
use super::user::{User, UserError};
use crate::cli::foreground::runtime;
use crate::cli::optparse::{Given, HELP, Known, Program};
use crate::http::{Client, ClientOptions, Method, Request, Timeouts};
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::io::{self, Write, stdout};
use std::process::ExitCode;
use std::time::Duration;
use swiftlet_ring::{Device, Ring, bracketed};
use swiftlet_types::names::quote;

const JSON: Known = Known { letter: Some('j'), name: "dump-json", has_value: false };
const DEBUG: Known = Known { letter: Some('d'), name: "debug", has_value: false };
const PARTITIONS: Known = Known { letter: Some('p'), name: "partitions", has_value: false };
const PROGRAM: Program = Program {
    name: "swift-dispersion-report",
    usage: "swift-dispersion-report [options] [conf_file]\n\n[conf_file] defaults to /etc/swift/dispersion.conf",
    options_help: "  -j, --dump-json       tell it as JSON\n  \
                   -d, --debug           tell on standard error who answers 404\n  \
                   -p, --partitions      tell on standard error which partitions lack copies\n  \
                   --container-only      look for containers alone\n  \
                   --object-only         look for objects alone\n  \
                   --insecure            do not verify Keystone's certificate\n  \
                   -P NAME, --policy-name=NAME\n                        \
                   the storage policy that is meant",
    known: &[HELP, JSON, DEBUG, PARTITIONS, CONTAINER_ONLY, OBJECT_ONLY, INSECURE, POLICY_NAME],
};
/// How long a server may take to accept a connection, and to answer.
const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(5), node: Duration::from_secs(15) };
/// The pause before a server is asked again; each one is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Runs it with the arguments that follow its name.
pub(in crate::cli::client) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let given = match PROGRAM.parse(arguments) {
        Ok(given) => given,
        Err(code) => return Ok(code),
    };
    let settings = match Settings::read(&given)? {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    let options = &settings.options;
    let is_json = given.has(JSON.name) || options.bool("dump_json", false);
    if !is_json {
        println!("Using storage policy: {} ", settings.policy.name());
    }
    let containers = options.bool("container_report", true) && !given.has(OBJECT_ONLY.name);
    let objects = options.bool("object_report", true) && !given.has(CONTAINER_ONLY.name);
    if !containers && !objects {
        return Ok(exit("Neither container or object report is set to run"));
    }
    let asker = Asker::new(&given, &settings, is_json);
    runtime(Some(1))?.block_on(report(&settings, asker, containers, objects))?;
    Ok(ExitCode::SUCCESS)
}

async fn report(
    settings: &Settings,
    asker: Asker<'_>,
    containers: bool,
    objects: bool,
) -> anyhow::Result<()> {
    let user = User::sign_in(&settings.account).await?;
    let (index, hash, account) = (settings.policy.index, &settings.swift.hash, user.account());
    let mut told = Vec::new();
    if containers {
        let names = user.names(None, &format!("dispersion_{index}")).await?;
        let ring = settings.ring("container")?;
        let partition = |name: &str| ring.partition(&hash.container(account, name));
        let kind = Kind { is_of_objects: false, ring: &ring, path: format!("{account}/") };
        told.push(format!("\"container\": {}", asker.report(&kind, names, partition).await?));
    }
    if objects {
        let container = format!("dispersion_objects_{index}");
        let names = match user.names(Some(&container), "dispersion_").await {
            Err(UserError::Status { status: 404, .. }) => Vec::new(),
            names => names?,
        };
        let ring = settings.object_ring()?;
        let partition = |name: &str| ring.partition(&hash.object(account, &container, name));
        let kind = Kind { is_of_objects: true, ring: &ring, path: format!("{account}/{container}/") };
        told.push(format!("\"object\": {}", asker.report(&kind, names, partition).await?));
    }
    if asker.is_json {
        writeln!(stdout(), "{{{}}}", told.join(", "))?;
    }
    Ok(())
}

/// What is looked for: containers, or objects.
struct Kind<'a> {
    is_of_objects: bool,
    ring: &'a Ring,
    /// What stands before a name.
    path: String,
}

impl Kind<'_> {
    fn name(&self) -> &'static str {
        if self.is_of_objects { "object" } else { "container" }
    }
}

/// Asks servers.
struct Asker<'a> {
    settings: &'a Settings,
    client: Client,
    is_json: bool,
    /// Whether 404s are told.
    is_debug: bool,
    /// Whether partitions that lack copies are told.
    tells_partitions: bool,
    /// Devices that were told to be unmounted, and those that were told to answer 404.
    told: Mutex<(HashSet<String>, HashSet<String>)>,
}

/// How often servers were asked again, and how many copies they have.
struct Copies {
    found: usize,
    retries: u32,
}

impl<'a> Asker<'a> {
    fn new(given: &Given, settings: &'a Settings, is_json: bool) -> Self {
        let tells_partitions = given.has(PARTITIONS.name)
            || settings.options.str("partitions").is_some_and(|text| !text.is_empty());
        Self {
            settings,
            client: Client::new(ClientOptions::default()),
            is_json,
            is_debug: given.has(DEBUG.name),
            tells_partitions,
            told: Mutex::default(),
        }
    }

    /// Looks for all that is called `names`, one of each partition; what was found, as JSON.
    async fn report(
        &self,
        kind: &Kind<'_>,
        names: Vec<String>,
        partition: impl Fn(&str) -> u32,
    ) -> anyhow::Result<String> {
        let what = kind.name();
        if names.is_empty() {
            eprintln!("No {what}s to query. Has swift-dispersion-populate been run?");
            return Ok("null".to_owned());
        }
        let mut out = stdout();
        let mut progress = Progress::begin();
        let mut found = Findings { listed: names.len(), ..Findings::default() };
        let mut seen = HashSet::new();
        let each = names.into_iter().map(|name| (partition(&name), name));
        let distinct: Vec<_> = each.filter(|(partition, _)| seen.insert(*partition)).collect();
        let asking = distinct.into_iter().map(|(partition, name)| self.copies_of(kind, partition, name));
        let mut answers = stream::iter(asking).buffer_unordered(self.settings.concurrency);
        while let Some((partition, replicas, copies)) = answers.next().await {
            let missing = replicas - copies.found;
            found.add(replicas, &copies);
            if self.tells_partitions && missing > 0 {
                write!(out, "{CLEAR_LINE}")?;
                out.flush()?;
                let ending = if missing == 1 { "y" } else { "ies" };
                let what = if kind.is_of_objects { "Object" } else { "Container" };
                eprintln!("# {what} partition {partition} missing {missing} cop{ending}");
            }
            if progress.is_due() && !self.is_json {
                let doing = format!("Querying {what}s");
                progress.tell(&mut out, &doing, found.partitions, found.listed, found.retries)?;
            }
        }
        if !kind.is_of_objects {
            // those that lack none are told of objects alone
            found.missing.remove(&0);
        }
        match self.is_json {
            true => Ok(found.json()),
            false => found.tell(&mut out, kind, &progress).map(|()| String::new()).map_err(Into::into),
        }
    }

    /// Asks the servers of a partition, one after the other; with the partition, and how many they are.
    async fn copies_of(&self, kind: &Kind<'_>, partition: u32, name: String) -> (u32, usize, Copies) {
        let mut copies = Copies { found: 0, retries: 0 };
        let mut replicas = 0;
        for node in kind.ring.nodes(partition) {
            replicas += 1;
            let path = format!("{partition}/{}{name}", kind.path);
            if let Some(retries) = self.ask(kind, node, &path).await {
                copies.found += 1;
                copies.retries += retries;
            }
        }
        (partition, replicas, copies)
    }

    /// Whether a server has it, and how often it was asked again before it said so.
    async fn ask(&self, kind: &Kind<'_>, node: &Device, path: &str) -> Option<u32> {
        let mut pause = FIRST_PAUSE;
        let mut retries = 0;
        let address = format!("{}:{}/{}", bracketed(&node.ip), node.port, node.device);
        loop {
            let mut request = Request::new(Method::Head, format!("/{}/{path}", node.device));
            request.headers.set("User-Agent", format!("direct-client {}", std::process::id()));
            if kind.is_of_objects {
                request.headers.set_int("X-Backend-Storage-Policy-Index", self.settings.policy.index);
            }
            let why = match self.client.request(&node.ip, node.port, request, &TIMEOUTS).await {
                Ok(answer) if answer.is_success() => return Some(retries),
                Ok(answer) => {
                    self.tell_status(node, answer.status);
                    if matches!(answer.status, 404 | 507) {
                        return None;
                    }
                    let what = if kind.is_of_objects { "Object" } else { "Container" };
                    let why = format!(
                        "{what} server {}:{} direct HEAD {} gave status {}",
                        node.ip,
                        node.port,
                        quote(format!("/{}/{path}", node.device)),
                        answer.status
                    );
                    if answer.status < 500 {
                        retries = self.settings.account.retries;
                    }
                    why
                }
                Err(error) => error.to_string(),
            };
            eprintln!("ERROR: {address}: {why}");
            if retries >= self.settings.account.retries {
                eprintln!("ERROR: {address}: Giving up on /{path}: {why}");
                return None;
            }
            retries += 1;
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    fn tell_status(&self, node: &Device, status: u16) {
        let device = format!("{}:{}/{}", node.ip, node.port, node.device);
        let (unmounted, not_found) = &mut *self.told.lock();
        if status == 507 && unmounted.insert(device.clone()) {
            eprintln!(
                "ERROR: {device} is unmounted -- This will cause replicas designated for that device to be considered \
                 missing until resolved or the ring is updated."
            );
        }
        if self.is_debug && not_found.insert(device.clone()) {
            eprintln!("ERROR: {device} returned a 404");
        }
    }
}

/// What was found of one kind.
#[derive(Debug, Default)]
struct Findings {
    /// What a listing names.
    listed: usize,
    /// The partitions that these are in.
    partitions: usize,
    copies_found: usize,
    copies_expected: usize,
    retries: u32,
    /// How many partitions lack so many copies.
    missing: BTreeMap<usize, usize>,
}

impl Findings {
    fn add(&mut self, replicas: usize, copies: &Copies) {
        self.partitions += 1;
        self.copies_found += copies.found;
        self.copies_expected += replicas;
        self.retries += copies.retries;
        *self.missing.entry(replicas - copies.found).or_default() += 1;
    }

    fn percent(&self) -> f64 {
        100.0 * self.copies_found as f64 / self.copies_expected.max(1) as f64
    }

    fn overlapping(&self) -> usize {
        self.listed - self.partitions
    }

    fn json(&self) -> String {
        let mut fields = format!(
            "\"retries\": {}, \"overlapping\": {}, \"pct_found\": {:?}, \"copies_found\": {}, \"copies_expected\": {}",
            self.retries,
            self.overlapping(),
            self.percent(),
            self.copies_found,
            self.copies_expected,
        );
        for (missing, partitions) in &self.missing {
            fields += &format!(", \"missing_{missing}\": {partitions}");
        }
        format!("{{{fields}}}")
    }

    fn tell(&self, out: &mut impl Write, kind: &Kind<'_>, progress: &Progress) -> io::Result<()> {
        let (what, elapsed, retries) = (kind.name(), progress.elapsed(), self.retries);
        let listed = self.listed;
        writeln!(
            out,
            "{CLEAR_LINE}Queried {listed} {what}s for dispersion reporting, {elapsed}, {retries} retries"
        )?;
        if self.overlapping() > 0 {
            writeln!(out, "There were {} overlapping partitions", self.overlapping())?;
        }
        for (missing, partitions) in &self.missing {
            writeln!(out, "{}", missing_line(*partitions, *missing, kind.ring.max_replicas()))?;
        }
        let (found, expected) = (self.copies_found, self.copies_expected);
        writeln!(out, "{:.2}% of {what} copies found ({found} of {expected})", self.percent())?;
        let sample = 100.0 * self.partitions as f64 / kind.ring.part_count() as f64;
        writeln!(out, "Sample represents {sample:.2}% of the {what} partition space")
    }
}

/// What is said of `partitions` that lack `missing` of so many replicas.
fn missing_line(partitions: usize, missing: usize, replicas: usize) -> String {
    let (exclamation, how_many) = match missing {
        all if all == replicas => ("!!! ", "all".to_owned()),
        most if replicas.checked_sub(most) == Some(1) => ("! ", most.to_string()),
        few => ("", few.to_string()),
    };
    let (verb, noun) = if partitions > 1 { ("were", "partitions") } else { ("was", "partition") };
    let copies = if missing == 1 { "copy" } else { "copies" };
    format!("{exclamation}There {verb} {partitions} {noun} missing {how_many} {copies}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_figures_are_swifts() {
        for (figures, line) in [
            ((1, 1, 3), "There was 1 partition missing 1 copy."),
            ((2, 2, 3), "! There were 2 partitions missing 2 copies."),
            ((7, 3, 3), "!!! There were 7 partitions missing all copies."),
            ((7, 0, 3), "There were 7 partitions missing 0 copies."),
        ] {
            assert_eq!(missing_line(figures.0, figures.1, figures.2), line);
        }
        let mut found = Findings { listed: 4, ..Findings::default() };
        for copies in [3, 3, 2] {
            found.add(3, &Copies { found: copies, retries: 1 });
        }
        assert_eq!(
            found.json(),
            "{\"retries\": 3, \"overlapping\": 1, \"pct_found\": 88.88888888888889, \"copies_found\": 8, \
             \"copies_expected\": 9, \"missing_0\": 2, \"missing_1\": 1}"
        );
        let all =
            Findings { listed: 1, copies_found: 3, copies_expected: 3, partitions: 1, ..Findings::default() };
        assert!(all.json().contains("\"pct_found\": 100.0,"));
    }
}
