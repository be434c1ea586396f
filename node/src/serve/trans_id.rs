//! Transaction ids, one for each client request, carried by `X-Trans-Id` to every server that works for it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::time::{SystemTime, UNIX_EPOCH};

/// What Python's `quote` leaves alone.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'_').remove(b'.').remove(b'-').remove(b'~');

/// A new id: `tx`, 21 random hexadecimal digits, a dash, the time in ten, and the cluster's suffix.
pub fn new(suffix: &str) -> String {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let random = rand::random::<u128>() >> (128 - 84);
    format!("tx{random:021x}-{now_s:010x}{}", utf8_percent_encode(suffix, QUOTED))
}

/// A new id without suffix.
pub fn plain() -> String {
    new("")
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_have_swifts_shape() {
        let id = super::new("-a b");
        assert_eq!((id.len(), &id[..2], &id[23..24], &id[34..]), (40, "tx", "-", "-a%20b"));
        assert!(id[2..23].bytes().all(|b| b.is_ascii_hexdigit()));
        assert_ne!(id, super::new("-a b"));
    }
}
