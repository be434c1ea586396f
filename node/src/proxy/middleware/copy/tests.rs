use super::super::tests::{Fake, build, chunked, request, text};
use super::*;

/// A cluster that holds one object, and takes every PUT.
fn cluster() -> Fake {
    Fake::new(|request| match request.http.method {
        Method::Get => Response::new(200)
            .with("Content-Type", "a/b")
            .with("Etag", "\"abc\"")
            .with("Last-Modified", "then")
            .with("X-Timestamp", "1")
            .with("X-Object-Meta-Color", "red")
            .with("X-Object-Sysmeta-S", "s")
            .with("X-Delete-At", "99")
            .with("Content-Length", "4")
            .with_body(chunked(&["da", "ta"])),
        Method::Options => Response::new(200).with("Allow", "GET, PUT"),
        _ => Response::html(201, ""),
    })
}

async fn run(fake: &Fake, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    build(layer, &[], fake.clone()).0.call(request(method, path, headers)).await
}

#[tokio::test]
async fn copy_streams_the_source_into_the_destination() {
    let fake = cluster();
    let headers = [("Destination", "c2/o%202"), ("X-Object-Meta-Size", "big"), ("Content-Length", "0")];
    let response = run(&fake, Method::Copy, "/v1/a/c/o", &headers).await;
    assert_eq!(response.status, 201);
    for (name, value) in [
        ("X-Copied-From", "c/o"),
        ("X-Copied-From-Account", "a"),
        ("X-Copied-From-Last-Modified", "then"),
        ("X-Object-Meta-Color", "red"),
        ("X-Object-Meta-Size", "big"),
        ("X-Delete-At", "99"),
    ] {
        assert_eq!(response.headers.get_str(name), Some(value), "{name}");
    }
    let seen = fake.requests();
    let (get, put) = (&seen[0], &seen[1]);
    assert_eq!(
        (get.path.as_str(), get.headers.get_str("X-Newest"), get.env.source),
        ("/v1/a/c/o", Some("true"), Some("SSC"))
    );
    assert!(!get.headers.contains("Content-Length"));
    assert_eq!((put.path.as_str(), put.body.as_str(), put.env.source), ("/v1/a/c2/o 2", "data", Some("SSC")));
    assert_eq!(put.env.original_method, Some(Method::Copy));
    for (name, value) in [
        ("Content-Length", Some("4")),
        ("Content-Type", Some("a/b")),
        ("Etag", Some("abc")),
        ("X-Object-Meta-Color", Some("red")),
        ("X-Object-Meta-Size", Some("big")),
        ("X-Object-Sysmeta-S", Some("s")),
        ("X-Timestamp", None),
        ("Destination", None),
        ("X-Copy-From", None),
    ] {
        assert_eq!(put.headers.get_str(name), value, "{name}");
    }
}

#[tokio::test]
async fn put_copies_across_accounts_with_fresh_metadata() {
    let fake = cluster();
    let headers = [
        ("X-Copy-From", "/c/o"),
        ("X-Copy-From-Account", "a%202"),
        ("X-Fresh-Metadata", "true"),
        ("Content-Type", "x/y"),
    ];
    let response = run(&fake, Method::Put, "/v1/a/c2/o2?version-id=7", &headers).await;
    assert_eq!(response.headers.get_str("X-Copied-From-Account"), Some("a%202"));
    let seen = fake.requests();
    assert_eq!((seen[0].path.as_str(), seen[0].query.as_str()), ("/v1/a 2/c/o", "version-id=7"));
    assert_eq!((seen[1].path.as_str(), seen[1].query.as_str()), ("/v1/a/c2/o2", ""));
    let put = &seen[1].headers;
    assert_eq!(put.get_str("Content-Type"), Some("x/y"));
    assert!(put.contains("X-Object-Sysmeta-S") && !put.contains("X-Object-Meta-Color"));
}

#[tokio::test]
async fn copy_to_another_account() {
    let fake = cluster();
    let headers = [("Destination", "/c2/o2"), ("Destination-Account", "b")];
    let response = run(&fake, Method::Copy, "/v1/a/c/o", &headers).await;
    assert_eq!(response.headers.get_str("X-Copied-From-Account"), Some("a"));
    let paths: Vec<_> = fake.requests().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/v1/a/c/o", "/v1/b/c2/o2"]);
}

#[tokio::test]
async fn manifests_are_copied_as_such_when_asked() {
    let manifest = |name: &'static str| {
        Fake::new(move |request| match request.http.method {
            Method::Get => Response::new(200).with(name, "True").with("Etag", "e").with_body("[]"),
            _ => Response::html(201, ""),
        })
    };
    let copy = async |fake: &Fake| {
        run(fake, Method::Put, "/v1/a/c/o2?multipart-manifest=get", &[("X-Copy-From", "c/o")]).await;
        let mut seen = fake.requests();
        assert_eq!(seen[0].query, "multipart-manifest=get&format=raw");
        seen.remove(1)
    };
    let put = copy(&manifest("X-Static-Large-Object")).await;
    assert_eq!(put.query, "multipart-manifest=put");
    assert!(!put.headers.contains("Etag"));
    let put = copy(&manifest("X-Object-Manifest")).await;
    assert_eq!((put.query.as_str(), put.headers.get_str("X-Object-Manifest")), ("", Some("True")));
    assert_eq!(put.headers.get_str("Etag"), Some("e"));
}

#[tokio::test]
async fn refuses_in_swifts_words() {
    let refusal = async |method: Method, headers: &[(&str, &str)]| {
        let fake = cluster();
        let answer = text(run(&fake, method, "/v1/a/c/o", headers).await).await;
        assert!(fake.requests().is_empty());
        answer
    };
    let of_form =
        |name: &str| (412, format!("{name} header must be of the form <container name>/<object name>"));
    assert_eq!(refusal(Method::Copy, &[]).await, (412, "Destination header required".to_owned()));
    assert_eq!(refusal(Method::Copy, &[("Destination", "c")]).await, of_form("Destination"));
    assert_eq!(refusal(Method::Put, &[("X-Copy-From", "/c/")]).await, of_form("X-Copy-From"));
    let account = |value| [("X-Copy-From", "c/o"), ("X-Copy-From-Account", value)];
    assert_eq!(
        refusal(Method::Put, &account("a/b")).await,
        (412, "Account name cannot contain slashes".to_owned())
    );
    let body = [("X-Copy-From", "c/o"), ("Content-Length", "3")];
    assert_eq!(refusal(Method::Put, &body).await, (400, "Copy requests require a zero byte body".to_owned()));
}

#[tokio::test]
async fn what_cannot_be_read_or_is_too_large_is_not_written() {
    for (source, status) in [
        (Response::standard as fn(u16) -> Response, 404),
        (|_| Response::new(200).with("Content-Length", "5368709123").with_body(chunked(&["a"])), 413),
        (|_| Response::new(200).with_body(chunked(&["a"])), 413),
    ] {
        let fake = Fake::new(move |_| source(404));
        let response = run(&fake, Method::Put, "/v1/a/c/o", &[("X-Copy-From", "c/p")]).await;
        assert_eq!((response.status, fake.requests().len()), (status, 1));
    }
}

#[tokio::test]
async fn a_part_is_copied_without_the_wholes_etag() {
    let fake = Fake::new(|request| match request.http.method {
        Method::Get => Response::new(206)
            .with("Etag", "whole")
            .with("X-Object-Sysmeta-Container-Update-Override-Etag", "x")
            .with_body("at"),
        _ => Response::html(201, ""),
    });
    run(&fake, Method::Put, "/v1/a/c/o", &[("X-Copy-From", "c/p"), ("Range", "bytes=1-2")]).await;
    let seen = fake.requests();
    assert_eq!(seen[0].headers.get_str("Range"), Some("bytes=1-2"));
    assert!(!seen[1].headers.contains("Etag"));
    assert!(!seen[1].headers.contains("X-Object-Sysmeta-Container-Update-Override-Etag"));
    assert_eq!(seen[1].body, "at");
}

#[tokio::test]
async fn options_tell_of_copy_and_heartbeats_tell_how_it_went() {
    let fake = cluster();
    assert_eq!(
        run(&fake, Method::Options, "/v1/a/c/o", &[]).await.headers.get_str("Allow"),
        Some("GET, PUT, COPY")
    );
    assert_eq!(run(&fake, Method::Options, "/v1/a/c", &[]).await.headers.get_str("Allow"), Some("GET, PUT"));
    let headers = [("X-Copy-From", "c/o"), ("Accept", "application/json")];
    let response = run(&fake, Method::Put, "/v1/a/c/o2?heartbeat=on", &headers).await;
    let (status, body) = text(response).await;
    let report: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &report["Response Status"], &report["Errors"]),
        (202, &"201 Created".into(), &serde_json::json!([]))
    );
    assert_eq!(report["X-Copied-From"], "c/o");
    let response = run(&fake, Method::Put, "/v1/a/c/o2?heartbeat=on", &headers[..1]).await;
    let (_, body) = text(response).await;
    assert!(
        body.starts_with(" ")
            && body.ends_with("Errors:\n")
            && body.contains("Response Status: 201 Created\n"),
        "{body}"
    );
}
