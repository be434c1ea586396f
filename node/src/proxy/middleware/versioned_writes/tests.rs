use super::super::tests::{Fake, Seen, build, get, request, text};
use super::*;
use crate::http::{Headers, Method, Response};

const ON: [(&str, &str); 2] = [("allow_versioned_writes", "true"), ("allow_object_versioning", "true")];

/// A cluster with a container of these header fields, and objects that `object` answers for.
fn cluster(
    container: &'static [(&'static str, &'static str)],
    object: impl Fn(&Method, &str) -> Response + Send + Sync + 'static,
) -> Fake {
    Fake::new(move |request| {
        let path = std::str::from_utf8(&request.http.path).unwrap();
        match path.split('/').count() {
            3 if request.http.method == Method::Head => Response::new(204),
            4 if request.http.method == Method::Head && path.contains('\0') => Response::new(204),
            4 if request.http.method == Method::Head => {
                let mut response = Response::new(204);
                container.iter().for_each(|(name, value)| response.headers.append(*name, *value));
                response
            }
            _ => object(&request.http.method, path),
        }
    })
}

fn told<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.get_str(name)
}

/// The answer to a request, and the paths of the objects that it and those made for it changed.
async fn changes(fake: &Fake, method: Method, path: &str) -> (Response, Vec<String>) {
    let (app, _) = build(layer, &ON, fake.clone());
    let response = app.call(request(method, path, &[("Content-Type", "a/b"), ("X-Timestamp", "5.0")])).await;
    let seen = objects(fake).into_iter();
    let paths = seen.filter(|r| !r.headers.contains("X-Newest")).map(|r| r.path).collect();
    (response, paths)
}

/// The requests for objects.
fn objects(fake: &Fake) -> Vec<Seen> {
    let is_object = |seen: &Seen| seen.path.split('/').count() > 4;
    fake.requests().into_iter().filter(is_object).collect()
}

#[test]
fn what_info_tells() {
    let (_, setup) = build(layer, &ON, Fake::status(200));
    let sections = setup.info.sections();
    let flags = json!({"allowed_flags": ["x-versions-location", "x-history-location"]});
    assert_eq!((&sections["versioned_writes"], &sections["object_versioning"]), (&flags, &json!({})));
    let (_, setup) = build(layer, &[], Fake::status(200));
    assert!(setup.info.sections().is_empty());
}

#[tokio::test]
async fn locations_become_system_metadata_and_back() {
    let fake = Fake::new(|_| {
        Response::new(204)
            .with("X-Container-Sysmeta-Versions-Location", "v")
            .with("X-Container-Sysmeta-Versions-Mode", "history")
    });
    let (app, _) = build(layer, &ON, fake.clone());
    let put = async |headers: &[(&str, &str)]| {
        let response = app.call(request(Method::Put, "/v1/a/c", headers)).await;
        (response.status, fake.requests().pop().map(|seen| seen.headers).unwrap_or_default())
    };
    let (_, kept) = put(&[("X-Versions-Location", "v"), ("X-Remove-Versions-Location", "x")]).await;
    assert_eq!(told(&kept, "X-Container-Sysmeta-Versions-Location"), Some("v"));
    assert_eq!(told(&kept, "X-Container-Sysmeta-Versions-Mode"), Some("stack"));
    assert_eq!((told(&kept, "X-Versions-Location"), kept.len()), (Some(""), 3));
    for removing in [("X-Remove-History-Location", "x"), ("X-History-Location", "")] {
        let (_, kept) = put(&[removing]).await;
        assert_eq!(told(&kept, "X-Container-Sysmeta-Versions-Location"), Some(""), "{removing:?}");
    }
    assert_eq!(put(&[("X-Versions-Location", "v"), ("X-History-Location", "h")]).await.0, 400);
    assert_eq!(put(&[("X-History-Location", "h/o")]).await.0, 412);
    let response = app.call(get("/v1/a/c")).await;
    assert_eq!(told(&response.headers, "X-History-Location"), Some("v"));
    let (off, _) = build(layer, &[("allow_versioned_writes", "no")], fake.clone());
    let response = off.call(request(Method::Post, "/v1/a/c", &[("X-Versions-Location", "v")])).await;
    assert_eq!(text(response).await, (412, "Versioned Writes is disabled".to_owned()));
}

const STACK: &[(&str, &str)] =
    &[("X-Container-Sysmeta-Versions-Location", "v"), ("X-Container-Sysmeta-Versions-Mode", "stack")];
const HISTORY: &[(&str, &str)] =
    &[("X-Container-Sysmeta-Versions-Location", "v"), ("X-Container-Sysmeta-Versions-Mode", "history")];
const VERSIONED: &[(&str, &str)] = &[
    ("X-Container-Sysmeta-Versions-Container", "%00versions%00c"),
    ("X-Container-Sysmeta-Versions-Enabled", "True"),
];

fn old_object() -> Response {
    Response::new(200)
        .with("X-Timestamp", "3.0")
        .with("Content-Type", "x/y")
        .with("X-Object-Meta-Color", "red")
        .with_body("old")
}

#[tokio::test]
async fn a_put_copies_what_was_there() {
    let fake = cluster(STACK, |method, _| match method {
        Method::Get => old_object(),
        _ => Response::new(201),
    });
    let (_, paths) = changes(&fake, Method::Put, "/v1/a/c/o").await;
    assert_eq!(paths[..], ["/v1/a/v/001o/0000000003.00000", "/v1/a/c/o"]);
    let none = cluster(STACK, |method, _| Response::standard(if *method == Method::Get { 404 } else { 201 }));
    assert_eq!(changes(&none, Method::Put, "/v1/a/c/o").await.1[..], ["/v1/a/c/o"]);
    let failing = cluster(STACK, |method, path| match method {
        Method::Get => old_object(),
        _ if path.starts_with("/v1/a/v") => Response::standard(404),
        _ => Response::new(201),
    });
    let (response, paths) = changes(&failing, Method::Put, "/v1/a/c/o").await;
    assert_eq!((response.status, paths.len()), (412, 1), "not put where the old version cannot be kept");
}

#[tokio::test]
async fn a_delete_in_stack_mode_brings_the_last_version_back() {
    let fake = cluster(STACK, |method, path| match (method, path) {
        (Method::Get, "/v1/a/v") => {
            Response::new(200).with_body(r#"[{"name": "001o/2", "content_type": "x/y"}, {"name": "001o/1"}]"#)
        }
        (Method::Get, "/v1/a/v/001o/2") => old_object(),
        (Method::Get, _) => Response::standard(404),
        _ => Response::new(204),
    });
    let (app, _) = build(layer, &ON, fake.clone());
    let response = app.call(request(Method::Delete, "/v1/a/c/o", &[])).await;
    assert_eq!(response.status, 204);
    let seen = fake.requests();
    let is_listing = |seen: &Seen| seen.path == "/v1/a/v" && seen.query == "prefix=001o/&marker=&reverse=on";
    assert!(seen.iter().any(is_listing));
    let seen: Vec<_> = seen.into_iter().filter(|seen| seen.path.split('/').count() > 4).collect();
    let put = &seen[1];
    assert_eq!((&put.path[..], &put.body[..]), ("/v1/a/c/o", "old"));
    assert_eq!(told(&put.headers, "X-Object-Meta-Color"), Some("red"));
    assert!(!put.headers.contains("X-Timestamp") && put.env.authorize_override);
    assert_eq!(seen[2].path, "/v1/a/v/001o/2");
}

#[tokio::test]
async fn a_delete_in_history_mode_leaves_a_marker() {
    let fake = cluster(HISTORY, |method, _| match method {
        Method::Get => old_object(),
        _ => Response::new(204),
    });
    let (_, paths) = changes(&fake, Method::Delete, "/v1/a/c/o").await;
    assert_eq!((&paths[0][..], &paths[2][..]), ("/v1/a/v/001o/0000000003.00000", "/v1/a/c/o"));
    assert!(paths[1].starts_with("/v1/a/v/001o/"), "{}", paths[1]);
}

#[tokio::test]
async fn versions_are_put_hidden_and_linked_to() {
    let fake = cluster(VERSIONED, |method, _| match method {
        Method::Get => Response::standard(404),
        _ => Response::new(201).with("Etag", "abc"),
    });
    let (app, _) = build(layer, &ON, fake.clone());
    let headers = [("Content-Type", "a/b;x=y"), ("X-Timestamp", "5.0"), ("X-Delete-After", "9")];
    let mut put = request(Method::Put, "/v1/a/c/o", &headers);
    put.http.body = super::super::tests::chunked(&["da", "ta"]);
    let response = app.call(put).await;
    assert_eq!(told(&response.headers, "X-Object-Version-Id"), Some("0000000005.00000"));
    let seen = objects(&fake);
    let (version, link) = (&seen[1], &seen[2]);
    assert_eq!((&version.path[..], &version.body[..]), ("/v1/a/\0versions\0c/\0o\09999999994.99999", "data"));
    assert!(!version.headers.contains("X-Delete-After"));
    assert_eq!((&link.path[..], &link.body[..]), ("/v1/a/c/o", ""));
    for (name, value) in [
        ("X-Symlink-Target", "%00versions%00c/%00o%009999999994.99999"),
        ("X-Object-Sysmeta-Symlink-Target-Etag", "abc"),
        ("X-Object-Sysmeta-Symlink-Target-Bytes", "4"),
        ("X-Timestamp", "0000000005.00000_0000000000000001"),
        ("X-Object-Sysmeta-Versions-Symlink", "true"),
        ("Content-Type", "a/b"),
        ("X-Delete-After", "9"),
    ] {
        assert_eq!(told(&link.headers, name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn versions_are_asked_for_by_id() {
    let fake = cluster(VERSIONED, |_, path| match path.starts_with("/v1/a/\0versions\0c/\0o") {
        true => Response::new(200).with("Content-Type", "application/x-deleted;swift_versions_deleted=1"),
        false => Response::new(200),
    });
    let (app, _) = build(layer, &ON, fake);
    let ask = async |method: Method, query: &str| {
        let path = format!("/v1/a/c/o?{query}");
        text(app.call(request(method, &path, &[("Content-Length", "0")])).await).await
    };
    assert_eq!(ask(Method::Get, "version-id=5").await.0, 404, "a marker");
    assert_eq!(ask(Method::Get, "version-id=5_1").await.0, 404, "a marker of a moment later");
    assert_eq!(ask(Method::Get, "version-id=null").await.0, 200);
    for bad in ["x", "1_x", "-1", "99999999999"] {
        let said = (400, "Invalid version parameter".to_owned());
        assert_eq!(ask(Method::Get, &format!("version-id={bad}")).await, said, "{bad}");
    }
    assert_eq!(ask(Method::Post, "version-id=5").await.1, "POST to a specific version is not allowed");
    assert_eq!(ask(Method::Put, "version-id=null").await.0, 400);
    let (app, _) = build(layer, &ON, cluster(&[], |_, _| Response::new(200)));
    let response = app.call(get("/v1/a/c/o?version-id=5")).await;
    assert!(text(response).await.1.ends_with("require that the container is versioned"));
}

#[tokio::test]
async fn listings_tell_versions() {
    let own = r#"[{"bytes": 0, "hash": "d4", "name": "o", "content_type": "a/b", "last_modified": "l", "symlink_etag": "abc", "symlink_bytes": 4, "symlink_path": "/v1/a/%00versions%00c/%00o%009999999994.99999"}, {"name": "plain", "hash": "h", "bytes": 1}]"#;
    let hidden = r#"[{"name": "\u0000gone\u00009999999993.99999", "content_type": "application/x-deleted;swift_versions_deleted=1", "bytes": 0}, {"name": "\u0000o\u00009999999994.99999", "content_type": "a/b", "bytes": 4}, {"name": "\u0000o\u00009999999998.99999", "content_type": "a/b", "bytes": 2}]"#;
    let fake = Fake::new(move |request| match (&request.http.method, &request.http.path[..]) {
        (Method::Get, b"/v1/a/c") => Response::new(200)
            .with("X-Container-Sysmeta-Versions-Container", "%00versions%00c")
            .with_body(own),
        (Method::Get, _) => Response::new(200).with_body(hidden),
        _ => Response::new(204),
    });
    let (app, _) = build(layer, &ON, fake);
    let (_, newest) = text(app.call(get("/v1/a/c")).await).await;
    let shown = r#"[{"bytes": 4, "hash": "abc", "name": "o", "content_type": "a/b", "last_modified": "l", "symlink_path": "/v1/a/c/o?version-id=0000000005.00000", "version_symlink": true}, {"name": "plain", "hash": "h", "bytes": 1}]"#;
    assert_eq!(newest, shown);
    let response = app.call(get("/v1/a/c?versions")).await;
    assert_eq!(told(&response.headers, crate::proxy::listing::FORMAT_LISTING), Some("false"));
    let lines: Vec<serde_json::Value> = serde_json::from_str(&text(response).await.1).unwrap();
    let line = |line: &serde_json::Value| {
        let text = |field: &str| line[field].as_str().unwrap().to_owned();
        (text("name"), text("version_id"), line["is_latest"].as_bool().unwrap())
    };
    let expected = [
        ("gone", "0000000006.00000", true),
        ("o", "0000000005.00000", true),
        ("o", "0000000001.00000", false),
        ("plain", "null", true),
    ];
    let expected = expected.map(|(name, id, latest)| (name.to_owned(), id.to_owned(), latest));
    assert_eq!(lines.iter().map(line).collect::<Vec<_>>(), expected);
    for (bad, status) in [("delimiter=1", 400), ("version_marker=5", 400), ("marker=o&version_marker=x", 400)]
    {
        assert_eq!(app.call(get(&format!("/v1/a/c?versions&{bad}"))).await.status, status, "{bad}");
    }
}

#[tokio::test]
async fn accounts_count_the_bytes_of_versions() {
    let fake = Fake::new(|request| {
        let is_hidden = request.http.headers.contains("X-Backend-Allow-Reserved-Names");
        Response::new(200).with_body(match is_hidden {
            false => r#"[{"name": "c", "bytes": 1, "count": 1}]"#,
            true => {
                r#"[{"name": "\u0000versions\u0000c", "bytes": 2, "count": 3}, {"name": "\u0000versions\u0000b", "bytes": 4, "count": 5}]"#
            }
        })
    });
    let (app, _) = build(layer, &ON, fake.clone());
    let (_, listing) = text(app.call(get("/v1/a?marker=b")).await).await;
    assert_eq!(listing, r#"[{"name": "b", "bytes": 4, "count": 0}, {"name": "c", "bytes": 3, "count": 1}]"#);
    assert_eq!(fake.requests()[1].query, "marker=%00versions%00b&prefix=%00versions");
}

#[tokio::test]
async fn versioning_is_turned_on_with_a_hidden_container() {
    let fake = cluster(&[], |_, _| Response::new(202));
    let (app, _) = build(layer, &ON, fake.clone());
    app.call(request(Method::Put, "/v1/a/c", &[("X-Versions-Enabled", "on")])).await;
    let seen = fake.requests();
    let (hidden, own) = (&seen[seen.len() - 2], &seen[seen.len() - 1]);
    assert_eq!(hidden.path, "/v1/a/\0versions\0c");
    assert_eq!(told(&own.headers, "X-Container-Sysmeta-Versions-Enabled"), Some("True"));
    assert_eq!(told(&own.headers, "X-Container-Sysmeta-Versions-Container"), Some("%00versions%00c"));
    let (app, _) = build(layer, &ON, cluster(STACK, |_, _| Response::new(202)));
    let response = app.call(request(Method::Post, "/v1/a/c", &[("X-Versions-Enabled", "on")])).await;
    assert_eq!(response.status, 400, "not together with the legacy way");
}
