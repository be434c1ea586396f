//! What daemons say of their passes.

use super::options::ServerType;
use super::scout::Heard;
use super::stats::write_line;
use super::{Recon, shown_time};
use serde_json::Value;
use std::io::{self, Write};
use swiftlet_types::Timestamp;

impl<W: Write> Recon<'_, W> {
    pub(super) async fn asyncs(&mut self) -> io::Result<()> {
        self.one_figure("Checking async pendings", "async", "async_pending", "async_pending").await
    }

    pub(super) async fn drive_audit(&mut self) -> io::Result<()> {
        let name = "drive_audit_errors";
        self.one_figure("Checking drive-audit errors", "driveaudit", name, name).await
    }

    async fn one_figure(&mut self, title: &str, what: &str, figure: &str, name: &str) -> io::Result<()> {
        self.begin(title)?;
        let heard = self.scout.ask(what).await;
        write_line(&mut self.out, name, name, &figures(&heard, figure))?;
        self.end()
    }

    pub(super) async fn updater(&mut self) -> io::Result<()> {
        let server = self.server.name();
        self.begin("Checking updater times")?;
        let heard = self.scout.ask(&format!("updater/{server}")).await;
        let mut sweeps = figures(&heard, &format!("{server}_updater_sweep"));
        // who never swept is not counted
        sweeps.retain(|sweep| sweep.is_some_and(|seconds| seconds != 0.0));
        write_line(&mut self.out, "updater_last_sweep", "updater_last_sweep", &sweeps)?;
        self.end()
    }

    pub(super) async fn expirer(&mut self) -> io::Result<()> {
        self.begin("Checking on expirers")?;
        let heard = self.scout.ask("expirer/object").await;
        for name in ["object_expiration_pass", "expired_last_pass"] {
            write_line(&mut self.out, name, name, &figures(&heard, name))?;
        }
        self.end()
    }

    pub(super) async fn reconstruction(&mut self) -> io::Result<()> {
        self.begin("Checking on reconstructors")?;
        let heard = self.scout.ask("reconstruction/object").await;
        let name = "object_reconstruction_time";
        write_line(&mut self.out, name, name, &figures(&heard, name))?;
        self.completions(&heard, &["object_reconstruction_last"])?;
        self.end()
    }

    pub(super) async fn replication(&mut self) -> io::Result<()> {
        self.begin("Checking on replication")?;
        let heard = self.scout.ask(&format!("replication/{}", self.server.name())).await;
        let times = heard.iter().map(|heard| first(heard, &["replication_time", "object_replication_time"]));
        write_line(&mut self.out, "replication_time", "replication_time", &times.collect::<Vec<_>>())?;
        for stat in ["failure", "success", "attempted"] {
            let figures = nested(&heard, "replication_stats", stat);
            write_line(&mut self.out, &format!("replication_{stat}"), stat, &figures)?;
        }
        self.completions(&heard, &["replication_last", "object_replication_last"])?;
        self.end()
    }

    pub(super) async fn sharding(&mut self) -> io::Result<()> {
        self.begin("Checking on sharders")?;
        let heard = self.scout.ask("sharding").await;
        let times: Vec<_> = heard.iter().map(|heard| first(heard, &["sharding_time"])).collect();
        write_line(&mut self.out, "sharding_time", "sharding_time", &times)?;
        for stat in ["attempted", "failure", "success"] {
            write_line(&mut self.out, stat, stat, &nested(&heard, "sharding_stats", stat))?;
        }
        self.completions(&heard, &["sharding_last"])?;
        self.end()
    }

    pub(super) async fn database_auditor(&mut self) -> io::Result<()> {
        let server = self.server.name();
        debug_assert_ne!(self.server, ServerType::Object);
        self.begin("Checking auditor stats")?;
        let heard = self.scout.ask(&format!("auditor/{server}")).await;
        if heard.is_empty() {
            return writeln!(self.out, "Error: No hosts available");
        }
        let there = |name: &str| {
            let mut figures = figures(&heard, &format!("{server}_{name}"));
            figures.retain(Option::is_some);
            figures
        };
        for name in ["auditor_pass_completed", "audits_failed", "audits_passed"] {
            let shown = format!("{server}_{name}");
            write_line(&mut self.out, &shown, &shown, &there(name))?;
        }
        let since: Vec<f64> = there("audits_since").into_iter().flatten().collect();
        match since.iter().copied().reduce(f64::min).zip(since.iter().copied().reduce(f64::max)) {
            None => writeln!(self.out, "[{server}_audits_since] - No hosts returned valid data.")?,
            Some((low, high)) => {
                let average = since.iter().sum::<f64>() / since.len() as f64;
                let [low, high, average] = [low, high, average].map(shown_time);
                writeln!(self.out, "[last_pass] oldest: {low}, newest: {high}, avg: {average}")?;
            }
        }
        self.end()
    }

    pub(super) async fn object_auditor(&mut self) -> io::Result<()> {
        self.begin("Checking auditor stats ")?;
        let heard = self.scout.ask("auditor/object").await;
        let kinds: [(&str, &[&str]); 2] = [
            ("ALL", &["audit_time", "bytes_processed", "passes", "errors", "quarantined"]),
            ("ZBF", &["audit_time", "bytes_processed", "errors", "quarantined"]),
        ];
        for (kind, names) in kinds {
            let key = format!("object_auditor_stats_{kind}");
            let there = heard.iter().filter_map(|heard| heard.answer.get(&key)?.as_object());
            let there: Vec<_> = there.filter(|stats| !stats.is_empty()).cloned().map(Value::Object).collect();
            if there.is_empty() {
                writeln!(self.out, "[{kind}_auditor] - No hosts returned valid data.")?;
                continue;
            }
            for name in names {
                let sums: Vec<_> = there.iter().map(|stats| Some(sum_of(stats, name))).collect();
                let shown = format!("{kind}_{name}_last_path");
                write_line(&mut self.out, &shown, &shown, &sums)?;
            }
        }
        self.end()
    }

    /// Who completed a pass last, and whose last one is longest ago.
    fn completions(&mut self, heard: &[Heard], names: &[&str]) -> io::Result<()> {
        let mut passes: Vec<(f64, &Heard)> =
            heard.iter().filter_map(|heard| Some((first(heard, names)?, heard))).collect();
        passes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (Some((oldest, by)), Some((newest, newest_by))) = (passes.first(), passes.last()) else {
            return Ok(());
        };
        if *oldest == 0.0 {
            writeln!(self.out, "Oldest completion was NEVER by {}.", by.address())?;
        } else {
            let (time, ago) = (shown_time(*oldest), ago(*oldest));
            writeln!(self.out, "Oldest completion was {time} ({ago} ago) by {}.", by.address())?;
        }
        if *newest > 0.0 {
            let (time, ago) = (shown_time(*newest), ago(*newest));
            writeln!(self.out, "Most recent completion was {time} ({ago} ago) by {}.", newest_by.address())?;
        }
        Ok(())
    }
}

/// A figure of each answer.
pub(super) fn figures(heard: &[Heard], name: &str) -> Vec<Option<f64>> {
    heard.iter().map(|heard| heard.figure(name)).collect()
}

/// The first of these figures that the answer names; 0 where it names none, nothing where it says null.
fn first(heard: &Heard, names: &[&str]) -> Option<f64> {
    match names.iter().find_map(|name| heard.answer.get(name)) {
        Some(figure) => figure.as_f64(),
        None => Some(0.0),
    }
}

/// A figure within `group`, of those answers that have the group.
fn nested(heard: &[Heard], group: &str, name: &str) -> Vec<Option<f64>> {
    let groups = heard.iter().filter_map(|heard| heard.answer.get(group)?.as_object());
    groups.filter(|group| !group.is_empty()).map(|group| group.get(name)?.as_f64()).collect()
}

/// The sum of all figures of that name, at whatever depth: auditors side by side tell by device.
fn sum_of(stats: &Value, name: &str) -> f64 {
    let Some(entries) = stats.as_object() else { return 0.0 };
    let of = |(key, value): (&String, &Value)| match value.as_f64().filter(|_| key == name) {
        Some(figure) => figure,
        None => sum_of(value, name),
    };
    entries.iter().map(of).sum()
}

/// How long ago that was, in the largest unit that fits.
fn ago(seconds: f64) -> String {
    let mut elapsed = Timestamp::now().as_secs_f64() - seconds;
    let mut unit = "seconds";
    for (next, factor) in [("minutes", 60.0), ("hours", 60.0), ("days", 24.0)] {
        if elapsed < factor {
            break;
        }
        (elapsed, unit) = (elapsed / factor, next);
    }
    format!("{} {unit}", elapsed.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn figures_by_device_are_added_up() {
        let stats = json!({"d1": {"passes": 2, "errors": 1}, "d2": {"passes": 3, "errors": 0}});
        assert_eq!((sum_of(&stats, "passes"), sum_of(&stats, "errors")), (5.0, 1.0));
        assert_eq!(sum_of(&json!({"passes": 4}), "passes"), 4.0);
    }

    #[test]
    fn tells_time_in_the_largest_unit_that_fits() {
        let now = Timestamp::now().as_secs_f64();
        assert_eq!(
            [10.5, 90.0, 7300.0, 200_000.0].map(|seconds| ago(now - seconds)),
            ["10 seconds", "1 minutes", "2 hours", "2 days"]
        );
    }
}
