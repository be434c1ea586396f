//! A whole cluster in the test's own process.

mod fragments;
mod leaving;

use super::*;
use crate::http::{Body, Client, ClientOptions, Method, Request, Response, Timeouts};
use std::collections::BTreeSet;
use std::time::Duration;
use swiftlet_ring::SharedRing;

/// Longer than any change of shape takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);
const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(30), node: Duration::from_secs(30) };

fn options(data: &Path, manifests: Vec<PathBuf>) -> DevOptions {
    DevOptions { manifests, data: data.join("data"), listen: "127.0.0.1:0".parse().unwrap() }
}

/// The built-in manifest, edited, as a file of `folder`.
fn manifest(folder: &Path, edit: impl Fn(String) -> String) -> Vec<PathBuf> {
    let path = folder.join("dev.yaml");
    let text = edit(include_str!("../../../deploy/examples/dev.yaml").to_string());
    std::fs::write(&path, text).unwrap();
    vec![path]
}

/// The manifest with replicators that hardly rest.
fn hurried(text: String) -> String {
    let replicator = |server: &str| format!("{server}-replicator: {{interval: \"1\"}}\n");
    let (account, container, object) = (replicator("account"), replicator("container"), replicator("object"));
    let databases =
        format!("    account-server.conf:\n      {account}    container-server.conf:\n      {container}");
    text.replacen("    container-server.conf:\n", &databases, 1).replacen(
        "    object-server.conf:\n",
        &format!("    object-server.conf:\n      {object}"),
        1,
    )
}

/// Lets the planner try again until it waits for nothing, with a look in between.
async fn settled(cluster: &mut DevCluster, look: impl AsyncFn()) {
    let begun = Instant::now();
    loop {
        cluster.executor.settle().await.unwrap();
        look().await;
        if !cluster.executor.waits() {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "it still waits: {:?}", cluster.executor.told());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

const FOURTH_ZONE: &str = "
---
apiVersion: swiftlet.io/v1alpha1
kind: Zone
metadata: {name: rack4}
spec: {cluster: dev, zone: 4, nodes: 1, devices: [{name: d1, size: 10Gi}, {name: d2, size: 10Gi}]}
";

/// A client of one user, with their token.
struct User {
    client: Client,
    address: SocketAddr,
    token: String,
}

impl User {
    async fn of(cluster: &DevCluster) -> Self {
        let client = Client::new(ClientOptions::default());
        let mut user = Self { client, address: cluster.address(), token: String::new() };
        let mut request = Request::new(Method::Get, "/auth/v1.0");
        request.headers.set("X-Auth-User", "test:tester");
        request.headers.set("X-Auth-Key", "testing");
        let answer = user.send(request).await;
        user.token = answer.headers.get_str("X-Auth-Token").unwrap().to_string();
        user
    }

    async fn send(&self, mut request: Request) -> Response {
        if !self.token.is_empty() {
            request.headers.set("X-Auth-Token", self.token.clone());
        }
        let host = self.address.ip().to_string();
        self.client.request(&host, self.address.port(), request, &TIMEOUTS).await.unwrap()
    }

    async fn put(&self, path: &str, body: &'static [u8]) -> u16 {
        let mut request = Request::new(Method::Put, format!("/v1/AUTH_test/{path}"));
        request.body = Body::full(body);
        self.send(request).await.status
    }

    async fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let mut answer = self.send(Request::new(Method::Get, format!("/v1/AUTH_test/{path}"))).await;
        (answer.status, answer.body.read_all(1 << 20).await.unwrap().to_vec())
    }
}

/// Held by each test: a cluster that starts again wants the addresses it had, and another would take them meanwhile.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_is_there_after_a_restart() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), vec![]);
    let cluster = DevCluster::start(&options).await.unwrap();
    let user = User::of(&cluster).await;
    assert_eq!(user.put("photos", b"").await, 201);
    assert_eq!(user.put("photos/cat", b"meow").await, 201);
    let second = DevCluster::start(&options).await.err().unwrap().to_string();
    assert!(second.contains("is in use by another swiftlet dev"), "{second}");
    cluster.stop().await;

    let before = State::load(&Home::open(&options.data).unwrap(), "dev").unwrap();
    let cluster = DevCluster::start(&options).await.unwrap();
    let user = User::of(&cluster).await;
    assert_eq!(user.get("photos/cat").await, (200, b"meow".to_vec()));
    cluster.stop().await;
    let after = State::load(&Home::open(&options.data).unwrap(), "dev").unwrap();
    assert_eq!(after, before, "a restart changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_more_is_rebalanced_onto_and_one_that_replicas_need_stays() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let options_of = |files| options(folder.path(), files);
    let first = options_of(manifest(folder.path(), hurried));
    DevCluster::start(&first).await.unwrap().stop().await;

    let grown = options_of(manifest(folder.path(), |text| hurried(text) + FOURTH_ZONE));
    let mut cluster = DevCluster::start(&grown).await.unwrap();
    let user = User::of(&cluster).await;
    assert_eq!(user.put("photos", b"").await, 201);
    settled(&mut cluster, async || {}).await;
    let ring = SharedRing::load(grown.data.join("etc/object.ring.gz")).unwrap().get();
    let zones: BTreeSet<u32> =
        (0..1024).flat_map(|part| ring.nodes(part).map(|d| d.zone).collect::<Vec<_>>()).collect();
    assert_eq!(zones, [1, 2, 3, 4].into());

    let third_and_fourth = |text: String| {
        let zone = text
            .rfind("---\napiVersion: swiftlet.io/v1alpha1\nkind: Zone\nmetadata:\n  name: rack3")
            .unwrap();
        let secret = text.rfind("---\napiVersion: v1\nkind: Secret").unwrap();
        text[..zone].to_string() + &text[secret..]
    };
    manifest(folder.path(), |text| third_and_fourth(hurried(text)));
    let refused = told(&mut cluster).await.unwrap_err();
    assert!(refused.contains("keeps 3 replicas apart in 3 zones, and 2 would stay"), "{refused}");
    assert!(refused.ends_with("the cluster goes on as it was"), "{refused}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_outlive_a_restart() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), vec![]);
    let cluster = DevCluster::start(&options).await.unwrap();
    let mut user = User::of(&cluster).await;
    cluster.stop().await;
    let cluster = DevCluster::start(&options).await.unwrap();
    user.address = cluster.address();
    assert_eq!(user.put("photos", b"").await, 201);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_of_another_node_is_refused() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), vec![]);
    DevCluster::start(&options).await.unwrap().stop().await;
    let device = |node: &str| options.data.join(node).join("d1");
    std::fs::rename(device("rack1-0"), folder.path().join("aside")).unwrap();
    std::fs::rename(device("rack2-0"), device("rack1-0")).unwrap();
    let refused = DevCluster::start(&options).await.err().unwrap().to_string();
    let is_not = "it is device d1 of node dev-rack2-0 in cluster dev, not device d1 of node dev-rack1-0 in cluster dev";
    assert!(refused.contains("rack1-0/d1: ") && refused.ends_with(is_not), "{refused}");
}

/// Lets `cluster` look at its manifests until it tells of a change.
async fn told(cluster: &mut DevCluster) -> Result<String, String> {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    tokio::select! {
        outcome = told.recv() => outcome.unwrap(),
        () = cluster.follow_manifests(|outcome| tell.send(outcome).unwrap()) => unreachable!("it follows for ever"),
        () = tokio::time::sleep(Duration::from_secs(60)) => panic!("the change is not seen"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_changes_shape_with_its_manifest() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), manifest(folder.path(), hurried));
    let mut cluster = DevCluster::start(&options).await.unwrap();
    let user = User::of(&cluster).await;
    assert_eq!(user.put("photos", b"").await, 201);

    manifest(folder.path(), |text| text.replacen("nodes: 1", "node: 1", 1));
    let mistake = told(&mut cluster).await.unwrap_err();
    assert!(
        mistake.contains("spec.node: there is no such field; the cluster goes on as it was"),
        "{mistake}"
    );
    manifest(folder.path(), |text| {
        hurried(text).replacen("interval: \"5\"", "interval: soon", 1) + FOURTH_ZONE
    });
    let mistake = told(&mut cluster).await.unwrap_err();
    assert!(mistake.contains("interval: \"soon\" is not a number of seconds"), "{mistake}");
    assert!(!options.data.join("rack4-0").exists(), "nothing was changed");

    manifest(folder.path(), |text| hurried(text) + FOURTH_ZONE);
    assert_eq!(told(&mut cluster).await.unwrap(), "changed: 4 zones · 4 nodes · 8 devices · 3 replicas");
    settled(&mut cluster, async || {}).await;
    let ring = SharedRing::load(options.data.join("etc/object.ring.gz")).unwrap().get();
    assert!((0..1024).any(|part| ring.nodes(part).any(|device| device.zone == 4)));
    assert_eq!(user.put("photos/cat", b"meow").await, 201);

    manifest(folder.path(), hurried);
    told(&mut cluster).await.unwrap();
    assert!(cluster.executor.waits(), "what leaves holds data");
    assert_eq!(user.get("photos/cat").await, (200, b"meow".to_vec()));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_option_reaches_the_roles_that_read_it() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), manifest(folder.path(), |text| text));
    let mut cluster = DevCluster::start(&options).await.unwrap();
    let user = User::of(&cluster).await;
    let info = async || user.send(Request::new(Method::Get, "/info")).await.status;
    assert_eq!(info().await, 200);
    manifest(folder.path(), |text| {
        text.replacen("allow_open_expired: \"true\"", "expose_info: \"false\"", 1)
    });
    told(&mut cluster).await.unwrap();
    assert_eq!(info().await, 403);
    cluster.stop().await;
}

const BACKUP_POOL: &str = "    - {name: default, replicas: 1}
    - name: backup
      config:
        proxy-server.conf:
          pipeline:main: {pipeline: catch_errors gatekeeper cache tempauth read_only proxy-server}
          filter:read_only: {use: 'egg:swift#read_only', read_only: 'true'}
        swift.conf: {swift-constraints: {max_object_name_length: '100'}}
";

#[tokio::test(flavor = "multi_thread")]
async fn every_pool_serves_at_a_port_of_its_own_by_its_own_rules() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let with_backup = |text: String| text.replacen("    - {name: default, replicas: 1}\n", BACKUP_POOL, 1);
    let options = options(folder.path(), manifest(folder.path(), with_backup));
    let cluster = DevCluster::start(&options).await.unwrap();
    let [(name, address)] = &cluster.executor.other_pools()[..] else { panic!("one more pool") };
    assert_eq!((name.as_str(), address.ip()), ("backup", cluster.address().ip()));
    let told = cluster.summary(&options.data);
    assert!(told.ends_with(&format!("\nproxies backup http://{address}/auth/v1.0")), "{told}");
    let user = User::of(&cluster).await;
    assert_eq!(user.put("photos", b"").await, 201);
    assert_eq!(user.put("photos/cat", b"meow").await, 201);
    let backup = User { address: *address, client: user.client.clone(), token: user.token.clone() };
    assert_eq!(backup.get("photos/cat").await, (200, b"meow".to_vec()));
    assert_eq!(backup.put("photos/dog", b"woof").await, 405, "its pipeline has read_only");
    let info = async |user: &User| user.send(Request::new(Method::Get, "/info")).await;
    let limit = |mut answer: Response| async move {
        let text = answer.body.read_all(1 << 20).await.unwrap();
        let info: serde_json::Value = serde_json::from_slice(&text).unwrap();
        info["swift"]["max_object_name_length"].as_u64()
    };
    assert_eq!(limit(info(&user).await).await, Some(1024));
    assert_eq!(limit(info(&backup).await).await, Some(100), "its swift.conf has another limit");
    cluster.stop().await;

    let again = DevCluster::start(&options).await.unwrap();
    assert_eq!(again.executor.other_pools(), [("backup".to_string(), *address)], "it keeps its port");
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_may_read_what_has_keys_in_it() {
    use std::os::unix::fs::PermissionsExt;
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), vec![]);
    DevCluster::start(&options).await.unwrap().stop().await;
    let etc = options.data.join("etc");
    for name in ["swift.conf", "proxy-server.conf", "token.key", "dev.json", "object-server/rack1-0.conf"] {
        let mode = std::fs::metadata(etc.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_mistake_is_told_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let error_of = async |options: &DevOptions| DevCluster::start(options).await.err().unwrap().to_string();

    let misspelt =
        options(folder.path(), manifest(folder.path(), |text| text.replacen("nodes: 1", "node: 1", 1)));
    let error = error_of(&misspelt).await;
    assert!(error.ends_with("dev.yaml: Zone rack1: spec.node: there is no such field"), "{error}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let in_use = DevOptions { listen: taken.local_addr().unwrap(), ..options(folder.path(), vec![]) };
    let error = error_of(&in_use).await;
    assert!(error.starts_with(&format!("cannot listen on {}", in_use.listen)), "{error}");

    let unwritable = DevOptions { data: "/proc/swiftlet".into(), ..options(folder.path(), vec![]) };
    let error = error_of(&unwritable).await;
    assert!(error.starts_with("/proc/swiftlet: cannot make the folder"), "{error}");
    assert!(!folder.path().join("data").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_hash_path_or_builder_is_never_made_anew() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), vec![]);
    DevCluster::start(&options).await.unwrap().stop().await;
    for file in ["swift.conf", "object.builder"] {
        let path = options.data.join("etc").join(file);
        let kept = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let error = DevCluster::start(&options).await.err().unwrap().to_string();
        assert!(error.contains(&format!("{file}: it is gone")), "{error}");
        std::fs::write(&path, kept).unwrap();
    }
    DevCluster::start(&options).await.unwrap().stop().await;
}
