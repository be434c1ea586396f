//! `swift-drive-audit`: devices that the kernel reports errors of are unmounted, or only told to recon.
//!
//! It is safe where it may do little, as in a container: a log that is not there, and a device that it may not unmount,
//! are told, and everything else is done.

mod devices;
mod fstab;
mod kernel_log;

use crate::daemon::ReconCache;
use crate::logging::{self, LogOptions};
use crate::process::user_id;
use anyhow::Context;
use devices::Mounted;
use jiff::civil::DateTime;
use regex::bytes::Regex;
use rustix::mount::{UnmountFlags, unmount};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use swiftlet_types::conf::{Ini, Options};

const SECTION: &str = "drive-audit";
const FSTAB: &str = "/etc/fstab";
/// There where systemd is the machine's first process.
const SYSTEMD: &str = "/run/systemd/system";
const DEFAULT_PATTERNS: [&str; 2] =
    [r"\berror\b.*\b(sd[a-z]{1,2}\d?)\b", r"\b(sd[a-z]{1,2}\d?)\b.*\berror\b"];

/// Runs it with the arguments that follow its name.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let Some(path) = arguments.first() else {
        // Nobody may be there to read it.
        let _ = writeln!(io::stdout(), "Usage: swift-drive-audit CONF_FILE");
        return ExitCode::FAILURE;
    };
    super::ended("swift-drive-audit", audit(Path::new(path)))
}

fn audit(path: &Path) -> anyhow::Result<()> {
    let ini = Ini::read(path).with_context(|| format!("Unable to read config file {}", path.display()))?;
    let options = ini.daemon(SECTION)?;
    let audit = Audit::from_options(&options)?;
    logging::to_syslog(
        &LogOptions::from_options(&options, SECTION)?,
        None,
        options.bool("log_to_console", false),
    );
    options.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    audit.run().inspect_err(|error| tracing::error!("{error:#}"))
}

/// What the configuration asks for.
struct Audit {
    device_dir: PathBuf,
    minutes: i64,
    error_limit: u64,
    unmount: bool,
    log_file_pattern: String,
    patterns: Vec<Regex>,
    recon: ReconCache,
    /// Who the recon cache belongs to.
    user: String,
}

impl Audit {
    fn from_options(o: &Options) -> anyhow::Result<Self> {
        // Patterns are matched as bytes, whatever they are encoded in.
        let _ = o.str("log_file_encoding");
        Ok(Self {
            device_dir: o.str_or("device_dir", "/srv/node").into(),
            minutes: o.int("minutes", 60)?,
            error_limit: o.int("error_limit", 1)?,
            unmount: o.bool("unmount_failed_device", true),
            log_file_pattern: o.str_or("log_file_pattern", "/var/log/kern.*[!.][!g][!z]"),
            patterns: patterns(o)?,
            recon: ReconCache::from_options(o, "drive"),
            user: o.str_or("user", "swift"),
        })
    }

    fn run(&self) -> anyhow::Result<()> {
        let devices = self.devices()?;
        if devices.is_empty() {
            tracing::error!("Error: No devices found!");
        }
        let logs = kernel_log::files_named(&self.log_file_pattern)?;
        if logs.is_empty() {
            tracing::warn!("no kernel log is named {}: nothing is known of errors", self.log_file_pattern);
        }
        let errors = kernel_log::errors(&logs, &self.patterns, self.minutes)?;
        tracing::debug!("Devices found: {devices:?}, errors: {errors:?}");
        let failed = failed(&devices, &errors, self.error_limit);
        let mut unmounted = 0;
        let mut outcome = Ok(());
        for (mount_point, count) in &failed {
            match self.take_out(mount_point, *count) {
                Ok(was_unmounted) => unmounted += usize::from(was_unmounted),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        self.tell_recon(&devices, &failed);
        match unmounted {
            0 => tracing::info!("No drives were unmounted"),
            _ => reload_systemd(),
        }
        outcome
    }

    fn devices(&self) -> io::Result<Vec<Mounted>> {
        let mountinfo = std::fs::read_to_string("/proc/self/mountinfo")?;
        let partitions = std::fs::read_to_string("/proc/partitions")?;
        Ok(devices::mounted_below(&self.device_dir, &mountinfo, &partitions))
    }

    /// Unmounts a device for good if that is asked for; whether it was.
    fn take_out(&self, mount_point: &Path, errors: u64) -> anyhow::Result<bool> {
        let shown = mount_point.display();
        if !self.unmount {
            tracing::info!("Detected {shown} with {errors} errors (Device not unmounted)");
            return Ok(false);
        }
        tracing::info!("Unmounting {shown} with {errors} errors");
        unmount(mount_point, UnmountFlags::FORCE | UnmountFlags::DETACH)
            .with_context(|| format!("cannot unmount {shown}, which has {errors} errors"))?;
        tracing::info!("Commenting out {shown} from {FSTAB}");
        match fstab::comment_out(Path::new(FSTAB), mount_point) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::error!("cannot comment out {shown} from {FSTAB}: {error}");
            }
            _ => {}
        }
        Ok(true)
    }

    /// Every device has a figure: what is well again must not stay as it was.
    fn tell_recon(&self, devices: &[Mounted], failed: &BTreeMap<PathBuf, u64>) {
        let name = |mount_point: &Path| mount_point.to_string_lossy().into_owned();
        let well = devices.iter().map(|device| (name(&device.mount_point), json!(0)));
        let ill = failed.iter().map(|(mount_point, count)| (name(mount_point), json!(count)));
        let all = ("drive_audit_errors".to_owned(), json!(failed.values().sum::<u64>()));
        let figures: BTreeMap<String, Value> = well.chain(ill).chain([all]).collect();
        let recon = match user_id(&self.user) {
            Ok(owner) => self.recon.clone().owned_by(owner),
            Err(error) => {
                tracing::error!("{error}");
                self.recon.clone()
            }
        };
        recon.dump(figures.iter().map(|(name, figure)| (name.as_str(), figure.clone())));
    }
}

/// The configuration's patterns, or those that know disks by their usual names.
fn patterns(o: &Options) -> anyhow::Result<Vec<Regex>> {
    let compile = |(_, pattern)| {
        Regex::new(pattern).with_context(|| format!("Error: unable to compile regex pattern \"{pattern}\""))
    };
    let own = o.with_prefix("regex_pattern_").map(compile).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(if own.is_empty() { default_patterns() } else { own })
}

fn default_patterns() -> Vec<Regex> {
    DEFAULT_PATTERNS.iter().map(|pattern| Regex::new(pattern).expect("they are patterns")).collect()
}

/// The mount points of devices that have at least `limit` errors, and how many.
fn failed(devices: &[Mounted], errors: &BTreeMap<String, u64>, limit: u64) -> BTreeMap<PathBuf, u64> {
    let count = |device: &Mounted| errors.get(device.kernel_name.as_ref()?).copied();
    let failed = devices.iter().filter_map(|device| Some((device.mount_point.clone(), count(device)?)));
    failed.filter(|(_, count)| *count >= limit).collect()
}

/// systemd mounts what fstab said when it read it last.
fn reload_systemd() {
    if !Path::new(SYSTEMD).is_dir() {
        return;
    }
    match std::process::Command::new("systemctl").arg("daemon-reload").status() {
        Ok(status) if status.success() => {}
        Ok(status) => tracing::error!("systemctl daemon-reload: {status}"),
        Err(error) => tracing::error!("cannot run systemctl daemon-reload: {error}"),
    }
}

/// A time as clocks of this machine show it, by which its kernel log goes.
fn local_time(time: SystemTime) -> anyhow::Result<DateTime> {
    let seconds: libc::time_t = time.duration_since(UNIX_EPOCH)?.as_secs().try_into()?;
    let mut local = std::mem::MaybeUninit::zeroed();
    // SAFETY: both point to values that live as long as the call; where it succeeds, it has filled in the second.
    let local: libc::tm = unsafe {
        if libc::localtime_r(&seconds, local.as_mut_ptr()).is_null() {
            return Err(io::Error::last_os_error().into());
        }
        local.assume_init()
    };
    let year = i16::try_from(local.tm_year + 1900)?;
    let [month, day, hour, minute] =
        [local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min].map(|part| part as i8);
    // A leap second is the one before it.
    Ok(DateTime::new(year, month, day, hour, minute, local.tm_sec.min(59) as i8, 0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(dir: &Path) -> Options {
        let dir = dir.display().to_string();
        Options::new("drive-audit.conf", SECTION)
            .with("device_dir", &format!("{dir}/none"))
            .with("log_file_pattern", &format!("{dir}/kern.*"))
            .with("recon_cache_path", &dir)
            .with("user", &crate::process::current_user().unwrap())
    }

    #[test]
    fn devices_at_their_limit_have_failed() {
        let device = |mount_point: &str, name: Option<&str>| Mounted {
            mount_point: mount_point.into(),
            kernel_name: name.map(str::to_owned),
        };
        let devices = [device("/d1", Some("sdb")), device("/d2", Some("sdc")), device("/d3", None)];
        let errors = BTreeMap::from([("sdb".to_owned(), 3), ("sdc".to_owned(), 2), ("sdz".to_owned(), 9)]);
        assert_eq!(failed(&devices, &errors, 3), BTreeMap::from([("/d1".into(), 3)]));
    }

    #[test]
    fn without_devices_and_log_recon_is_told_so() {
        let dir = tempfile::tempdir().unwrap();
        let audit = Audit::from_options(&options(dir.path())).unwrap();
        audit.run().unwrap();
        let figures = std::fs::read_to_string(dir.path().join("drive.recon")).unwrap();
        assert_eq!(figures, "{\"drive_audit_errors\":0}\n");
    }

    #[test]
    fn what_cannot_be_unmounted_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path());
        let audit = Audit::from_options(&options).unwrap();
        // A folder on which nothing is mounted: the kernel refuses whoever asks.
        let error = audit.take_out(dir.path(), 7).unwrap_err().to_string();
        assert_eq!(error, format!("cannot unmount {}, which has 7 errors", dir.path().display()));
        let audit = Audit::from_options(&options.with("unmount_failed_device", "no")).unwrap();
        assert!(!audit.take_out(dir.path(), 7).unwrap());
    }

    #[test]
    fn patterns_are_the_configurations_own_if_it_has_any() {
        let dir = tempfile::tempdir().unwrap();
        let own = options(dir.path()).with("regex_pattern_1", r"\b(dm-\d+)\b failed");
        assert_eq!(patterns(&own).unwrap()[0].as_str(), r"\b(dm-\d+)\b failed");
        let wrong = options(dir.path()).with("regex_pattern_x", "(");
        let error = patterns(&wrong).unwrap_err().to_string();
        assert_eq!(error, "Error: unable to compile regex pattern \"(\"");
    }
}
