//! Dates in header fields.

use jiff::Timestamp;
use jiff::fmt::strtime;

/// As HTTP writes dates today.
const IMF: &str = "%a, %d %b %Y %H:%M:%S GMT";
/// That, and the two older forms that a reader must still take.
const FORMS: [&str; 3] = [IMF, "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

/// `Sun, 06 Nov 1994 08:49:37 GMT` for a number of seconds since the epoch.
pub fn format_http_date(seconds: u64) -> String {
    let time =
        i64::try_from(seconds).ok().and_then(|s| Timestamp::from_second(s).ok()).unwrap_or(Timestamp::MAX);
    time.strftime(IMF).to_string()
}

/// Seconds since the epoch of a date in any of HTTP's three forms.
pub fn parse_http_date(text: &str) -> Option<u64> {
    let parse = |form: &&str| strtime::parse(form, text.trim()).ok()?.to_datetime().ok();
    let time = FORMS.iter().find_map(parse)?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    u64::try_from(time.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_and_writes_todays() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(parse_http_date(text), Some(784_111_777), "{text}");
        }
        assert_eq!(format_http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        for none in ["", "yesterday", "Sun, 32 Nov 1994 08:49:37 GMT", "Mon, 01 Jan 1900 00:00:00 GMT"] {
            assert_eq!(parse_http_date(none), None, "{none}");
        }
    }
}
