//! Names of accounts, containers and objects in paths and URLs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};
use smallvec::SmallVec;

/// What Swift's `quote` leaves as it is: letters, digits, `_.-~` and `/`.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~').remove(b'/');
/// The same without `/`.
const COMPONENT: &AsciiSet = &PATH.add(b'/');

/// Percent-encodes a path, leaving slashes.
pub fn quote(path: impl AsRef<[u8]>) -> String {
    percent_encode(path.as_ref(), PATH).to_string()
}

/// Percent-encodes everything that is not a letter, a digit or one of `_.-~`.
pub fn quote_component(text: impl AsRef<[u8]>) -> String {
    percent_encode(text.as_ref(), COMPONENT).to_string()
}

/// Undoes percent-encoding; escapes that are none stay as they are.
pub fn unquote(text: impl AsRef<[u8]>) -> Vec<u8> {
    percent_decode(text.as_ref()).collect()
}

/// Undoes the encoding of a query or form value: `+` is a space.
pub fn unquote_plus(text: impl AsRef<[u8]>) -> Vec<u8> {
    let spaced: Vec<u8> = text.as_ref().iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    percent_decode(&spaced).collect()
}

/// The pairs of a query string, decoded, in order; a name without `=` has an empty value.
pub fn query_pairs(query: &[u8]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + '_ {
    query.split(|b| *b == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
        (unquote_plus(&pair[..at]), unquote_plus(pair.get(at + 1..).unwrap_or_default()))
    })
}

/// The segments of a path, of which a request's has few enough to need no memory of their own.
pub type Segments<'a> = SmallVec<[&'a [u8]; 6]>;

/// Splits `/a/b/rest…` into between `min` and `max` segments, as Swift's `split_path` does.
///
/// With `rest_with_last` the last segment takes the remainder, slashes and all (an object's name); without, one
/// trailing slash is allowed. No segment but the last is empty, and none of the first `min`; an empty one at the
/// end is left out, so what is missing is simply not there. `None` where the path does not have that shape.
pub fn split_path(path: &[u8], min: usize, max: usize, rest_with_last: bool) -> Option<Segments<'_>> {
    let path = path.strip_prefix(b"/")?;
    let pieces = if rest_with_last { max } else { max + 1 };
    let mut segments: Segments<'_> = path.splitn(pieces, |b| *b == b'/').collect();
    if segments.len() > max && segments.last().is_some_and(|s| s.is_empty()) {
        segments.pop();
    }
    if segments.len() < min || segments.len() > max || segments[..min].iter().any(|s| s.is_empty()) {
        return None;
    }
    let (last, before) = segments.split_last()?;
    if before.iter().any(|s| s.is_empty()) {
        return None;
    }
    if segments.len() > min && last.is_empty() {
        segments.pop();
    }
    Some(segments)
}

/// Whether a name belongs to the reserved name space (it starts with a NUL byte).
pub fn is_reserved(name: &[u8]) -> bool {
    name.starts_with(b"\0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(path: &str, min: usize, max: usize, rest: bool) -> Option<Vec<&str>> {
        let segments = split_path(path.as_bytes(), min, max, rest)?;
        Some(segments.into_iter().map(|s| std::str::from_utf8(s).expect("ascii")).collect())
    }

    #[test]
    fn quotes_like_swift() {
        assert_eq!(quote("/a b/ü~"), "/a%20b/%C3%BC~");
        assert_eq!(quote_component("a/b"), "a%2Fb");
        assert_eq!(unquote("%41%zz%4"), b"A%zz%4");
        let pairs: Vec<_> = query_pairs(b"a=1+2&b&c=%26").collect();
        assert_eq!(pairs[0], (b"a".to_vec(), b"1 2".to_vec()));
        assert_eq!(pairs[1], (b"b".to_vec(), b"".to_vec()));
        assert_eq!(pairs[2], (b"c".to_vec(), b"&".to_vec()));
    }

    #[test]
    fn splits_paths() {
        assert_eq!(split("/v1/a", 1, 4, true), Some(vec!["v1", "a"]));
        assert_eq!(split("/v1/a/", 2, 4, true), Some(vec!["v1", "a"]));
        assert_eq!(split("/v1/a/c/o/p/", 4, 4, true), Some(vec!["v1", "a", "c", "o/p/"]));
        assert_eq!(split("/v1/a/c//o", 4, 4, true), Some(vec!["v1", "a", "c", "/o"]));
        assert_eq!(split("/v1//c", 2, 4, true), None);
        assert_eq!(split("/a/b/c", 1, 2, false), None);
        assert_eq!(split("/a/b/", 1, 2, false), Some(vec!["a", "b"]));
        assert_eq!(split("/a//", 1, 2, false), Some(vec!["a"]));
        assert_eq!(split("/a//", 1, 2, true), Some(vec!["a", "/"]));
        assert_eq!(split("/v1/a/c/", 4, 4, true), None);
        assert_eq!(split("/v1/a//o", 2, 4, true), None);
        assert_eq!(split("/v1/a//", 2, 4, true), None);
        assert_eq!(split("/a", 2, 2, false), None);
        assert_eq!(split("a", 1, 1, false), None);
        assert_eq!(split("/", 1, 1, false), None);
    }
}
