//! Header fields that name other objects: symlinks, copies, manifests of dynamic large objects.
#![no_main]

use fuzz::{answer, cut, filter, request, run};
use libfuzzer_sys::fuzz_target;
use swiftlet::http::{Method, Response};
use swiftlet::proxy::app::ProxyRequest;
use swiftlet::proxy::middleware::{copy, dlo, symlink};

fuzz_target!(|bytes: &[u8]| {
    let (target, rest) = cut(bytes);
    let (account, etag) = cut(rest);
    let named = target.to_vec();
    let (stored_account, stored_etag) = (account.to_vec(), etag.to_vec());
    let end = move |_: &ProxyRequest| {
        Response::new(200)
            .with("X-Object-Sysmeta-Symlink-Target", named.clone())
            .with("X-Object-Sysmeta-Symlink-Target-Account", stored_account.clone())
            .with("X-Object-Sysmeta-Symlink-Target-Etag", stored_etag.clone())
            .with("X-Object-Manifest", named.clone())
            .with("Etag", stored_etag.clone())
            .with("Content-Type", "text/plain")
    };
    let put = |fields: &[(&'static str, &[u8])]| {
        let mut request = request(Method::Put, "/v1/a/c/o", b"");
        request.http.headers.set("Content-Length", "0");
        fields.iter().for_each(|(name, value)| request.http.headers.set(*name, value.to_vec()));
        request
    };
    run(async {
        let app = filter(symlink::layer, &[], end.clone());
        let fields = [
            ("X-Symlink-Target", target),
            ("X-Symlink-Target-Account", account),
            ("X-Symlink-Target-Etag", etag),
        ];
        answer(&*app, put(&fields)).await;
        answer(&*app, request(Method::Get, "/v1/a/c/o", b"")).await;
        let app = filter(copy::layer, &[], end.clone());
        answer(&*app, put(&[("X-Copy-From", target), ("X-Copy-From-Account", account)])).await;
        let mut copied = request(Method::from_name("COPY"), "/v1/a/c/o", b"");
        copied.http.headers.set("Destination", target.to_vec());
        copied.http.headers.set("Destination-Account", account.to_vec());
        answer(&*app, copied).await;
        let app = filter(dlo::layer, &[], end);
        answer(&*app, put(&[("X-Object-Manifest", target)])).await;
    });
});
