use super::super::tests::compare::{Filter, case, same};
use super::super::tests::{Fake, build, get};
use super::super::{slo, symlink};
use super::*;
use crate::http::Headers;
use tempfile::TempDir;

const REALMS: &str = "[us]\nkey = realm key\nkey2 = other key\ncluster_dfw1 = http://dfw1.host/v1/\n\
                      cluster_ord1 = http://ord1.host/v1/\n[uk]\nkey2 = only the second\n[no clusters]\nkey = k\n";
const ETAG: &str = "0cc175b9c0f1b6a831c399e269772661";

/// A folder with the realms' file.
fn swift_dir() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("container-sync-realms.conf"), REALMS).unwrap();
    dir
}

/// An X-Container-Sync-Auth of the realm `us` for what is done at second 1.
fn signed(method: &str, path: &str, key: &str, user_key: &str) -> String {
    format!("US nonce {}", sync_realms::sign(key, method, path, b"1.00000", "nonce", user_key))
}

/// A request for something in the container `/v1/a/c`, which has a key.
fn sync(method: &str, path: &str, auth: &str, more: &[(&str, &str)]) -> Value {
    let mut headers = vec![(SHUNTED_TIMESTAMP, "1.00000"), (SYNC_AUTH, auth)];
    headers.extend(more);
    let container = [("X-Container-Sync-Key", "user key")];
    case(method, path, &headers).path("HEAD /v1/a/c", 204, &container).value()
}

fn cases() -> Vec<Value> {
    let path = "/v1/a/c/o%20x";
    let right = signed("PUT", path, "realm key", "user key");
    let upper = right.to_uppercase();
    let mut cases: Vec<Value> = [
        right.as_str(),
        &signed("PUT", path, "other key", "user key"),
        &signed("PUT", path, "third key", "user key"),
        &signed("PUT", path, "realm key", "another's key"),
        &signed("DELETE", path, "realm key", "user key"),
        &signed("PUT", "/v1/a/c/o", "realm key", "user key"),
        &right.replace("US ", "us\t"),
        &right.replace("US ", "UK "),
        &right.replace("US ", "XX "),
        &upper,
        "US nonce",
        "US nonce sig more",
        "x",
        "",
    ]
    .iter()
    .map(|auth| sync("PUT", path, auth, &[]))
    .collect();
    cases.push(sync("GET", "/v1/a/d", &signed("GET", "/v1/a/d", "realm key", "user key"), &[]));
    cases.push(sync("PUT", "/v2/a/c/o", "x y z", &[]));
    cases.push(sync("PUT", "/v1/a", "x y z", &[]));
    let versioned = [("X-Container-Sysmeta-Versions-Container", "v")];
    for target in ["//us/dfw1/a/c", "http://h/v1/a/c", ""] {
        for (method, path) in
            [("PUT", "/v1/a/c"), ("POST", "/v1/a/c"), ("PUT", "/v1/a/c/o"), ("GET", "/v1/a/c")]
        {
            let plain = case(method, path, &[(SYNC_TO, target)]);
            cases.push(plain.path("HEAD /v1/a/c", 204, &versioned).value());
            cases.push(case(method, path, &[(SYNC_TO, target)]).value());
        }
    }
    cases
}

#[tokio::test]
async fn does_what_pythons_does() {
    let dir = swift_dir();
    let swift_dir = dir.path().to_str().unwrap();
    for options in [&[("swift_dir", swift_dir)][..], &[("swift_dir", swift_dir), ("allow_full_urls", "no")]] {
        same(&[Filter("container_sync", layer, options)], cases()).await;
    }
}

#[tokio::test]
async fn what_comes_signed_is_taken_as_it_is() {
    let dir = swift_dir();
    let options = [("swift_dir", dir.path().to_str().unwrap())];
    let filters = [
        Filter("container_sync", layer, &options),
        Filter("slo", slo::layer, &[]),
        Filter("symlink", symlink::layer, &[]),
    ];
    let path = "/v1/a/c/o";
    let auth = signed("PUT", path, "realm key", "user key");
    let link = [
        ("X-Symlink-Target", "c/t"),
        ("X-Symlink-Target-Etag", ETAG),
        ("X-Symlink-Target-Bytes", "7"),
        ("Content-Type", "text/plain"),
    ];
    let manifest = [("X-Static-Large-Object", "True"), ("Content-Type", "text/plain")];
    same(
        &filters,
        vec![
            sync("PUT", path, &auth, &link),
            sync("PUT", path, &auth, &manifest),
            case("PUT", path, &manifest).value(),
        ],
    )
    .await;
    // where Swift fails
    let lacking: Vec<_> = link.into_iter().filter(|(name, _)| !name.ends_with("Bytes")).collect();
    let headers: Headers = lacking.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let mut request = super::super::tests::request(Method::Put, path, &[]);
    request.http.headers = headers;
    request.http.headers.set("Content-Length", "0");
    request.env.synchronized = true;
    let (app, _) = build(symlink::layer, &[], Fake::status(201));
    assert_eq!(app.call(request).await.status, 400);
}

#[tokio::test]
async fn info_tells_realms_and_which_cluster_this_is() {
    let dir = swift_dir();
    let swift_dir = dir.path().to_str().unwrap();
    let shown = |current: &str| {
        let (_, setup) = build(layer, &[("swift_dir", swift_dir), ("current", current)], Fake::status(200));
        (setup.info.sections()["container_sync"].clone(), setup.warnings)
    };
    let (section, warnings) = shown("//US/dfw1");
    assert_eq!(section, json!({"realms": {"US": {"clusters": {"DFW1": {"current": true}, "ORD1": {}}}}}));
    assert_eq!(warnings, [""; 0]);
    assert!(shown("//US/lon3").1[0].ends_with("Unknown current //REALM/CLUSTER (//US/LON3)"));
    assert!(shown("US").1[0].ends_with("Invalid current //REALM/CLUSTER (US)"));
    let (app, setup) = build(layer, &[("swift_dir", "/nowhere")], Fake::status(200));
    assert_eq!(setup.info.sections()["container_sync"], json!({"realms": {}}));
    assert_eq!(app.call(get("/info")).await.status, 200);
}
