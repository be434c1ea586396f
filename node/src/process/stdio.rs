//! Leaving the terminal that a server was started from.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd;

/// Puts `/dev/null` in place of stdin, stdout and stderr. Whoever started us reads these to their end, which is
/// how `swift-init` knows that a server is ready. A `verbose` server goes on to write its log to stderr.
pub fn leave_terminal(verbose: bool) -> io::Result<()> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    let left = [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO];
    for &standard in &left[..if verbose { 2 } else { 3 }] {
        // SAFETY: both are descriptors; what is replaced is written to through its number alone.
        if unsafe { libc::dup2(null.as_raw_fd(), standard) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
