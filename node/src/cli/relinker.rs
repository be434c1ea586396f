//! `swift-object-relinker relink|cleanup [CONFIG]`: the partition power of a ring is being increased.

use crate::daemon::ReconCache;
use crate::logging::{self, LogOptions};
use crate::object::relinker::{self, RelinkerConfig};
use crate::process::drop_privileges;
use anyhow::Context;
use clap::{Parser, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use swiftlet_storage::device::Devices;
use swiftlet_storage::object::Step;
use swiftlet_types::conf::{Ini, Options};
use swiftlet_types::policy::Policy;
use swiftlet_types::{Policies, SwiftConf};
use tracing::level_filters::LevelFilter;

const SECTION: &str = "object-relinker";

/// Relink and cleanup objects to increase partition power
#[derive(Debug, Parser)]
#[command(name = "swift-object-relinker", infer_long_args = true)]
struct Arguments {
    /// relink before the ring grows, cleanup after it
    action: Action,
    /// Configuration with a section [object-relinker]; without it, log lines go to stderr
    conf_file: Option<PathBuf>,
    /// Folder of swift.conf and the rings
    #[arg(long)]
    swift_dir: Option<PathBuf>,
    /// Policies to relink, by name or index (default: all)
    #[arg(long = "policy")]
    policies: Vec<String>,
    /// Folder of the devices
    #[arg(long)]
    devices: Option<PathBuf>,
    /// User to become first
    #[arg(long)]
    user: Option<String>,
    /// Devices to relink (default: all)
    #[arg(long = "device")]
    device_list: Vec<String>,
    /// Partitions to relink (default: all)
    #[arg(long = "partition", short)]
    partitions: Vec<u64>,
    /// Do not test whether devices are mounted
    #[arg(long)]
    skip_mount_check: bool,
    /// Folders of objects a second, for each worker; 0 is no limit
    #[arg(long, value_parser = not_negative)]
    files_per_second: Option<f64>,
    /// Seconds between two reports to recon
    #[arg(long, value_parser = not_negative)]
    stats_interval: Option<f64>,
    /// Workers that share the devices, or auto: one each
    #[arg(long, value_parser = workers)]
    workers: Option<usize>,
    /// File for log lines, where there is no configuration
    #[arg(long)]
    logfile: Option<PathBuf>,
    /// Log more
    #[arg(long)]
    debug: bool,
    /// Where another file has the name in the new partition: relink sets it aside, cleanup keeps it
    #[arg(long)]
    clobber_hardlink_collisions: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    Relink,
    Cleanup,
}

/// As many as there are devices.
const ONE_A_DEVICE: usize = usize::MAX;

fn not_negative(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "must be a number that is not negative".to_owned())
}

fn workers(text: &str) -> Result<usize, String> {
    match text {
        "auto" => Ok(ONE_A_DEVICE),
        number => number.parse().map_err(|_| "must be a whole number or auto".to_owned()),
    }
}

/// Runs it; the exit code is 2 where no policy is in that phase, as in Swift.
pub fn run(arguments: &[OsString]) -> ExitCode {
    let program = OsString::from("swift-object-relinker");
    let arguments = match Arguments::try_parse_from(std::iter::once(&program).chain(arguments)) {
        Ok(arguments) => arguments,
        Err(error) => {
            // nobody may be there to read it
            let _ = error.print();
            return ExitCode::from(error.exit_code().clamp(0, 255) as u8);
        }
    };
    match relink(&arguments) {
        Ok(outcome) => ExitCode::from(outcome.code()),
        Err(error) => super::report(Err(error)),
    }
}

fn relink(arguments: &Arguments) -> anyhow::Result<relinker::Outcome> {
    let options = match &arguments.conf_file {
        Some(path) => Ini::read(path)?.daemon(SECTION)?,
        None => Options::new("", SECTION),
    };
    if let Some(user) = arguments.user.as_deref().or(options.str("user")) {
        drop_privileges(user)?;
    }
    start_log(arguments, &options)?;
    Ok(relinker::run(&config(arguments, &options)?)?)
}

fn start_log(arguments: &Arguments, options: &Options) -> anyhow::Result<()> {
    if arguments.conf_file.is_some() {
        let mut log = LogOptions::from_options(options, SECTION)?;
        if arguments.debug {
            log.level = LevelFilter::DEBUG;
        }
        logging::to_syslog(&log, None, false);
        return Ok(());
    }
    let level = if arguments.debug { LevelFilter::DEBUG } else { LevelFilter::INFO };
    match &arguments.logfile {
        Some(path) => {
            let file = std::fs::File::options().append(true).create(true).open(path);
            logging::plain_to(level, file.with_context(|| path.display().to_string())?);
        }
        None => logging::plain_to(level, std::io::stderr),
    }
    Ok(())
}

fn config(arguments: &Arguments, options: &Options) -> anyhow::Result<RelinkerConfig> {
    let swift_dir = match &arguments.swift_dir {
        Some(dir) => dir.clone(),
        None => options.str_or("swift_dir", "/etc/swift").into(),
    };
    let root = match &arguments.devices {
        Some(devices) => devices.clone(),
        None => options.str_or("devices", "/srv/node").into(),
    };
    let mount_check = options.bool("mount_check", true) && !arguments.skip_mount_check;
    let policies = SwiftConf::read(swift_dir.join("swift.conf"))?.policies;
    let rate = options.float("files_per_second", 0.0)?;
    let interval = options.seconds("stats_interval", 300.0)?;
    let workers = options.int_or_auto("workers", ONE_A_DEVICE)?;
    Ok(RelinkerConfig {
        step: match arguments.action {
            Action::Relink => Step::Relink,
            Action::Cleanup => Step::Cleanup,
        },
        devices: Devices::new(root, mount_check),
        device_names: arguments.device_list.iter().cloned().collect(),
        partitions: arguments.partitions.iter().copied().collect(),
        policies: chosen(&policies, &arguments.policies)?,
        swift_dir,
        files_per_second: arguments.files_per_second.unwrap_or(rate.max(0.0)),
        workers: arguments.workers.unwrap_or(workers),
        stats_interval: arguments.stats_interval.map_or(interval, Duration::from_secs_f64),
        reclaim_age: Duration::from_secs(options.int("reclaim_age", 604_800)?),
        clobber_collisions: arguments.clobber_hardlink_collisions
            || options.bool("clobber_hardlink_collisions", false),
        recon: ReconCache::from_options(options, "relinker"),
    })
}

/// The policies with these names or indexes; all where none is named.
fn chosen(policies: &Policies, words: &[String]) -> anyhow::Result<Vec<Policy>> {
    if words.is_empty() {
        return Ok(policies.iter().cloned().collect());
    }
    let of_word = |word: &String| {
        let by_index = word.parse().ok().and_then(|index| policies.by_index(index));
        let found = policies.by_name(word).or(by_index).cloned();
        found.with_context(|| format!("argument --policy: there is no policy {word:?}"))
    };
    words.iter().map(of_word).collect()
}
