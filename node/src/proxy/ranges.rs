//! `Range` and `Content-Range`, as far as a GET needs them to go on where another node left off.

use std::fmt;

/// A `Range` header of bytes: inclusive starts and ends, a missing start meaning the last `end` bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranges(Vec<(Option<u64>, Option<u64>)>);

/// What is left of a range after some of its bytes were sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Left {
    /// There is more to come.
    More,
    /// Every byte of it was sent.
    Nothing,
    /// More was sent than it holds.
    Overrun,
}

impl Ranges {
    /// Parses a header value; `None` where it is not one that a server must heed.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let text: String = std::str::from_utf8(value).ok()?.chars().filter(|c| *c != ' ').collect();
        let specs = text.get(6..).filter(|_| text[..6].eq_ignore_ascii_case("bytes="))?;
        specs.split(',').map(Self::parse_one).collect::<Option<Vec<_>>>().map(Self)
    }

    fn parse_one(spec: &str) -> Option<(Option<u64>, Option<u64>)> {
        let number = |s: &str| match s {
            "" => Some(None),
            // one past all lengths is as large as can be
            s if s.bytes().all(|b| b.is_ascii_digit()) => Some(Some(s.parse().unwrap_or(u64::MAX))),
            _ => None,
        };
        let (start, end) = spec.split_once('-')?;
        match (number(start)?, number(end)?) {
            (None, None) => None,
            (Some(start), Some(end)) if end < start => None,
            range => Some(range),
        }
    }

    /// The whole of what starts at `start`.
    pub fn from(start: u64) -> Self {
        Self(vec![(Some(start), None)])
    }

    /// Says what the first range was found to be, now that a `Content-Range` told.
    pub fn learn_first(&mut self, start: u64, end: u64) {
        match self.0.first_mut() {
            Some(first) => *first = (Some(start), Some(end)),
            None => self.0.push((Some(start), Some(end))),
        }
    }

    /// Takes the first `sent` bytes off the first range.
    pub fn skip(&mut self, sent: u64) -> Left {
        let Some((start, end)) = self.0.first_mut() else { return Left::Overrun };
        let left = match (&mut *start, &mut *end) {
            (None, Some(last)) => last.checked_sub(sent).inspect(|left| *last = *left),
            (Some(first), last) => {
                *first = first.saturating_add(sent);
                match last {
                    Some(last) => last.saturating_add(1).checked_sub(*first),
                    None => Some(u64::MAX),
                }
            }
            (None, None) => Some(u64::MAX),
        };
        match left {
            None => Left::Overrun,
            Some(0) => Left::Nothing,
            Some(_) => Left::More,
        }
    }

    /// How many ranges there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The last byte of the first range, where that does not depend on the length of the whole.
    pub fn last_byte(&self) -> Option<u64> {
        self.0.first().and_then(|(start, end)| start.and(*end))
    }

    /// Drops the first range; whether others remain.
    pub fn pop_first(&mut self) -> bool {
        if !self.0.is_empty() {
            self.0.remove(0);
        }
        !self.0.is_empty()
    }
}

impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes=")?;
        for (i, (start, end)) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            if let Some(start) = start {
                write!(f, "{start}")?;
            }
            f.write_str("-")?;
            if let Some(end) = end {
                write!(f, "{end}")?;
            }
        }
        Ok(())
    }
}

/// A `Content-Range` of a part: first and last byte, and the length of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    /// The first byte.
    pub start: u64,
    /// The last byte, which belongs to it.
    pub end: u64,
    /// The length of the whole object in bytes.
    pub total: u64,
}

impl ContentRange {
    /// Parses `bytes <start>-<end>/<total>`; `None` for anything else, or an end before its start.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let rest = std::str::from_utf8(value).ok()?.trim().strip_prefix("bytes ")?;
        let (range, total) = rest.split_once('/')?;
        let (start, end) = range.split_once('-')?;
        let parsed = Self { start: start.parse().ok()?, end: end.parse().ok()?, total: total.parse().ok()? };
        (parsed.start <= parsed.end).then_some(parsed)
    }

    /// How many bytes it holds.
    pub fn byte_count(&self) -> u64 {
        (self.end - self.start).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges(text: &str) -> Ranges {
        Ranges::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn parses_what_swift_parses() {
        for good in ["bytes=0-", "bytes=-5", "bytes=1-2,4-,-9"] {
            assert_eq!(ranges(good).to_string(), good);
        }
        assert_eq!(ranges("Bytes = 1-2, 3-4").to_string(), "bytes=1-2,3-4");
        assert_eq!(ranges("bytes=0-99999999999999999999"), Ranges(vec![(Some(0), Some(u64::MAX))]));
        for bad in
            ["", "bytes", "bytes=", "bytes=-", "bytes=5-3", "bytes=45", "bytes=a-b", "bytes=--1", "b=1-2"]
        {
            assert_eq!(Ranges::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn skipping_moves_the_first_range_on() {
        let mut r = ranges("bytes=10-19,30-");
        assert_eq!(r.skip(4), Left::More);
        assert_eq!(r.to_string(), "bytes=14-19,30-");
        assert_eq!(r.skip(6), Left::Nothing);
        assert_eq!(ranges("bytes=10-19").skip(11), Left::Overrun);
        let mut suffix = ranges("bytes=-50");
        assert_eq!(suffix.skip(20), Left::More);
        assert_eq!(suffix.to_string(), "bytes=-30");
        assert_eq!(suffix.skip(30), Left::Nothing);
        assert_eq!(ranges("bytes=5-").skip(1_000_000), Left::More);
    }

    #[test]
    fn popping_leaves_the_others() {
        let mut r = ranges("bytes=1-2,3-4");
        assert!(r.pop_first());
        assert_eq!(r.to_string(), "bytes=3-4");
        assert!(!r.pop_first());
    }

    #[test]
    fn content_ranges() {
        let range = ContentRange::parse(b"bytes 100-1249/49004").unwrap();
        assert_eq!(range, ContentRange { start: 100, end: 1249, total: 49004 });
        assert_eq!(range.byte_count(), 1150);
        for bad in ["bytes 5-4/10", "bytes */10", "bytes 1-2", "1-2/3", "bytes 1-/3"] {
            assert_eq!(ContentRange::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_value_parses_or_is_ignored(value in "(bytes=)?[0-9, -]{0,30}") {
            if let Some(r) = Ranges::parse(value.as_bytes()) {
                prop_assert_eq!(Ranges::parse(r.to_string().as_bytes()), Some(r));
            }
        }
    }
}
