//! Durations as Kubernetes writes them (`10m`, `1h30m`, `45s`).

use thiserror::Error;

/// Text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not a duration; write hours, minutes and seconds like 1h30m, 10m or 45s")]
pub struct DurationError(pub String);

/// The seconds of `text`: numbers each followed by `h`, `m` or `s`, or `0`.
pub fn parse_duration_s(text: &str) -> Result<u64, DurationError> {
    if text == "0" {
        return Ok(0);
    }
    let refuse = || DurationError(text.to_string());
    let mut total_s: u64 = 0;
    let mut number: Option<u64> = None;
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            let next = number.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add(u64::from(digit)));
            number = Some(next.ok_or_else(refuse)?);
            continue;
        }
        let unit_s = match c {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return Err(refuse()),
        };
        let part_s = number.take().and_then(|n| n.checked_mul(unit_s)).ok_or_else(refuse)?;
        total_s = total_s.checked_add(part_s).ok_or_else(refuse)?;
    }
    match number {
        Some(_) => Err(refuse()),
        None if text.is_empty() => Err(refuse()),
        None => Ok(total_s),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_kubernetes_durations() {
        assert_eq!(parse_duration_s("10m"), Ok(600));
        assert_eq!(parse_duration_s("1h30m"), Ok(5400));
        assert_eq!(parse_duration_s("0"), Ok(0));
        assert_eq!(parse_duration_s("45s"), Ok(45));
    }

    #[test]
    fn refuses_what_is_none() {
        for text in ["", "10", "m", "1.5h", "-1m", "10 m", "99999999999999999999h", "18446744073709551615h"] {
            assert!(parse_duration_s(text).is_err(), "{text:?}");
        }
    }
}
