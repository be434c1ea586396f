use super::super::tests::compare::{Case, Filter, case, same};
use super::super::tests::{Fake, build, request, text};
use super::*;
use crate::http::Body;
use crate::http::byte_ranges::{Asked, asked};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use serde_json::Value;

fn md5(bytes: &str) -> String {
    hex::encode(Md5::digest(bytes))
}

/// The objects of a cluster, and its manifests: nested, with inline data and with ranges.
fn object(path: &str) -> Option<(String, bool)> {
    let entry = |name: &str, bytes: &str| json!({"name": name, "bytes": bytes.len(), "hash": md5(bytes), "content_type": "a/b", "last_modified": "x"});
    let data = |text: &str| json!({"data": STANDARD.encode(text)});
    let with = |mut entry: Value, key: &str, value: Value| {
        entry[key] = value;
        entry
    };
    let manifest = |entries: Vec<Value>| Some((Value::from(entries).to_string(), true));
    match path {
        "/v1/a/s/one" => Some(("0123456789".into(), false)),
        "/v1/a/s/two" => Some(("abcdefghij".into(), false)),
        "/v1/a/s/changed" => Some(("other".into(), false)),
        "/v1/a/c/plain" => manifest(vec![entry("/s/one", "0123456789"), entry("/s/two", "abcdefghij")]),
        "/v1/a/c/mixed" => manifest(vec![
            data("PRE"),
            entry("/s/one", "0123456789"),
            data("MID"),
            with(entry("/s/two", "abcdefghij"), "range", "2-5".into()),
            with(entry("/s/two", "abcdefghij"), "range", "7-9".into()),
        ]),
        "/v1/a/c/nested" => {
            let mixed = "x".repeat(23);
            manifest(vec![
                with(entry("/c/mixed", &mixed), "sub_slo", true.into()),
                with(with(entry("/c/mixed", &mixed), "sub_slo", true.into()), "range", "2-4".into()),
            ])
        }
        "/v1/a/c/loop" => manifest(vec![with(entry("/c/loop", "x"), "sub_slo", true.into())]),
        "/v1/a/c/stale" => manifest(vec![entry("/s/changed", "0123456789")]),
        "/v1/a/c/gone" => manifest(vec![entry("/s/none", "0123456789")]),
        _ => None,
    }
}

const MIXED: &str = "PRE0123456789MIDcdefhij";

fn cluster() -> Fake {
    Fake::new(|request| {
        let path = String::from_utf8_lossy(&request.http.path).into_owned();
        let Some((body, is_manifest)) = object(&path) else { return Response::standard(404) };
        let mut response = Response::new(200)
            .with("Content-Type", "a/b")
            .with("Etag", format!("\"{}\"", md5(&body)))
            .with("Last-Modified", "Fri, 01 Mar 2024 00:00:00 GMT")
            .with("Content-Length", body.len().to_string());
        if is_manifest {
            response.headers.set("X-Static-Large-Object", "True");
        }
        let range = request.http.headers.get("Range").filter(|_| !is_manifest);
        if let Asked::Ranges(ranges) = asked(range, body.len() as u64) {
            let parts: Vec<_> = ranges.iter().map(|r| &body[r.start as usize..r.end as usize]).collect();
            response.status = 206;
            if parts.len() > 1 {
                let divided = ranges.iter().zip(&parts).map(|(r, part)| {
                    format!(
                        "--b\r\nContent-Range: bytes {}-{}/{}\r\n\r\n{part}\r\n",
                        r.start,
                        r.end - 1,
                        body.len()
                    )
                });
                let divided = divided.chain(["--b--".to_owned()]).collect::<String>();
                response.headers.set("Content-Type", "multipart/byteranges;boundary=b");
                return response.with_body(divided);
            }
            return response.with_body(parts.concat());
        }
        response.with_body(body)
    })
}

async fn get(path: &str, headers: &[(&str, &str)]) -> Response {
    build(layer, &[], cluster()).0.call(request(Method::Get, path, headers)).await
}

#[tokio::test]
async fn reads_what_manifests_name() {
    for (path, expected) in [
        ("/v1/a/c/plain", "0123456789abcdefghij".to_owned()),
        ("/v1/a/c/mixed", MIXED.to_owned()),
        ("/v1/a/c/nested", format!("{MIXED}{}", &MIXED[2..5])),
        ("/v1/a/s/one", "0123456789".to_owned()),
    ] {
        assert_eq!(text(get(path, &[]).await).await, (200, expected.clone()), "{path}");
        for first in 0..expected.len() {
            for last in [first, expected.len() / 2, expected.len() - 1, 99] {
                let range = format!("bytes={first}-{last}");
                if last < first || path == "/v1/a/s/one" {
                    continue;
                }
                let (status, part) = text(get(path, &[("Range", &range)]).await).await;
                assert_eq!(
                    (status, &part[..]),
                    (206, &expected[first..(last + 1).min(expected.len())]),
                    "{range}"
                );
            }
        }
    }
}

#[tokio::test]
async fn several_ranges_come_in_parts() {
    let response = get("/v1/a/c/mixed", &[("Range", "bytes=1-4,-2")]).await;
    let content_type = response.headers.get_str("Content-Type").unwrap().to_owned();
    let boundary = content_type.strip_prefix("multipart/byteranges;boundary=").unwrap();
    let length: usize = response.headers.get_str("Content-Length").unwrap().parse().unwrap();
    let (status, body) = text(response).await;
    let part = |range: &str, bytes: &str| {
        format!("--{boundary}\r\nContent-Type: a/b\r\nContent-Range: bytes {range}/23\r\n\r\n{bytes}\r\n")
    };
    assert_eq!((status, body.len()), (206, length));
    assert_eq!(body, format!("{}{}--{boundary}--", part("1-4", "RE01"), part("21-22", "ij")));
}

#[tokio::test]
async fn what_is_wrong_from_the_start_is_a_conflict() {
    for path in ["/v1/a/c/stale", "/v1/a/c/gone", "/v1/a/c/loop"] {
        assert_eq!(get(path, &[]).await.status, 409, "{path}");
    }
}

#[tokio::test]
async fn conditions_and_parts() {
    let whole = get("/v1/a/c/plain", &[]).await;
    let etag = whole.headers.get_str("Etag").unwrap().to_owned();
    assert_eq!(etag, format!("\"{}\"", md5(&[md5("0123456789"), md5("abcdefghij")].concat())));
    assert_eq!(get("/v1/a/c/plain", &[("If-None-Match", &etag)]).await.status, 304);
    assert_eq!(get("/v1/a/c/plain", &[("If-Match", "other")]).await.status, 412);
    assert_eq!(get("/v1/a/c/plain", &[("Range", "bytes=20-")]).await.status, 416);
    let part = get("/v1/a/c/plain?part-number=2", &[]).await;
    assert_eq!(part.headers.get_str("X-Parts-Count"), Some("2"));
    assert_eq!(text(part).await, (206, "abcdefghij".to_owned()));
    assert_eq!(get("/v1/a/c/plain?part-number=3", &[]).await.status, 416);
    assert_eq!(get("/v1/a/c/plain?part-number=0", &[]).await.status, 400);
}

const JSON: (&str, &str) = ("Content-Type", "a/b");

fn put(manifest: &str) -> Case {
    let found =
        [("Content-Length", "10"), ("Etag", "abc"), JSON, ("Last-Modified", "Fri, 01 Mar 2024 00:00:00 GMT")];
    case("PUT", "/v1/a/c/o?multipart-manifest=put", &[])
        .with("body", manifest.into())
        .path("PUT /v1/a/c/o", 201, &[("Last-Modified", "Fri, 01 Mar 2024 00:00:00 GMT")])
        .path("HEAD /v1/a/s/one", 200, &found)
        .path("HEAD /v1/a/s/none", 404, &[])
}

#[tokio::test]
async fn refuses_and_stores_manifests_as_python_does() {
    let manifests = [
        "",
        "{}",
        r#"[{"path": 1}]"#,
        r#"[{"path": "s/one", "etag": 1}]"#,
        r#"[{"path": "s"}, {"path": "/s/"}]"#,
        r#"[{"path": "s/one", "z": 1, "\u00fc": 2}]"#,
        r#"[{"path": "s/one", "size_bytes": "x"}, {"path": "s/one", "size_bytes": 0}, {"path": "s/one"}]"#,
        r#"[{"path": "/c/o"}]"#,
        r#"[{"path": "s/one", "range": "x"}, {"path": "s/one", "range": "1-2,3-4"}]"#,
        r#"[{"path": "s/one", "range": "10-", "size_bytes": 10}]"#,
        r#"[{"data": "!"}, {"data": ""}, {"data": "YQ=="}]"#,
        r#"[{"data": "YQ=="}]"#,
        r#"[{"path": "s/none"}]"#,
        r#"[{"path": "s/one", "size_bytes": 11, "etag": "no"}]"#,
        r#"[{"path": "s/one", "range": "10-"}]"#,
        r#"[{"path": "/s/one", "size_bytes": "10", "etag": "abc"}, {"path": "s/one", "range": "-3"}, {"data": "YQ=="}]"#,
        r#"[{"path": "s/one", "range": "0-9"}]"#,
        "[]",
    ];
    let cases = manifests.map(|manifest| put(manifest).value());
    same(&[Filter("slo", layer, &[])], cases.into()).await;
}

#[tokio::test]
async fn a_segment_that_is_no_json_object_is_refused() {
    // Python fails with 500 where no other is one
    let mut put = request(Method::Put, "/v1/a/c/o?multipart-manifest=put", &[("Content-Length", "3")]);
    put.http.body = Body::full("[1]");
    let response = build(layer, &[], cluster()).0.call(put).await;
    assert_eq!(text(response).await, (400, "Index 0: not a JSON object\n".to_owned()));
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    assert_eq!(input::parse(b"\xef\xbb\xbf[]", b"/v1/a/c/o").unwrap(), []);
    assert!(input::parse(b"\xff\xfe[]", b"/v1/a/c/o").is_err());
}
