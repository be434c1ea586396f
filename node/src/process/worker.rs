//! A worker's side: what its parent handed to it, and telling the parent that it is ready.

use super::signals::SignalSet;
use super::stdio::leave_terminal;
use std::fs::File;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::fd::{FromRawFd, RawFd};

/// Names the listening socket and the pipe to the parent: `<fd>,<fd>`.
pub(super) const HANDED_OVER: &str = "__SWIFTLET_WORKER_FDS";

/// What a worker got from its parent.
pub struct Worker {
    listener: TcpListener,
    ready: Ready,
}

/// The way to tell the parent that this worker is ready.
pub struct Ready(File);

impl Worker {
    /// What was handed over, if this process is a worker, which then takes signals again. Call it once, before
    /// there are threads.
    pub fn handed_over() -> Option<Self> {
        let text = std::env::var(HANDED_OVER).ok()?;
        if let Err(error) = SignalSet::unblock() {
            eprintln!("cannot unblock signals: {error}");
        }
        let (listener, ready) = text.split_once(',')?;
        let (listener, ready): (RawFd, RawFd) = (listener.parse().ok()?, ready.parse().ok()?);
        // SAFETY: the process has one thread, and nobody else in it knows these descriptors: our parent opened
        // them for this. Removing the variable keeps our own children from taking them for theirs.
        unsafe {
            std::env::remove_var(HANDED_OVER);
            // Only the parent speaks to systemd.
            std::env::remove_var("NOTIFY_SOCKET");
            Some(Self {
                listener: TcpListener::from_raw_fd(listener),
                ready: Ready(File::from_raw_fd(ready)),
            })
        }
    }

    /// The socket to accept connections from, and the way to say that it is done.
    pub fn split(self) -> (TcpListener, Ready) {
        (self.listener, self.ready)
    }
}

impl Ready {
    /// Leaves the terminal, but for the log of a `verbose` server, and tells the parent.
    pub fn tell(mut self, verbose: bool) -> io::Result<()> {
        leave_terminal(verbose)?;
        self.0.write_all(b"ready")
    }
}
