//! One call of `swift-init`: its options, where it looks, and where it speaks.

use super::files::Places;
use std::fmt::Arguments;
use std::io::Write;
use std::time::Duration;

/// What the options ask for.
#[derive(Debug, Clone)]
pub(super) struct Options {
    pub verbose: bool,
    /// Whether to wait until what is started is ready.
    pub wait: bool,
    /// Daemons do one pass.
    pub once: bool,
    /// Whether what is started goes on without us.
    pub daemon: bool,
    /// HUP instead of TERM, for those that take it.
    pub graceful: bool,
    /// Only the server with that configuration, counted from 1; 0 is all.
    pub number: i64,
    /// How long to wait for processes to end.
    pub kill_wait: Duration,
    /// Whether a missing configuration is a failure; where that is not said, it depends on how servers were named.
    pub strict: Option<bool>,
    pub kill_after_timeout: bool,
}

/// A call of `swift-init`.
pub(super) struct Session<'a> {
    pub options: Options,
    pub places: Places,
    pub out: &'a mut dyn Write,
}

impl Session<'_> {
    /// Prints a line. Nobody may be there to read it, and work goes on all the same.
    pub(super) fn say(&mut self, line: Arguments<'_>) {
        let _ = writeln!(self.out, "{line}");
    }
}
