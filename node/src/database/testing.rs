//! A node with the device `sda`, for the tests of both servers.

use crate::http::{Headers, Method, Request, Response, Service};
use std::sync::Arc;
use swiftlet_types::SwiftConf;
use swiftlet_types::conf::{Ini, Options};

/// A node of its own.
pub struct TestNode {
    pub root: tempfile::TempDir,
}

/// An answer with its body read.
pub struct Read {
    pub status: u16,
    pub headers: Headers,
    pub body: String,
}

impl Read {
    /// Reads an answer.
    pub async fn of(answer: Response) -> Self {
        let Response { status, headers, mut body, .. } = answer;
        let body = body.read_all(1 << 20).await.expect("a whole body");
        Self { status, headers, body: String::from_utf8(body.to_vec()).expect("text") }
    }

    /// The value of a header field; empty where it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get_str(name).unwrap_or_default()
    }
}

impl TestNode {
    pub fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(root.path().join("sda")).expect("a device");
        Self { root }
    }

    /// A server's section with this node's devices.
    pub fn options(&self, section: &str) -> Options {
        let devices = self.root.path().display().to_string();
        Options::new("test.conf", section)
            .with("devices", &devices)
            .with("mount_check", "false")
            .with("fallocate_reserve", "0")
            .with("swift_dir", &devices)
    }

    /// Two storage policies, `gold` and `silver`.
    pub fn swift(&self) -> Arc<SwiftConf> {
        let text = "[swift-hash]\nswift_hash_path_suffix = endcap\n\
                    [storage-policy:0]\nname = gold\ndefault = yes\n[storage-policy:1]\nname = silver\n";
        let ini = Ini::parse("swift.conf", text).expect("it parses");
        Arc::new(SwiftConf::from_ini(&ini).expect("it is complete"))
    }
}

/// Sends a request as a proxy would. `path` may have a query.
pub async fn ask(
    server: &dyn Service,
    method: Method,
    path: &str,
    headers: &[(&'static str, &str)],
    body: &str,
) -> Read {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut request = Request::new(method, path.to_owned());
    request.query = query.to_owned().into();
    for (name, value) in headers {
        request.headers.set(*name, (*value).to_owned());
    }
    request.body = body.to_owned().into();
    Read::of(server.call(request).await).await
}
