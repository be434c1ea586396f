//! What requests are made of: paths, queries, timestamps, Accept.
#![no_main]

use libfuzzer_sys::fuzz_target;
use swiftlet_types::accept::best_match;
use swiftlet_types::names::{query_pairs, quote, split_path, unquote};
use swiftlet_types::timestamp::{EncodedTimestamps, Timestamp};

fuzz_target!(|bytes: &[u8]| {
    assert_eq!(unquote(quote(bytes)), bytes);
    let _ = query_pairs(bytes).count();
    for (min, max, rest) in [(1, 1, false), (2, 3, true), (5, 5, true)] {
        if let Some(segments) = split_path(bytes, min, max, rest) {
            assert!((min..=max).contains(&segments.len()));
        }
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = best_match(text, &["text/plain", "application/json"]);
    let _ = EncodedTimestamps::parse(text);
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.internal().parse(), Ok(time));
    }
});
