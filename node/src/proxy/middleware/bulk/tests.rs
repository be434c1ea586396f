use super::super::tests::compare::{Case, Filter, case, same};
use super::super::tests::{Fake, build, request, text};
use super::*;
use crate::http::Body;
use serde_json::Value;
use std::io::Write;

/// A cluster without containers that takes every PUT and DELETE.
fn cluster() -> Fake {
    Fake::new(|request| match request.http.method {
        Method::Head => Response::standard(404),
        Method::Delete if request.http.path.ends_with(b"none") => Response::standard(404),
        Method::Delete if request.http.path.ends_with(b"busy") => Response::standard(409),
        _ => Response::new(201),
    })
}

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, bytes.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

async fn send(
    fake: &Fake,
    method: Method,
    path: &str,
    accept: &str,
    body: impl Into<bytes::Bytes>,
) -> String {
    let mut sent = request(method, path, &[("Accept", accept)]);
    let body = body.into();
    sent.http.headers.set_int("Content-Length", body.len());
    sent.http.body = Body::full(body);
    let response = build(layer, &[], fake.clone()).0.call(sent).await;
    assert_eq!(response.status, 200);
    text(response).await.1
}

async fn extract(fake: &Fake, kind: &str, body: impl Into<bytes::Bytes>) -> Value {
    let path = format!("/v1/a/c?extract-archive={kind}");
    serde_json::from_str(&send(fake, Method::Put, &path, "application/json", body).await).unwrap()
}

#[tokio::test]
async fn archives_become_objects() {
    let long = format!("./{}/x", "n".repeat(150));
    let tar = archive(&[("a", "one"), (&long, "two"), ("empty", "")]);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&tar).unwrap();
    for (kind, body) in [("tar", tar.clone()), ("tar.gz", gz.finish().unwrap())] {
        let fake = cluster();
        let report = extract(&fake, kind, body).await;
        assert_eq!(
            (&report["Response Status"], &report["Number Files Created"]),
            (&"201 Created".into(), &3.into())
        );
        let stored: Vec<_> = fake.requests().into_iter().map(|seen| (seen.path, seen.body)).collect();
        let object = |name: &str, bytes: &str| (format!("/v1/a/c/{name}"), bytes.to_owned());
        assert_eq!(
            stored,
            [
                ("/v1/a/c".to_owned(), String::new()),
                ("/v1/a/c".to_owned(), String::new()),
                object("a", "one"),
                object(&long[2..], "two"),
                object("empty", ""),
            ],
            "{kind}"
        );
    }
}

#[tokio::test]
async fn archives_that_are_none_or_cut_short() {
    let tar = archive(&[("a", &"x".repeat(2000))]);
    let mut wrong_sum = tar.clone();
    wrong_sum[0] ^= 1;
    for (kind, body, said) in [
        ("tar", Vec::new(), "Invalid Tar File: empty file"),
        ("tar", b"x".repeat(600), "Invalid Tar File: invalid header"),
        ("tar", wrong_sum, "Invalid Tar File: bad checksum"),
        ("tar", b"x".to_vec(), "Invalid Tar File: truncated header"),
        ("tar", tar[..1000].to_vec(), "Invalid Tar File: unexpected end of data"),
        ("tar", archive(&[]), "Invalid Tar File: No Valid Files"),
    ] {
        let report = extract(&cluster(), kind, body).await;
        assert_eq!(report["Response Status"], "400 Bad Request");
        assert_eq!(report["Response Body"], said);
    }
    let report = extract(&cluster(), "tar.gz", tar).await;
    assert!(report["Response Body"].as_str().unwrap().starts_with("Invalid Tar File: "), "{report}");
}

#[tokio::test]
async fn deletes_objects_then_containers() {
    let fake = cluster();
    let body = "c\n/c/o%20p\n\nc/none\r\nc/busy";
    let report = send(&fake, Method::Post, "/v1/a?bulk-delete", "text/plain", body).await;
    assert_eq!(
        report,
        "Number Deleted: 2\nNumber Not Found: 1\nResponse Body: \nResponse Status: 400 Bad Request\nErrors:\n\
         c/busy, 409 Conflict\n"
    );
    let mut paths: Vec<_> = fake.requests().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths.pop().as_deref(), Some("/v1/a/c"));
    paths.sort();
    assert_eq!(paths, ["/v1/a/c/busy", "/v1/a/c/none", "/v1/a/c/o p"]);
}

#[tokio::test]
async fn lists_of_names_are_bounded() {
    let too_many = "c/o\n".repeat(10_001);
    let report = send(&cluster(), Method::Post, "/v1/a?bulk-delete", "application/json", too_many).await;
    assert!(report.contains("413 Request Entity Too Large"), "{report}");
    assert!(report.contains("Maximum Bulk Deletes: 10000 per request"), "{report}");
    let too_long = "x".repeat(5000);
    let report = send(&cluster(), Method::Post, "/v1/a?bulk-delete", "application/json", too_long).await;
    assert!(report.contains("Invalid File Name"), "{report}");
    let nothing = send(&cluster(), Method::Post, "/v1/a?bulk-delete", "application/json", "").await;
    assert!(nothing.contains("Invalid bulk delete."), "{nothing}");
}

/// A PUT of an archive, or a list of names, whose bytes are the chars of the case.
fn upload(method: &str, path: &str, accept: &str, body: &[u8]) -> Case {
    let text: String = body.iter().map(|byte| char::from(*byte)).collect();
    case(method, path, &[("Accept", accept)]).with("body", text.into())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn archives_come_out_as_from_swift() {
    let tar = archive(&[("a/one", "1"), ("b/two", "22"), ("./a/three", ""), ("b//four", "x")]);
    let mut cases = Vec::new();
    for accept in ["", "text/plain", "application/json", "text/xml", "image/png"] {
        cases.push(upload("PUT", "/v1/a?extract-archive=tar", accept, &tar));
    }
    for path in ["/v1/a", "/v1/a/c", "/v1/a/c/", "/v1/a/c/below", "/v1/a//", "/v1", "/v1/"] {
        cases.push(upload("PUT", &format!("{path}?extract-archive=tar.gz"), "application/json", &gzip(&tar)));
    }
    for kind in ["", "zip", "tar.", "TAR", "tar.xz"] {
        cases.push(upload("PUT", &format!("/v1/a/c?extract-archive={kind}"), "application/json", &tar));
    }
    // what is cut within a file is an error of the body, which only a whole pipeline answers
    for length in [0, 1, 511, 1024, 2048] {
        cases.push(upload("PUT", "/v1/a/c?extract-archive=tar", "application/json", &tar[..length]));
    }
    let packed = gzip(&tar);
    for body in [&packed[..0], &packed[..1], &packed[..packed.len() - 9], b"not packed"] {
        cases.push(upload("PUT", "/v1/a/c?extract-archive=tar.gz", "application/json", body));
    }
    let full = |status| {
        upload("PUT", "/v1/a/c?extract-archive=tar", "application/json", &archive(&[("o", "1"), ("p", "2")]))
            .path("PUT /v1/a/c/o", status, &[])
    };
    cases.extend([201, 202, 401, 404, 413, 422, 500, 503, 507].map(full));
    let no_container = |head, put| {
        upload(
            "PUT",
            "/v1/a?extract-archive=tar",
            "application/json",
            &archive(&[("c/o", "1"), ("c/p", "2")]),
        )
        .path("HEAD /v1/a/c", head, &[])
        .path("PUT /v1/a/c", put, &[])
    };
    cases.extend(
        [(404, 201), (404, 202), (404, 401), (404, 403), (404, 503), (401, 201), (503, 201)]
            .map(|(h, p)| no_container(h, p)),
    );
    same(&[Filter("bulk", layer, &[])], cases.into_iter().map(Case::value).collect()).await;
}

#[tokio::test]
async fn limits_end_an_archive_as_in_swift() {
    let many = archive(&[("a/o", "1"), ("b/o", "1"), ("c/o", "1"), ("d/o", "1")]);
    let case = |status| {
        ["a", "b", "c", "d"].iter().fold(
            upload("PUT", "/v1/a?extract-archive=tar", "application/json", &many),
            |case, name| {
                case.path(&format!("HEAD /v1/a/{name}"), 404, &[])
                    .path(&format!("PUT /v1/a/{name}"), 201, &[])
                    .path(&format!("PUT /v1/a/{name}/o"), status, &[])
            },
        )
    };
    let options = [("max_containers_per_extraction", "2"), ("max_failed_extractions", "2")];
    same(&[Filter("bulk", layer, &options)], [201, 404, 500].map(|status| case(status).value()).into()).await;
}

#[tokio::test]
async fn lists_of_names_come_out_as_in_swift() {
    let mut cases = Vec::new();
    for accept in ["", "text/plain", "application/json", "text/xml", "image/png"] {
        cases.push(upload("POST", "/v1/a?bulk-delete", accept, b"c/o"));
    }
    for list in [
        &b""[..],
        b"\n\n",
        b"c/o\n",
        b"/c/o\r\n",
        b"c/%E2%98%83",
        b"c/%FF",
        b"c/%zz",
        b"\xff",
        b"c",
        b"/",
        b"//",
        b"c//o",
        b" c/o ",
        b"c/o?x",
        b"../c",
    ] {
        cases.push(upload("POST", "/v1/a?bulk-delete", "application/json", list));
        cases.push(upload("DELETE", "/v1/a/c?bulk-delete", "application/json", list));
    }
    for status in [200, 204, 401, 404, 409, 500, 503] {
        cases.push(upload("POST", "/v1/a?bulk-delete", "application/json", b"c/o").path(
            "DELETE /v1/a/c/o",
            status,
            &[],
        ));
        cases.push(upload("POST", "/v1/a?bulk-delete", "application/json", b"c").path(
            "DELETE /v1/a/c",
            status,
            &[],
        ));
    }
    let options = [("max_deletes_per_request", "2"), ("max_failed_deletes", "1")];
    let few = [&b"c/a\nc/b"[..], b"c/a\nc/b\nc/d"]
        .map(|list| upload("POST", "/v1/a?bulk-delete", "application/json", list).value());
    same(&[Filter("bulk", layer, &options)], few.into()).await;
    same(&[Filter("bulk", layer, &[])], cases.into_iter().map(Case::value).collect()).await;
}

#[tokio::test]
async fn a_file_with_holes_is_refused_alone() {
    let mut holed = tar::Header::new_gnu();
    holed.set_entry_type(tar::EntryType::GNUSparse);
    holed.set_path("holed").unwrap();
    holed.set_size(0);
    holed.set_cksum();
    let fake = cluster();
    let report =
        extract(&fake, "tar", [holed.as_bytes().to_vec(), archive(&[("whole", "x")])].concat()).await;
    assert_eq!(report["Number Files Created"], 1);
    assert_eq!(report["Errors"], serde_json::json!([["c/holed", "422 Unprocessable Entity"]]));
}

#[tokio::test]
async fn a_list_that_stalls_is_told_so() {
    struct Stalls;
    #[async_trait::async_trait]
    impl crate::http::BodyStream for Stalls {
        async fn next(&mut self) -> Result<Option<bytes::Bytes>, crate::http::BodyError> {
            Err(crate::http::BodyError::Timeout("the body"))
        }
    }
    let mut sent = request(Method::Post, "/v1/a?bulk-delete", &[("Content-Length", "9")]);
    sent.http.body = Body::stream(Some(9), Stalls);
    let told = text(build(layer, &[], cluster()).0.call(sent).await).await.1;
    assert!(told.contains("Response Status: 408 Request Timeout"), "{told}");
}
