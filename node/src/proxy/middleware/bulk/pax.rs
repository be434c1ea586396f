//! PAX headers: fields of a file, or of all that follow, that say more than a tar header can.

use super::archive::{ArchiveError, invalid_header};
use std::collections::BTreeMap;

/// A longer name is none, so that no header can have all of it searched for every few bytes.
const MAX_NAME_BYTES: usize = 1024;

/// PAX fields by name; neither need be UTF-8.
pub(super) type PaxFields = BTreeMap<Vec<u8>, Vec<u8>>;

/// The fields of a PAX header, each `LENGTH NAME=VALUE` and a line's end, where the length counts all of that: a value may
/// hold line ends. Whatever looks otherwise ends them.
pub(super) fn fields(mut rest: &[u8]) -> Result<PaxFields, ArchiveError> {
    let mut fields = PaxFields::new();
    while let Some((length, name_at, value_at)) = field(rest) {
        if length == 0 {
            return Err(invalid_header());
        }
        let value = rest.get(value_at..rest.len().min(length - 1)).unwrap_or_default();
        fields.insert(rest[name_at..value_at - 1].to_vec(), value.to_vec());
        rest = &rest[rest.len().min(length)..];
    }
    Ok(fields)
}

/// The length that a field claims, and where its name and its value begin.
fn field(bytes: &[u8]) -> Option<(usize, usize, usize)> {
    let (digits, _) = bytes.split_at(memchr::memchr(b' ', bytes)?);
    let length = digits.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(digits).ok())??;
    let name_at = digits.len() + 1;
    let name = &bytes[name_at..];
    let value_at = name_at + memchr::memchr(b'=', &name[..name.len().min(MAX_NAME_BYTES)])? + 1;
    (value_at > name_at + 1).then_some((length.parse().ok()?, name_at, value_at))
}

/// The size that a PAX field tells. What is no number is 0; below 0 there is none, nor beyond what fits a file.
pub(super) fn size(text: &[u8]) -> Result<u64, ArchiveError> {
    let number = std::str::from_utf8(text).unwrap_or_default().trim();
    let is_number = number.trim_start_matches(['-', '+']).bytes().all(|b| b.is_ascii_digit());
    if is_number && !number.is_empty() { number.parse().map_err(|_| invalid_header()) } else { Ok(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_by_their_lengths() {
        let fields = |bytes: &[u8]| super::fields(bytes).map(|fields| fields.into_iter().collect::<Vec<_>>());
        let one = |name: &[u8], value: &[u8]| vec![(name.to_vec(), value.to_vec())];
        assert_eq!(fields(b"12 path=a\nb\n").unwrap(), one(b"path", b"a\nb"));
        assert_eq!(fields(b"10 path=\xff\n\0\0").unwrap(), one(b"path", b"\xff"));
        assert_eq!(fields(b"99 path=x").unwrap(), one(b"path", b"x"));
        assert_eq!(fields(b"3 path=x\n").unwrap(), one(b"path", b""));
        for junk in [&b""[..], b"data", b"\xff\xff", b"8 =x\n", b"path=x\n", b" 9 path=x\n", b"9 path:x\n"] {
            assert_eq!(fields(junk).unwrap(), [], "{}", junk.escape_ascii());
        }
        assert!(fields(b"0 path=x\n").is_err());
        assert!((size(b"7").is_ok_and(|told| told == 7)) && size(b"x").is_ok_and(|told| told == 0));
        assert!(size(b"-1").is_err() && size(b"99999999999999999999").is_err());
    }
}
