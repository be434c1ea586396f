//! Reading columns that less careful writers filled: numbers as text, text as numbers, nothing at all.

use rusqlite::Row;
use rusqlite::types::ValueRef;
use std::borrow::Cow;
use swiftlet_types::Timestamp;
use swiftlet_types::pickle::Value;

/// Column `at` as text; NULL is empty.
pub(super) fn text<'a>(row: &'a Row<'_>, at: usize) -> rusqlite::Result<Cow<'a, str>> {
    Ok(match row.get_ref(at)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            // three times as slow, even where nothing is lost
            Err(_) => String::from_utf8_lossy(bytes),
        },
        ValueRef::Integer(n) => n.to_string().into(),
        ValueRef::Real(x) => x.to_string().into(),
        ValueRef::Null => "".into(),
    })
}

/// Column `at` as text of its own.
pub(super) fn string(row: &Row<'_>, at: usize) -> rusqlite::Result<String> {
    text(row, at).map(Cow::into_owned)
}

/// Column `at` as a number; what is none is zero, as Swift has it ("zero-like").
pub(super) fn int(row: &Row<'_>, at: usize) -> rusqlite::Result<i64> {
    Ok(match row.get_ref(at)? {
        ValueRef::Integer(n) => n,
        ValueRef::Real(x) => x as i64,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            std::str::from_utf8(bytes).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
        }
        ValueRef::Null => 0,
    })
}

/// A stored timestamp; what is none is the epoch.
pub(super) fn timestamp(text: &str) -> Timestamp {
    text.parse().unwrap_or(Timestamp::ZERO)
}

/// A pickled number: Swift's servers pass header values on as they came, as text.
pub(super) fn pickled_int(value: &Value) -> Option<i64> {
    value.as_int().or_else(|| value.as_str()?.trim().parse().ok())
}

/// A pickled text; old records have a plain `0` where a timestamp is none.
pub(super) fn pickled_text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned).or_else(|| value.as_int().map(|n| n.to_string()))
}
