//! Columns for people, and how figures are written in them.

use std::fmt;

/// Rows of text in columns as wide as their widest cell.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with a head.
    pub fn new(head: &[&str]) -> Table {
        Table { rows: vec![head.iter().map(ToString::to_string).collect()] }
    }

    /// Adds a row.
    pub fn push(&mut self, row: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(row.into_iter().map(Into::into).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cells = |column: usize| self.rows.iter().filter_map(move |row| row.get(column));
        let width = |column| cells(column).map(|cell| cell.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let cells = row.iter().zip(&widths);
            let line: String = cells.map(|(cell, width)| format!("{cell:<width$}   ")).collect();
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Bytes in the largest unit of 1024s that leaves a figure above 1: `12.4 TiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut figure = bytes as f64;
    let mut unit = 0;
    // 1023.96 would be written as 1024.0.
    while figure >= 1023.95 && unit + 1 < UNITS.len() {
        figure /= 1024.0;
        unit += 1;
    }
    if unit == 0 || figure >= 99.95 {
        format!("{figure:.0} {}", UNITS[unit])
    } else {
        format!("{figure:.1} {}", UNITS[unit])
    }
}

/// Part of a whole in percent, `31%`; `-` where there is no whole.
pub fn percent(part: u64, whole: u64) -> String {
    let (part, whole) = (u128::from(part), u128::from(whole));
    (part * 200 + whole).checked_div(whole * 2).map_or("-".to_string(), |percent| format!("{percent}%"))
}

/// A number with its thousands apart: `1,365`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration in its two largest units at most: `45s`, `6m`, `21h8m`, `3d`.
pub fn duration(seconds: i64) -> String {
    let s = seconds.max(0);
    let (minutes, hours, days) = (s / 60, s / 3600, s / 86400);
    let two = |large: i64, unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{small_unit}"),
    };
    match s {
        0..120 => format!("{s}s"),
        120..7200 => format!("{minutes}m"),
        7200..172_800 => two(hours, "h", minutes % 60, "m"),
        _ => two(days, "d", hours % 24, "h"),
    }
}

/// One of something, or so many of them: `1 node`, `3 nodes`.
pub fn plural(number: u64, word: &str) -> String {
    format!("{} {word}{}", count(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be_and_lines_end_with_text() {
        let mut table = Table::new(&["ZONE", "NODES", "NOTE"]);
        table.push(["rack1", "4/4", ""]);
        table.push(["a-long-name", "12/12", "d1 é"]);
        assert_eq!(
            table.to_string(),
            "ZONE          NODES   NOTE\nrack1         4/4\na-long-name   12/12   d1 é\n"
        );
    }

    #[test]
    fn figures_are_short() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.0 KiB");
        assert_eq!(bytes((1 << 20) - 1), "1.0 MiB");
        assert_eq!(bytes(13_634_000_000_000), "12.4 TiB");
        assert_eq!(bytes(300 << 30), "300 GiB");
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
        assert_eq!((percent(31, 100), percent(1, 0)), ("31%".into(), "-".into()));
        assert_eq!(
            (count(7), count(1365), count(1_000_000)),
            ("7".into(), "1,365".into(), "1,000,000".into())
        );
        assert_eq!((plural(1, "node"), plural(0, "node")), ("1 node".into(), "0 nodes".into()));
    }

    #[test]
    fn durations_are_in_two_units_at_most() {
        let written = [-5, 0, 119, 120, 7199, 7200, 76_080, 172_800, 180_000].map(duration);
        assert_eq!(written, ["0s", "0s", "119s", "2m", "119m", "2h", "21h8m", "2d", "2d2h"]);
    }
}
