//! Manifests and links that lead back to themselves, and lists that are none.

use super::cluster::{A, cluster};

#[test]
fn a_static_large_object_that_holds_itself_ends() {
    let container = cluster().container("slo-loop");
    let put = |name: &str, of: &str| {
        let manifest = format!(r#"[{{"path": "/slo-loop/{of}"}}]"#);
        cluster()
            .ask("PUT", &format!("{container}/{name}?multipart-manifest=put"), &[], manifest.as_bytes())
            .status
    };
    assert_eq!(cluster().ask("PUT", &format!("{container}/b"), &[], b"x").status, 201);
    assert_eq!((put("a", "b"), put("b", "a")), (201, 201));
    let answer = cluster().ask("GET", &format!("{container}/a"), &[], b"");
    assert!(matches!(answer.status, 200 | 409) && answer.text() != "x", "{answer:?}");
    let deleted = cluster().ask("DELETE", &format!("{container}/a?multipart-manifest=delete"), &[], b"");
    assert_eq!(deleted.status, 200, "{deleted:?}");
}

#[test]
fn a_dynamic_large_object_that_holds_itself_ends() {
    let container = cluster().container("dlo-loop");
    let lines = ["X-Object-Manifest: dlo-loop/part"];
    for name in ["part-1", "part-2"] {
        assert_eq!(cluster().ask("PUT", &format!("{container}/{name}"), &lines, b"x").status, 201);
    }
    let answer = cluster().ask("GET", &format!("{container}/part-1"), &[], b"");
    assert_eq!((answer.status, answer.text().as_str()), (200, "xx"));
}

#[test]
fn links_in_a_circle_end() {
    let container = cluster().container("link-loop");
    for (name, target) in [("a", "b"), ("b", "c"), ("c", "a")] {
        let line = format!("X-Symlink-Target: link-loop/{target}");
        assert_eq!(cluster().ask("PUT", &format!("{container}/{name}"), &[&line], b"").status, 201);
    }
    assert_eq!(cluster().ask("GET", &format!("{container}/a"), &[], b"").status, 409);
    assert_eq!(cluster().ask("POST", &format!("{container}/a"), &["X-Object-Meta-A: b"], b"").status, 307);
}

#[test]
fn manifests_that_are_none_store_nothing() {
    let container = cluster().container("no-manifest");
    let deep = "[".repeat(100_000);
    let wide = format!("[{}]", vec![r#"{"path": "/no-manifest/x"}"#; 1001].join(","));
    for (manifest, status) in [
        ("", 400),
        ("nonsense", 400),
        ("[1]", 400),
        ("[null]", 400),
        (r#"[{"path": "/no-manifest"}]"#, 400),
        (r#"[{"path": "/no-manifest/gone"}]"#, 400),
        (r#"[{"data": "eA=="}]"#, 400),
        (deep.as_str(), 400),
        (wide.as_str(), 413),
        ("\u{0}", 400),
    ] {
        let path = format!("{container}/m?multipart-manifest=put");
        let answer = cluster().ask("PUT", &path, &[], manifest.as_bytes());
        assert_eq!(answer.status, status, "{:.60}: {answer:?}", manifest);
    }
    let large = "x".repeat(9 << 20);
    let answer =
        cluster().ask("PUT", &format!("{container}/m?multipart-manifest=put"), &[], large.as_bytes());
    assert_eq!(answer.status, 413);
    assert!(cluster().names_in(&container).is_empty());
    assert_eq!(cluster().ask("HEAD", &format!("{A}/no-manifest/m"), &[], b"").status, 404);
}
