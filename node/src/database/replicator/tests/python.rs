//! Our replicators push to Python Swift's servers, whole files by rsync.

use super::cluster::{Cluster, Rows};
use super::{meta, names};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use swiftlet_storage::db::{Account, Container, ObjectRecord, ShardRange};
use swiftlet_testing::{free_port, python};
use swiftlet_types::Timestamp;

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/database/replicator/tests/server.py");

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Python's server in the place of one of ours.
fn python_server<K: Rows>(cluster: &mut Cluster<K>, id: usize) -> Running {
    cluster.stop(id);
    let (root, port) = (cluster.node(id).root.path().display().to_string(), cluster.port(id).to_string());
    let mut child = Command::new(python())
        .args([SERVER, K::SERVER, &root, &port])
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it is piped"))
        .read_line(&mut line)
        .expect("it says something");
    assert_eq!(line, "ready\n");
    Running(child)
}

/// An rsync daemon with the module `devices` at `root`; its port.
fn rsync_daemon(root: &Path) -> (Running, u16) {
    let port = free_port();
    let config = root.join("rsyncd.conf");
    let text = format!(
        "use chroot = no\n[devices]\npath = {}\nread only = false\nuid = {}\ngid = {}\n",
        root.display(),
        rustix::process::getuid().as_raw(),
        rustix::process::getgid().as_raw()
    );
    std::fs::write(&config, text).unwrap();
    let child = Command::new("rsync")
        .args(["--daemon", "--no-detach", "--address=127.0.0.1", &format!("--port={port}")])
        .arg(format!("--config={}", config.display()))
        .spawn()
        .expect("no rsync: tests/setup/apt.sh rsync installs it");
    let running = Running(child);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    (running, port)
}

/// The cluster, and the server that is still running.
async fn pythons_peer_gets_what_it_misses<K: Rows>() -> (Cluster<K>, Running) {
    let mut cluster = Cluster::<K>::new(2, &[]).await;
    let python = python_server(&mut cluster, 1);
    let (_rsync, port) = rsync_daemon(cluster.node(1).root.path());
    cluster.set("rsync_module", format!("rsync://{{replication_ip}}:{port}/devices"));
    let broker = cluster.create(0);
    K::put(&broker, &names(0..3));
    let stats = cluster.pass(0).await;
    assert_eq!((&stats["rsync"], &stats["success"]), (&json!(1), &json!(1)), "{stats}");
    assert!(cluster.are_same() && cluster.ids_differ());

    K::put(&broker, &names(3..9));
    broker.update_metadata(vec![meta("X-Container-Meta-Color", "blue")], None).unwrap();
    assert_eq!(cluster.pass(0).await["diff"], json!(1));
    assert!(cluster.are_same());
    assert_eq!(cluster.pass(0).await["no_change"], json!(1));

    K::put(&cluster.at(1), &["theirs".to_owned()]);
    cluster.at(1).update_metadata(vec![meta("X-Container-Meta-Shape", "round")], None).unwrap();
    K::put(&broker, &names(9..200));
    let stats = cluster.pass(0).await;
    assert_eq!((&stats["remote_merge"], &stats["success"]), (&json!(1), &json!(1)), "{stats}");
    assert_eq!(K::count(&cluster.at(1)), 201);
    assert_eq!(cluster.at(0).metadata().unwrap().get("X-Container-Meta-Shape"), Some("round"));

    let handoff = cluster.create(2);
    K::put(&handoff, &names(200..203));
    assert_eq!(cluster.pass(2).await["remove"], json!(1));
    assert!(!handoff.dir().path().exists());
    assert_eq!((K::count(&cluster.at(0)), K::count(&cluster.at(1))), (203, 204));
    (cluster, python)
}

#[tokio::test(flavor = "multi_thread")]
async fn pythons_account_peer_gets_what_it_misses() {
    pythons_peer_gets_what_it_misses::<Account>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pythons_container_peer_gets_what_it_misses() {
    let (cluster, _python) = pythons_peer_gets_what_it_misses::<Container>().await;
    let shard = |name: &str| {
        let now = Timestamp::now().normal();
        let told = json!({
            "name": format!(".shards_a/{name}"), "timestamp": now, "lower": name, "upper": format!("{name}z"),
            "object_count": 1, "bytes_used": 2, "meta_timestamp": now, "deleted": 0, "state": 20,
            "state_timestamp": now, "epoch": null, "reported": 0, "tombstones": -1,
        });
        ShardRange::from_json(&told).unwrap()
    };
    cluster.at(0).merge_shard_ranges(vec![shard("k")]).unwrap();
    cluster.at(1).merge_shard_ranges(vec![shard("m")]).unwrap();
    cluster.at(0).put_object(ObjectRecord::tombstone("row 0001", Timestamp::now(), 0)).unwrap();
    assert_eq!(cluster.pass(0).await["failure"], json!(0));
    assert_eq!(cluster.shards(0), cluster.shards(1));
    assert_eq!(cluster.shards(0).len(), 2);
    cluster.at(1).set_storage_policy_index(1, Timestamp::now()).unwrap();
    cluster.pass(0).await;
    assert_eq!(cluster.at(1).info().unwrap().storage_policy_index, 0);
}
