//! Forms that browsers upload with: multipart, its part headers, and the fields that are signed.
#![no_main]

use async_trait::async_trait;
use bytes::Bytes;
use fuzz::{answer, cut, filter, request, run};
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use sha2::Sha256;
use swiftlet::http::{Body, BodyError, BodyStream, Method, Response};
use swiftlet::proxy::app::ProxyRequest;
use swiftlet::proxy::middleware::formpost;

const OF_SIGNED: &[u8] = b"multipart/form-data; boundary=xyz";

/// A body that comes in small pieces, so that boundaries are met cut in two.
struct Pieces(Bytes);

#[async_trait]
impl BodyStream for Pieces {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let length = self.0.len().min(13);
        Ok((length > 0).then(|| self.0.split_to(length)))
    }
}

fn end(request: &ProxyRequest) -> Response {
    match request.http.method {
        Method::Head => Response::new(204).with("X-Account-Meta-Temp-Url-Key", "key"),
        _ => Response::new(201),
    }
}

async fn post(content_type: &[u8], body: Body) -> (u16, Vec<u8>) {
    let mut request = request(Method::Post, "/v1/a/c", b"");
    request.http.headers.set("Content-Type", content_type.to_vec());
    request.http.body = body;
    answer(&*filter(formpost::layer, &[], end), request).await
}

/// What begins a form that is signed for two files of ten bytes, because no fuzzer guesses signatures.
fn signed_begin() -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"key").expect("any length");
    mac.update(b"/v1/a/c\n\n10\n2\n4102444800");
    let signature = hex::encode(mac.finalize().into_bytes());
    let fields = [
        ("max_file_size", "10"),
        ("max_file_count", "2"),
        ("expires", "4102444800"),
        ("signature", &signature),
    ];
    let part = |(name, value)| {
        format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    fields.map(part).concat().into_bytes()
}

fuzz_target!(|bytes: &[u8]| {
    let (content_type, form) = cut(bytes);
    let content_type = match content_type {
        b"" => OF_SIGNED,
        given => given,
    };
    run(async {
        let signed = [&signed_begin(), form].concat();
        for (content_type, form) in [(content_type, form), (OF_SIGNED, &signed)] {
            let whole = post(content_type, Body::full(form.to_vec())).await;
            let in_pieces = Body::stream(None, Pieces(form.to_vec().into()));
            assert_eq!(whole, post(content_type, in_pieces).await);
        }
    });
});
