//! The `Date` header's value, formatted once a second and thread.

use crate::http::dates::format_http_date;
use bytes::Bytes;
use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

thread_local! {
    static LAST: RefCell<(u64, Bytes)> = const { RefCell::new((0, Bytes::new())) };
}

/// Now, as `Sun, 22 Nov 2026 05:00:00 GMT`.
pub(crate) fn now() -> Bytes {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    LAST.with_borrow_mut(|last| {
        if last.0 != seconds || last.1.is_empty() {
            *last = (seconds, format_http_date(seconds).into());
        }
        last.1.clone()
    })
}

#[cfg(test)]
mod tests {
    use crate::http::dates::{format_http_date, parse_http_date};

    #[test]
    fn is_an_rfc_9110_date() {
        assert_eq!(format_http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
        let now = super::now();
        assert!(parse_http_date(std::str::from_utf8(&now).unwrap()).is_some(), "{now:?}");
    }
}
