//! What machines and disks say: devices that are away, how full they are, load, sockets, what is quarantined.

use super::daemons::figures;
use super::scout::{Heard, address};
use super::stats::{Stats, shown_float, write_line};
use super::{RULE, Recon};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// How wide the longest bar of the distribution is, in characters.
const BAR_WIDTH: f64 = 69.0;
const SIZE_SUFFIXES: [&str; 9] = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];

/// One mounted device.
struct Usage {
    url: String,
    device: String,
    used: u64,
    avail: u64,
    /// Of its size.
    percent: f64,
}

impl<W: Write> Recon<'_, W> {
    pub(super) async fn unmounted(&mut self) -> io::Result<()> {
        self.begin(&format!("Getting unmounted drives from {} hosts...", self.scout.hosts.len()))?;
        let heard = self.scout.ask("unmounted").await;
        for (title, is_error) in [("Not mounted", false), ("Device errors", true)] {
            for heard in &heard {
                let entries = heard.answer.as_array().into_iter().flatten();
                for entry in entries.filter(|entry| entry["mounted"].is_boolean() != is_error) {
                    let device = entry["device"].as_str().unwrap_or_default();
                    writeln!(self.out, "{title}: {device} on {}", heard.address())?;
                }
            }
        }
        self.end()
    }

    pub(super) async fn load(&mut self) -> io::Result<()> {
        self.begin("Checking load averages")?;
        let heard = self.scout.ask("load").await;
        for minutes in ["1m", "5m", "15m"] {
            let name = format!("{minutes}_load_avg");
            write_line(&mut self.out, &name, &name, &figures(&heard, minutes))?;
        }
        self.end()
    }

    pub(super) async fn quarantined(&mut self) -> io::Result<()> {
        self.begin("Checking quarantine")?;
        let heard = self.scout.ask("quarantined").await;
        let mut by_name: BTreeMap<String, Vec<Option<f64>>> = BTreeMap::new();
        for policies in heard.iter().filter_map(|heard| heard.answer.get("policies")?.as_object()) {
            for (index, figures) in policies {
                by_name.entry(format!("objects_{index}")).or_default().push(figures["objects"].as_f64());
            }
        }
        let all = by_name.into_iter();
        let kinds = ["objects", "containers", "accounts"];
        for (name, figures) in all.chain(kinds.map(|kind| (kind.to_owned(), figures(&heard, kind)))) {
            self.figure(&format!("quarantined_{name}"), &figures)?;
        }
        self.end()
    }

    pub(super) async fn sockets(&mut self) -> io::Result<()> {
        self.begin("Checking socket usage")?;
        let heard = self.scout.ask("sockstat").await;
        for name in ["tcp_in_use", "tcp_mem_allocated_bytes", "tcp6_in_use", "time_wait", "orphan"] {
            self.figure(name, &figures(&heard, name))?;
        }
        self.end()
    }

    fn figure(&mut self, name: &str, figures: &[Option<f64>]) -> io::Result<()> {
        match Stats::of(name, figures) {
            Some(stats) => writeln!(self.out, "{stats}"),
            None => writeln!(self.out, "No hosts returned valid data."),
        }
    }

    pub(super) async fn disk_usage(&mut self) -> io::Result<()> {
        self.begin("Checking disk usage now")?;
        // all servers of a host have the same disks: one port of each is enough
        let hosts: BTreeMap<String, u16> = self.scout.hosts.iter().cloned().collect();
        let hosts: Vec<_> = hosts.into_iter().collect();
        let heard = self.scout.ask_of(&hosts, "diskusage").await;
        let mut usages = Vec::new();
        for heard in &heard {
            let before = usages.len();
            self.add_usages(heard, &mut usages)?;
            if usages.len() == before {
                writeln!(self.out, "-> {}: Error. No drive info available.", heard.url)?;
            }
        }
        match usages.is_empty() {
            true => writeln!(self.out, "No hosts returned valid data.")?,
            false => self.distribution(&usages)?,
        }
        writeln!(self.out, "{RULE}")?;
        usages.sort_by(|a, b| b.percent.total_cmp(&a.percent));
        self.rank("TOP", self.options.top, usages.iter().filter(|usage| usage.percent > 0.0))?;
        self.rank("LOWEST", self.options.lowest, usages.iter().rev().filter(|usage| usage.percent < 100.0))
    }

    /// Adds the devices that a host tells of; those that cannot be read are told.
    fn add_usages(&mut self, heard: &Heard, usages: &mut Vec<Usage>) -> io::Result<()> {
        for entry in heard.answer.as_array().into_iter().flatten() {
            let device = entry["device"].as_str().unwrap_or_default();
            let number = |name: &str| entry[name].as_u64().unwrap_or(0);
            match &entry["mounted"] {
                Value::Bool(true) => usages.push(Usage {
                    url: heard.url.clone(),
                    device: device.to_owned(),
                    used: number("used"),
                    avail: number("avail"),
                    percent: number("used") as f64 / number("size").max(1) as f64 * 100.0,
                }),
                Value::Bool(false) => {}
                why => {
                    let why = why.as_str().map_or_else(|| why.to_string(), str::to_owned);
                    writeln!(self.out, "-> {}/{device}: Error: {why}", heard.url)?;
                }
            }
        }
        Ok(())
    }

    fn distribution(&mut self, usages: &[Usage]) -> io::Result<()> {
        let percents: Vec<f64> = usages.iter().map(|usage| (usage.percent * 100.0).round() / 100.0).collect();
        let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
        for percent in &percents {
            *counts.entry(*percent as u64).or_default() += 1;
        }
        let scale = BAR_WIDTH / counts.values().copied().max().unwrap_or(1) as f64;
        writeln!(self.out, "Distribution Graph:")?;
        for (percent, count) in counts {
            let bar = "*".repeat((count as f64 * scale) as usize);
            writeln!(self.out, "{percent:3}%{count:5} {bar}")?;
        }
        let (used, free) = (sum(usages, |usage| usage.used), sum(usages, |usage| usage.avail));
        let shown = |bytes| if self.options.has("human-readable") { size(bytes) } else { bytes.to_string() };
        let lowest = percents.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = percents.iter().copied().fold(0.0, f64::max);
        let average = 100.0 * used as f64 / (used + free).max(1) as f64;
        let [lowest, highest, average] = [lowest, highest, average].map(shown_float);
        let (shown_used, shown_free, shown_all) = (shown(used), shown(free), shown(used + free));
        writeln!(self.out, "Disk usage: space used: {shown_used} of {shown_all}")?;
        writeln!(self.out, "Disk usage: space free: {shown_free} of {shown_all}")?;
        writeln!(self.out, "Disk usage: lowest: {lowest}%, highest: {highest}%, avg: {average}%")
    }

    fn rank<'u>(
        &mut self,
        title: &str,
        count: usize,
        ranked: impl Iterator<Item = &'u Usage>,
    ) -> io::Result<()> {
        if count == 0 {
            return Ok(());
        }
        writeln!(self.out, "{title} {count}")?;
        for Usage { url, device, percent, .. } in ranked.take(count) {
            let host = address(url).rsplit_once(':').map_or(address(url), |(host, _)| host);
            writeln!(self.out, "{percent:.2}%  {host:<15} {device}")?;
        }
        Ok(())
    }
}

fn sum(usages: &[Usage], of: impl Fn(&Usage) -> u64) -> u64 {
    usages.iter().map(of).fold(0, u64::saturating_add)
}

/// Bytes in the largest unit of 1000 of them, cut.
fn size(mut bytes: u64) -> String {
    let mut suffixes = SIZE_SUFFIXES.into_iter();
    let mut suffix = suffixes.next().unwrap_or_default();
    while bytes >= 1000
        && let Some(next) = suffixes.next()
    {
        (bytes, suffix) = (bytes / 1000, next);
    }
    format!("{bytes} {suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_cut_as_swift_cuts_them() {
        assert_eq!(
            [0, 999, 1000, 1_999_999, u64::MAX].map(size),
            ["0 bytes", "999 bytes", "1 kB", "1 MB", "18 EB"]
        );
    }
}
