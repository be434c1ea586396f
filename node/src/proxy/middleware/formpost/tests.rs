use super::super::tests::compare::{Filter, case, same};
use super::super::tests::{Fake, build, request, text};
use super::*;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

const EXPIRES: &str = "4102444800";

fn signature(key: &str, path: &str, redirect: &str, size: &str, count: &str, expires: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(format!("{path}\n{redirect}\n{size}\n{count}\n{expires}").as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// A form of these fields, and files of name and content.
fn form(fields: &[(&str, &str)], files: &[(&str, &str)]) -> String {
    let mut form = String::new();
    for (name, value) in fields {
        form += &format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    for (name, content) in files {
        form += &format!(
            "--xyz\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{name}\"\r\n\
             Content-Type: text/plain\r\n\r\n{content}\r\n"
        );
    }
    form + "--xyz--\r\n"
}

/// A form that is signed with `key`.
fn signed(path: &str, key: &str, more: &[(&str, &str)], files: &[(&str, &str)]) -> String {
    let more_of = |name: &str, default: &'static str| {
        more.iter().find(|(n, _)| *n == name).map_or(default.to_owned(), |(_, value)| (*value).to_owned())
    };
    let (redirect, size) = (more_of("redirect", ""), more_of("max_file_size", "10"));
    let (count, expires) = (more_of("max_file_count", "2"), more_of("expires", EXPIRES));
    let signature = signature(key, path, &redirect, &size, &count, &expires);
    let mut fields = vec![("max_file_size", "10"), ("max_file_count", "2"), ("expires", EXPIRES)];
    fields.extend(more);
    fields.push(("signature", &signature));
    form(&fields, files)
}

fn post(path: &str, body: String) -> serde_json::Value {
    let headers = [("Content-Type", "multipart/form-data; boundary=xyz"), ("Origin", "http://o")];
    let answer = [("Access-Control-Allow-Origin", "*"), ("Etag", "e")];
    case("POST", path, &headers)
        .path("HEAD /v1/a", 204, &[("X-Account-Meta-Temp-Url-Key", "key")])
        .path("HEAD /v1/a/c", 204, &[("X-Container-Meta-Temp-Url-Key-2", "ckey")])
        .page("PUT /v1/a/c/one", 201, &answer, "")
        .page("PUT /v1/a/c/no", 403, &answer, "not that one")
        .with("body", json!(body))
        .value()
}

#[tokio::test]
async fn does_what_pythons_does() {
    let path = "/v1/a/c";
    let one = [("one", "hello")];
    let mut cases = vec![post(path, signed(path, "key", &[], &one))];
    cases.push(post(path, signed(path, "ckey", &[], &[("one", "hello"), ("two", "")])));
    cases.push(post("/v1/a/c/pre", signed("/v1/a/c/pre", "key", &[], &[("fix x", "1")])));
    cases.push(post("/v1/a/c/", signed("/v1/a/c/", "key", &[], &one)));
    cases.push(post(path, signed(path, "wrong", &[], &one)));
    cases.push(post("/v1/a", signed("/v1/a", "key", &[], &one)));
    cases.push(post("/v1/b/c", signed("/v1/b/c", "key", &[], &one)));
    cases.push(post(path, signed(path, "key", &[], &[("one", "hello"), ("no", "x"), ("three", "")])));
    cases.push(post(path, signed(path, "key", &[], &[("one", "1"), ("two", "2"), ("three", "3")])));
    cases.push(post(path, signed(path, "key", &[], &[])));
    for more in [
        ("redirect", "http://r/"),
        ("redirect", "http://r/?a=b"),
        ("max_file_count", "x"),
        ("max_file_count", "0"),
        ("max_file_size", "x"),
        ("max_file_size", "5"),
        ("expires", "1"),
        ("expires", "x"),
        ("expires", ""),
        ("x_delete_at", "4102444800"),
        ("x_delete_at", "soon"),
        ("x_delete_after", "60"),
        ("x_delete_after", "x"),
        ("content-type", "a/b"),
        ("content-type", ""),
        ("Content-Encoding", "gzip"),
        ("other", "value--"),
    ] {
        for file in ["one", "no"] {
            cases.push(post(path, signed(path, "key", &[more], &[(file, "hello")])));
        }
    }
    for broken in ["", "--xyz", "--xyz\r\n", "--other\r\n", "--xyz\r\nX", "\r\n\r\n--xyz\r\n\r\n"] {
        cases.push(post(path, broken.to_owned()));
    }
    cases.push(case("POST", path, &[("Content-Type", "multipart/form-data")]).value());
    cases.push(case("PUT", path, &[("Content-Type", "multipart/form-data; boundary=xyz")]).value());
    same(&[Filter("formpost", layer, &[])], cases.clone()).await;
    same(&[Filter("formpost", layer, &[("allowed_digests", "sha512")])], cases).await;
}

#[tokio::test]
async fn a_file_that_is_too_large_is_cut_off() {
    let fake = Fake::new(|_| Response::new(201).with("X-Account-Meta-Temp-Url-Key", "key"));
    let (app, _) = build(layer, &[], fake.clone());
    let body = signed("/v1/a/c", "key", &[], &[("one", "eleven bytes")]);
    let headers = [("Content-Type", "multipart/form-data; boundary=xyz")];
    let mut post = request(Method::Post, "/v1/a/c", &headers);
    post.http.body = body.into();
    let answer = text(app.call(post).await).await;
    assert_eq!(answer, (400, "FormPost: max_file_size exceeded".to_owned()));
    let put = fake.requests().pop().unwrap();
    assert_eq!((put.path.as_str(), put.body.as_str()), ("/v1/a/c/one", ""));
}
