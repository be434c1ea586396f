//! What a reconstructor counts and says. Pure.

use crate::object::replication::{remaining, suffix_lines};
use std::time::Duration;

/// What was done so far.
#[derive(Debug, Default, Clone)]
pub(super) struct Stats {
    /// Devices looked at.
    pub devices: u64,
    /// Partitions there are, and those that were begun.
    pub partitions: u64,
    pub done: u64,
    /// Suffixes that differ from a partner's, those that were hashed, and those that were sent.
    pub suffix_count: u64,
    pub suffix_hash: u64,
    pub suffix_sync: u64,
    /// Partitions that could not be handed over, or not all of them.
    pub handoffs_remaining: u64,
    /// How long each partition took, in seconds.
    pub times: Vec<f32>,
}

impl Stats {
    /// The log lines of now and then.
    pub fn lines(&self, elapsed: Duration) -> Vec<String> {
        let seconds = elapsed.as_secs_f64().max(1e-6);
        if self.devices == 0 || self.partitions == 0 {
            return vec![format!("Nothing reconstructed for {seconds} seconds.")];
        }
        let part = self.done as f64 / self.partitions as f64;
        let remaining = remaining(seconds, part);
        let mut lines = vec![format!(
            "{}/{} ({:.2}%) partitions reconstructed in {seconds:.2}s ({:.2}/sec, {remaining} remaining)",
            self.done,
            self.partitions,
            part * 100.0,
            self.done as f64 / seconds,
        )];
        if self.suffix_count > 0 && !self.times.is_empty() {
            let mut times = self.times.clone();
            times.sort_unstable_by(f32::total_cmp);
            lines.extend(suffix_lines(self.suffix_count, self.suffix_hash, self.suffix_sync, &times));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_swifts() {
        let stats = Stats {
            devices: 1,
            partitions: 100,
            done: 50,
            suffix_count: 200,
            suffix_hash: 20,
            suffix_sync: 10,
            times: vec![2.0, 0.5, 1.0],
            ..Stats::default()
        };
        assert_eq!(
            stats.lines(Duration::from_secs(600)),
            [
                "50/100 (50.00%) partitions reconstructed in 600.00s (0.08/sec, 10m remaining)",
                "200 suffixes checked - 10.00% hashed, 5.00% synced",
                "Partition times: max 2.0000s, min 0.5000s, med 1.0000s",
            ]
        );
        assert_eq!(Stats::default().lines(Duration::from_secs(3)), ["Nothing reconstructed for 3 seconds."]);
    }
}
