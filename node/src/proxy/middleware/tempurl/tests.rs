use super::super::tests::compare::{Case, Filter, case, same};
use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

const EXPIRES: &str = "4102444800";
const DATE: &str = "2100-01-01T00:00:00Z";
const KEYS: [&str; 4] = ["key", "key2", "ckey", "ckey2"];

fn hmac_of(digest: &str, key: &str, message: &str) -> Vec<u8> {
    fn mac<M: Mac + KeyInit>(key: &str, message: &str) -> Vec<u8> {
        let mut mac = <M as KeyInit>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(message.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }
    match digest {
        "sha1" => mac::<Hmac<Sha1>>(key, message),
        "sha256" => mac::<Hmac<Sha256>>(key, message),
        _ => mac::<Hmac<Sha512>>(key, message),
    }
}

fn signed(digest: &str, key: &str, method: &str, path: &str) -> String {
    hex::encode(hmac_of(digest, key, &format!("{method}\n{EXPIRES}\n{path}")))
}

/// A request whose account and container have keys, and whose object has metadata.
fn with_keys(method: &str, path: &str, headers: &[(&str, &str)]) -> Case {
    let bare = path.split('?').next().unwrap();
    let object = [
        ("X-Object-Meta-A", "1"),
        ("X-Object-Meta-Public-B", "2"),
        ("Content-Disposition", if bare.ends_with("disposed") { "as it was" } else { "" }),
    ];
    let object: Vec<_> = object.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    case(method, path, headers)
        .path(
            "HEAD /v1/a",
            204,
            &[("X-Account-Meta-Temp-Url-Key", "key"), ("X-Account-Meta-Temp-Url-Key-2", "key2")],
        )
        .path(
            "HEAD /v1/a/c",
            204,
            &[("X-Container-Meta-Temp-Url-Key", "ckey"), ("X-Container-Meta-Temp-Url-Key-2", "ckey2")],
        )
        .path(&format!("{method} {bare}"), if bare.ends_with("gone") { 404 } else { 200 }, &object)
}

fn good_links() -> Vec<Value> {
    let mut cases = Vec::new();
    for digest in ["sha1", "sha256", "sha512"] {
        for key in KEYS {
            for method in ["GET", "HEAD", "PUT", "POST", "DELETE", "COPY"] {
                for signed_for in [method, "GET", "PUT"] {
                    let signature = signed(digest, key, signed_for, "/v1/a/c/o");
                    let path = format!("/v1/a/c/o?temp_url_sig={signature}&temp_url_expires={EXPIRES}");
                    cases.push(with_keys(method, &path, &[]).value());
                }
            }
        }
        let raw = hmac_of(digest, "key", &format!("GET\n{EXPIRES}\n/v1/a/c/o"));
        for text in [STANDARD.encode(&raw), URL_SAFE_NO_PAD.encode(&raw)] {
            let text = swiftlet_types::names::quote_component(text);
            let path = format!("/v1/a/c/o?temp_url_sig={digest}:{text}&temp_url_expires={DATE}");
            cases.push(with_keys("GET", &path, &[]).value());
        }
    }
    cases
}

fn presented() -> Vec<Value> {
    let mut cases = Vec::new();
    for object in ["o", "d/o%20x", "disposed", "%C3%BC%22", "gone", "slash/"] {
        let path = format!("/v1/a/c/{object}");
        let plain = String::from_utf8(swiftlet_types::names::unquote(&path)).unwrap();
        let signature = signed("sha256", "key", "GET", &plain);
        for more in ["", "&inline", "&filename=a%20b%22.txt", "&filename=%C3%BC&inline=x", "&filename="] {
            for method in ["GET", "HEAD"] {
                let path = format!("{path}?temp_url_sig={signature}&temp_url_expires={EXPIRES}{more}&x=1");
                cases.push(with_keys(method, &path, &[]).value());
            }
        }
    }
    for (name, value) in [
        ("X-Timestamp", "1"),
        ("X-Open-Expired", "1"),
        ("X-Object-Manifest", "c/o"),
        ("x-symlink-target", "c/o"),
        ("X-Copy-From", "c/o"),
        ("X-Object-Meta-A", "1"),
    ] {
        for method in ["GET", "PUT"] {
            let signature = signed("sha1", "ckey", method, "/v1/a/c/o");
            let path = format!("/v1/a/c/o?temp_url_sig={signature}&temp_url_expires={EXPIRES}");
            cases.push(with_keys(method, &path, &[(name, value)]).value());
        }
    }
    cases
}

fn prefixes_and_ranges() -> Vec<Value> {
    let mut cases = Vec::new();
    for prefix in ["o", "d/", "", "other"] {
        for path in ["/v1/a/c/o", "/v1/a/c/d/x", "/v1/a/c", "/v1/a/c/", "/v1/a", "/v1.0/a/c/o", "/v1/a/c///"]
        {
            let signature = signed("sha256", "ckey", "GET", &format!("prefix:/v1/a/c/{prefix}"));
            let path = format!(
                "{path}?temp_url_sig={signature}&temp_url_expires={EXPIRES}&temp_url_prefix={prefix}"
            );
            cases.push(with_keys("GET", &path, &[]).value());
        }
    }
    for range in ["10.1.2.3", "10.1.2.0/24", "10.1.2.4", "10.1.2.3/24", "x", "", "::/0"] {
        let message = format!("ip={range}\nGET\n{EXPIRES}\n/v1/a/c/o");
        let signature = hex::encode(hmac_of("sha256", "key", &message));
        let path = format!(
            "/v1/a/c/o?temp_url_sig={signature}&temp_url_expires={EXPIRES}&temp_url_ip_range={range}"
        );
        cases.push(with_keys("GET", &path, &[]).value());
    }
    cases
}

fn bad_links() -> Vec<Value> {
    let signature = signed("sha256", "key", "GET", "/v1/a/c/o");
    let queries = [
        format!("temp_url_sig={signature}"),
        format!("temp_url_expires={EXPIRES}"),
        format!("temp_url_sig=&temp_url_expires={EXPIRES}"),
        format!("temp_url_sig={signature}&temp_url_expires=1"),
        format!("temp_url_sig={signature}&temp_url_expires=0"),
        format!("temp_url_sig={signature}&temp_url_expires=-5"),
        format!("temp_url_sig={signature}&temp_url_expires=soon"),
        format!("temp_url_sig={signature}&temp_url_expires=2001-01-01T00:00:00Z"),
        format!("temp_url_sig={signature}&temp_url_expires=2100-13-01T00:00:00Z"),
        format!("temp_url_sig={}&temp_url_expires={EXPIRES}", "0".repeat(64)),
        format!("temp_url_sig={}&temp_url_expires={EXPIRES}", "0".repeat(63)),
        format!("temp_url_sig=md5:AAAA&temp_url_expires={EXPIRES}"),
        format!("temp_url_sig=sha1:*&temp_url_expires={EXPIRES}"),
        format!("temp_url_sig={signature}&temp_url_sig=0&temp_url_expires={EXPIRES}"),
        "other=1".to_owned(),
    ];
    let mut cases = Vec::new();
    for query in queries {
        for method in ["GET", "HEAD", "OPTIONS"] {
            cases.push(with_keys(method, &format!("/v1/a/c/o?{query}"), &[]).value());
            cases.push(case(method, &format!("/v1/b/c/o?{query}"), &[]).value());
        }
    }
    cases
}

#[tokio::test]
async fn does_what_pythons_does() {
    let cases = [good_links(), presented(), prefixes_and_ranges(), bad_links()].concat();
    same(&[Filter("tempurl", layer, &[])], cases).await;
}

#[tokio::test]
async fn options_say_what_passes() {
    let options = [
        ("methods", "GET"),
        ("allowed_digests", "sha256"),
        ("incoming_remove_headers", "x-object-meta-*"),
        ("incoming_allow_headers", "X-Object-Meta-A"),
        ("outgoing_remove_headers", "x-object-* etag"),
        ("outgoing_allow_headers", "x-object-meta-a"),
    ];
    same(&[Filter("tempurl", layer, &options)], [good_links(), presented()].concat()).await;
    let mut setup = Setup::new(Arc::default());
    let _layer = layer(&Options::new("p", "filter:tempurl"), &mut setup).unwrap();
    let info = serde_json::to_string(&setup.info.sections()["tempurl"]).unwrap();
    assert_eq!(
        info,
        r#"{"methods":["GET","HEAD","PUT","POST","DELETE"],"incoming_remove_headers":["x-timestamp","x-open-expired"],"incoming_allow_headers":[],"outgoing_remove_headers":["x-object-meta-*"],"outgoing_allow_headers":["x-object-meta-public-*"],"allowed_digests":["sha1","sha256","sha512"],"deprecated_digests":["sha1"]}"#
    );
}
