use super::super::tests::{Fake, build, get, request, text};
use super::*;
use crate::proxy::symlinks::ALLOWS_RESERVED;

/// A cluster with a plain object, static and dynamic links to it, and a loop.
fn cluster() -> Fake {
    Fake::new(|request| {
        let link = |target: &'static str, etag: Option<&'static str>| {
            let response = Response::new(200).with(KEPT_TARGET, target).with("Etag", "of-link");
            match etag {
                Some(etag) => response.with(KEPT_TARGET_ETAG, etag),
                None => response,
            }
        };
        match &request.http.path[..] {
            b"/v1/a/c/plain" => {
                Response::new(200).with("Etag", "abc").with("Content-Length", "4").with("Content-Type", "x/y")
            }
            b"/v1/a/c/soft" => link("c/plain", None),
            b"/v1/a/c/hard" => link("c/soft%32", Some("of-link")),
            b"/v1/a/c/soft2" => link("c/plain", None),
            b"/v1/a/c/stale" => link("c/plain", Some("old")),
            b"/v1/a/c/loop" => link("c/loop", None),
            b"/v1/a/c/inner" => link("%00c/plain", None).with(ALLOWS_RESERVED, "true"),
            b"/v1/a/\0c/plain" => Response::new(200),
            _ if request.http.method == Method::Put => Response::new(201),
            _ => Response::standard(404),
        }
    })
}

#[tokio::test]
async fn reads_follow_links_to_the_end() {
    let fake = cluster();
    let (app, _) = build(layer, &[], fake.clone());
    let response = app.call(request(Method::Get, "/v1/a/c/hard?x=y", &[("Range", "bytes=0-1")])).await;
    assert_eq!((response.status, response.headers.get_str("Content-Location")), (200, Some("/v1/a/c/plain")));
    let seen = fake.requests();
    let paths: Vec<_> = seen.iter().map(|r| format!("{}?{}", r.path, r.query)).collect();
    assert_eq!(paths, ["/v1/a/c/hard?x=y", "/v1/a/c/soft2?x=y", "/v1/a/c/plain?x=y"]);
    for request in &seen {
        assert_eq!(request.headers.get_str("Range"), Some("bytes=0-1"));
        assert_eq!(request.headers.get_str(follow_header()), Some("x-object-sysmeta-symlink-target"));
    }
    assert_eq!(seen[2].env.source, Some("SYM"));
    assert!(!app.call(get("/v1/a/c/plain")).await.headers.contains("Content-Location"));
}

fn follow_header() -> &'static str {
    "X-Backend-Ignore-Range-If-Metadata-Present"
}

#[tokio::test]
async fn reads_that_cannot_be_followed_conflict() {
    let (app, _) = build(layer, &[("symloop_max", "1")], cluster());
    let response = app.call(get("/v1/a/c/loop")).await;
    let said = "Too many levels of symbolic links, maximum allowed is 1";
    assert_eq!(text(response).await, (409, said.to_owned()));
    let response = app.call(get("/v1/a/c/stale")).await;
    assert_eq!(response.headers.get_str("Content-Location"), Some("/v1/a/c/plain"));
    let said = "Object Etag 'abc' does not match X-Symlink-Target-Etag header 'old'";
    assert_eq!(text(response).await, (409, said.to_owned()));
}

#[tokio::test]
async fn links_of_middleware_lead_into_the_reserved_name_space() {
    let fake = cluster();
    let response = build(layer, &[], fake.clone()).0.call(get("/v1/a/c/inner")).await;
    assert_eq!(response.status, 200);
    let reserved = &fake.requests()[1];
    assert_eq!(reserved.headers.get_str("X-Backend-Allow-Reserved-Names"), Some("true"));
    assert!(reserved.env.authorize_override);
    // and what the client may not see behind that, it does not see
    let fake = Fake::new(|request| match &request.http.path[..] {
        b"/v1/a/c/inner" => Response::new(200).with(KEPT_TARGET, "%00c/plain").with(ALLOWS_RESERVED, "true"),
        b"/v1/a/\0c/plain" => Response::new(200).with(KEPT_TARGET, "d/secret"),
        _ => Response::new(200),
    });
    build(layer, &[], fake.clone()).0.call(get("/v1/a/c/inner")).await;
    let seen = fake.requests();
    assert_eq!((&seen[2].path[..], seen[2].env.authorize_override), ("/v1/a/d/secret", false));
}

#[tokio::test]
async fn the_link_itself_is_shown_on_request() {
    let response = build(layer, &[], cluster()).0.call(get("/v1/a/c/hard?symlink=get")).await;
    assert_eq!(response.headers.get_str(TARGET), Some("c/soft%32"));
    assert_eq!(response.headers.get_str(TARGET_ETAG), Some("of-link"));
    assert!(!response.headers.contains(KEPT_TARGET));
}

#[tokio::test]
async fn puts_keep_target_etag_and_size() {
    let fake = cluster();
    let (app, _) = build(layer, &[], fake.clone());
    let headers = [(TARGET, "c/plain"), (TARGET_ETAG, "\"abc\""), ("Content-Length", "0")];
    assert_eq!(app.call(request(Method::Put, "/v1/a/c/new", &headers)).await.status, 201);
    let put = &fake.requests()[1];
    for (name, value) in [
        (KEPT_TARGET, "c/plain"),
        (KEPT_TARGET_ETAG, "abc"),
        (KEPT_TARGET_BYTES, "4"),
        ("Content-Type", "x/y"),
        (
            "X-Object-Sysmeta-Container-Update-Override-Etag",
            "d41d8cd98f00b204e9800998ecf8427e; symlink_target=c/plain; symlink_target_etag=abc; symlink_target_bytes=4",
        ),
    ] {
        assert_eq!(put.headers.get_str(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn puts_that_cannot_be_right_are_refused() {
    let put = async |target: &str, more: &[(&str, &str)]| {
        let headers = [&[(TARGET, target), ("Content-Length", "0")], more].concat();
        let (app, _) = build(layer, &[], cluster());
        text(app.call(request(Method::Put, "/v1/a/c/new", &headers)).await).await
    };
    let form = "X-Symlink-Target header must be of the form <container name>/<object name>";
    for bad in ["/c/o", "c", "", "c/", "%2Fc/o"] {
        assert_eq!(put(bad, &[]).await, (412, form.to_owned()), "{bad}");
    }
    assert_eq!(put("c/new", &[]).await, (400, "Symlink cannot target itself".to_owned()));
    assert_eq!(put("c/o", &[(TARGET_ACCOUNT, "a/b")]).await.0, 412);
    assert_eq!(put("c/o", &[(TARGET_ACCOUNT, "")]).await.1, "Account name cannot be empty");
    assert_eq!(put("c/o", &[(TARGET_ETAG, "a;b")]).await.1, "Bad X-Symlink-Target-Etag format");
    let missing = "X-Symlink-Target does not exist".to_owned();
    assert_eq!(put("c/gone", &[(TARGET_ETAG, "abc")]).await, (409, missing));
    assert_eq!(put("c/plain", &[(TARGET_ETAG, "xyz")]).await.0, 409);
    assert_eq!(put("c/plain", &[(TARGET_ACCOUNT, "b")]).await.0, 201);
}

#[tokio::test]
async fn posts_are_sent_on() {
    let (app, _) = build(layer, &[], cluster());
    let response = app.call(request(Method::Post, "/v1/a/c/hard", &[])).await;
    assert_eq!((response.status, response.headers.get_str("Location")), (307, Some("/v1/a/c/soft%32")));
    assert_eq!(response.headers.get_str(TARGET_ETAG), Some("of-link"));
    assert_eq!(app.call(request(Method::Post, "/v1/a/c/plain", &[])).await.status, 200);
    assert_eq!(app.call(request(Method::Post, "/v1/a/c/plain", &[(TARGET, "c/o")])).await.status, 400);
}

#[tokio::test]
async fn listings_tell_targets() {
    let json = r#"[{"name": "l", "hash": "d4; slo_etag=s; symlink_target=c/o; symlink_target_account=b; symlink_target_etag=e; symlink_target_bytes=3", "bytes": 0}, {"subdir": "d/"}]"#;
    let (app, _) = build(layer, &[], Fake::new(move |_| Response::new(200).with_body(json)));
    let (_, body) = text(app.call(get("/v1/a/c")).await).await;
    let told = r#"[{"name": "l", "hash": "d4; slo_etag=s", "bytes": 0, "symlink_etag": "e", "symlink_bytes": 3, "symlink_path": "/v1/b/c/o"}, {"subdir": "d/"}]"#;
    assert_eq!(body, told);
}

#[test]
fn its_section_of_info() {
    let (_, setup) = build(layer, &[("symloop_max", "0")], Fake::status(200));
    assert_eq!(setup.info.sections()["symlink"], json!({"symloop_max": 2, "static_links": true}));
}
