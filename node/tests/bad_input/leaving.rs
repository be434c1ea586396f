//! Clients that go away in the middle of what they send: nothing of it is there, and nothing is left of it.

use super::archives::{gzip, tar};
use super::cluster::{A, cluster};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

#[test]
fn of_an_object() {
    let container = cluster().container("left-object");
    for lines in [&["Content-Length: 1000000"][..], &["Transfer-Encoding: chunked"]] {
        let body = [b"80000\r\n".to_vec(), vec![b'x'; 200_000]].concat();
        cluster().leave(&[cluster().head("PUT", &format!("{container}/o"), lines), body].concat());
    }
    cluster().assert_nothing_half_written();
    assert!(cluster().names_in(&container).is_empty());
    assert_eq!(cluster().ask("GET", &format!("{container}/o"), &[], b"").status, 404);
}

#[test]
fn of_an_object_that_replaces_another() {
    let path = format!("{}/o", cluster().container("left-second"));
    assert_eq!(cluster().ask("PUT", &path, &[], b"first").status, 201);
    let begun = [cluster().head("PUT", &path, &["Content-Length: 100"]), b"second".to_vec()].concat();
    cluster().leave(&begun);
    cluster().assert_nothing_half_written();
    assert_eq!(cluster().ask("GET", &path, &[], b"").text(), "first");
}

#[test]
fn of_a_manifest() {
    let container = cluster().container("left-manifest");
    let path = format!("{container}/slo?multipart-manifest=put");
    let begun = br#"[{"path": "/left-manifest/segment"#;
    cluster().leave(&[cluster().head("PUT", &path, &["Content-Length: 100"]), begun.to_vec()].concat());
    cluster().assert_nothing_half_written();
    assert!(cluster().names_in(&container).is_empty());
}

#[test]
fn of_an_archive() {
    let whole = tar(&[("one", b"1"), ("two", &vec![b'2'; 300_000])]);
    for (kind, archive) in [("tar", whole.clone()), ("tar.gz", gzip(&whole))] {
        let name = format!("left-{kind}");
        let container = cluster().container(&name);
        let length = format!("Content-Length: {}", archive.len());
        let head = cluster().head("PUT", &format!("{container}?extract-archive={kind}"), &[&length]);
        let begun = match kind {
            "tar" => &archive[..100_000],
            _ => &archive[..archive.len() - 20],
        };
        cluster().leave(&[head, begun.to_vec()].concat());
        cluster().assert_nothing_half_written();
        let names = cluster().names_in(&container);
        assert!(!names.contains(&"two".to_owned()), "{kind}: {names:?}");
    }
}

#[test]
fn of_a_form() {
    let path = format!("{}/form-", cluster().container("left-form"));
    assert_eq!(cluster().ask("POST", A, &["X-Account-Meta-Temp-URL-Key: key"], b"").status, 204);
    let mut mac = Hmac::<Sha256>::new_from_slice(b"key").expect("any length");
    mac.update(format!("{path}\n\n1000000\n1\n4102444800").as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    let fields = [
        ("redirect", ""),
        ("max_file_size", "1000000"),
        ("max_file_count", "1"),
        ("expires", "4102444800"),
        ("signature", &signature),
    ];
    let mut body = String::new();
    for (name, value) in fields {
        body += &format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    body += "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"one\"\r\n\r\n";
    let file = |end: &str| format!("{body}{}{end}", "x".repeat(200_000));
    let lines = ["Content-Type: multipart/form-data; boundary=b", "Content-Length: 900000"];
    cluster().leave(&[cluster().head("POST", &path, &lines), file("").into_bytes()].concat());
    cluster().assert_nothing_half_written();
    assert!(cluster().names_in(&format!("{A}/left-form")).is_empty());
    // it was the client that made it fail
    let whole = cluster().ask("POST", &path, &lines[..1], file("\r\n--b--\r\n").as_bytes());
    assert_eq!(whole.status, 201, "{whole:?}");
}
