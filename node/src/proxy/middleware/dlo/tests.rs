use super::super::tests::compare::{Case, Filter, case, same};
use super::*;

const LISTING: &str =
    r#"[{"name": "p/1", "bytes": 3, "hash": "e1"}, {"name": "p/2", "bytes": 4, "hash": "e2"}]"#;

fn read(method: &str, headers: &[(&str, &str)]) -> Case {
    let manifest =
        [("X-Object-Manifest", "s/p%2F"), ("Etag", "m"), ("Content-Type", "a/b"), ("Content-Length", "0")];
    case(method, "/v1/a/c/o", headers)
        .path("GET /v1/a/c/o", 200, &manifest)
        .path("HEAD /v1/a/c/o", 200, &manifest)
        .page("GET /v1/a/s", 200, &[("Content-Type", "application/json")], LISTING)
        .page("GET /v1/a/s/p/1", 200, &[("Content-Length", "3")], "abc")
        .page("GET /v1/a/s/p/2", 200, &[("Content-Length", "4")], "defg")
}

#[tokio::test]
async fn equals_python() {
    let put = |manifest: &str| case("PUT", "/v1/a/c/o", &[("X-Object-Manifest", manifest)]);
    let cases = vec![
        read("GET", &[]),
        read("HEAD", &[]),
        read("HEAD", &[("Range", "bytes=1-2")]),
        read("GET", &[("If-None-Match", "0f0b4bfdd3d6e7e7a2a3e0eb8ea90fa5")]),
        // of a GET, Python asks for the first segment before it sees that the condition fails
        read("HEAD", &[("If-Match", "nothing")]),
        read("GET", &[("Range", "bytes=7-")]),
        read("GET", &[]).path("GET /v1/a/s", 404, &[]),
        read("GET", &[]).path("GET /v1/a/s/p/1", 404, &[]),
        read("GET", &[]).path("GET /v1/a/s/p/1", 503, &[]),
        put("s/p"),
        put("s"),
        put("s/"),
        put("/p"),
        put("s//p"),
        put("s/p?x"),
        put("s/p&x"),
    ];
    let cases = cases.into_iter().map(Case::value).collect();
    same(&[Filter("dlo", layer, &[])], cases).await;
}
