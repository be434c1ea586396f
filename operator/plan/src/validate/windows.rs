//! Checks of the times of the week in which restarts may begin.

use super::{Findings, Subject, Window};
use crate::resources::{Weekday, WindowSpec, parse_duration_s};

const DAY_S: i64 = 24 * 3600;
const WEEK_S: i64 = 7 * DAY_S;
const DAYS: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

/// Every window of `specs`, one a day it begins on.
pub(super) fn check(specs: &[WindowSpec], subject: &Subject, findings: &mut Findings) -> Vec<Window> {
    let mut windows = Vec::new();
    for (i, spec) in specs.iter().enumerate() {
        let path = |field: &str| format!("spec.upgrade.windows[{i}].{field}");
        let Some(time_s) = time_of_day_s(&spec.start) else {
            let message = format!("{:?}; a time of day in UTC, such as 02:30", spec.start);
            findings.problem(subject, path("start"), "InvalidUpgrade", message);
            continue;
        };
        let duration_s = match parse_duration_s(&spec.duration) {
            Ok(duration_s) => i64::try_from(duration_s).unwrap_or(i64::MAX),
            Err(error) => {
                findings.problem(subject, path("duration"), "InvalidUpgrade", error.to_string());
                continue;
            }
        };
        if !(60..=WEEK_S).contains(&duration_s) {
            let message = format!("{}; a window lasts from a minute to a week", spec.duration);
            findings.problem(subject, path("duration"), "InvalidUpgrade", message);
            continue;
        }
        let days = (0i64..).zip(DAYS).filter(|(_, day)| spec.days.is_empty() || spec.days.contains(day));
        windows.extend(days.map(|(day, _)| Window { start_s: day * DAY_S + time_s, duration_s }));
    }
    windows
}

/// Seconds since midnight of `HH:MM`.
fn time_of_day_s(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |digits: &str| (digits.len() == 2).then(|| digits.parse::<u8>().ok()).flatten();
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60).then(|| i64::from(hours) * 3600 + i64::from(minutes) * 60)
}

impl Window {
    /// Seconds until it is open at `now_s` (Unix time); 0: it is.
    pub fn opens_in_s(&self, now_s: i64) -> i64 {
        // The first of January 1970 was a Thursday.
        let of_week_s = (now_s + 3 * DAY_S).rem_euclid(WEEK_S);
        let since_start_s = (of_week_s - self.start_s).rem_euclid(WEEK_S);
        if since_start_s < self.duration_s { 0 } else { WEEK_S - since_start_s }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_open_from_its_start_for_its_duration_over_midnight_and_the_end_of_the_week() {
        // 2026-11-22 was a Sunday.
        let sunday_s = jiff::civil::date(2026, 11, 22).at(0, 0, 0, 0);
        let sunday_s = sunday_s.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second();
        let window = Window { start_s: 6 * DAY_S + 23 * 3600, duration_s: 2 * 3600 };
        assert_eq!(window.opens_in_s(sunday_s), 23 * 3600);
        assert_eq!(window.opens_in_s(sunday_s + 23 * 3600), 0);
        assert_eq!(window.opens_in_s(sunday_s + 25 * 3600 - 1), 0, "Monday, 00:59:59");
        assert_eq!(window.opens_in_s(sunday_s + 25 * 3600), WEEK_S - 2 * 3600);
    }

    #[test]
    fn what_is_no_time_and_no_duration_is_said() {
        let spec = |start: &str, duration: &str| WindowSpec {
            days: vec![Weekday::Monday],
            start: start.into(),
            duration: duration.into(),
        };
        let mut findings = Findings::default();
        let subject = Subject::Cluster("demo".into());
        let windows = check(
            &[spec("24:00", "1h"), spec("2:00", "1h"), spec("02:00", "0s"), spec("02:30", "4h")],
            &subject,
            &mut findings,
        );
        assert_eq!(windows, [Window { start_s: 9000, duration_s: 4 * 3600 }]);
        assert_eq!(findings.problems.len(), 3);
        assert_eq!(findings.problems[2].path, "spec.upgrade.windows[2].duration");
    }
}
