//! A cluster for tests of daemons: one node's real servers on real sockets, three replicas on three devices, two
//! storage policies. Roles are loaded from files, as their commands do.

use super::{DaemonKind, Resources, Server, ServerKind};
use crate::daemon::{Daemon, HowToRun, run_once};
use crate::http::{Body, Client, ClientOptions, Headers, Method, Request, Response, Timeouts};
use crate::internal_client::{Accepts, Ask, ClientFile, Entry, InternalClient, Path as Name};
use std::path::{Path, PathBuf};
use swiftlet_ring::format::{self, FormatVersion};
use swiftlet_ring::{Device, DeviceIds, Ring, RingData};
use swiftlet_types::conf::Ini;
use swiftlet_types::{SwiftConf, Timestamp};
use tokio_util::sync::{CancellationToken, DropGuard};

const PART_POWER: u32 = 3;
const DEVICES: [&str; 3] = ["sda", "sdb", "sdc"];
const SWIFT_CONF: &str = "[swift-hash]\nswift_hash_path_suffix = endcap\n\
    [storage-policy:0]\nname = gold\ndefault = yes\n[storage-policy:1]\nname = silver\n";
const ANY: Accepts = Accepts(&[2, 4, 5]);

/// The cluster; gone when it is dropped.
pub struct TestCluster {
    folder: tempfile::TempDir,
    /// The port of its container server.
    pub container_port: u16,
    stop: CancellationToken,
    _guard: DropGuard,
}

impl TestCluster {
    /// Starts it.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for device in DEVICES {
            std::fs::create_dir_all(folder.path().join("node").join(device)).expect("a device");
        }
        std::fs::write(folder.path().join("swift.conf"), SWIFT_CONF).expect("written");
        let kinds = [ServerKind::Account, ServerKind::Container, ServerKind::Object];
        let bound = kinds.map(|kind| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            (kind, listener.local_addr().expect("bound").port(), listener)
        });
        let stop = CancellationToken::new();
        for (kind, port, _) in &bound {
            let rings: &[&str] = match kind {
                ServerKind::Account => &["account"],
                ServerKind::Container => &["container"],
                _ => &["object", "object-1"],
            };
            rings.iter().for_each(|ring| write_ring(&folder.path().join(format!("{ring}.ring.gz")), *port));
        }
        let container_port = bound[1].1;
        let cluster = Self { folder, container_port, stop: stop.clone(), _guard: stop.clone().drop_guard() };
        for (kind, port, listener) in bound {
            let name = kind.name();
            let app = name.trim_end_matches("-server");
            let text = format!(
                "[pipeline:main]\npipeline = {name}\n[app:{name}]\nuse = egg:swift#{app}\nbind_port = {port}\n"
            );
            let server =
                Server::load(kind, &cluster.conf(name, &text), &Resources::default()).expect("loads");
            tokio::spawn(server.serve(listener, stop.clone()));
        }
        cluster
    }

    /// Starts a proxy on `listener`, whose file has `text`.
    pub fn start_proxy(&self, listener: std::net::TcpListener, text: &str) {
        let path = self.conf("proxy-server", text);
        let server = Server::load(ServerKind::Proxy, &path, &Resources::default()).expect("loads");
        tokio::spawn(server.serve(listener, self.stop.clone()));
    }

    /// Sets header fields of a container that only its owner may set: on its servers themselves.
    pub async fn set_on_servers(&self, account: &str, container: &str, headers: &[(&'static str, &str)]) {
        let ring = Ring::load(self.dir().join("container.ring.gz")).expect("a ring");
        let partition = ring.partition(&self.swift().hash.container(account, container));
        let client = Client::new(ClientOptions::default());
        let patience = std::time::Duration::from_secs(30);
        for device in DEVICES {
            let path = format!("/{device}/{partition}/{account}/{container}");
            let mut request = Request::new(Method::Post, path);
            request.headers.set("X-Timestamp", Timestamp::now().internal());
            for (name, value) in headers {
                request.headers.set(*name, (*value).to_owned());
            }
            let timeouts = Timeouts { connect: patience, node: patience };
            let answer = client.request("127.0.0.1", self.container_port, request, &timeouts).await;
            assert_eq!(answer.expect("an answer").status, 204);
        }
    }

    /// Writes a configuration file with the cluster's `[DEFAULT]` in front of `text`; where it is.
    pub fn conf(&self, name: &str, text: &str) -> PathBuf {
        let (dir, path) = (self.dir().display(), self.dir().join(format!("{name}.conf")));
        let defaults = format!(
            "[DEFAULT]\nswift_dir = {dir}\ndevices = {dir}/node\nrecon_cache_path = {dir}\nmount_check = false\n\
             fallocate_reserve = 0\n"
        );
        std::fs::write(&path, defaults + text).expect("written");
        path
    }

    /// Where rings, configuration and recon's files are; the devices are in `node`.
    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// Its `swift.conf`.
    pub fn swift(&self) -> SwiftConf {
        SwiftConf::from_ini(&Ini::parse("swift.conf", SWIFT_CONF).expect("it parses"))
            .expect("it is complete")
    }

    /// A client of it, with Swift's pipeline.
    pub fn client(&self) -> InternalClient {
        let options =
            Ini::read(self.conf("any", "[any]\n")).expect("it parses").daemon("any").expect("it is there");
        InternalClient::load(&ClientFile::Usual, &options, &self.swift(), "Test").expect("a client")
    }

    /// A daemon whose section says `options`, to do one pass.
    pub fn daemon(&self, kind: DaemonKind, options: &str) -> Box<dyn Daemon> {
        // not by its name: Swift takes a file of the expirer's own for another sort of file
        let path = self.conf("daemons", &format!("[{}]\n{options}", kind.name()));
        let how = HowToRun { once: true, ..HowToRun::default() };
        kind.load(&path, &Resources::default(), how).expect("loads").daemon
    }

    /// One pass of a daemon whose section says `options`.
    pub async fn run(&self, kind: DaemonKind, options: &str) {
        run_once(&*self.daemon(kind, options)).await;
    }
}

/// What tests ask of a cluster.
impl InternalClient {
    /// Does a request, whatever comes of it; the answer's body is still to be read.
    pub async fn ask(&self, method: Method, path: Name, headers: &[(&'static str, &str)]) -> Response {
        let ask = headers
            .iter()
            .fold(Ask::new(method, path), |ask, (name, value)| ask.with(name, (*value).to_owned()));
        self.send(ask, ANY).await.expect("an answer")
    }

    /// PUTs an object.
    pub async fn put(&self, path: Name, headers: &[(&'static str, &str)], body: &'static str) -> u16 {
        let ask = headers
            .iter()
            .fold(Ask::new(Method::Put, path), |ask, (name, value)| ask.with(name, (*value).to_owned()));
        let length = body.len().to_string();
        let ask = ask.with("Content-Length", length).upload(Headers::new(), Body::full(body));
        self.settle(ask, ANY).await.expect("an answer")
    }

    /// Every entry of a listing.
    pub async fn entries(&self, path: Name) -> Vec<Entry> {
        let mut listing = self.listing(path, Accepts::SUCCESS_OR_NOT_FOUND);
        let mut entries = Vec::new();
        while let Some(entry) = listing.next().await.expect("a listing") {
            entries.push(entry);
        }
        entries
    }

    /// The names in a listing.
    pub async fn names(&self, path: Name) -> Vec<String> {
        self.entries(path).await.into_iter().map(|entry| entry.name).collect()
    }
}

/// A ring of three replicas, one on each device.
fn write_ring(path: &Path, port: u16) {
    let device = |id: usize| Device {
        device: DEVICES[id].to_owned(),
        id: id as u32,
        ip: "127.0.0.1".to_owned(),
        meta: String::new(),
        port,
        region: 1,
        replication_ip: "127.0.0.1".to_owned(),
        replication_port: port,
        weight: 1.0,
        zone: id as u32 + 1,
    };
    let row = |replica: u32| {
        let parts = (0..1_u32 << PART_POWER).map(|part| (part + replica) % DEVICES.len() as u32);
        DeviceIds::collect(2, parts.collect::<Vec<_>>().into_iter())
    };
    let devices = (0..DEVICES.len()).map(|id| Some(device(id))).collect();
    let assignments = (0..3).map(row).collect();
    let ring = RingData { part_power: PART_POWER, devices, assignments, ..RingData::default() };
    std::fs::write(path, format::write(&ring, FormatVersion::V1).expect("a ring")).expect("written");
}
