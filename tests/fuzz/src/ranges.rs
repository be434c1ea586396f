//! `Range` and `Content-Range`, as object servers and the proxy each read them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use swiftlet::http::byte_ranges::{Asked, asked, multipart};
use swiftlet::proxy::ranges::{ContentRange, Left, Ranges};

fuzz_target!(|input: (u64, u64, &[u8])| {
    let (length, sent, header) = input;
    let _ = ContentRange::parse(header);
    if let Asked::Ranges(ranges) = asked(Some(header), length) {
        assert!(ranges.iter().all(|range| range.start < range.end && range.end <= length));
        assert!(multipart(ranges, b"text/plain", "boundary", length).len() > 1);
    }
    let Some(mut ranges) = Ranges::parse(header) else { return };
    assert_eq!(Ranges::parse(ranges.to_string().as_bytes()).as_ref(), Some(&ranges));
    if ranges.skip(sent) == Left::More {
        assert!(Ranges::parse(ranges.to_string().as_bytes()).is_some(), "{ranges}");
    }
    while ranges.pop_first() {}
});
