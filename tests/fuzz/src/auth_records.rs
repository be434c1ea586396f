//! What swauth keeps in Swift: users, services and tokens as JSON, read at every request.
#![no_main]

use fuzz::{answer, cut, filter, request, run};
use libfuzzer_sys::fuzz_target;
use std::io::Write;
use swiftlet::http::{Method, Response};
use swiftlet::proxy::app::ProxyRequest;
use swiftlet::proxy::middleware::swauth;

const SWIFT_CONF: &str = "[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = b\n";

/// A folder with a `swift.conf`, made once.
fn swift_dir() -> &'static str {
    static DIR: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    DIR.get_or_init(|| {
        let dir = std::env::temp_dir().join(format!("swiftlet-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a folder");
        let file = std::fs::File::create(dir.join("swift.conf"));
        file.and_then(|mut file| file.write_all(SWIFT_CONF.as_bytes())).expect("a file");
        dir.to_string_lossy().into_owned()
    })
}

fuzz_target!(|bytes: &[u8]| {
    let (sent, stored) = cut(bytes);
    let stored = bytes::Bytes::copy_from_slice(stored);
    let end = move |request: &ProxyRequest| match request.http.method {
        Method::Get => Response::new(200)
            .with("X-Object-Meta-Auth-Token", "AUTH_tk0123456789abcdef")
            .with("X-Container-Meta-Account-Id", "AUTH_id")
            .with_body(stored.clone()),
        _ => Response::new(204),
    };
    let options = [("swift_dir", swift_dir()), ("super_admin_key", "key")];
    let app = filter(swauth::layer, &options, end);
    let admin = |method: Method, path: &str, body: &[u8]| {
        let mut request = request(method, path, b"");
        request.http.headers.set("X-Auth-Admin-User", ".super_admin");
        request.http.headers.set("X-Auth-Admin-Key", "key");
        request.http.headers.set_int("Content-Length", body.len());
        request.http.body = swiftlet::http::Body::full(body.to_vec());
        request
    };
    run(async {
        let mut login = request(Method::Get, "/auth/v1.0", b"");
        login.http.headers.set("X-Auth-User", "act:user");
        login.http.headers.set("X-Auth-Key", sent.to_vec());
        answer(&*app, login).await;
        let mut use_token = request(Method::Get, "/v1/AUTH_id/c", b"");
        use_token.http.headers.set("X-Auth-Token", "AUTH_tk0123456789abcdef");
        answer(&*app, use_token).await;
        for path in ["/auth/v2/act", "/auth/v2/act/user", "/auth/v2/act/.groups"] {
            answer(&*app, admin(Method::Get, path, b"")).await;
        }
        answer(&*app, admin(Method::Post, "/auth/v2/act/.services", sent)).await;
    });
});
