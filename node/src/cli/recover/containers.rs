//! `swiftlet recover containers`

use super::{Output, devices, make_target, tell_problems};
use crate::recover::containers::{Recovery, Report, recover};
use crate::recover::problems::Problems;
use crate::recover::progress::Style;
use anyhow::Context;
use clap::Args;
use std::path::PathBuf;
use swiftlet_types::SwiftConf;

/// Make container and account databases again, from those that are left and from the objects themselves
#[derive(Args)]
pub(super) struct ContainersArgs {
    /// Where devices are mounted
    #[arg(long, num_args = 1.., required = true, value_name = "PATH")]
    devices: Vec<String>,
    /// A folder to write them to, as a device has them: put its `containers` and `accounts` on devices, and replicators
    /// do the rest. Databases that are there already are taken as done
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// The cluster's swift.conf: its hash path tells where a container belongs
    #[arg(long, default_value = "/etc/swift/swift.conf", value_name = "FILE")]
    swift_conf: PathBuf,
    /// The partition power, where the devices do not tell it
    #[arg(long, value_name = "N")]
    part_power: Option<u32>,
    /// Say what would be made, and write nothing (but to a temporary folder)
    #[arg(long)]
    dry_run: bool,
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

/// Runs it.
pub(super) fn run(args: &ContainersArgs) -> anyhow::Result<()> {
    let style = Style::for_stderr(args.output == Output::Json);
    let paths =
        args.devices.iter().map(|word| devices::parse_path(word)).collect::<anyhow::Result<Vec<_>>>()?;
    let hash = SwiftConf::read(&args.swift_conf)?.hash;
    let mut problems = Problems::default();
    let temporary = tempfile::tempdir().context("cannot make a temporary folder")?;
    let out = match args.dry_run {
        true => temporary.path(),
        false => {
            make_target(&args.out, &paths)?;
            &args.out
        }
    };
    let recovery = Recovery { devices: &paths, out, hash: &hash, part_power: args.part_power, style };
    let report = recover(&recovery, &mut problems)?;
    tell_problems(&problems);
    match args.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&report)?),
        Output::Text => tell(&report),
    }
    Ok(())
}

fn tell(report: &Report) {
    let lines = [
        (report.containers, "containers from their databases"),
        (report.containers_by_objects, "containers from their objects alone"),
        (report.accounts, "accounts"),
        (report.rows, "rows read from databases, of all replicas"),
        (report.gaps, "damaged stretches in them"),
        (report.objects, "objects on devices, in this run"),
        (report.tombstones, "deletions on devices, in this run"),
    ];
    lines.iter().for_each(|(count, what)| println!("{count} {what}"));
}
