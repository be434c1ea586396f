//! The `Range` header: which bytes are asked for, and how several ranges go into one body.

use bytes::Bytes;
use std::ops::Range;

/// Swift's bounds on what one request may ask for.
const MAX_RANGES: usize = 50;
const MAX_OVERLAPS: usize = 2;
const MAX_UNORDERED: usize = 8;

/// What a `Range` header asks for, once the length is known.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// Everything: there is no header, or it is malformed.
    All,
    /// Nothing that there is, or more than a request may ask for: 416.
    Unsatisfiable,
    /// These bytes.
    Ranges(Vec<Range<u64>>),
}

/// What `header` asks for of `length` bytes.
pub fn asked(header: Option<&[u8]>, length: u64) -> Asked {
    let Some(specs) = header.and_then(parse) else { return Asked::All };
    let ranges: Vec<_> = specs.iter().filter_map(|spec| spec.within(length)).collect();
    match ranges.len() {
        0 => Asked::Unsatisfiable,
        _ if is_egregious(&ranges) => Asked::Unsatisfiable,
        // a suffix of nothing: the whole of it, and no Content-Range could say so
        _ if length == 0 => Asked::All,
        _ => Asked::Ranges(ranges),
    }
}

/// First and last byte, or a number of last bytes.
#[derive(Debug, PartialEq, Eq)]
struct Spec {
    first: Option<u64>,
    last: Option<u64>,
}

impl Spec {
    fn within(&self, length: u64) -> Option<Range<u64>> {
        match (self.first, self.last) {
            (None, Some(0)) | (None, None) => None,
            (None, Some(count)) => Some(length.saturating_sub(count)..length),
            (Some(first), _) if first >= length => None,
            (Some(first), None) => Some(first..length),
            (Some(first), Some(last)) => Some(first..last.saturating_add(1).min(length)),
        }
    }
}

/// One malformed range makes the whole header void.
fn parse(header: &[u8]) -> Option<Vec<Spec>> {
    let text: String = std::str::from_utf8(header).ok()?.split(' ').collect();
    let (unit, list) = text.split_at_checked(6)?;
    if !unit.eq_ignore_ascii_case("bytes=") {
        return None;
    }
    list.split(',')
        .map(|range| {
            let (first, last) = range.split_once('-')?;
            let spec = Spec { first: first_byte(first)?, last: number(last)? };
            let reversed = spec.first.is_some() && spec.last.is_some() && spec.last < spec.first;
            (!reversed && (spec.first.is_some() || spec.last.is_some())).then_some(spec)
        })
        .collect()
}

/// A number in digits, if there is one at all; one past all lengths is as large as can be.
fn number(digits: &str) -> Option<Option<u64>> {
    let are_digits = digits.bytes().all(|b| b.is_ascii_digit());
    are_digits.then(|| (!digits.is_empty()).then(|| digits.parse().unwrap_or(u64::MAX)))
}

/// The first byte as Swift takes it, by Python's `int`: a plus and single underscores between digits are let pass.
fn first_byte(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    let digits = text.strip_prefix('+').unwrap_or(text);
    let is_grouped = digits.split('_').all(|group| !group.is_empty());
    (text.is_empty() || is_grouped).then(|| number(&digits.replace('_', "")))?
}

/// Whether serving these costs far more than asking for them.
fn is_egregious(ranges: &[Range<u64>]) -> bool {
    let overlap = |a: &Range<u64>, b: &Range<u64>| {
        let inside = |x: u64, r: &Range<u64>| r.start < x && x < r.end;
        inside(b.start, a) || inside(b.end, a) || inside(a.start, b) || inside(a.end, b)
    };
    if ranges.len() > MAX_RANGES {
        return true;
    }
    let pairs = ranges.iter().enumerate().flat_map(|(at, a)| ranges[at + 1..].iter().map(move |b| (a, b)));
    let overlaps = pairs.filter(|(a, b)| overlap(a, b)).count();
    let ordered = ranges.windows(2).all(|w| (w[0].start, w[0].end) <= (w[1].start, w[1].end));
    overlaps > MAX_OVERLAPS || (!ordered && ranges.len() >= MAX_UNORDERED)
}

/// The value of `Content-Range` for these bytes of `length`.
pub fn content_range(range: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1))
}

/// A piece of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Literal(Bytes),
    /// These bytes of the object.
    Object(Range<u64>),
}

impl Piece {
    /// How long it is.
    pub fn len_bytes(&self) -> u64 {
        match self {
            Self::Literal(bytes) => bytes.len() as u64,
            Self::Object(range) => range.end - range.start,
        }
    }
}

/// The body of a `multipart/byteranges` answer.
pub fn multipart(ranges: Vec<Range<u64>>, content_type: &[u8], boundary: &str, length: u64) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(2 * ranges.len() + 1);
    let mut text: Vec<u8> = Vec::new();
    for range in ranges {
        text.extend_from_slice(format!("--{boundary}\r\nContent-Type: ").as_bytes());
        text.extend_from_slice(content_type);
        text.extend_from_slice(
            format!("\r\nContent-Range: {}\r\n\r\n", content_range(&range, length)).as_bytes(),
        );
        pieces.push(Piece::Literal(std::mem::take(&mut text).into()));
        pieces.push(Piece::Object(range));
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(format!("--{boundary}--").as_bytes());
    pieces.push(Piece::Literal(text.into()));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_ten(header: &str) -> Asked {
        asked(Some(header.as_bytes()), 10)
    }

    #[test]
    #[allow(clippy::single_range_in_vec_init)] // a list of one range is what is meant
    fn reads_ranges_as_swift_does() {
        assert_eq!(of_ten("bytes=0-4"), Asked::Ranges(vec![0..5]));
        assert_eq!(of_ten("Bytes= 5 - "), Asked::Ranges(vec![5..10]));
        assert_eq!(of_ten("bytes=-3"), Asked::Ranges(vec![7..10]));
        assert_eq!(of_ten("bytes=-30,1-99"), Asked::Ranges(vec![0..10, 1..10]));
        assert_eq!(of_ten("bytes=99-,2-3"), Asked::Ranges(vec![2..4]));
        assert_eq!(of_ten("bytes=+1-2"), Asked::Ranges(vec![1..3]));
        assert_eq!(of_ten("bytes=0_1-2"), Asked::Ranges(vec![1..3]));
        assert_eq!(of_ten("bytes=0-99999999999999999999"), Asked::Ranges(vec![0..10]));
        assert_eq!(of_ten("bytes=-99999999999999999999"), Asked::Ranges(vec![0..10]));
        for nothing in
            ["bytes=10-", "bytes=1_0-", "bytes=99999999999999999999-", "bytes=-0", "bytes=10-20,30-"]
        {
            assert_eq!(of_ten(nothing), Asked::Unsatisfiable, "{nothing}");
        }
        for void in [
            "bytes=4-2",
            "bytes=-",
            "bytes=1-+2",
            "bytes=_1-",
            "bytes=1__0-",
            "bytes=+-1",
            "bytes=4",
            "bytes=a-",
            "items=1-2",
            "bytes=0-1,x",
            "bytes=--1",
            "",
        ] {
            assert_eq!(of_ten(void), Asked::All, "{void}");
        }
        assert_eq!(asked(Some(b"bytes=-5"), 0), Asked::All);
        assert_eq!(asked(None, 10), Asked::All);
    }

    #[test]
    fn refuses_greedy_lists() {
        let overlapping = "bytes=0-5,1-6,2-7,3-8";
        assert_eq!(of_ten(overlapping), Asked::Unsatisfiable);
        let backwards: Vec<_> = (0..8).rev().map(|n| format!("{n}-{n}")).collect();
        assert_eq!(of_ten(&format!("bytes={}", backwards.join(","))), Asked::Unsatisfiable);
        let many: Vec<_> = (0..51).map(|n| format!("{n}-{n}")).collect();
        assert_eq!(asked(Some(format!("bytes={}", many.join(",")).as_bytes()), 100), Asked::Unsatisfiable);
    }

    #[test]
    fn several_ranges_make_one_body() {
        let pieces = multipart(vec![0..2, 4..5], b"text/plain", "b0", 10);
        let text: String = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Literal(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                Piece::Object(range) => "0123456789"[range.start as usize..range.end as usize].to_owned(),
            })
            .collect();
        assert_eq!(
            text,
            "--b0\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n\
             --b0\r\nContent-Type: text/plain\r\nContent-Range: bytes 4-4/10\r\n\r\n4\r\n--b0--"
        );
        assert_eq!(pieces.iter().map(Piece::len_bytes).sum::<u64>(), text.len() as u64);
    }
}
