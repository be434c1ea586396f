//! The shares of processor and disk that a process asks the system for: `nice_priority`, `ionice_class` and
//! `ionice_priority`.

use std::io;
use swiftlet_types::conf::{OptionError, Options};

/// Classes of disk scheduling by their names in Swift's files, as ioprio_set(2) numbers them.
const CLASSES: [(&str, libc::c_int); 3] =
    [("IOPRIO_CLASS_RT", 1), ("IOPRIO_CLASS_BE", 2), ("IOPRIO_CLASS_IDLE", 3)];
/// Bits of an I/O priority below its class.
const CLASS_SHIFT: libc::c_int = 13;
/// A process rather than a group or a user, for ioprio_set(2).
const WHO_PROCESS: libc::c_int = 1;

/// What is asked for; nothing by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Priority {
    /// From -20, which is the most, to 19.
    nice: Option<i32>,
    /// Class and level for ioprio_set(2).
    io: Option<libc::c_int>,
}

impl Priority {
    /// Reads the three options.
    pub fn from_options(o: &Options) -> Result<Self, OptionError> {
        // Swift's samples show all three without a value, which asks for nothing.
        let nice = o.parsed("nice_priority", None, "is not a number from -20 to 19", |text| match text {
            "" => Some(None),
            _ => text.parse().ok().filter(|nice| (-20..=19).contains(nice)).map(Some),
        })?;
        let class =
            o.parsed("ionice_class", None, "is none of IOPRIO_CLASS_RT, _BE, _IDLE", |text| match text {
                "" => Some(None),
                _ => CLASSES.iter().find(|(name, _)| *name == text).map(|(_, class)| Some(*class)),
            })?;
        let level = o.parsed("ionice_priority", 0, "is not a number from 0 to 7", |text| match text {
            "" => Some(0),
            _ => text.parse().ok().filter(|level| (0..=7).contains(level)),
        })?;
        Ok(Self { nice, io: class.map(|class| class << CLASS_SHIFT | level) })
    }

    /// Asks for them for this thread and those it will start: call it before there are others, and before privileges
    /// are dropped. What the system refuses is told and no reason not to start.
    pub fn apply(self) {
        if let Some(nice) = self.nice
            && let Err(error) = rustix::process::setpriority_process(None, nice)
        {
            tracing::warn!(%error, "cannot set nice_priority");
        }
        if let Some(io) = self.io {
            // SAFETY: a plain system call on values.
            let code = unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, io) };
            if code != 0 {
                tracing::warn!(error = %io::Error::last_os_error(), "cannot set ionice_class");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        pairs.iter().fold(Options::new("f", "DEFAULT"), |o, (k, v)| o.with(k, v))
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert_eq!(Priority::from_options(&options(&[])).unwrap(), Priority::default());
        let empty = [("nice_priority", ""), ("ionice_class", ""), ("ionice_priority", "")];
        assert_eq!(Priority::from_options(&options(&empty)).unwrap(), Priority::default());
        for bad in [("nice_priority", "20"), ("ionice_class", "BE"), ("ionice_priority", "8")] {
            assert!(Priority::from_options(&options(&[bad])).unwrap_err().to_string().contains(bad.0));
        }
    }

    #[test]
    fn threads_have_what_was_asked_for() {
        let asked = [("nice_priority", "7"), ("ionice_class", "IOPRIO_CLASS_IDLE")];
        let priority = Priority::from_options(&options(&asked)).unwrap();
        // A thread of its own: a priority cannot be taken back.
        let seen = std::thread::spawn(move || {
            priority.apply();
            // SAFETY: a plain system call on values.
            let io = unsafe { libc::syscall(libc::SYS_ioprio_get, WHO_PROCESS, 0) };
            (rustix::process::getpriority_process(None).unwrap(), io >> CLASS_SHIFT)
        });
        assert_eq!(seen.join().unwrap(), (7, 3));
    }
}
