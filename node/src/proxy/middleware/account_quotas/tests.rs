use super::super::tests::compare::{Filter, case, same};
use super::*;
use serde_json::Value;

const NAMES: [&str; 10] = [
    "X-Account-Quota-Bytes",
    "X-Account-Quota-Count",
    "X-Account-Meta-Quota-Bytes",
    "X-Remove-Account-Meta-Quota-Bytes",
    "X-Remove-Account-Quota-Bytes",
    "X-Remove-Account-Quota-Count",
    "X-Account-Quota-Bytes-Policy-gold",
    "X-Account-Quota-Count-Policy-gold",
    "X-Remove-Account-Quota-Bytes-Policy-gold",
    "X-Account-Quota-Bytes-Policy-nobody",
];

fn headers_cases() -> Vec<Value> {
    let mut cases = Vec::new();
    for reseller in [true, false] {
        for name in NAMES {
            for value in ["", "10", "-1", "x"] {
                for (method, path) in
                    [("POST", "/v1/a"), ("PUT", "/v1/a"), ("GET", "/v1/a"), ("POST", "/v1/a/c")]
                {
                    let case = case(method, path, &[(name, value), ("X-Account-Quota-Count", "7")]);
                    cases.push(case.with("reseller", reseller.into()).value());
                }
            }
        }
    }
    let both = [("X-Remove-Account-Quota-Bytes", "x"), ("X-Account-Quota-Bytes", "5")];
    cases.push(case("POST", "/v1/a", &both).with("reseller", true.into()).value());
    let stored = [
        ("X-Account-Sysmeta-Quota-Bytes", "1"),
        ("X-Account-Sysmeta-Quota-Count", ""),
        ("X-Account-Sysmeta-Quota-Bytes-Policy-0", "3"),
        ("X-Account-Sysmeta-Quota-Count-Policy-7", "4"),
    ];
    cases.push(case("GET", "/v1/a", &[]).path("GET /v1/a", 200, &stored).value());
    cases.push(case("GET", "/v1/a/c", &[]).path("GET /v1/a/c", 200, &stored).value());
    cases
}

fn upload_cases() -> Vec<Value> {
    let mut cases = Vec::new();
    for (name, values) in [
        ("X-Account-Sysmeta-Quota-Bytes", ["9", "10", "x"]),
        ("X-Account-Meta-Quota-Bytes", ["9", "10", "x"]),
        ("X-Account-Sysmeta-Quota-Count", ["2", "3", "x"]),
        ("X-Account-Sysmeta-Quota-Bytes-Policy-0", ["6", "7", "x"]),
        ("X-Account-Sysmeta-Quota-Count-Policy-0", ["1", "2", "x"]),
    ] {
        for value in values {
            for reseller in [true, false] {
                for acl in [None, Some("writers"), Some("others")] {
                    let stored = [
                        ("X-Account-Bytes-Used", "5"),
                        ("X-Account-Object-Count", "2"),
                        ("X-Account-Storage-Policy-gold-Bytes-Used", "2"),
                        ("X-Account-Storage-Policy-gold-Object-Count", "1"),
                        // what information is made of where no proxy application made it
                        ("X-Account-Storage-Policy-Policy-0-Bytes-Used", "2"),
                        ("X-Account-Storage-Policy-Policy-0-Object-Count", "1"),
                        (name, value),
                    ];
                    let case = case("PUT", "/v1/a/c/o", &[("Content-Length", "5")])
                        .path("HEAD /v1/a", 204, &stored)
                        .path("HEAD /v1/a/c", 204, &[("X-Backend-Storage-Policy-Index", "0")])
                        .with("reseller", reseller.into())
                        .with("acl", "writers".into());
                    cases.push(match acl {
                        Some(acl) => case.allowed_by(acl).value(),
                        None => case.value(),
                    });
                }
            }
        }
    }
    cases
}

#[tokio::test]
async fn does_what_pythons_does() {
    same(&[Filter("account_quotas", layer, &[])], headers_cases()).await;
    same(&[Filter("account_quotas", layer, &[])], upload_cases()).await;
}
