//! How far a program came, in one line of a terminal that is written over.

use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Goes back to the beginning of the line and empties it.
pub(super) const CLEAR_LINE: &str = "\r\x1b[K";
/// When it is told first, and from then on how often.
const FIRST: Duration = Duration::from_secs(2);
const INTERVAL: Duration = Duration::from_secs(5);

/// One kind of thing being worked on.
pub(super) struct Progress {
    begun: Instant,
    next: Instant,
}

impl Progress {
    pub fn begin() -> Self {
        let begun = Instant::now();
        Self { begun, next: begun + FIRST }
    }

    /// Whether it is time to tell again.
    pub fn is_due(&mut self) -> bool {
        let is_due = Instant::now() >= self.next;
        if is_due {
            self.next = Instant::now() + INTERVAL;
        }
        is_due
    }

    /// Tells that `done` of `total` are.
    pub fn tell(
        &self,
        out: &mut impl Write,
        doing: &str,
        done: usize,
        total: usize,
        retries: u32,
    ) -> io::Result<()> {
        let completion = if done == 0 { 0.00001 } else { done as f64 / total.max(1) as f64 };
        let elapsed_s = self.begun.elapsed().as_secs_f64();
        let left = time_text(elapsed_s / completion - elapsed_s);
        write!(out, "{CLEAR_LINE}{doing}: {done} of {total}, {left} left, {retries} retries")?;
        out.flush()
    }

    /// The time it took.
    pub fn elapsed(&self) -> String {
        time_text(self.begun.elapsed().as_secs_f64())
    }
}

/// In the largest unit that it fills, as a whole number: `61` is `1m`.
fn time_text(mut amount: f64) -> String {
    let mut unit = 's';
    for larger in ['m', 'h'] {
        if amount > 60.0 {
            amount /= 60.0;
            unit = larger;
        } else {
            break;
        }
    }
    format!("{}{unit}", amount.round_ties_even())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_largest_unit() {
        let told = [0.4, 1.5, 60.0, 61.0, 3600.0, 3601.0, 90_000.0].map(time_text);
        assert_eq!(told, ["0s", "2s", "60s", "1m", "60m", "1h", "25h"]);
    }
}
