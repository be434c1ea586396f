//! Listings: the parameters that ask for one, and the JSON that filters write anew for clients.
#![no_main]

use fuzz::{answer, cut, filter, request, run};
use libfuzzer_sys::fuzz_target;
use swiftlet::database::params::Params as ServerParams;
use swiftlet::http::{Method, Response};
use swiftlet::proxy::middleware::{dlo, listing_formats, staticweb};
use swiftlet::proxy::query::Params;

fuzz_target!(|bytes: &[u8]| {
    let (query, listing) = cut(bytes);
    let params = Params::parse(query);
    assert_eq!(Params::parse(&params.to_query()), params);
    if let Ok(asked) = ServerParams::of(query).listing(10_000, false) {
        assert!(asked.limit <= 10_000);
    }
    let listing = bytes::Bytes::copy_from_slice(listing);
    let end = {
        let listing = listing.clone();
        move |request: &swiftlet::proxy::app::ProxyRequest| {
            let is_object = request.http.path.starts_with(b"/v1/a/c/o");
            let response = Response::new(200).with("Content-Type", "application/json; charset=utf-8");
            match is_object {
                true => response.with("X-Object-Manifest", "c/s"),
                false => response.with("X-Container-Meta-Web-Listings", "on").with_body(listing.clone()),
            }
        }
    };
    run(async {
        let app = filter(listing_formats::layer, &[], end.clone());
        for path in ["/v1/a", "/v1/a/c"] {
            answer(&*app, request(Method::Get, path, query)).await;
        }
        answer(&*filter(staticweb::layer, &[], end.clone()), request(Method::Get, "/v1/a/c/", query)).await;
        answer(&*filter(dlo::layer, &[], end), request(Method::Get, "/v1/a/c/o", query)).await;
    });
});
