//! Nodes to try the proxy against: object servers in memory that can be told to fail, on real sockets. Accounts
//! and containers they always have.

use crate::http::server::{ServerOptions, serve};
use crate::http::{Body, BodyError, BodyStream, Headers, Method, Request, Response, Service};
use async_trait::async_trait;
use bytes::Bytes;
use md5::{Digest, Md5};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_ring::{Device, DeviceIds, RingData, format};
use swiftlet_types::conf::Options;
use swiftlet_types::{Policies, SwiftConf};
use tokio::net::TcpListener;

use super::super::app::{App, Env, ProxyRequest};
use super::super::config::ProxyConfig;
use super::super::rings::Rings;
use super::super::server::Application;

/// What goes wrong at a node.
#[derive(Clone, Copy, PartialEq)]
pub enum Fault {
    /// Every object request is answered so.
    Status(u16),
    /// Answers come so late.
    Late(Duration),
    /// Bodies of answers break off after so many bytes.
    BreaksOffAfter(usize),
    /// What it stores it gives another ETag.
    WrongEtag,
}

struct Stored {
    timestamp: String,
    body: Bytes,
    etag: String,
}

/// One node.
#[derive(Default)]
pub struct TestNode {
    objects: Mutex<HashMap<Bytes, Stored>>,
    pub fault: Mutex<Option<Fault>>,
    /// Object requests as they came.
    pub seen: Mutex<Vec<(Method, Headers)>>,
}

impl TestNode {
    /// Stores `body` as if it had been PUT at `timestamp`; no body is a deletion.
    pub fn store(&self, timestamp: &str, body: &'static str) {
        let stored =
            Stored { timestamp: timestamp.to_owned(), body: body.into(), etag: etag_of(body.as_bytes()) };
        self.objects.lock().insert(Bytes::from_static(b"/a/c/o"), stored);
    }

    pub fn has(&self) -> Option<Bytes> {
        self.objects.lock().get(&b"/a/c/o"[..]).map(|stored| stored.body.clone())
    }

    pub fn methods(&self) -> Vec<String> {
        self.seen.lock().iter().map(|(method, _)| method.to_string()).collect()
    }

    async fn object(&self, mut request: Request, name: Bytes) -> Response {
        self.seen.lock().push((request.method.clone(), request.headers.clone()));
        let fault = *self.fault.lock();
        match fault {
            Some(Fault::Status(status)) => return Response::standard(status),
            Some(Fault::Late(late)) => tokio::time::sleep(late).await,
            _ => {}
        }
        let timestamp = request.headers.get_str("x-timestamp").unwrap_or_default().to_owned();
        match request.method {
            Method::Put => {
                let Ok(body) = request.body.read_all(1 << 20).await else { return Response::standard(499) };
                let etag = if fault == Some(Fault::WrongEtag) { "other".to_owned() } else { etag_of(&body) };
                self.objects.lock().insert(name, Stored { timestamp, body, etag: etag.clone() });
                Response::html(201, "").with("Etag", format!("\"{etag}\""))
            }
            Method::Delete => {
                let found = self.objects.lock().remove(&name).is_some();
                Response::standard(if found { 204 } else { 404 }).with("X-Backend-Timestamp", timestamp)
            }
            Method::Post => {
                Response::standard(if self.objects.lock().contains_key(&name) { 202 } else { 404 })
            }
            _ => self.read(&request, &name, fault),
        }
    }

    fn read(&self, request: &Request, name: &Bytes, fault: Option<Fault>) -> Response {
        let objects = self.objects.lock();
        let Some(Stored { timestamp, body, etag }) = objects.get(name) else {
            return Response::standard(404);
        };
        if body.is_empty() {
            return Response::standard(404).with("X-Backend-Timestamp", timestamp.clone());
        }
        let (total, range) = (body.len(), request.headers.get_str("range").and_then(range_of));
        let (start, end) = range.unwrap_or((0, total - 1));
        let mut response = Response::new(if range.is_some() { 206 } else { 200 })
            .with("Content-Type", "text/plain")
            .with("Etag", format!("\"{etag}\""))
            .with("X-Backend-Timestamp", timestamp.clone());
        if range.is_some() {
            response.headers.set("Content-Range", format!("bytes {start}-{end}/{total}"));
        }
        let body = body.slice(start..=end);
        response.body = match fault {
            Some(Fault::BreaksOffAfter(sent)) => {
                Body::stream(Some(body.len() as u64), BreaksOff(body.slice(..sent)))
            }
            _ => Body::full(body),
        };
        response
    }
}

/// The first and last byte of `bytes=<first>-<last>`.
fn range_of(value: &str) -> Option<(usize, usize)> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

pub fn etag_of(body: &[u8]) -> String {
    hex::encode(Md5::digest(body))
}

/// Gives its bytes, and then an error.
struct BreaksOff(Bytes);

#[async_trait]
impl BodyStream for BreaksOff {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        match std::mem::take(&mut self.0) {
            none if none.is_empty() => Err(BodyError::Other("broken off on purpose".into())),
            bytes => Ok(Some(bytes)),
        }
    }
}

#[async_trait]
impl Service for TestNode {
    async fn call(&self, request: Request) -> Response {
        // /<device>/<partition>/<account>[/<container>[/<object>]]
        let slashes: Vec<usize> = memchr::memchr_iter(b'/', &request.path).collect();
        match (slashes.len(), &request.method) {
            (5.., _) => {
                let name = request.path.slice(slashes[2]..);
                self.object(request, name).await
            }
            (_, Method::Put) => Response::html(201, ""),
            _ => Response::new(204).with("X-Backend-Storage-Policy-Index", "0"),
        }
    }
}

const PART_POWER: u32 = 4;

/// A proxy in front of some nodes: the first three hold the partitions that are used, the others stand in.
pub struct Cluster {
    pub app: Application,
    pub nodes: Vec<Arc<TestNode>>,
    _swift_dir: tempfile::TempDir,
}

impl Cluster {
    pub async fn start(count: usize, options: &[(&str, &str)]) -> Self {
        let (mut nodes, mut devices) = (Vec::new(), Vec::new());
        for id in 0..count {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            devices.push(Some(device(id, listener.local_addr().expect("bound").port())));
            let node = Arc::new(TestNode::default());
            nodes.push(node.clone());
            tokio::spawn(serve(listener, None, ServerOptions::default(), node, Default::default()));
        }
        let hash = swiftlet_types::HashConf { prefix: b"p".to_vec(), suffix: b"s".to_vec() };
        let used = [hash.account("a"), hash.container("a", "c"), hash.object("a", "c", "o")];
        let used = used.map(|name| name.partition(PART_POWER));
        // stand-ins are devices that hold other partitions
        let holder = |replica: u32, part: u32| match (used.contains(&part), count as u32) {
            (false, others @ 4..) => 3 + (part + replica) % (others - 3),
            _ => replica,
        };
        let row = |replica| {
            DeviceIds::collect(
                2,
                (0..1_u32 << PART_POWER).map(|p| holder(replica, p)).collect::<Vec<_>>().into_iter(),
            )
        };
        let assignments = (0..3).map(row).collect();
        let ring = RingData { part_power: PART_POWER, devices, assignments, ..RingData::default() };
        let swift_dir = tempfile::tempdir().expect("a folder");
        for name in ["account", "container", "object"] {
            let bytes = format::write(&ring, format::FormatVersion::V1).expect("a ring");
            std::fs::write(swift_dir.path().join(format!("{name}.ring.gz")), bytes).expect("written");
        }
        let swift = SwiftConf { hash, policies: Policies::default(), constraints: Default::default() };
        let rings = Rings::load(swift_dir.path(), &swift.policies).expect("rings");
        let section =
            Options::new("proxy-server.conf", "app:proxy-server").with("sorting_method", "affinity");
        // the zone is the node's number: they are tried in order
        let section = section.with("read_affinity", "r1z0=1, r1z1=2, r1z2=3");
        let section = options.iter().fold(section, |section, (option, value)| section.with(option, value));
        let config = ProxyConfig::from_options(&section).expect("options");
        let app = Application::new(config, &swift, Arc::new(rings)).expect("an application");
        Self { app, nodes, _swift_dir: swift_dir }
    }

    pub fn fail(&self, id: usize, fault: Fault) {
        *self.nodes[id].fault.lock() = Some(fault);
    }

    /// Does a request for the object; its answer, with the body in full.
    pub async fn request(
        &self,
        method: Method,
        headers: &[(&'static str, &str)],
        body: Body,
    ) -> (u16, Headers, Bytes) {
        let mut http = Request::new(method, "/v1/a/c/o");
        if let Some(length) = body.len() {
            http.headers.set_int("Content-Length", length);
        }
        for (name, value) in headers {
            http.headers.set(*name, value.to_string());
        }
        http.body = body;
        let mut response = self.app.call(ProxyRequest { http, env: Env::default() }).await;
        let body =
            response.body.read_all(1 << 20).await.unwrap_or_else(|e| format!("broken off: {e}").into());
        (response.status, response.headers, body)
    }

    pub async fn get(&self, headers: &[(&'static str, &str)]) -> (u16, Bytes) {
        let (status, _, body) = self.request(Method::Get, headers, Body::empty()).await;
        (status, body)
    }

    pub async fn put(&self, body: impl Into<Body>) -> (u16, Headers) {
        let (status, headers, _) = self.request(Method::Put, &[], body.into()).await;
        (status, headers)
    }
}

fn device(id: usize, port: u16) -> Device {
    Device {
        device: format!("d{id}"),
        id: id as u32,
        ip: "127.0.0.1".to_owned(),
        meta: String::new(),
        port,
        region: 1,
        replication_ip: "127.0.0.1".to_owned(),
        replication_port: port,
        weight: 1.0,
        zone: id as u32,
    }
}
