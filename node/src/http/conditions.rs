//! `If-Match`, `If-None-Match`, `If-Modified-Since` and `If-Unmodified-Since`.

use super::Headers;
use super::dates::parse_http_date;

/// An ETag without the quotes that a client may have put around it.
pub fn normalize_etag(etag: &[u8]) -> &[u8] {
    etag.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(etag)
}

/// Whether a list of ETags names `etag`; `*` names every one.
pub fn names_etag(list: &[u8], etag: &[u8]) -> bool {
    let etag = normalize_etag(etag);
    list.split(|b| *b == b',')
        .map(<[u8]>::trim_ascii)
        .any(|tag| tag == b"*" || (!tag.is_empty() && normalize_etag(tag) == etag))
}

/// Whether the list holds `*`.
pub fn names_any(list: &[u8]) -> bool {
    list.split(|b| *b == b',').any(|tag| normalize_etag(tag.trim_ascii()) == b"*")
}

/// The status (304 or 412) of an answer about an object that does not meet the request's conditions.
/// `last_modified` in seconds.
pub fn refused(headers: &Headers, etag: &[u8], last_modified: u64) -> Option<u16> {
    if headers.get("If-None-Match").is_some_and(|list| names_etag(list, etag)) {
        return Some(304);
    }
    if headers.get("If-Match").is_some_and(|list| !names_etag(list, etag)) {
        return Some(412);
    }
    let date = |name: &str| headers.get_str(name).and_then(parse_http_date);
    if date("If-Modified-Since").is_some_and(|since| last_modified <= since) {
        return Some(304);
    }
    date("If-Unmodified-Since").is_some_and(|since| last_modified > since).then_some(412)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: &str = "Thu, 01 Jan 1970 12:00:00 GMT";

    fn check(name: &'static str, value: &'static str) -> Option<u16> {
        refused(&[(name, value)].into_iter().collect(), b"abc", 12 * 3600)
    }

    #[test]
    fn etags_match_with_and_without_quotes() {
        assert_eq!(check("If-None-Match", "x, \"abc\""), Some(304));
        assert_eq!(check("If-None-Match", "*"), Some(304));
        assert_eq!(check("If-None-Match", "abd"), None);
        assert_eq!(check("If-Match", "abc"), None);
        assert_eq!(check("If-Match", "*"), None);
        assert_eq!(check("If-Match", "x,y"), Some(412));
    }

    #[test]
    fn dates_count_in_whole_seconds() {
        assert_eq!(check("If-Modified-Since", NOON), Some(304));
        assert_eq!(check("If-Modified-Since", "Thu, 01 Jan 1970 11:59:59 GMT"), None);
        assert_eq!(check("If-Unmodified-Since", NOON), None);
        assert_eq!(check("If-Unmodified-Since", "Thu, 01 Jan 1970 11:59:59 GMT"), Some(412));
        assert_eq!(check("If-Modified-Since", "yesterday"), None);
    }
}
