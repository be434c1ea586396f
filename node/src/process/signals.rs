//! Signals as a parent without threads takes them: blocked, and waited for.

use std::io;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

/// The signals a parent waits for instead of being interrupted by.
pub(super) struct SignalSet(libc::sigset_t);

impl SignalSet {
    /// Blocks them: from now on they are waited for. Programs that this process executes start with them blocked.
    pub(super) fn block() -> io::Result<Self> {
        let set = Self::new();
        set.apply(libc::SIG_BLOCK)?;
        Ok(set)
    }

    /// Undoes in a worker what its parent did.
    pub(super) fn unblock() -> io::Result<()> {
        Self::new().apply(libc::SIG_UNBLOCK)
    }

    fn new() -> Self {
        let mut set = MaybeUninit::uninit();
        // SAFETY: sigemptyset initialises the set, and sigaddset works on the initialised one.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            let mut set = set.assume_init();
            for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1, libc::SIGINT, libc::SIGCHLD] {
                libc::sigaddset(&mut set, signal);
            }
            Self(set)
        }
    }

    fn apply(&self, how: libc::c_int) -> io::Result<()> {
        // SAFETY: the set is initialised, and the old one is not asked for.
        match unsafe { libc::pthread_sigmask(how, &self.0, std::ptr::null_mut()) } {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }

    /// The next of them; `None` once `patience` is over.
    pub(super) fn wait(&self, patience: Option<Duration>) -> Option<libc::c_int> {
        let deadline = patience.map(|patience| Instant::now() + patience);
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let timeout = left.map(|left| libc::timespec {
                tv_sec: left.as_secs() as libc::time_t,
                tv_nsec: left.subsec_nanos().into(),
            });
            let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
            // SAFETY: the set is initialised, the timeout null or valid for the call, and no details are asked for.
            match unsafe { libc::sigtimedwait(&self.0, std::ptr::null_mut(), timeout) } {
                -1 if left.is_some_and(|left| left.is_zero()) => return None,
                -1 => {}
                signal => return Some(signal),
            }
        }
    }
}
