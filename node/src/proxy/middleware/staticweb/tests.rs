use super::super::tests::compare::{Case, Filter, case, same};
use super::*;
use serde_json::Value;

const LISTING: &str = r#"[{"subdir": "d/e & f/"}, {"subdir": "d/\u00fc'.x/"},
    {"name": "d/o\"1.txt", "hash": "h", "bytes": 1536, "content_type": "Text/<b>",
     "last_modified": "2014-01-01T10:11:12.131415"},
    {"name": "d/", "hash": "h", "bytes": 0, "content_type": "a", "last_modified": "2014-01-01T00:00:00.000000"}]"#;

/// A request to a container of these settings that `acl` lets read; what it lists is [`LISTING`].
fn visit(method: &str, path: &str, settings: &[(&str, &str)], headers: &[(&str, &str)]) -> Case {
    let names: Vec<_> =
        settings.iter().map(|(name, value)| (format!("X-Container-Meta-Web-{name}"), *value)).collect();
    let mut container: Vec<_> = names.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    container.push(("X-Container-Read", "readers"));
    let list = [("Content-Type", "application/json")];
    let headers: Vec<_> = headers.iter().copied().chain([("Host", "h:8080")]).collect();
    case(method, path, &headers)
        .path("HEAD /v1/a/c", 204, &container)
        .page("GET /v1/a/c", 200, &list, LISTING)
        .page("GET /v1/a/c/index.html", 200, &[], "the index")
        .page("GET /v1/a/c/d/index.html", 200, &[], "the folder's index")
        .path("HEAD /v1/a/c/index.html", 200, &[])
        .path("GET /v1/a/c/missing", 404, &[])
        .path("GET /v1/a/c/missing/", 404, &[])
        .path("GET /v1/a/c/missing/index.html", 404, &[])
        .path("GET /v1/a/c/d", 404, &[])
        .path("GET /v1/a/c/d/", 404, &[])
        .path("GET /v1/a/c/gone.html", 404, &[])
        .path("GET /v1/a/c/d/gone.html", 404, &[])
        .path("GET /v1/a/c/broken", 503, &[])
        .page("GET /v1/a/c/marker", 200, &[("Content-Type", "application/directory")], "")
        .page("GET /v1/a/c/full", 200, &[("Content-Type", "application/directory")], "content")
        .page("GET /v1/a/c/own", 200, &[("Content-Type", "x/folder")], " ")
        .page("GET /v1/a/c/404error.html", 200, &[("X-Mine", "1")], "my own 404")
        .page("GET /v1/a/c/401error.html", 403, &[], "")
        .with("acl", "readers".into())
        .allowed_by("readers")
}

fn cases() -> Vec<Value> {
    let mut cases = Vec::new();
    for settings in [
        &[][..],
        &[("Index", " index.html ")],
        &[("Index", "gone.html")],
        &[("Index", "gone.html"), ("Listings", "yes"), ("Error", "error.html")],
        &[("Index", "index.html"), ("Error", "error.html"), ("Directory-Type", "x/folder")],
        &[("Listings", "true")],
        &[("Listings", "true"), ("Listings-Css", "css/a b.css"), ("Listings-Label", "my <site>")],
        &[("Listings", "true"), ("Listings-Css", "http://css/a b.css")],
        &[("Listings", "no"), ("Listings-Css", "/a.css")],
        &[("Error", "error.html")],
    ] {
        for path in [
            "/v1/a/c",
            "/v1/a/c/",
            "/v1/a/c/d",
            "/v1/a/c/d/",
            "/v1/a/c/missing",
            "/v1/a/c/missing/",
            "/v1/a/c/broken",
            "/v1/a/c/marker",
            "/v1/a/c/full",
            "/v1/a/c/own",
            "/v1/a/c/o",
            "/v1/a",
        ] {
            cases.push(visit("GET", path, settings, &[]).value());
        }
        cases.push(visit("PUT", "/v1/a/c/o", settings, &[]).value());
        cases.push(visit("GET", "/v1/a/c/", settings, &[]).with("allowed_by", "nobody".into()).value());
        for mode in ["", "true"] {
            let me = visit("GET", "/v1/a/c/", settings, &[("X-Web-Mode", mode)]).with("user", "me".into());
            cases.push(me.value());
        }
        cases.push(visit("HEAD", "/v1/a/c/", settings, &[]).value());
    }
    let by_link = "temp_url_sig=abc&temp_url_expires=2100-01-01T00:00:00Z";
    for query in [by_link.to_owned(), format!("{by_link}&temp_url_prefix=d/&inline")] {
        let path = format!("/v1/a/c/d/?{query}");
        let case = visit("GET", &path, &[("Listings", "1")], &[]).with("user", TEMPURL_USER.into());
        cases.push(case.value());
    }
    cases
}

#[tokio::test]
async fn does_what_pythons_does() {
    for options in
        [&[][..], &[("url_base", "https://www.example.com/x")], &[("url_base", "//www.example.com:80")]]
    {
        same(&[Filter("staticweb", layer, options)], cases()).await;
    }
}
