//! The reaper on a node with real servers, two replicas and two storage policies.

use crate::daemon::HowToRun;
use crate::http::{Body, Client, ClientOptions, Headers, Method, Request, Timeouts};
use crate::role::{DaemonKind, Resources, Server, ServerKind};
use std::path::Path;
use std::time::Duration;
use swiftlet_ring::format::{FormatVersion, replace_file, write};
use swiftlet_ring::{Device, DeviceIds, Ring, RingData};
use swiftlet_types::{HashConf, PathHash, Timestamp};
use tokio_util::sync::CancellationToken;

const SWIFT_CONF: &str = "[swift-hash]\nswift_hash_path_suffix = endcap\n\
    [storage-policy:0]\nname = gold\ndefault = yes\n[storage-policy:1]\nname = silver\n";
/// In the rings are the first two.
const DEVICES: [&str; 3] = ["sda", "sdb", "sdc"];
const KINDS: [ServerKind; 3] = [ServerKind::Account, ServerKind::Container, ServerKind::Object];

struct Node {
    folder: tempfile::TempDir,
    client: Client,
    ports: [u16; 3],
    ring: Ring,
    running: [Option<CancellationToken>; 3],
}

/// Whom a request tells: the kind and the hash of its database.
type Tells<'a> = Option<(&'a str, ServerKind, PathHash)>;

impl Node {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("swift.conf"), SWIFT_CONF).unwrap();
        for device in DEVICES {
            std::fs::create_dir_all(folder.path().join("node").join(device)).unwrap();
        }
        let listeners = KINDS.map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = [0, 1, 2].map(|at: usize| listeners[at].local_addr().unwrap().port());
        for (name, port) in ["account", "container", "object", "object-1"].into_iter().zip([0, 1, 2, 2]) {
            write_ring(&folder.path().join(format!("{name}.ring.gz")), ports[port]);
        }
        let ring = Ring::load(folder.path().join("account.ring.gz")).unwrap();
        let client = Client::new(ClientOptions::default());
        let mut node = Self { folder, client, ports, ring, running: [None, None, None] };
        for (at, listener) in listeners.into_iter().enumerate() {
            node.serve(at, listener);
        }
        node
    }

    fn serve(&mut self, at: usize, listener: std::net::TcpListener) {
        let (name, port) = (KINDS[at].name(), self.ports[at]);
        let app = name.trim_end_matches("-server");
        let text = format!(
            "[pipeline:main]\npipeline = {name}\n[app:{name}]\nuse = egg:swift#{app}\nbind_port = {port}\n"
        );
        let server = Server::load(KINDS[at], &self.conf(name, &text), &Resources::default()).unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(server.serve(listener, stop.clone()));
        self.running[at] = Some(stop);
    }

    fn conf(&self, name: &str, text: &str) -> std::path::PathBuf {
        let (dir, path) = (self.folder.path().display(), self.folder.path().join(format!("{name}.conf")));
        let defaults = format!(
            "[DEFAULT]\nswift_dir = {dir}\ndevices = {dir}/node\nmount_check = false\nfallocate_reserve = 0\n"
        );
        std::fs::write(&path, defaults + text).unwrap();
        path
    }

    /// Asks the server of `kind` on a device about what has this path and hash.
    async fn ask(
        &self,
        method: Method,
        device: &str,
        (kind, path, hash): (ServerKind, &str, PathHash),
        tells: Tells<'_>,
        headers: &[(&'static str, &str)],
    ) -> (u16, Headers) {
        let path = format!("/{device}/{}/{path}", self.ring.partition(&hash));
        let mut request = Request::new(method, path);
        request.headers.set("X-Timestamp", Timestamp::now().internal());
        request.headers.set("Content-Type", "text/plain");
        request.body = Body::full("");
        if let Some((name, kind, hash)) = tells {
            let host = format!("127.0.0.1:{}", self.port(kind));
            request.headers.set(format!("X-{name}-Host"), format!("{host},{host}"));
            request.headers.set(format!("X-{name}-Partition"), self.ring.partition(&hash).to_string());
            request.headers.set(format!("X-{name}-Device"), "sda,sdb");
        }
        for (name, value) in headers {
            request.headers.set(*name, (*value).to_owned());
        }
        let timeouts = Timeouts { connect: Duration::from_secs(30), node: Duration::from_secs(30) };
        let answer = self.client.request("127.0.0.1", self.port(kind), request, &timeouts).await.unwrap();
        (answer.status, answer.headers)
    }

    fn port(&self, kind: ServerKind) -> u16 {
        self.ports[KINDS.iter().position(|other| *other == kind).unwrap()]
    }

    /// An account with a container of each policy, each with three objects.
    async fn fill(&self) {
        for device in &DEVICES[..2] {
            assert_eq!(self.ask(Method::Put, device, account(), None, &[]).await.0, 201);
            for policy in ["0", "1"] {
                let tells = Some(("Account", ServerKind::Account, account().2));
                let of = [("X-Backend-Storage-Policy-Index", policy)];
                assert_eq!(self.ask(Method::Put, device, container(policy), tells, &of).await.0, 201);
                for name in ["1", "2", "gül/3"] {
                    let path = format!("a/c{policy}/{name}");
                    let hash = hash().object("a", format!("c{policy}"), name);
                    let object = (ServerKind::Object, &*path, hash);
                    let tells = Some(("Container", ServerKind::Container, container(policy).2));
                    assert_eq!(self.ask(Method::Put, device, object, tells, &of).await.0, 201);
                }
            }
        }
    }

    async fn delete_account(&self) {
        for device in &DEVICES[..2] {
            assert_eq!(self.ask(Method::Delete, device, account(), None, &[]).await.0, 204);
        }
    }

    async fn reap(&self, options: &str) {
        self.reap_at(self.ports[0], options).await;
    }

    /// A pass of the reaper of the node at this port.
    async fn reap_at(&self, port: u16, options: &str) {
        let text = format!("[account-reaper]\nbind_port = {port}\nconn_timeout = 30\n{options}");
        let how = HowToRun { once: true, ..HowToRun::default() };
        let path = self.conf("reaper", &text);
        DaemonKind::AccountReaper.load(&path, &Resources::default(), how).unwrap().daemon.pass().await;
    }

    /// Containers and objects that are left on a device, as databases and files say.
    async fn left(&self, device: &str) -> (usize, usize) {
        let mut containers = 0;
        for policy in ["0", "1"] {
            let (status, _) = self.ask(Method::Head, device, container(policy), None, &[]).await;
            containers += usize::from(status != 404);
        }
        (containers, files(&self.folder.path().join("node").join(device), "data"))
    }

    /// Containers that the account's database on a device knows of.
    fn containers_of_account(&self, device: &str) -> i64 {
        use swiftlet_storage::db::{AccountBroker, BrokerOptions, Connections, DbDir};
        let device = self.folder.path().join("node").join(device);
        let partition = self.ring.partition(&account().2).to_string();
        let dir = DbDir::new(&device, "accounts", &partition, &account().2);
        let broker = AccountBroker::new(
            "a",
            dir,
            Connections::new(std::num::NonZeroUsize::MIN),
            BrokerOptions::default(),
        );
        broker.info().unwrap().container_count
    }
}

fn hash() -> HashConf {
    HashConf { prefix: vec![], suffix: b"endcap".to_vec() }
}

fn account() -> (ServerKind, &'static str, PathHash) {
    (ServerKind::Account, "a", hash().account("a"))
}

fn container(policy: &str) -> (ServerKind, &'static str, PathHash) {
    let path = if policy == "0" { "a/c0" } else { "a/c1" };
    (ServerKind::Container, path, hash().container("a", format!("c{policy}")))
}

/// How many files of a kind lie below a folder.
fn files(dir: &Path, extension: &str) -> usize {
    let entries = std::fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path());
    let count = |path: std::path::PathBuf| match path.is_dir() {
        true => files(&path, extension),
        false => usize::from(path.extension().is_some_and(|found| found == extension)),
    };
    entries.map(count).sum()
}

fn write_ring(path: &Path, port: u16) {
    let device = |id: usize| Device {
        device: DEVICES[id].into(),
        id: id as u32,
        ip: "127.0.0.1".into(),
        meta: String::new(),
        port,
        region: 1,
        replication_ip: "127.0.0.1".into(),
        replication_port: port,
        weight: 1.0,
        zone: id as u32,
    };
    let data = RingData {
        part_power: 1,
        devices: (0..3).map(|id| Some(device(id))).collect(),
        assignments: vec![DeviceIds::U16(vec![0, 0]), DeviceIds::U16(vec![1, 1])],
        ..RingData::default()
    };
    replace_file(path, &write(&data, FormatVersion::V1).unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_in_a_deleted_account_goes() {
    let node = Node::start().await;
    node.fill().await;
    node.reap("").await;
    assert_eq!(node.left("sda").await, (2, 6), "it is not deleted");
    node.delete_account().await;
    node.reap("delay_reaping = 1000\n").await;
    assert_eq!(node.left("sda").await, (2, 6), "not long enough");
    assert_eq!(node.containers_of_account("sda"), 2);
    node.reap("concurrency = 4\n").await;
    for device in ["sda", "sdb"] {
        assert_eq!(node.left(device).await, (0, 0), "{device}");
        assert_eq!(node.containers_of_account(device), 0, "{device}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_deleted_is_there_for_the_next_pass() {
    let mut node = Node::start().await;
    node.fill().await;
    node.delete_account().await;
    node.running[2].take().unwrap().cancel();
    node.reap("").await;
    assert_eq!(node.left("sda").await, (2, 6));
    assert_eq!(node.containers_of_account("sda"), 2);
    let address = ("127.0.0.1", node.ports[2]);
    let listener = loop {
        match std::net::TcpListener::bind(address) {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    node.serve(2, listener);
    node.reap("").await;
    assert_eq!((node.left("sda").await, node.left("sdb").await), ((0, 0), (0, 0)));
    assert_eq!(node.containers_of_account("sdb"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_primaries_reap() {
    let node = Node::start().await;
    node.fill().await;
    node.delete_account().await;
    let devices = node.folder.path().join("node");
    std::fs::rename(devices.join("sda/accounts"), devices.join("sdc/accounts")).unwrap();
    std::fs::remove_dir_all(devices.join("sdb/accounts")).unwrap();
    node.reap("").await;
    assert_eq!(node.left("sda").await, (2, 6), "a handoff has it alone");
    std::fs::rename(devices.join("sdc/accounts"), devices.join("sda/accounts")).unwrap();
    node.reap_at(1, "").await;
    assert_eq!(node.left("sda").await, (2, 6), "another node's");
}
