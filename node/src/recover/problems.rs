//! What could not be read or recovered: counted, and the first of it remembered for the report.

use std::fmt::Display;

/// So many are remembered word by word; the log has all of them.
const SHOWN_MAX: usize = 50;

/// What went wrong so far.
#[derive(Debug, Default)]
pub struct Problems {
    count: u64,
    shown: Vec<String>,
}

impl Problems {
    /// Notes one.
    pub fn note(&mut self, what: impl Display) {
        tracing::warn!("{what}");
        self.count += 1;
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(what.to_string());
        }
    }

    /// The value; or, where there is none, `None` and a note of why.
    pub fn ok<T, E: Display>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.note(error)).ok()
    }

    /// Takes over those of `other`, which are in the log already.
    pub fn append(&mut self, other: Self) {
        self.count += other.count;
        let room = SHOWN_MAX - self.shown.len();
        self.shown.extend(other.shown.into_iter().take(room));
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The first of them.
    pub fn shown(&self) -> &[String] {
        &self.shown
    }
}
