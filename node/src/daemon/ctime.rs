//! Times in log lines of Swift's daemons.

use jiff::Timestamp;
use std::fmt;
use std::time::SystemTime;

/// A time as C's `ctime` has it, in UTC: `Wed Jun 11 05:31:17 2014`.
pub struct Ctime(pub SystemTime);

impl fmt::Display for Ctime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::try_from(self.0).unwrap_or_default();
        write!(f, "{}", time.strftime("%a %b %e %H:%M:%S %Y"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn equals_ctime() {
        assert_eq!(Ctime(UNIX_EPOCH).to_string(), "Thu Jan  1 00:00:00 1970");
        let time = UNIX_EPOCH + Duration::from_secs(1_402_464_677);
        assert_eq!(Ctime(time).to_string(), "Wed Jun 11 05:31:17 2014");
    }
}
