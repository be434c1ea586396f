//! Archives and lists of names that bulk takes: as they are, and packed here, because no fuzzer guesses checksums.
#![no_main]

use fuzz::{answer, filter, request, run};
use libfuzzer_sys::fuzz_target;
use std::io::Write;
use swiftlet::http::{Method, Response};
use swiftlet::proxy::app::ProxyRequest;
use swiftlet::proxy::middleware::bulk;

fn end(request: &ProxyRequest) -> Response {
    assert!(request.http.path.starts_with(b"/v1/a/"), "left its account: {:?}", request.http.path);
    Response::new(if request.http.method == Method::Delete { 204 } else { 201 })
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    packer.write_all(content).and_then(|()| packer.finish()).expect("in memory")
}

fn bzip2(content: &[u8]) -> Vec<u8> {
    let mut packer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    packer.write_all(content).and_then(|()| packer.finish()).expect("in memory")
}

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, content) = input;
    let (method, query, body) = match kind % 6 {
        0 => (Method::Put, "extract-archive=tar", content.to_vec()),
        1 => (Method::Put, "extract-archive=tar.gz", content.to_vec()),
        2 => (Method::Put, "extract-archive=tar.bz2", content.to_vec()),
        3 => (Method::Put, "extract-archive=tar.gz", gzip(content)),
        4 => (Method::Put, "extract-archive=tar.bz2", bzip2(content)),
        _ => (Method::Post, "bulk-delete", content.to_vec()),
    };
    run(async {
        let mut request = request(method, "/v1/a/c", query.as_bytes());
        request.http.headers.set_int("Content-Length", body.len());
        request.http.headers.set("Accept", "application/json");
        request.http.body = swiftlet::http::Body::full(body);
        let options = [("max_deletes_per_request", "100"), ("max_containers_per_extraction", "100")];
        answer(&*filter(bulk::layer, &options, end), request).await;
    });
});
