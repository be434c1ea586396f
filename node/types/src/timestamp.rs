//! Swift's timestamps: integers of 10 µs since the epoch, plus an offset. Never floats.
//!
//! Written `1402464677.04188` (normal) or, with an offset, `1402464677.04188_0000000000000001` (internal).
//! The internal form orders as text exactly as the value orders.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use thiserror::Error;

/// Ticks of 10 µs in a second.
pub const TICKS_A_SECOND: u64 = 100_000;
/// The largest time: 9999999999.99999 seconds.
const MAX_TICKS: u64 = 999_999_999_999_999;

/// A moment in ticks of 10 µs since the epoch, and the offset that distinguishes writes of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    ticks: u64,
    offset: u64,
}

/// Why a text is no timestamp.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not a timestamp: {why}")]
pub struct TimestampError {
    text: String,
    why: &'static str,
}

impl TimestampError {
    fn new(text: &str, why: &'static str) -> Self {
        Self { text: text.chars().take(64).collect(), why }
    }
}

impl Timestamp {
    /// The epoch: earlier than any write.
    pub const ZERO: Self = Self { ticks: 0, offset: 0 };

    /// The moment `ticks` times 10 µs after the epoch; `None` past 9999999999.99999 s.
    pub const fn from_ticks(ticks: u64) -> Option<Self> {
        if ticks > MAX_TICKS { None } else { Some(Self { ticks, offset: 0 }) }
    }

    /// Now, by the system's clock.
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// The same moment with this offset.
    pub const fn with_offset(self, offset: u64) -> Self {
        Self { offset, ..self }
    }

    /// The moment in ticks of 10 µs (Swift's `raw`).
    pub const fn ticks(self) -> u64 {
        self.ticks
    }

    /// The offset.
    pub const fn offset(self) -> u64 {
        self.offset
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> u64 {
        self.ticks / TICKS_A_SECOND
    }

    /// Whole seconds since the epoch, rounded up: what `Last-Modified` shows.
    pub const fn seconds_ceil(self) -> u64 {
        self.ticks.div_ceil(TICKS_A_SECOND)
    }

    /// Without the offset.
    pub const fn normalized(self) -> Self {
        Self { ticks: self.ticks, offset: 0 }
    }

    /// Moved by `delta` ticks, without offset; `None` where that leaves the range.
    pub fn plus_ticks(self, delta: i64) -> Option<Self> {
        self.ticks.checked_add_signed(delta).and_then(Self::from_ticks)
    }

    /// Text without the offset: `1402464677.04188`.
    pub fn normal(self) -> String {
        format!("{:010}.{:05}", self.ticks / TICKS_A_SECOND, self.ticks % TICKS_A_SECOND)
    }

    /// Text with the offset as 16 hex digits where there is one. Its order as text is the order of the values.
    pub fn internal(self) -> String {
        match self.offset {
            0 => self.normal(),
            offset => format!("{}_{offset:016x}", self.normal()),
        }
    }

    /// Text with the offset in as few hex digits as it needs.
    pub fn short(self) -> String {
        match self.offset {
            0 => self.normal(),
            offset => format!("{}_{offset:x}", self.normal()),
        }
    }

    /// `2014-06-11T05:31:17.041880`, UTC, as listings show it.
    pub fn isoformat(self) -> String {
        let (year, month, day) = civil_from_days(self.seconds() / 86_400);
        let second = self.seconds() % 86_400;
        let micros = self.ticks % TICKS_A_SECOND * 10;
        // A listing has thousands of these, which `format!` would take a tenth of its time for.
        let mut text = *b"0000-00-00T00:00:00.000000";
        let fields = [(0..4, year), (5..7, month), (8..10, day), (11..13, second / 3600)];
        let rest = [(14..16, second / 60 % 60), (17..19, second % 60), (20..26, micros)];
        for (place, mut number) in fields.into_iter().chain(rest) {
            for digit in text[place].iter_mut().rev() {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        }
        std::str::from_utf8(&text).expect("digits are ASCII").to_owned()
    }

    /// The moment as seconds, for clocks and figures; loses the offset and may lose the last digit.
    pub fn as_secs_f64(self) -> f64 {
        self.ticks as f64 / TICKS_A_SECOND as f64
    }

    /// The moment on the system's clock.
    pub fn to_system_time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(self.ticks * 10)
    }
}

impl From<SystemTime> for Timestamp {
    /// Rounded to the nearest tick; before the epoch it is the epoch.
    fn from(time: SystemTime) -> Self {
        let nanos = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Self { ticks: u64::try_from((nanos + 5_000) / 10_000).unwrap_or(MAX_TICKS).min(MAX_TICKS), offset: 0 }
    }
}

impl fmt::Display for Timestamp {
    /// The internal form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.internal())
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads seconds with any number of decimals (rounded to the nearest tick) and an optional `_<hex offset>`.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let fail = |why| TimestampError::new(text, why);
        let (time, offset) = match text.split_once('_') {
            None => (text, 0),
            Some((time, "")) => (time, 0),
            Some((_, hex)) if hex.len() > 16 => return Err(fail("its offset has more than 16 digits")),
            Some((time, hex)) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
                (time, u64::from_str_radix(hex, 16).map_err(|_| fail("its offset is not hexadecimal"))?)
            }
            Some(_) => return Err(fail("its offset is not hexadecimal")),
        };
        let ticks = parse_ticks(time).ok_or_else(|| fail("not a number of seconds"))?;
        if ticks > MAX_TICKS {
            return Err(fail("too large"));
        }
        Ok(Self { ticks, offset })
    }
}

/// Seconds as text to ticks: exact for plain decimals, through a float for what Python's `float` also takes.
fn parse_ticks(text: &str) -> Option<u64> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    if whole.len() <= 12 && digits(whole) && digits(fraction) {
        let seconds: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let mut ticks = 0;
        for i in 0..5 {
            ticks = ticks * 10 + u64::from(fraction.as_bytes().get(i).map_or(0, |b| b - b'0'));
        }
        let round_up = u64::from(fraction.as_bytes().get(5).is_some_and(|b| *b >= b'5'));
        return Some(seconds * TICKS_A_SECOND + ticks + round_up);
    }
    let seconds: f64 = text.parse().ok()?;
    let ticks = (seconds * TICKS_A_SECOND as f64).round();
    (ticks >= 0.0 && ticks <= u64::MAX as f64 / 2.0).then_some(ticks as u64)
}

/// Year, month and day of a count of days since 1970-01-01 (Gregorian calendar).
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    // Count from 0000-03-01, so that the leap day is the last of its year.
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// The times of an object row or a `.meta` file name: data, content type and metadata.
///
/// Written `<data>[<±hex ticks from data to content type>[<±hex ticks from there to metadata>]]`; deltas that
/// are all zero are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodedTimestamps {
    /// When the data was put or deleted.
    pub data: Timestamp,
    /// When the content type was last set; `None` where the text does not say.
    pub content_type: Option<Timestamp>,
    /// When the metadata was last set; `None` where the text does not say.
    pub meta: Option<Timestamp>,
}

impl EncodedTimestamps {
    /// Reads the encoded form. What it does not name stays `None`.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        if memchr::memchr2(b'+', b'-', text.as_bytes()).is_none() {
            return Ok(Self { data: text.parse()?, content_type: None, meta: None });
        }
        let mut parts = text.split_inclusive(['+', '-']);
        // Each part but the last ends with the sign that belongs to the next one.
        let first = parts.next().unwrap_or_default();
        let (first, mut sign) = split_sign(first);
        let data: Timestamp = first.parse()?;
        let mut times = [None; 2];
        let mut previous = data;
        for slot in &mut times {
            let Some(part) = parts.next() else { break };
            let (hex, next_sign) = split_sign(part);
            let fail = || TimestampError::new(text, "a delta is not hexadecimal or leaves the range");
            let delta = i64::from_str_radix(hex, 16).map_err(|_| fail())?;
            let delta = if sign == Some('-') { -delta } else { delta };
            // A zero delta keeps the offset of the time before it.
            previous = if delta == 0 { previous } else { previous.plus_ticks(delta).ok_or_else(fail)? };
            *slot = Some(previous);
            sign = next_sign;
        }
        if sign.is_some() {
            return Err(TimestampError::new(text, "more than two deltas, or one is missing"));
        }
        Ok(Self { data, content_type: times[0], meta: times[1] })
    }

    /// The three times, a missing one being the one before it.
    pub fn resolved(self) -> (Timestamp, Timestamp, Timestamp) {
        let content_type = self.content_type.unwrap_or(self.data);
        (self.data, content_type, self.meta.unwrap_or(content_type))
    }

    /// The encoded form; with `explicit`, deltas are written even where all are zero.
    pub fn encode(self, explicit: bool) -> String {
        let delta = |from: Timestamp, to: Timestamp| to.ticks as i64 - from.ticks as i64;
        let mut text = self.data.short();
        let Some(content_type) = self.content_type else { return text };
        let first = delta(self.data, content_type);
        let second = self.meta.map(|meta| delta(content_type, meta));
        if explicit || first != 0 || second.is_some_and(|d| d != 0) {
            push_delta(&mut text, first);
            if let Some(second) = second {
                push_delta(&mut text, second);
            }
        }
        text
    }
}

fn split_sign(part: &str) -> (&str, Option<char>) {
    match part.chars().last() {
        Some(sign @ ('+' | '-')) => (&part[..part.len() - 1], Some(sign)),
        _ => (part, None),
    }
}

fn push_delta(text: &mut String, delta: i64) {
    use fmt::Write;
    let sign = if delta < 0 { '-' } else { '+' };
    // Writing to a String cannot fail.
    let _ = write!(text, "{sign}{:x}", delta.unsigned_abs());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ts(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    #[test]
    fn reads_and_writes_both_forms() {
        assert_eq!(ts("1402464677.04188").normal(), "1402464677.04188");
        assert_eq!(ts("1402464677.04188_1").internal(), "1402464677.04188_0000000000000001");
        assert_eq!(ts("1402464677.04188_00000000000000ff").short(), "1402464677.04188_ff");
        assert_eq!(ts("1").internal(), "0000000001.00000");
        assert_eq!(ts("0.000005").ticks(), 1);
        assert_eq!(ts("1e3").seconds(), 1000);
    }

    #[test]
    fn refuses_what_is_none() {
        for text in ["", ".", "x", "-1", "1_g", "1_00000000000000001", "10000000000", "nan", "inf", "1_1_1"] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn shows_iso_dates() {
        assert_eq!(ts("1402464677.04188").isoformat(), "2014-06-11T05:31:17.041880");
        assert_eq!(ts("951782400").isoformat(), "2000-02-29T00:00:00.000000");
        assert_eq!(Timestamp::ZERO.isoformat(), "1970-01-01T00:00:00.000000");
    }

    #[test]
    fn encodes_deltas_like_swift() {
        let t = ts("1402464677.04188");
        let encoded = |c, m| EncodedTimestamps { data: t, content_type: c, meta: m }.encode(false);
        assert_eq!(encoded(None, None), "1402464677.04188");
        assert_eq!(encoded(Some(t), Some(t)), "1402464677.04188");
        assert_eq!(encoded(t.plus_ticks(255), t.plus_ticks(100)), "1402464677.04188+ff-9b");
        assert!(EncodedTimestamps::parse("1402464677.04188+ff-9b+1").is_err());
        assert!(EncodedTimestamps::parse("1402464677.04188+").is_err());
    }

    proptest! {
        #[test]
        fn text_round_trips_and_orders(a in 0..=MAX_TICKS, b in 0..=MAX_TICKS, x: u64, y: u64) {
            let (a, b) = (Timestamp { ticks: a, offset: x }, Timestamp { ticks: b, offset: y });
            prop_assert_eq!(ts(&a.internal()), a);
            prop_assert_eq!(ts(&a.short()), a);
            prop_assert_eq!(a.cmp(&b), a.internal().cmp(&b.internal()));
        }

        #[test]
        fn encoding_round_trips(t in 1_000_000..=MAX_TICKS / 2, c in -1_000_000i64..1_000_000, m in -1_000_000i64..1_000_000) {
            let data = Timestamp { ticks: t, offset: 0 };
            let content_type = data.plus_ticks(c).filter(|_| c != 0).or(Some(data));
            let meta = content_type.and_then(|t| t.plus_ticks(m));
            prop_assume!(meta.is_some());
            let times = EncodedTimestamps { data, content_type, meta };
            prop_assert_eq!(EncodedTimestamps::parse(&times.encode(true)).expect("parses"), times);
            prop_assert_eq!(EncodedTimestamps::parse(&times.encode(false)).expect("parses").resolved(), times.resolved());
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,40}") {
            let _ = text.parse::<Timestamp>();
            let _ = EncodedTimestamps::parse(&text);
        }
    }
}
