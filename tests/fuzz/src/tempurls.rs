//! Queries of temporary URLs: as they come, and signed here, because no fuzzer guesses signatures.
#![no_main]

use fuzz::{answer, filter, request, run};
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use sha2::Sha256;
use swiftlet::http::{Method, Response};
use swiftlet::proxy::app::ProxyRequest;
use swiftlet::proxy::middleware::tempurl;
use swiftlet_types::names::quote_component;

fn end(request: &ProxyRequest) -> Response {
    match request.http.method {
        Method::Head => Response::new(204).with("X-Account-Meta-Temp-Url-Key", "key"),
        _ => Response::new(200).with("Content-Type", "text/plain").with_body("content"),
    }
}

/// A query of the pairs in `bytes` with a signature that is right for GET of the object, or of the prefix.
fn signed(bytes: &[u8]) -> String {
    let given: Vec<(Vec<u8>, Vec<u8>)> = swiftlet_types::names::query_pairs(bytes).collect();
    let of = |name: &str| given.iter().find(|(n, _)| n == name.as_bytes()).map(|(_, value)| &value[..]);
    let expires = b"4102444800";
    let mut message = Vec::new();
    if let Some(range) = of("temp_url_ip_range").filter(|range| !range.is_empty()) {
        message.extend([b"ip=", range, b"\n"].concat());
    }
    message.extend(b"GET\n");
    message.extend(expires);
    message.extend(match of("temp_url_prefix") {
        Some(prefix) => [b"\nprefix:/v1/a/c/", prefix].concat(),
        None => b"\n/v1/a/c/object".to_vec(),
    });
    let mut mac = Hmac::<Sha256>::new_from_slice(b"key").expect("any length");
    mac.update(&message);
    let mut query =
        format!("temp_url_sig={}&temp_url_expires=4102444800", hex::encode(mac.finalize().into_bytes()));
    for name in ["temp_url_ip_range", "temp_url_prefix", "filename", "inline"] {
        if let Some(value) = of(name) {
            query += &format!("&{name}={}", quote_component(value));
        }
    }
    query
}

fuzz_target!(|bytes: &[u8]| {
    let app = filter(tempurl::layer, &[], end);
    run(async {
        answer(&*app, request(Method::Get, "/v1/a/c/object", bytes)).await;
        answer(&*app, request(Method::Get, "/v1/a/c/object", signed(bytes).as_bytes())).await;
    });
});
