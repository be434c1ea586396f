//! `swift-recon`: what the servers of a cluster tell of themselves, gathered and summed up. Options, output and exit codes
//! are Swift's.
//!
//! `scout` asks the servers, `stats` sums up; each family of checks has a file.

mod daemons;
mod disks;
mod options;
mod same;
mod scout;
mod stats;

use crate::cli::foreground::runtime;
use anyhow::Context;
use options::{Options, PROGRAM, ServerType};
use scout::Scout;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use swiftlet_ring::Ring;
use swiftlet_types::{Policies, SwiftConf, Timestamp};

/// What stands between two checks.
const RULE: &str = "===============================================================================";

/// One kind of server under examination, and where what is found goes.
struct Recon<'a, W> {
    options: &'a Options,
    server: ServerType,
    scout: Scout,
    out: W,
}

/// Runs it with the arguments that follow its name.
pub fn run(arguments: &[OsString]) -> ExitCode {
    println!("{RULE}");
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(code) => return code,
    };
    match examine(&options) {
        Ok(code) => code,
        Err(error) if error.downcast_ref().is_some_and(is_closed) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("swift-recon: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_closed(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

fn examine(options: &Options) -> anyhow::Result<ExitCode> {
    let runtime = runtime(None)?;
    for server in options.servers.iter().copied() {
        let rings = match server {
            ServerType::Object => object_rings(options)?,
            other => vec![other.name().to_owned()],
        };
        if rings.is_empty() {
            println!("Invalid Storage Policy: {}", options.policy.as_deref().unwrap_or_default());
            PROGRAM.print_help();
            return Ok(ExitCode::SUCCESS);
        }
        let scout = Scout::new(options, hosts(options, &rings)?);
        let mut out = BufWriter::new(io::stdout().lock());
        writeln!(out, "--> Starting reconnaissance on {} hosts ({})", scout.hosts.len(), server.name())?;
        writeln!(out, "{RULE}")?;
        runtime.block_on(Recon { options, server, scout, out }.checks())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The names of the rings of the policies that are meant.
fn object_rings(options: &Options) -> anyhow::Result<Vec<String>> {
    let policies = match SwiftConf::read(Path::new(&options.swift_dir).join("swift.conf")) {
        Ok(conf) => conf.policies,
        // rings alone are enough to ask
        Err(_) if options.policy.is_none() => Policies::default(),
        Err(error) => return Err(error.into()),
    };
    let is_meant = |policy: &&swiftlet_types::policy::Policy| match options.policy.as_deref() {
        None => true,
        Some(word) => policy.names.iter().any(|name| name == word) || word.parse() == Ok(policy.index),
    };
    Ok(policies.iter().filter(is_meant).map(|policy| policy.path_name("object")).collect())
}

/// Each address of the rings' devices once.
fn hosts(options: &Options, rings: &[String]) -> anyhow::Result<Vec<(String, u16)>> {
    let mut hosts = BTreeSet::new();
    for name in rings {
        let path = Path::new(&options.swift_dir).join(format!("{name}.ring.gz"));
        let ring = Ring::load(&path).with_context(|| format!("ring {name}"))?;
        let devices = ring.devices().filter(|device| {
            options.region.is_none_or(|region| device.region == region)
                && options.zone.is_none_or(|zone| device.zone == zone)
        });
        hosts.extend(devices.map(|device| (device.ip.clone(), device.port)));
    }
    Ok(hosts.into_iter().collect())
}

impl<W: Write> Recon<'_, W> {
    /// Does what the options ask for, in Swift's order.
    async fn checks(mut self) -> anyhow::Result<()> {
        let options = self.options;
        match options.has("all") {
            true => self.all().await?,
            false => {
                for check in options::CHECKS {
                    if options.has(check) {
                        self.check(check).await?;
                    }
                    // what is shown must not wait for the next server that does not answer
                    self.out.flush()?;
                }
            }
        }
        Ok(self.out.flush()?)
    }

    async fn all(&mut self) -> anyhow::Result<()> {
        let own: &[&str] = match self.server {
            ServerType::Object => &["async", "auditor", "updater", "expirer", "reconstruction"],
            ServerType::Container => &["auditor", "updater", "sharding"],
            ServerType::Account => &["auditor"],
        };
        let every = [
            "replication",
            "unmounted",
            "loadstats",
            "diskusage",
            "md5",
            "quarantined",
            "sockstat",
            "validate-servers",
            "driveaudit",
            "time",
            "swift-versions",
        ];
        for check in own.iter().chain(&every) {
            self.check(check).await?;
            self.out.flush()?;
        }
        Ok(())
    }

    async fn check(&mut self, check: &str) -> anyhow::Result<()> {
        let of = |server| self.server == server;
        let (is_object, is_container) = (of(ServerType::Object), of(ServerType::Container));
        match check {
            "async" if is_object => self.asyncs().await?,
            "async" => self.cannot("asyncs on non object")?,
            "unmounted" => self.unmounted().await?,
            "replication" => self.replication().await?,
            "auditor" if is_object => self.object_auditor().await?,
            "auditor" => self.database_auditor().await?,
            "updater" if of(ServerType::Account) => self.cannot("updaters on account")?,
            "updater" => self.updater().await?,
            "expirer" if is_object => self.expirer().await?,
            "expirer" => self.cannot("expirer on non object")?,
            "sharding" if is_container => self.sharding().await?,
            "sharding" => self.cannot("sharding on non container")?,
            "reconstruction" if is_object => self.reconstruction().await?,
            "reconstruction" => self.cannot("reconstruction stats on non object")?,
            "validate-servers" => self.server_types().await?,
            "loadstats" => self.load().await?,
            "diskusage" => self.disk_usage().await?,
            "md5" => {
                self.ring_checksums().await?;
                self.swift_conf_checksum().await?;
            }
            "quarantined" => self.quarantined().await?,
            "sockstat" => self.sockets().await?,
            "driveaudit" => self.drive_audit().await?,
            "time" => self.time().await?,
            "swift-versions" => self.versions().await?,
            _ => {}
        }
        Ok(())
    }

    fn cannot(&mut self, what: &str) -> io::Result<()> {
        writeln!(self.out, "Error: Can't check {what} servers.\n{RULE}")
    }

    /// The line that a check begins with.
    fn begin(&mut self, what: &str) -> io::Result<()> {
        writeln!(self.out, "[{}] {what}", shown_time(Timestamp::now().as_secs_f64()))?;
        self.out.flush()
    }

    fn end(&mut self) -> io::Result<()> {
        writeln!(self.out, "{RULE}")
    }
}

/// A time in seconds as `2026-11-22 20:00:00`, UTC.
fn shown_time(seconds: f64) -> String {
    let ticks = (seconds.max(0.0) * 100_000.0) as u64;
    let shown = Timestamp::from_ticks(ticks).map(Timestamp::isoformat).unwrap_or_default();
    shown.replace('T', " ").chars().take(19).collect()
}
