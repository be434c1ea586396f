//! The `Date` header's value, formatted once a second and thread.

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
            *last = (seconds, format(seconds));
        }
        last.1.clone()
    })
}

fn format(seconds: u64) -> Bytes {
    let stamp = jiff::Timestamp::from_second(seconds as i64).unwrap_or_default();
    stamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string().into()
}

#[cfg(test)]
mod tests {
    #[test]
    fn is_an_rfc_9110_date() {
        assert_eq!(&super::format(784111777)[..], b"Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
