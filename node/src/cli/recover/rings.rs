//! `swiftlet recover rings`

use super::{Output, devices, tell_problems};
use crate::cli::ring_builder::new_id;
use crate::recover::problems::Problems;
use crate::recover::progress::{Progress, Style};
use crate::recover::rings::{DeviceSurvey, Known, RingDevice, RingReport, recover};
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use swiftlet_ring::Builder;
use swiftlet_ring::builder::{NewDevice, file};
use swiftlet_ring::format::{FormatVersion, replace_file, write};
use swiftlet_storage::salvage::{DataDir, object_files, read_metadata};
use swiftlet_types::{HashConf, SwiftConf, Timestamp};

/// What was found on each device so far, in the folder that the rings go to.
const STATE: &str = ".recover-rings.json";
/// Names looked at to see whether swift.conf is that of the devices.
const NAMES_CHECKED: usize = 16;

/// Make lost rings and builders again: every partition goes to devices that hold it
#[derive(Args)]
pub(super) struct RingsArgs {
    /// Each device's place in the ring and where it is mounted now, as r1z2-10.0.0.1:6200/sdb1=/mnt/sdb1 (r1z1- where
    /// left out); a path alone where the device carries the identity file of a cluster in Kubernetes
    #[arg(long, num_args = 1.., required = true, value_name = "PLACE=PATH")]
    devices: Vec<String>,
    /// Where builders and rings are written; what is there already is never replaced
    #[arg(long, default_value = "/etc/swift", value_name = "DIR")]
    swift_dir: PathBuf,
    /// This ring alone: account, container, object, object-1, …; all devices given are in it, and ports are this
    /// server's. Otherwise each ring has the devices that have its folder, and ports are the object servers', container
    /// servers' one higher and account servers' two higher, as in Swift
    #[arg(long, value_name = "RING")]
    server: Option<String>,
    /// Weights by the devices' sizes in GiB, or all the same
    #[arg(long, value_enum, default_value = "size")]
    weights: Weights,
    /// The partition power, where the devices do not tell it or tell two
    #[arg(long, value_name = "N")]
    part_power: Option<u32>,
    /// Replicas, where the devices do not tell them
    #[arg(long, value_name = "N")]
    replicas: Option<f64>,
    /// min_part_hours of the builders
    #[arg(long, default_value_t = 24, value_name = "HOURS")]
    min_part_hours: u32,
    /// Check that this swift.conf's hash path is the devices' [the swift.conf in --swift-dir, where there is one]
    #[arg(long, value_name = "FILE")]
    swift_conf: Option<PathBuf>,
    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Weights {
    Size,
    Equal,
}

/// Runs it.
pub(super) fn run(args: &RingsArgs) -> anyhow::Result<()> {
    let style = Style::for_stderr(args.output == Output::Json);
    let devices = args.devices.iter().map(|word| devices::parse(word)).collect::<anyhow::Result<Vec<_>>>()?;
    check_distinct(&devices)?;
    let mut problems = Problems::default();
    check_hash_path(args, &devices, &mut problems)?;
    let surveys = survey(args, &devices, style, &mut problems)?;
    let wanted = wanted(args, &surveys)?;
    if !args.dry_run {
        wanted.iter().try_for_each(|data_dir| check_absent(&args.swift_dir, &data_dir.ring_name()))?;
    }
    let known = Known {
        part_power: args.part_power,
        replicas: args.replicas,
        has_all_devices: args.server.is_some(),
        min_part_hours: args.min_part_hours,
        now_secs: Timestamp::now().seconds(),
    };
    let mut rings = Vec::new();
    for data_dir in wanted {
        let of_ring =
            devices.iter().map(|device| in_ring(device, data_dir, args)).collect::<Result<Vec<_>, _>>()?;
        rings.push(recover(data_dir, &of_ring, &surveys, &known, style, &mut problems)?);
    }
    tell_problems(&problems);
    if !args.dry_run {
        for (builder, report) in &mut rings {
            save(&args.swift_dir, &report.ring, builder)?;
        }
        remove_state(&args.swift_dir)?;
    }
    let reports: Vec<_> = rings.iter().map(|(_, report)| report).collect();
    match args.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&reports)?),
        Output::Text => reports.iter().for_each(|report| tell(args, report)),
    }
    Ok(())
}

fn check_distinct(devices: &[(PathBuf, NewDevice)]) -> anyhow::Result<()> {
    let mut seen = BTreeSet::new();
    let twice = devices.iter().find(|(_, place)| !seen.insert((&place.ip, place.port, &place.device)));
    match twice {
        Some((path, NewDevice { ip, port, device, .. })) => {
            bail!(
                "{}: {ip}:{port}/{device} is there twice; each device has a place of its own",
                path.display()
            )
        }
        None => Ok(()),
    }
}

/// Surveys every device; those that an earlier run was done with are taken from there.
fn survey(
    args: &RingsArgs,
    devices: &[(PathBuf, NewDevice)],
    style: Style,
    problems: &mut Problems,
) -> anyhow::Result<Vec<DeviceSurvey>> {
    let state = args.swift_dir.join(STATE);
    let mut known: BTreeMap<PathBuf, DeviceSurvey> = match std::fs::read(&state) {
        Ok(json) => serde_json::from_slice(&json).with_context(|| state.display().to_string())?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => return Err(error).with_context(|| format!("{}: cannot read", state.display())),
    };
    let total = |path: &PathBuf| -> u64 {
        let count =
            |data_dir: DataDir| data_dir.partitions(path).map_or(0, |partitions| partitions.len() as u64);
        DataDir::on(path).into_iter().flatten().map(count).sum()
    };
    let unknown = devices.iter().filter(|(path, _)| !known.contains_key(path));
    let total = unknown.map(|(path, _)| total(path)).sum();
    let mut progress = Progress::new(style, "reading devices", total, "partitions");
    for (path, _) in devices {
        if !known.contains_key(path) {
            let survey = DeviceSurvey::of(path, problems, || progress.add(1))?;
            known.insert(path.clone(), survey);
            if !args.dry_run {
                let written = serde_json::to_vec(&known).map_err(Into::into);
                let written = written.and_then(|json| replace_file(&state, &json));
                written.with_context(|| format!("{}: cannot write", state.display()))?;
            }
        }
    }
    progress.finish();
    Ok(devices.iter().map(|(path, _)| known.get(path).cloned().unwrap_or_default()).collect())
}

/// The rings to make: those that any device has something of.
fn wanted(args: &RingsArgs, surveys: &[DeviceSurvey]) -> anyhow::Result<BTreeSet<DataDir>> {
    let found: BTreeSet<DataDir> = surveys.iter().flat_map(DeviceSurvey::data_dirs).collect();
    let is_asked = |data_dir: &DataDir| args.server.as_ref().is_none_or(|name| *name == data_dir.ring_name());
    let wanted: BTreeSet<DataDir> = found.iter().copied().filter(is_asked).collect();
    if wanted.is_empty() {
        let names: Vec<_> = found.iter().map(|data_dir| data_dir.ring_name()).collect();
        match &args.server {
            Some(name) => bail!("no device holds anything of ring {name:?}; there is {}", names.join(", ")),
            None => bail!("no device holds accounts, containers or objects"),
        }
    }
    Ok(wanted)
}

/// A device with its weight, and the port that its server of this ring has.
fn in_ring(
    (path, place): &(PathBuf, NewDevice),
    data_dir: DataDir,
    args: &RingsArgs,
) -> anyhow::Result<RingDevice> {
    let above = match data_dir {
        _ if args.server.is_some() => 0,
        DataDir::Objects(_) => 0,
        DataDir::Containers => 1,
        DataDir::Accounts => 2,
    };
    let port = |port: u16| {
        port.checked_add(above).with_context(|| format!("port {port}: there is none {above} higher"))
    };
    let weight = match args.weights {
        Weights::Equal => 100.0,
        Weights::Size => size_gib(path)?,
    };
    let place = NewDevice {
        port: port(place.port)?,
        replication_port: port(place.replication_port)?,
        weight,
        ..place.clone()
    };
    Ok(RingDevice { path: path.clone(), place })
}

/// The size of the file system in GiB, to a hundredth and at least one.
fn size_gib(path: &Path) -> anyhow::Result<f64> {
    let stat = rustix::fs::statvfs(path);
    let stat = stat.with_context(|| format!("{}: cannot tell the device's size", path.display()))?;
    let gib = (stat.f_blocks * stat.f_frsize) as f64 / f64::from(1 << 30);
    Ok(((gib * 100.0).round() / 100.0).max(0.01))
}

/// Refuses a swift.conf whose hash path cannot be the devices': their objects would not be found.
fn check_hash_path(
    args: &RingsArgs,
    devices: &[(PathBuf, NewDevice)],
    problems: &mut Problems,
) -> anyhow::Result<()> {
    let beside = Some(args.swift_dir.join("swift.conf")).filter(|path| path.exists());
    let Some(path) = args.swift_conf.clone().or(beside) else { return Ok(()) };
    let hash = SwiftConf::read(&path)?.hash;
    for (device, _) in devices {
        for data_dir in problems.ok(DataDir::on(device)).unwrap_or_default() {
            if let DataDir::Objects(_) = data_dir {
                check_names(&hash, device, data_dir).with_context(|| path.display().to_string())?;
            }
        }
    }
    Ok(())
}

fn check_names(hash: &HashConf, device: &Path, data_dir: DataDir) -> anyhow::Result<()> {
    let partitions = data_dir.partitions(device).unwrap_or_default();
    let dirs = partitions.into_iter().flat_map(|partition| data_dir.hash_dirs(device, partition));
    for (found, dir) in dirs.flatten().take(NAMES_CHECKED) {
        let files = object_files(&dir).unwrap_or_default();
        let name =
            files.iter().find_map(|file| read_metadata(&dir.join(&file.text)).ok()?.get("name").cloned());
        let Some(name) = name else { continue };
        let mut parts = name.splitn(4, |&byte| byte == b'/').skip(1);
        let (Some(account), Some(container), Some(object)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        if hash.object(account, container, object) != found {
            let name = name.escape_ascii();
            bail!("its hash path is not that of the devices: {name} lies in {}", dir.display());
        }
    }
    Ok(())
}

fn check_absent(folder: &Path, ring: &str) -> anyhow::Result<()> {
    for path in ["builder", "ring.gz"].map(|extension| folder.join(format!("{ring}.{extension}"))) {
        if path.exists() {
            bail!(
                "{}: it is there, and is not replaced; move it away, or give another --swift-dir",
                path.display()
            );
        }
    }
    Ok(())
}

fn save(folder: &Path, ring: &str, builder: &mut Builder) -> anyhow::Result<()> {
    builder.assign_id(new_id);
    let (at_builder, at_ring) =
        (folder.join(format!("{ring}.builder")), folder.join(format!("{ring}.ring.gz")));
    file::save(&at_builder, builder).with_context(|| format!("{}: cannot write", at_builder.display()))?;
    let version = if builder.id_bytes() > 2 { FormatVersion::V2 } else { FormatVersion::V1 };
    let bytes = write(&builder.ring(), version).with_context(|| at_ring.display().to_string())?;
    replace_file(&at_ring, &bytes).with_context(|| format!("{}: cannot write", at_ring.display()))
}

fn remove_state(folder: &Path) -> anyhow::Result<()> {
    let path = folder.join(STATE);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{}: cannot remove", path.display()))
        }
        _ => Ok(()),
    }
}

fn tell(args: &RingsArgs, report: &RingReport) {
    let RingReport { ring, part_power, replicas, devices, partitions_held, .. } = report;
    println!("{ring}: part power {part_power}, {replicas} replicas, {devices} devices");
    let by_holders: Vec<_> =
        report.partitions_by_holders.iter().map(|(on, count)| format!("{count} on {on}")).collect();
    println!("  partitions with data  {partitions_held} ({})", by_holders.join(", "));
    let notes = [
        (report.replicas_missing, "replicas that no device holds: replicators will make them"),
        (report.copies_beyond, "copies beyond the replicas: replicators will compare and remove them"),
        (report.newest_beyond, "of what they hold is there alone, or newer there, until replicators move it"),
        (report.misplaced, "partitions belong to another part power: passed over"),
    ];
    for (count, what) in notes.iter().filter(|(count, _)| *count > 0) {
        println!("  {count} {what}");
    }
    let path = args.swift_dir.join(ring);
    match args.dry_run {
        true => println!("  not written: {0}.builder {0}.ring.gz", path.display()),
        false => println!("  written: {0}.builder {0}.ring.gz", path.display()),
    }
}
