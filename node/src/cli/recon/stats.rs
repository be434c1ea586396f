//! Many servers' figures as one line.

use std::fmt;
use std::io::{self, Write};

/// A figure of many servers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stats {
    name: String,
    low: f64,
    high: f64,
    total: f64,
    reported: usize,
    missing: usize,
}

impl Stats {
    /// Those of `figures`, one a server; `None` where no server has one.
    pub fn of(name: impl Into<String>, figures: &[Option<f64>]) -> Option<Self> {
        let there: Vec<f64> = figures.iter().copied().flatten().collect();
        let low = there.iter().copied().reduce(f64::min)?;
        let high = there.iter().copied().reduce(f64::max)?;
        let (total, reported) = (there.iter().sum(), there.len());
        Some(Self { name: name.into(), low, high, total, reported, missing: figures.len() - reported })
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, low, high, total, reported, missing } = self;
        let average = total / *reported as f64;
        let failed = 100.0 * *missing as f64 / (reported + missing) as f64;
        // counts, as Swift shows them: cut, not rounded
        let [low, high, total] = [low, high, total].map(|figure| figure.trunc());
        write!(
            f,
            "[{name}] low: {low}, high: {high}, avg: {average:.1}, total: {total}, Failed: {failed:.1}%, \
             no_result: {missing}, reported: {reported}"
        )
    }
}

/// Writes the figure's line; `instead_of_name` is told where nobody has it.
pub(super) fn write_line(
    out: &mut impl Write,
    name: &str,
    instead_of_name: &str,
    figures: &[Option<f64>],
) -> io::Result<()> {
    match Stats::of(name, figures) {
        Some(stats) => writeln!(out, "{stats}"),
        None => writeln!(out, "[{instead_of_name}] - No hosts returned valid data."),
    }
}

/// A float as Python shows it.
pub(super) fn shown_float(number: f64) -> String {
    if number.fract() == 0.0 { format!("{number:.1}") } else { number.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_up_as_swift_does() {
        let stats = Stats::of("async_pending", &[Some(0.0), None, Some(12.9)]).unwrap();
        assert_eq!(
            stats.to_string(),
            "[async_pending] low: 0, high: 12, avg: 6.5, total: 12, Failed: 33.3%, no_result: 1, reported: 2"
        );
        assert_eq!(Stats::of("x", &[None]), None);
        assert_eq!((shown_float(71.0), shown_float(71.79)), ("71.0".into(), "71.79".into()));
    }
}
