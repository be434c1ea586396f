//! What came of a sweep: counts for the log, and the oldest updates that fail, for recon.

use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use swiftlet_types::Timestamp;

/// Counts of a sweep, by Swift's names.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names say all there is
pub(super) struct SweepStats {
    pub successes: u64,
    pub failures: u64,
    pub quarantines: u64,
    pub unlinks: u64,
    pub outdated_unlinks: u64,
    pub errors: u64,
    pub redirects: u64,
    pub skips: u64,
    pub deferrals: u64,
    pub drains: u64,
}

impl SweepStats {
    /// The updates that were not taken by all whom they are for.
    pub fn left(&self) -> u64 {
        self.failures + self.skips
    }
}

impl fmt::Display for SweepStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { successes, failures, quarantines, unlinks, outdated_unlinks, .. } = self;
        let Self { errors, redirects, skips, deferrals, drains, .. } = self;
        write!(
            f,
            "{successes} successes, {failures} failures, {quarantines} quarantines, {unlinks} unlinks, \
             {outdated_unlinks} outdated_unlinks, {errors} errors, {redirects} redirects, {skips} skips, \
             {deferrals} deferrals, {drains} drains"
        )
    }
}

type Container = (String, String);

/// The oldest update that failed of each container, of so many containers at most.
#[derive(Debug)]
pub(super) struct OldestFailures {
    max: usize,
    of: HashMap<Container, Timestamp>,
    sorted: BTreeSet<(Timestamp, Container)>,
}

impl OldestFailures {
    /// Knows `max` containers.
    pub(super) fn new(max: usize) -> Self {
        Self { max, of: HashMap::new(), sorted: BTreeSet::new() }
    }

    /// Notes that an update of `timestamp` failed.
    pub(super) fn add(&mut self, account: &str, container: &str, timestamp: Timestamp) {
        let name = (account.to_owned(), container.to_owned());
        match self.of.insert(name.clone(), timestamp) {
            Some(known) if known <= timestamp => drop(self.of.insert(name, known)),
            known => {
                if let Some(known) = known {
                    self.sorted.remove(&(known, name.clone()));
                }
                self.sorted.insert((timestamp, name));
            }
        }
        if self.of.len() > self.max
            && let Some((_, newest)) = self.sorted.pop_last()
        {
            self.of.remove(&newest);
        }
    }

    /// What recon shows of it: the `count` oldest, and the age of the oldest at `now`.
    pub(super) fn to_json(&self, count: usize, now: Timestamp) -> Value {
        let oldest = self.sorted.first().map(|(timestamp, _)| timestamp.as_secs_f64());
        let entries: Vec<Value> = self
            .sorted
            .iter()
            .take(count)
            .map(|(timestamp, (account, container))| {
                json!({"timestamp": timestamp.as_secs_f64(), "account": account, "container": container})
            })
            .collect();
        let names = self.of.keys().map(|(account, container)| account.len() + container.len());
        let entry_bytes = 2 * (size_of::<Container>() + size_of::<Timestamp>());
        json!({
            "failures_oldest_timestamp": oldest,
            "failures_oldest_timestamp_age": oldest.map(|oldest| now.as_secs_f64() - oldest),
            "failures_account_container_count": self.of.len(),
            "failures_oldest_timestamp_account_containers": {"oldest_count": entries.len(), "oldest_entries": entries},
            "tracker_memory_usage": 2 * names.sum::<usize>() + self.of.len() * entry_bytes,
        })
    }
}

/// The same of all devices, from what [`OldestFailures::to_json`] gave for each.
pub(super) fn of_all_devices(devices: &[Value], count: usize) -> Value {
    let figures = |name: &'static str| devices.iter().filter_map(move |device| device[name].as_f64());
    let entries = |device: &Value| {
        let entries = &device["failures_oldest_timestamp_account_containers"]["oldest_entries"];
        entries.as_array().cloned().unwrap_or_default()
    };
    let mut oldest: Vec<Value> = devices.iter().flat_map(entries).collect();
    oldest.sort_by(|a, b| f64::total_cmp(&time_of(a), &time_of(b)));
    oldest.truncate(count);
    let containers = devices.iter().filter_map(|device| device["failures_account_container_count"].as_u64());
    json!({
        "failures_oldest_timestamp": figures("failures_oldest_timestamp").reduce(f64::min),
        "failures_oldest_timestamp_age": figures("failures_oldest_timestamp_age").reduce(f64::max),
        "failures_account_container_count": containers.max().unwrap_or(0),
        "failures_oldest_timestamp_account_containers": {"oldest_count": oldest.len(), "oldest_entries": oldest},
        "tracker_memory_usage": figures("tracker_memory_usage").sum::<f64>(),
    })
}

fn time_of(entry: &Value) -> f64 {
    entry["timestamp"].as_f64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Timestamp {
        second.to_string().parse().unwrap()
    }

    #[test]
    fn the_oldest_of_each_container_is_known_and_the_newest_containers_are_not() {
        let mut failures = OldestFailures::new(2);
        failures.add("a", "c", at(5));
        failures.add("a", "c", at(3));
        failures.add("a", "c", at(9));
        failures.add("a", "d", at(7));
        failures.add("a", "e", at(8));
        let shown = failures.to_json(1, at(13));
        assert_eq!(shown["failures_oldest_timestamp"], 3.0);
        assert_eq!(shown["failures_oldest_timestamp_age"], 10.0);
        assert_eq!(shown["failures_account_container_count"], 2);
        let entry = json!({"timestamp": 3.0, "account": "a", "container": "c"});
        let expected = json!({"oldest_count": 1, "oldest_entries": [entry]});
        assert_eq!(shown["failures_oldest_timestamp_account_containers"], expected);
        failures.add("a", "f", at(1));
        assert_eq!(failures.to_json(1, at(13))["failures_oldest_timestamp"], 1.0);
    }

    #[test]
    fn figures_of_devices_come_together() {
        let (mut one, mut other) = (OldestFailures::new(9), OldestFailures::new(9));
        one.add("a", "c", at(5));
        other.add("a", "d", at(4));
        other.add("a", "e", at(6));
        let none = OldestFailures::new(9).to_json(2, at(9));
        let devices = [one.to_json(2, at(9)), other.to_json(2, at(9)), none.clone()];
        let all = of_all_devices(&devices, 2);
        assert_eq!(all["failures_oldest_timestamp"], 4.0);
        assert_eq!(all["failures_oldest_timestamp_age"], 5.0);
        assert_eq!(all["failures_account_container_count"], 2);
        let names = |n: usize| {
            all["failures_oldest_timestamp_account_containers"]["oldest_entries"][n]["container"].clone()
        };
        assert_eq!((names(0), names(1)), (json!("d"), json!("c")));
        let empty = of_all_devices(&[none], 2);
        assert_eq!(
            (&empty["failures_oldest_timestamp"], &empty["tracker_memory_usage"]),
            (&Value::Null, &json!(0.0))
        );
    }
}
