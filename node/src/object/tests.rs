//! The server's answers, from requests as a proxy sends them to files on a real disk.

mod slow_clients;

use super::config::{ObjectServerConfig, store_config};
use super::server::ObjectServer;
use crate::http::{
    Body, BodyError, Client, ClientOptions, Headers, Interim, Method, Request, Response, Service,
};
use crate::serve::DevicePools;
use async_trait::async_trait;
use md5::{Digest, Md5};
use parking_lot::Mutex;
use std::sync::Arc;
use swiftlet_storage::object::ObjectStore;
use swiftlet_storage::object::async_pending::AsyncPending;
use swiftlet_types::conf::Options;
use swiftlet_types::{Constraints, HashConf, Policies, Timestamp};

pub(super) mod fragments;
mod replicate;
mod settle;

pub(super) struct Node {
    pub root: tempfile::TempDir,
    pub server: Arc<ObjectServer>,
    pub pools: DevicePools,
}

impl Node {
    pub fn new() -> Self {
        Self::with("container_update_timeout", "5")
    }

    /// A node with this option beside those that every test needs.
    pub fn with(option: &str, value: &str) -> Self {
        Self::with_policies(option, value, Policies::new(vec![]).expect("policy 0"))
    }

    pub fn with_policies(option: &str, value: &str, policies: Policies) -> Self {
        Self::with_options(&[(option, value)], policies)
    }

    pub fn with_options(more: &[(&str, &str)], policies: Policies) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(root.path().join("sda")).expect("a device");
        let options = Options::new("object-server.conf", "app:object-server")
            .with("devices", &root.path().to_string_lossy())
            .with("mount_check", "false")
            .with("fallocate_reserve", "0");
        let options = more.iter().fold(options, |options, (option, value)| options.with(option, value));
        let hash = HashConf { prefix: vec![], suffix: b"endcap".to_vec() };
        let store = store_config(&options, hash).expect("good options").with_policies(&policies);
        let store = Arc::new(ObjectStore::new(store));
        let config = ObjectServerConfig::from_options(&options).expect("good options");
        let client = Client::new(ClientOptions::default());
        let pools = DevicePools::default();
        let server =
            ObjectServer::new(config, policies, Constraints::default(), store, pools.clone(), client);
        Self { root, server: Arc::new(server), pools }
    }

    async fn call(&self, method: Method, fields: &[(&'static str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::new(method, "/sda/7/a/c/o");
        for (name, value) in fields {
            request.headers.set(*name, value.to_string());
        }
        request.body = body.into();
        self.send(request).await
    }

    pub async fn send(&self, request: Request) -> Answer {
        let Response { status, headers, mut body, .. } = self.server.call(request).await;
        let body = body.read_all(64 << 20).await.expect("a whole body").to_vec();
        Answer { status, headers, body }
    }

    async fn put(&self, timestamp: &str, body: &str, fields: &[(&'static str, &str)]) -> Answer {
        let length = body.len().to_string();
        let mut all =
            vec![("X-Timestamp", timestamp), ("Content-Type", "text/plain"), ("Content-Length", &length)];
        all.extend_from_slice(fields);
        self.call(Method::Put, &all, body.to_owned()).await
    }

    async fn get(&self, fields: &[(&'static str, &str)]) -> Answer {
        self.call(Method::Get, fields, Body::empty()).await
    }

    /// The container updates that wait on the device, oldest first.
    pub fn async_pendings(&self) -> Vec<AsyncPending> {
        self.async_pendings_of("async_pending")
    }

    /// The same of the policy whose folder this is.
    fn async_pendings_of(&self, folder: &str) -> Vec<AsyncPending> {
        let mut files = Vec::new();
        let folders = std::fs::read_dir(self.root.path().join("sda").join(folder)).into_iter().flatten();
        for folder in folders {
            files.extend(std::fs::read_dir(folder.unwrap().path()).unwrap().map(|file| file.unwrap().path()));
        }
        files.sort();
        files.iter().map(|file| AsyncPending::read(file).unwrap().unwrap()).collect()
    }
}

pub(super) struct Answer {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get_str(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers))
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

const T1: &str = "1402464677.04188";
const T2: &str = "1402464678.00000";
/// Recent, so that tombstones are not reclaimed.
pub(super) fn recent(ticks: u64) -> String {
    Timestamp::from_ticks(Timestamp::now().ticks() - 1_000_000 + ticks).expect("in range").internal()
}

#[tokio::test]
async fn what_is_put_is_got() {
    let node = Node::new();
    let put = node.put(T1, "hello", &[("X-Object-Meta-Colour", "blue"), ("Cache-Control", "no-cache")]).await;
    assert_eq!((put.status, put.header("Etag")), (201, "\"5d41402abc4b2a76b9719d911017c592\""));
    let got = node.get(&[]).await;
    assert_eq!((got.status, got.text()), (200, "hello"));
    for (name, value) in [
        ("Content-Type", "text/plain"),
        ("X-Object-Meta-Colour", "blue"),
        ("Cache-Control", "no-cache"),
        ("Etag", "\"5d41402abc4b2a76b9719d911017c592\""),
        ("Last-Modified", "Wed, 11 Jun 2014 05:31:18 GMT"),
        ("X-Timestamp", T1),
        ("X-Backend-Timestamp", T1),
        ("X-Backend-Data-Timestamp", T1),
        ("X-Backend-Durable-Timestamp", T1),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    let head = node.call(Method::Head, &[], Body::empty()).await;
    assert_eq!((head.status, head.header("Content-Length"), head.text()), (200, "5", ""));
}

#[tokio::test]
async fn long_bodies_stream_both_ways() {
    let node = Node::new();
    let body: String = (0..500_000).map(|n| format!("{n:07}")).collect();
    let etag = hex::encode(Md5::digest(&body));
    assert_eq!(node.put(T1, &body, &[("Etag", &etag)]).await.status, 201);
    let got = node.get(&[]).await;
    assert!(got.text() == body, "the same bytes");
    let part = node.get(&[("Range", "bytes=1000000-3000000")]).await;
    assert_eq!((part.status, part.header("Content-Range")), (206, "bytes 1000000-3000000/3500000"));
    assert!(part.text() == &body[1_000_000..=3_000_000]);
}

#[tokio::test]
async fn ranges_and_conditions() {
    let node = Node::new();
    node.put(T1, "0123456789", &[]).await;
    let one = node.get(&[("Range", "bytes=2-4")]).await;
    assert_eq!((one.status, one.text(), one.header("Content-Range")), (206, "234", "bytes 2-4/10"));
    let two = node.get(&[("Range", "bytes=0-1,-2")]).await;
    let boundary =
        two.header("Content-Type").strip_prefix("multipart/byteranges;boundary=").unwrap().to_owned();
    assert_eq!(two.text().matches(&boundary).count(), 3);
    let none = node.get(&[("Range", "bytes=10-")]).await;
    assert_eq!((none.status, none.header("Content-Range")), (416, "bytes */10"));
    let ignored = [("Range", "bytes=2-4"), ("X-Backend-Ignore-Range-If-Metadata-Present", "x-foo, etag")];
    assert_eq!(node.get(&ignored).await.text(), "0123456789");

    let etag = hex::encode(Md5::digest("0123456789"));
    assert_eq!(node.get(&[("If-None-Match", &etag)]).await.status, 304);
    assert_eq!(node.get(&[("If-Match", "other")]).await.status, 412);
    assert_eq!(node.get(&[("If-Modified-Since", "Wed, 11 Jun 2014 05:31:18 GMT")]).await.status, 304);
    assert_eq!(node.get(&[("If-Unmodified-Since", "Wed, 11 Jun 2014 05:31:17 GMT")]).await.status, 412);
}

#[tokio::test]
async fn only_newer_writes_count() {
    let node = Node::new();
    assert_eq!(node.put(T2, "new", &[]).await.status, 201);
    let conflict = node.put(T1, "old", &[]).await;
    assert_eq!((conflict.status, conflict.header("X-Backend-Timestamp")), (409, T2));
    assert_eq!(node.call(Method::Delete, &[("X-Timestamp", T1)], Body::empty()).await.status, 409);
    let exists = node.put("1402464679.00000", "newer", &[("If-None-Match", "*")]).await;
    assert_eq!(exists.status, 412);
    assert_eq!(node.put("1402464679.00000", "x", &[("Etag", "0123")]).await.status, 422);
    assert_eq!(node.get(&[]).await.text(), "new");

    // in this order: each asks the clock
    let before = recent(0);
    let deleted_at = recent(1);
    let deleted = node.call(Method::Delete, &[("X-Timestamp", &deleted_at)], Body::empty()).await;
    assert_eq!((deleted.status, deleted.header("X-Backend-Timestamp")), (204, deleted_at.as_str()));
    let gone = node.get(&[]).await;
    assert_eq!((gone.status, gone.header("X-Backend-Timestamp")), (404, deleted_at.as_str()));
    assert_eq!(node.get(&[("If-Match", "*")]).await.status, 412);
    assert_eq!(node.put(&before, "late", &[]).await.status, 409);
    let again = node.call(Method::Delete, &[("X-Timestamp", &recent(2))], Body::empty()).await;
    assert_eq!(again.status, 404);
}

#[tokio::test]
async fn posts_replace_user_metadata_and_keep_system_metadata() {
    let node = Node::new();
    node.put(T1, "x", &[("X-Object-Meta-A", "1"), ("X-Object-Sysmeta-B", "2")]).await;
    let post = node.call(Method::Post, &[("X-Timestamp", T2), ("X-Object-Meta-C", "3")], Body::empty()).await;
    assert_eq!((post.status, post.header("X-Object-Sysmeta-B")), (202, "2"));
    assert_eq!(post.header("X-Backend-Content-Type"), "text/plain");
    let got = node.get(&[]).await;
    assert_eq!((got.header("X-Object-Meta-C"), got.header("X-Object-Sysmeta-B")), ("3", "2"));
    assert!(!got.headers.contains("X-Object-Meta-A"));
    assert_eq!((got.header("X-Timestamp"), got.header("X-Backend-Data-Timestamp")), (T2, T1));

    let t3 = "1402464679.00000";
    let typed = [("X-Timestamp", T1), ("Content-Type", "a/b"), ("Content-Type-Timestamp", t3)];
    assert_eq!(node.call(Method::Post, &typed, Body::empty()).await.status, 202);
    let got = node.get(&[]).await;
    assert_eq!((got.header("Content-Type"), got.header("X-Object-Meta-C")), ("a/b", "3"));
    assert_eq!(node.call(Method::Post, &[("X-Timestamp", T1)], Body::empty()).await.status, 409);
}

#[tokio::test]
async fn updates_that_cannot_be_sent_wait_on_the_device() {
    let node = Node::new();
    let container = [
        ("X-Container-Host", "127.0.0.1:1"),
        ("X-Container-Device", "sdb"),
        ("X-Container-Partition", "3"),
        ("X-Backend-Container-Update-Override-Size", "77"),
    ];
    assert_eq!(node.put(T1, "x", &container).await.status, 201);
    let pending = node.async_pendings();
    assert_eq!(pending.len(), 1);
    assert_eq!((pending[0].op.as_str(), pending[0].path.name().as_str()), ("PUT", "/a/c/o"));
    let field = |name: &[u8]| pending[0].headers.iter().find(|(n, _)| n == name).map(|(_, v)| &v[..]);
    assert_eq!(field(b"X-Size"), Some(&b"77"[..]));
    assert_eq!(field(b"X-Timestamp"), Some(T1.as_bytes()));
    assert_eq!(field(b"X-Backend-Storage-Policy-Index"), Some(&b"0"[..]));
}

#[tokio::test]
async fn expiring_objects_are_queued_and_expire() {
    let node = Node::new();
    let now = recent(0);
    let soon = (Timestamp::now().seconds() + 1000).to_string();
    let fields =
        [("X-Delete-At", soon.as_str()), ("X-Delete-At-Host", ""), ("X-Delete-At-Container", "1400000000")];
    assert_eq!(node.put(&now, "x", &fields).await.status, 201);
    let pending = node.async_pendings();
    assert_eq!(pending[0].path.account, ".expiring_objects");
    assert_eq!(
        (pending[0].path.container.as_str(), pending[0].path.object.as_str()),
        ("1400000000", &*format!("{soon}-a/c/o"))
    );

    let later = format!("{}.00000", soon.parse::<u64>().unwrap() + 1);
    assert_eq!(node.get(&[]).await.status, 200);
    assert_eq!(node.get(&[("X-Timestamp", &later)]).await.status, 404);
    assert_eq!(node.get(&[("X-Timestamp", &later), ("X-Backend-Open-Expired", "true")]).await.status, 200);
    let delete = |if_at: String| {
        let (node, later) = (&node, later.clone());
        async move {
            let fields = [("X-Timestamp", later.as_str()), ("X-If-Delete-At", if_at.as_str())];
            node.call(Method::Delete, &fields, Body::empty()).await.status
        }
    };
    assert_eq!(delete("5".to_owned()).await, 412);
    assert_eq!(delete("x".to_owned()).await, 400);
    assert_eq!(delete(soon.clone()).await, 204);
}

/// Remembers what was sent ahead of the answer.
#[derive(Clone, Default)]
struct Interims(Arc<Mutex<Vec<Headers>>>);

#[async_trait]
impl Interim for Interims {
    async fn send(&self, status: u16, headers: Headers) -> Result<(), BodyError> {
        assert_eq!(status, 100);
        self.0.lock().push(headers);
        Ok(())
    }
}

#[tokio::test]
async fn metadata_may_follow_the_body() {
    let node = Node::new();
    let footer = r#"{"X-Object-Sysmeta-Crypto-Etag": "secret", "Etag": "5D41402ABC4B2A76B9719D911017C592"}"#;
    let document = format!(
        "--b0\r\nX-Document: object body\r\n\r\nhello\r\n--b0\r\nX-Document: object metadata\r\nContent-MD5: {}\r\n\r\n\
         {footer}\r\n--b0\r\nX-Document: put commit\r\n\r\ncommit\r\n--b0--",
        hex::encode(Md5::digest(footer))
    );
    let mut request = Request::new(Method::Put, "/sda/7/a/c/o");
    for (name, value) in [
        ("X-Timestamp", T1),
        ("Content-Type", "text/plain"),
        ("Transfer-Encoding", "chunked"),
        ("X-Backend-Obj-Content-Length", "5"),
        ("X-Backend-Obj-Metadata-Footer", "yes"),
        ("X-Backend-Obj-Multiphase-Commit", "yes"),
        ("X-Backend-Obj-Multipart-Mime-Boundary", "b0"),
    ] {
        request.headers.set(name, value);
    }
    struct Once(Option<bytes::Bytes>);
    #[async_trait]
    impl crate::http::BodyStream for Once {
        async fn next(&mut self) -> Result<Option<bytes::Bytes>, BodyError> {
            Ok(self.0.take())
        }
    }
    request.body = Body::stream(None, Once(Some(document.into())));
    let interims = Interims::default();
    request.interim = Some(Box::new(interims.clone()));
    let put = node.send(request).await;
    assert_eq!((put.status, put.text()), (201, ""));
    let sent = interims.0.lock().clone();
    assert_eq!(sent.len(), 2, "leave to send, and word that the object is stored");
    assert_eq!(sent[0].get_str("X-Obj-Metadata-Footer"), Some("yes"));
    assert_eq!(node.get(&[]).await.header("X-Object-Sysmeta-Crypto-Etag"), "secret");
}

#[tokio::test]
async fn a_device_that_cannot_be_used_is_507() {
    let node = Node::new();
    std::fs::remove_dir_all(node.root.path().join("sda")).unwrap();
    for method in [Method::Get, Method::Head, Method::Put, Method::Post, Method::Delete] {
        let fields = [("X-Timestamp", T1), ("Content-Type", "t/t"), ("Content-Length", "0")];
        assert_eq!(node.call(method.clone(), &fields, Body::empty()).await.status, 507, "{method}");
    }
    assert!(!node.root.path().join("sda").exists(), "nothing was made in its place");
}

#[tokio::test]
async fn requests_that_cannot_be_right_are_refused() {
    let node = Node::new();
    assert_eq!(
        node.call(Method::Put, &[("Content-Length", "0")], Body::empty()).await.text(),
        "Missing X-Timestamp header"
    );
    assert_eq!(node.call(Method::Put, &[("X-Timestamp", "x")], Body::empty()).await.status, 400);
    let no_type = [("X-Timestamp", T1), ("Content-Length", "0")];
    assert_eq!(node.call(Method::Put, &no_type, Body::empty()).await.text(), "No content type");
    assert_eq!(node.call(Method::Copy, &[], Body::empty()).await.status, 405);
    let options = node.call(Method::Options, &[], Body::empty()).await;
    assert_eq!(options.header("Allow"), "DELETE, GET, HEAD, OPTIONS, POST, PUT, REPLICATE, SSYNC");
    assert!(options.header("Server").starts_with("object-server/"));
    let mut request = Request::new(Method::Get, &b"/sda/7/a/c/\xff"[..]);
    request.headers.set("X-Timestamp", T1);
    assert_eq!(node.send(request).await.status, 412);
}

#[tokio::test]
async fn requests_are_handed_to_the_disk_once_and_once_more_for_each_mebibyte() {
    let node = Node::new();
    // with how many bytes, and then how many jobs a PUT and a GET take
    let cases = [(0, 1, 1), (4 << 10, 1, 1), (64 << 10, 1, 1), ((64 << 10) + 1, 3, 1), (5 << 19, 3, 3)];
    for (n, (length, put_jobs, get_jobs)) in cases.into_iter().enumerate() {
        let before = node.pools.job_count();
        assert_eq!(node.put(&recent(n as u64), &"x".repeat(length), &[]).await.status, 201);
        assert_eq!(node.pools.job_count() - before, put_jobs, "PUT of {length} bytes");
        let before = node.pools.job_count();
        assert_eq!(node.get(&[]).await.body.len(), length);
        assert_eq!(node.pools.job_count() - before, get_jobs, "GET of {length} bytes");
    }
    for method in [Method::Head, Method::Post, Method::Delete] {
        let before = node.pools.job_count();
        let answer = node.call(method.clone(), &[("X-Timestamp", &recent(100))], Body::empty()).await;
        assert!(answer.status < 300, "{method}: {}", answer.status);
        assert_eq!(node.pools.job_count() - before, 1, "{method}");
    }
}

#[tokio::test]
async fn damage_is_quarantined() {
    let node = Node::new();
    node.put(T1, "hello", &[]).await;
    let find = || walk(&node.root.path().join("sda/objects"));
    let data = find().into_iter().find(|path| path.ends_with(".data")).expect("a data file");
    std::fs::write(&data, "hellx").unwrap();
    assert_eq!(node.get(&[]).await.text(), "hellx", "by the time it shows, it is sent");
    assert_eq!(node.get(&[]).await.status, 404);
    assert_eq!(walk(&node.root.path().join("sda/quarantined/objects")).len(), 1);
    node.put(T2, "hello", &[]).await;
    let data = find().into_iter().find(|path| path.ends_with(".data")).expect("a data file");
    std::fs::write(&data, "short").and_then(|()| std::fs::write(&data, "s")).unwrap();
    assert_eq!(node.get(&[]).await.status, 404, "its length gives it away before a byte is sent");
}

#[tokio::test]
async fn damage_of_a_long_object_is_quarantined_soon_after_it_was_read() {
    let node = Node::new();
    let bytes = "0123456789".repeat(250_000);
    node.put(T1, &bytes, &[]).await;
    let files = walk(&node.root.path().join("sda/objects"));
    let data = files.iter().find(|path| path.ends_with(".data")).expect("a data file");
    assert_eq!(node.get(&[]).await.text().len(), bytes.len());
    let damaged = bytes.replacen('7', "8", 1);
    std::fs::write(data, &damaged).unwrap();
    assert_eq!(node.get(&[("Range", "bytes=5-2400000")]).await.status, 206, "a part cannot be checked");
    assert!(node.get(&[]).await.text() == damaged, "by the time it shows, it is sent");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while std::path::Path::new(data).exists() {
        assert!(std::time::Instant::now() < deadline, "not quarantined");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(node.get(&[]).await.status, 404);
}

fn walk(dir: &std::path::Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path))
        } else {
            files.push(path.to_string_lossy().into_owned())
        }
    }
    files
}
