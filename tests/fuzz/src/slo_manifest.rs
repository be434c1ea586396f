//! Manifests of static large objects: as clients PUT them, and as they are stored.
#![no_main]

use fuzz::{answer, cut, filter, request, run};
use libfuzzer_sys::fuzz_target;
use swiftlet::http::{Method, Response};
use swiftlet::proxy::app::ProxyRequest;
use swiftlet::proxy::middleware::slo;

const ETAG: &str = "d41d8cd98f00b204e9800998ecf8427e";

fuzz_target!(|bytes: &[u8]| {
    let (range, manifest) = cut(bytes);
    let manifest = bytes::Bytes::copy_from_slice(manifest);
    let stored = manifest.clone();
    let end = move |request: &ProxyRequest| {
        let response = Response::new(200).with("Etag", ETAG).with("X-Timestamp", "1.0");
        match (request.http.path.ends_with(b"/manifest"), &request.http.method) {
            (true, Method::Get) => response
                .with("X-Static-Large-Object", "True")
                .with("Content-Type", "text/plain")
                .with_body(stored.clone()),
            (_, Method::Head) => response.with("Content-Length", "10").with("Content-Type", "text/plain"),
            (_, Method::Get) => response.with("Content-Length", "10").with_body("0123456789"),
            _ => response,
        }
    };
    run(async {
        let app = filter(slo::layer, &[("max_manifest_segments", "50")], end);
        let mut put = request(Method::Put, "/v1/a/c/manifest", b"multipart-manifest=put");
        put.http.headers.set_int("Content-Length", manifest.len());
        put.http.body = manifest.into();
        answer(&*app, put).await;
        for query in [&b""[..], b"multipart-manifest=get", b"multipart-manifest=get&format=raw"] {
            let mut get = request(Method::Get, "/v1/a/c/manifest", query);
            get.http.headers.set("Range", range.to_vec());
            // a segment that is missing or changed cuts the answer short
            app.call(get).await.body.read_all(1 << 20).await.ok();
        }
        answer(&*app, request(Method::Delete, "/v1/a/c/manifest", b"multipart-manifest=delete")).await;
    });
});
