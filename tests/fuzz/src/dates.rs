//! HTTP dates, and the conditions that hold them or ETags.
#![no_main]

use fuzz::cut;
use libfuzzer_sys::fuzz_target;
use swiftlet::http::Headers;
use swiftlet::http::conditions::{names_etag, refused};
use swiftlet::http::dates::{format_http_date, parse_http_date};

fuzz_target!(|input: (u64, &[u8])| {
    let (last_modified_s, bytes) = input;
    let (etag, value) = cut(bytes);
    let _ = names_etag(value, etag);
    for name in ["If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"] {
        let mut headers = Headers::new();
        headers.set(name, value.to_vec());
        let status = refused(&headers, etag, last_modified_s);
        assert!(matches!(status, None | Some(304 | 412)));
    }
    let _ = format_http_date(last_modified_s);
    if let Some(seconds) = std::str::from_utf8(value).ok().and_then(parse_http_date) {
        assert_eq!(parse_http_date(&format_http_date(seconds)), Some(seconds));
    }
});
