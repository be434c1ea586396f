//! What an auditor counts and says. Pure.

use crate::daemon::Ctime;
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What of an object is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    /// All of it.
    All,
    /// All but the bytes: finds what lost them, at a glance.
    ZeroByte,
}

impl Scan {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::All, Self::ZeroByte];

    /// As Swift calls it in log lines and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "ALL",
            Self::ZeroByte => "ZBF",
        }
    }

    /// The figure of recon that its counts are.
    pub fn recon_key(self) -> &'static str {
        match self {
            Self::All => "object_auditor_stats_ALL",
            Self::ZeroByte => "object_auditor_stats_ZBF",
        }
    }
}

/// What a scan of these devices is called in log lines: `ALL - parallel, sda`. `None`: all devices.
pub(super) fn title(scan: Scan, devices: Option<&[String]>) -> String {
    let Some(devices) = devices else { return scan.name().to_owned() };
    let mut devices = devices.to_vec();
    devices.sort_unstable();
    let how = if scan == Scan::All { " - parallel, " } else { " - " };
    format!("{}{how}{}", scan.name(), devices.join(","))
}

/// What was found so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    /// Objects that were looked at, quarantined ones included.
    pub passes: u64,
    /// Objects that were set aside.
    pub quarantined: u64,
    /// Objects and folders that could not be looked at.
    pub errors: u64,
    /// Bytes that were read.
    pub bytes: u64,
}

impl Counts {
    /// Adds those of `other`.
    pub fn add(&mut self, other: Self) {
        self.passes += other.passes;
        self.quarantined += other.quarantined;
        self.errors += other.errors;
        self.bytes += other.bytes;
    }
}

/// How a scan stands at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// Found since `since`.
    pub counts: Counts,
    /// When figures were told last.
    pub since: SystemTime,
    /// From then to now.
    pub since_elapsed: Duration,
    /// From the scan's beginning to now.
    pub elapsed: Duration,
    /// How much of that objects took.
    pub auditing: Duration,
}

impl Standing {
    /// The log line of now and then.
    pub fn line(&self, title: &str) -> String {
        let Counts { passes, quarantined, errors, bytes } = self.counts;
        format!(
            "Object audit ({title}). Since {}: Locally: {passes} passed, {quarantined} quarantined, {errors} errors, \
             files/sec: {:.2}, bytes/sec: {:.2}, Total time: {:.2}, Auditing time: {:.2}, Rate: {:.2}",
            Ctime(self.since),
            per_second(passes, self.since_elapsed),
            per_second(bytes, self.since_elapsed),
            self.elapsed.as_secs_f64(),
            self.auditing.as_secs_f64(),
            rate(self.auditing, self.elapsed),
        )
    }

    /// The figures for recon; those of some devices lie below their names.
    pub fn recon(&self, devices: Option<&[String]>) -> Value {
        let Counts { passes, quarantined, errors, bytes } = self.counts;
        let stats = json!({
            "errors": errors,
            "passes": passes,
            "quarantined": quarantined,
            "bytes_processed": bytes,
            "start_time": self.since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            "audit_time": self.auditing.as_secs_f64(),
        });
        let Some(devices) = devices else { return stats };
        let mut devices = devices.to_vec();
        devices.sort_unstable();
        Value::Object(Map::from_iter([(devices.concat(), stats)]))
    }
}

/// The log line at the end of a scan. `files` were looked at, `total` was found.
pub(super) fn last_line(
    title: &str,
    mode: &str,
    files: u64,
    total: Counts,
    elapsed: Duration,
    auditing: Duration,
) -> String {
    format!(
        "Object audit ({title}) \"{mode}\" mode completed: {:.2}s. Total quarantined: {}, Total errors: {}, \
         Total files/sec: {:.2}, Total bytes/sec: {:.2}, Auditing time: {:.2}, Rate: {:.2}",
        elapsed.as_secs_f64(),
        total.quarantined,
        total.errors,
        per_second(files, elapsed),
        per_second(total.bytes, elapsed),
        auditing.as_secs_f64(),
        rate(auditing, elapsed),
    )
}

fn per_second(n: u64, elapsed: Duration) -> f64 {
    // at the very beginning no time has passed
    n as f64 / elapsed.as_secs_f64().max(1e-6)
}

fn rate(auditing: Duration, elapsed: Duration) -> f64 {
    auditing.as_secs_f64() / elapsed.as_secs_f64().max(1e-6)
}

/// How many objects are of which size: `object_size_stats`.
#[derive(Debug)]
pub(super) struct SizeStats {
    /// Each limit, ascending, and how many objects are not larger.
    limits: Vec<(u64, u64)>,
    over: u64,
}

impl SizeStats {
    /// Counts none yet; `limits` ascend.
    pub fn new(limits: &[u64]) -> Self {
        Self { limits: limits.iter().map(|limit| (*limit, 0)).collect(), over: 0 }
    }

    /// Counts an object.
    pub fn add(&mut self, size: u64) {
        match self.limits.iter_mut().find(|(limit, _)| size <= *limit) {
            Some((_, count)) => *count += 1,
            None => self.over += 1,
        }
    }

    /// The log line about them, if they were asked for.
    pub fn line(&self) -> Option<String> {
        let counts = self.limits.iter().map(|(limit, count)| format!("\"{limit}\": {count}"));
        let counts: Vec<String> = counts.chain([format!("\"OVER\": {}", self.over)]).collect();
        (!self.limits.is_empty()).then(|| format!("Object audit stats: {{{}}}", counts.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn standing() -> Standing {
        Standing {
            counts: Counts { passes: 30, quarantined: 2, errors: 1, bytes: 5000 },
            since: UNIX_EPOCH + Duration::from_secs(1_402_464_677),
            since_elapsed: Duration::from_secs(10),
            elapsed: Duration::from_secs(20),
            auditing: Duration::from_secs(5),
        }
    }

    #[test]
    fn lines_are_swifts() {
        let title = title(Scan::All, Some(&names(&["sdb", "sda"])));
        assert_eq!(
            standing().line(&title),
            "Object audit (ALL - parallel, sda,sdb). Since Wed Jun 11 05:31:17 2014: Locally: 30 passed, \
             2 quarantined, 1 errors, files/sec: 3.00, bytes/sec: 500.00, Total time: 20.00, Auditing time: 5.00, \
             Rate: 0.25"
        );
        let (elapsed, auditing) = (Duration::from_secs(10), Duration::from_secs(5));
        assert_eq!(
            last_line("ZBF", "once", 40, standing().counts, elapsed, auditing),
            "Object audit (ZBF) \"once\" mode completed: 10.00s. Total quarantined: 2, Total errors: 1, \
             Total files/sec: 4.00, Total bytes/sec: 500.00, Auditing time: 5.00, Rate: 0.50"
        );
    }

    #[test]
    fn a_scan_of_some_devices_says_which() {
        assert_eq!(super::title(Scan::ZeroByte, None), "ZBF");
        assert_eq!(super::title(Scan::ZeroByte, Some(&names(&["sda"]))), "ZBF - sda");
        let stats = standing().recon(None);
        assert_eq!(standing().recon(Some(&names(&["d2", "d1"]))), json!({"d1d2": stats}));
        assert_eq!(stats["start_time"], json!(1_402_464_677.0));
        assert_eq!((&stats["passes"], &stats["bytes_processed"]), (&json!(30), &json!(5000)));
    }

    #[test]
    fn sizes_are_counted_up_to_their_limits() {
        let mut stats = SizeStats::new(&[10, 100]);
        for size in [0, 10, 11, 101, 5000] {
            stats.add(size);
        }
        assert_eq!(stats.line().unwrap(), r#"Object audit stats: {"10": 2, "100": 1, "OVER": 2}"#);
        assert_eq!(SizeStats::new(&[]).line(), None);
    }
}
