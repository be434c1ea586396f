//! What was done for one account, for its log line.

use super::plan::Outcome;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// Counts of one account.
#[derive(Debug, Default)]
pub(super) struct Stats {
    pub containers: Outcomes,
    pub objects: Outcomes,
    /// By the first digit of the status.
    return_codes: BTreeMap<u16, u64>,
}

/// How many things came to what.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    deleted: u64,
    pub remaining: u64,
    possibly_remaining: u64,
}

impl Outcomes {
    pub fn count(&mut self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Deleted => &mut self.deleted,
            Outcome::Remaining => &mut self.remaining,
            Outcome::PossiblyRemaining => &mut self.possibly_remaining,
        };
        *counter += 1;
    }
}

impl Stats {
    /// Notes a server's answer.
    pub fn answered(&mut self, status: u16) {
        *self.return_codes.entry(status / 100).or_default() += 1;
    }

    /// The line, in Swift's words; a pass that met an error is not complete.
    pub fn line(&self, account: &str, is_complete: bool, elapsed: Duration) -> String {
        let mut line =
            format!("{} pass on account {account}", if is_complete { "Completed" } else { "Incomplete" });
        let (containers, objects) = (&self.containers, &self.objects);
        for (count, of_what) in [
            (containers.deleted, "containers deleted"),
            (objects.deleted, "objects deleted"),
            (containers.remaining, "containers remaining"),
            (objects.remaining, "objects remaining"),
            (containers.possibly_remaining, "containers possibly remaining"),
            (objects.possibly_remaining, "objects possibly remaining"),
        ] {
            if count > 0 {
                let _ = write!(line, ", {count} {of_what}");
            }
        }
        let codes: Vec<String> =
            self.return_codes.iter().map(|(code, count)| format!("{count} {code}xxs")).collect();
        if !codes.is_empty() {
            let _ = write!(line, ", return codes: {}", codes.join(", "));
        }
        let _ = write!(line, ", elapsed: {:.2}s", elapsed.as_secs_f64());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_swifts() {
        let mut stats = Stats::default();
        assert_eq!(
            stats.line("a", false, Duration::from_millis(10)),
            "Incomplete pass on account a, elapsed: 0.01s"
        );
        stats.containers.count(Outcome::Deleted);
        stats.containers.count(Outcome::PossiblyRemaining);
        stats.objects.count(Outcome::Deleted);
        stats.objects.count(Outcome::Remaining);
        for status in [204, 204, 404] {
            stats.answered(status);
        }
        assert_eq!(
            stats.line("a", true, Duration::from_secs(2)),
            "Completed pass on account a, 1 containers deleted, 1 objects deleted, 1 objects remaining, \
             1 containers possibly remaining, return codes: 2 2xxs, 1 4xxs, elapsed: 2.00s"
        );
    }
}
