//! Where the tool speaks and listens.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// Terminal and clock, so that a test can be either.
pub(super) trait Console {
    /// A line on standard output.
    fn print(&mut self, line: &str);
    /// A line on standard error.
    fn complain(&mut self, line: &str);
    /// Asks on standard output and gives the line answered; `None` at the end of input.
    fn ask(&mut self, question: &str) -> Option<String>;
    /// Unix time.
    fn now_secs(&self) -> u64;
}

/// The process's own streams and the system's clock.
pub(super) struct Standard;

impl Console for Standard {
    fn print(&mut self, line: &str) {
        // A closed pipe is the reader's wish to see no more.
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }

    fn complain(&mut self, line: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }

    fn ask(&mut self, question: &str) -> Option<String> {
        let mut stdout = std::io::stdout().lock();
        let _ = write!(stdout, "{question}").and_then(|()| stdout.flush());
        let mut answer = String::new();
        match std::io::stdin().read_line(&mut answer) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(answer.trim_end_matches(['\r', '\n']).to_owned()),
        }
    }

    fn now_secs(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
    }
}
