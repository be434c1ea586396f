//! How far long work has come: a bar on a terminal, a line every few seconds elsewhere, or JSON for machines. It goes
//! to standard error; standard output is for what was found.

use serde_json::json;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two lines where nobody watches.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// Between two pictures of a bar.
const BAR_INTERVAL: Duration = Duration::from_millis(200);
/// Characters of a bar.
const BAR_WIDTH: u64 = 30;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A bar that is drawn over itself.
    Bar,
    /// A line now and then.
    Lines,
    /// A JSON object a line now and then.
    Json,
}

impl Style {
    /// The one for whoever reads standard error.
    pub fn for_stderr(as_json: bool) -> Self {
        match as_json {
            true => Self::Json,
            false if std::io::stderr().is_terminal() => Self::Bar,
            false => Self::Lines,
        }
    }
}

/// One task's progress.
#[derive(Debug)]
pub struct Progress {
    style: Style,
    task: String,
    unit: &'static str,
    total: u64,
    done: u64,
    began: Instant,
    shown: Instant,
}

impl Progress {
    /// Of the task `task`, which has `total` of `unit` to do.
    pub fn new(style: Style, task: impl Into<String>, total: u64, unit: &'static str) -> Self {
        let now = Instant::now();
        Self { style, task: task.into(), unit, total, done: 0, began: now, shown: now }
    }

    /// So much more is done.
    pub fn add(&mut self, done: u64) {
        self.done += done;
        let interval = if self.style == Style::Bar { BAR_INTERVAL } else { LINE_INTERVAL };
        if self.shown.elapsed() >= interval {
            self.shown = Instant::now();
            self.show();
        }
    }

    /// All is done that will be.
    pub fn finish(self) {
        self.show();
        if self.style == Style::Bar {
            eprintln!();
        }
    }

    fn show(&self) {
        let line = self.line(self.began.elapsed());
        // Nobody may be there to read it.
        let _ = match self.style {
            Style::Bar => write!(std::io::stderr(), "\r\x1b[K{line}"),
            Style::Lines | Style::Json => writeln!(std::io::stderr(), "{line}"),
        };
    }

    fn percent(&self) -> u64 {
        (self.done.min(self.total) * 100).checked_div(self.total).unwrap_or(100)
    }

    fn line(&self, elapsed: Duration) -> String {
        let Self { task, unit, total, done, .. } = self;
        let rate = *done as f64 / elapsed.as_secs_f64().max(0.001);
        let left_secs = (total.saturating_sub(*done) as f64 / rate.max(0.001)) as u64;
        if self.style == Style::Json {
            let line = json!({"task": task, "unit": unit, "done": done, "total": total, "percent": self.percent(),
                "elapsed_secs": elapsed.as_secs(), "left_secs": left_secs});
            return line.to_string();
        }
        let bar = match self.style {
            Style::Bar => {
                let full = self.percent() * BAR_WIDTH / 100;
                format!("[{}{}] ", "#".repeat(full as usize), " ".repeat((BAR_WIDTH - full) as usize))
            }
            _ => String::new(),
        };
        let left =
            if done < total && *done > 0 { format!(", {} left", duration(left_secs)) } else { String::new() };
        format!("{bar}{task}: {} % ({done} of {total} {unit}, {rate:.0} a second{left})", self.percent())
    }
}

fn duration(secs: u64) -> String {
    match secs {
        0..60 => format!("{secs} s"),
        60..3600 => format!("{} min", secs.div_ceil(60)),
        _ => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_far_and_how_long() {
        let mut progress = Progress::new(Style::Lines, "reading", 400, "partitions");
        progress.add(100);
        let line = progress.line(Duration::from_secs(50));
        assert_eq!(line, "reading: 25 % (100 of 400 partitions, 2 a second, 3 min left)");
        progress.style = Style::Json;
        let json: serde_json::Value = serde_json::from_str(&progress.line(Duration::from_secs(50))).unwrap();
        assert_eq!((&json["percent"], &json["left_secs"]), (&json!(25), &json!(150)));
        assert!(Progress::new(Style::Bar, "x", 0, "files").line(Duration::ZERO).starts_with("[####"));
    }
}
