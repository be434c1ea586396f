//! What the updater has to do: which databases there are, and what one of them calls for.

use std::collections::HashMap;
use std::time::{Duration, Instant};
use swiftlet_storage::db::ContainerInfo;
use swiftlet_types::Timestamp;

/// What a container's facts call for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The account is to be told.
    Report,
    /// It knows already.
    Nothing,
    /// Its facts are not worth telling: it came about by itself, or its account was not to be reached lately.
    Skip,
}

/// What these facts call for, unless the account is suppressed.
pub fn need(info: &ContainerInfo, is_suppressed: bool) -> Need {
    let put = info.put_timestamp.parse().unwrap_or(Timestamp::ZERO);
    if put == Timestamp::ZERO || is_suppressed {
        Need::Skip
    } else if info.is_unreported() {
        Need::Report
    } else {
        Need::Nothing
    }
}

/// What the answers of an account's servers come to; `None` is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Enough of them know.
    Reported,
    /// Not enough of them know: try again later.
    Failed,
    /// Every one says that there is no such account.
    NoAccount,
}

/// Judges answers by majority.
pub fn verdict(answers: &[Option<u16>]) -> Verdict {
    let count = |is: fn(u16) -> bool| answers.iter().filter(|answer| answer.is_some_and(is)).count();
    if count(|status| status / 100 == 2) > answers.len() / 2 {
        Verdict::Reported
    } else if !answers.is_empty() && count(|status| status == 404) == answers.len() {
        Verdict::NoAccount
    } else {
        Verdict::Failed
    }
}

/// Accounts that are let alone for a while after a report to them failed.
#[derive(Debug, Default)]
pub struct Suppressions {
    until: HashMap<String, Instant>,
}

impl Suppressions {
    /// Lets `account` alone for `time`.
    pub fn add(&mut self, account: &str, now: Instant, time: Duration) {
        self.until.insert(account.to_owned(), now + time);
    }

    /// Whether `account` is let alone.
    pub fn holds(&self, account: &str, now: Instant) -> bool {
        self.until.get(account).is_some_and(|until| *until > now)
    }

    /// Forgets what is over.
    pub fn expire(&mut self, now: Instant) {
        self.until.retain(|_, until| *until > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_decides() {
        assert_eq!(verdict(&[Some(201), Some(204), None]), Verdict::Reported);
        assert_eq!(verdict(&[Some(201), Some(500)]), Verdict::Failed);
        assert_eq!(verdict(&[Some(404), Some(404)]), Verdict::NoAccount);
        assert_eq!(verdict(&[Some(404), None]), Verdict::Failed);
        assert_eq!(verdict(&[]), Verdict::Failed);
    }

    #[test]
    fn suppressions_end() {
        let (mut suppressions, now) = (Suppressions::default(), Instant::now());
        suppressions.add("a", now, Duration::from_secs(60));
        let later = now + Duration::from_secs(61);
        assert!(
            suppressions.holds("a", now) && !suppressions.holds("a", later) && !suppressions.holds("b", now)
        );
        suppressions.expire(later);
        assert!(suppressions.until.is_empty());
    }
}
