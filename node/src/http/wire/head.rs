//! Finding the end of a message head and splitting it into lines, names and values, without copying.

use super::super::{Headers, Limits};
use bytes::Bytes;
use memchr::{memchr, memchr2, memchr3};
use smallvec::SmallVec;
use std::ops::Range;
use thiserror::Error;

/// What is wrong with a message head.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HeadError {
    /// The first line is too long.
    #[error("request line too long")]
    FirstLineTooLong,
    /// A header line is too long.
    #[error("header line too long")]
    HeaderLineTooLong,
    /// The header lines together are too large.
    #[error("headers too large")]
    HeadersTooLarge,
    /// There are too many header lines.
    #[error("more than {0} header lines")]
    TooManyHeaders(usize),
    /// A header line that is not `name: value`, or has a control character in it.
    #[error("malformed header line")]
    BadHeader,
    /// The first line is not that of a request or a status.
    #[error("malformed first line")]
    BadFirstLine,
}

/// Finds the lines of a head while its bytes come in; never looks at a byte twice.
#[derive(Debug, Default)]
pub(crate) struct HeadScanner {
    /// End of each line found, its line end included.
    ends: SmallVec<[u32; 40]>,
    /// Where the search for the next line end goes on.
    searched: usize,
}

impl HeadScanner {
    /// Looks at `buf`, which holds what it held last time and more. `Some(length)` once the head is whole.
    pub(crate) fn scan(&mut self, buf: &[u8], limits: &Limits) -> Result<Option<usize>, HeadError> {
        loop {
            let start = self.ends.last().map_or(0, |&end| end as usize);
            let first = self.ends.is_empty();
            let (limit, too_long) = match first {
                true => (limits.max_request_line, HeadError::FirstLineTooLong),
                false => (limits.max_header_line, HeadError::HeaderLineTooLong),
            };
            let rest = buf.get(self.searched..).unwrap_or_default();
            let Some(end) = memchr(b'\n', rest).map(|at| self.searched + at + 1) else {
                self.searched = buf.len();
                if buf.len() - start >= limit {
                    return Err(too_long);
                }
                return Ok(None);
            };
            if end - start >= limit {
                return Err(too_long);
            }
            self.searched = end;
            self.ends.push(end as u32);
            self.check_size(end, limits)?;
            if !first && matches!(&buf[start..end], b"\r\n" | b"\n") {
                return Ok(Some(end));
            }
        }
    }

    fn check_size(&self, seen: usize, limits: &Limits) -> Result<(), HeadError> {
        let first_end = self.ends.first().map_or(seen, |&end| end as usize);
        if seen - first_end > limits.max_head_size {
            return Err(HeadError::HeadersTooLarge);
        }
        // The first line and the empty one are no headers.
        if self.ends.len().saturating_sub(2) > limits.max_header_count {
            return Err(HeadError::TooManyHeaders(limits.max_header_count));
        }
        Ok(())
    }

    /// Forgets the head that was found.
    pub(crate) fn reset(&mut self) {
        self.ends.clear();
        self.searched = 0;
    }

    /// The first line's range, without its line end.
    pub(crate) fn first_line(&self, head: &[u8]) -> Range<usize> {
        trim_line_end(head, 0..self.ends.first().map_or(0, |&end| end as usize))
    }

    /// The header fields of `head`, as slices of it.
    pub(crate) fn headers(&self, head: &Bytes) -> Result<Headers, HeadError> {
        let mut headers = Headers::with_capacity(self.ends.len().saturating_sub(2) + 4);
        for pair in self.ends.windows(2).take(self.ends.len().saturating_sub(2)) {
            let line = trim_line_end(head, pair[0] as usize..pair[1] as usize);
            let (name, value) = split_header(head, line)?;
            headers.append(head.slice(name), head.slice(value));
        }
        Ok(headers)
    }
}

fn trim_line_end(head: &[u8], mut line: Range<usize>) -> Range<usize> {
    if line.end > line.start && head[line.end - 1] == b'\n' {
        line.end -= 1;
    }
    if line.end > line.start && head[line.end - 1] == b'\r' {
        line.end -= 1;
    }
    line
}

/// The one field whose value clients of Swift send with NULs as they are: it may name what is reserved, which begins with
/// one.
const MAY_HOLD_NULS: &[u8] = b"x-symlink-target";

/// Splits a header line into name and value. Space before the colon, a folded line and control characters in
/// either part are refused: what one program takes for one header another may take for two.
fn split_header(head: &[u8], line: Range<usize>) -> Result<(Range<usize>, Range<usize>), HeadError> {
    let bytes = &head[line.clone()];
    let colon = memchr(b':', bytes).ok_or(HeadError::BadHeader)?;
    let (name, value) = (&bytes[..colon], &bytes[colon + 1..]);
    if name.is_empty() || name.iter().any(|&b| b <= b' ' || b == 0x7f) {
        return Err(HeadError::BadHeader);
    }
    let forbidden = match name.eq_ignore_ascii_case(MAY_HOLD_NULS) {
        true => memchr2(b'\r', b'\n', value),
        false => memchr3(b'\r', b'\n', 0, value),
    };
    if forbidden.is_some() {
        return Err(HeadError::BadHeader);
    }
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let leading = value.iter().take_while(|b| blank(b)).count();
    let trailing = value[leading..].iter().rev().take_while(|b| blank(b)).count();
    let value = line.start + colon + 1 + leading..line.end - trailing;
    Ok((line.start..line.start + colon, value))
}

/// A decimal length as HTTP has it: digits only.
pub(crate) fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(value.iter().fold(0, |n, b| n * 10 + u64::from(b - b'0')))
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
