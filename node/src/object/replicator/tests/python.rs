//! Beside Python Swift's object server, by both methods. rsync: `tests/setup/apt.sh rsync`.

use super::{Cluster, host, stat};
use crate::object::tests::Node;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use swiftlet_storage::object::hashes;
use swiftlet_testing::{free_port, python};

const SERVER: &str = include_str!("python.py");

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // ended already is as good
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Python's object server on the devices in `root`, and its port.
fn python_server(node: u32, root: &Path) -> (Running, u16) {
    let mut command = Command::new(python());
    command
        .args(["-c", SERVER])
        .args([&host(node), &root.display().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = Running(command.spawn().expect("python starts"));
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().expect("piped")).read_line(&mut line).unwrap();
    let port = line.trim().parse().expect("the server prints its port");
    (child, port)
}

/// An rsync daemon with a module for each node, `object` and its port; and the daemon's own port.
fn rsync_daemon(cluster: &Cluster, conf: &Path) -> (Running, u16) {
    let port = free_port();
    let is_root = rustix::process::geteuid().is_root();
    let own = if is_root { "uid = 0\ngid = 0\n" } else { "" };
    let mut text = format!("{own}use chroot = no\nread only = no\n");
    for (node, port) in cluster.nodes.iter().zip(&cluster.ports) {
        text += &format!("[object{port}]\npath = {}\n", node.root.path().display());
    }
    std::fs::write(conf, text).unwrap();
    let mut command = Command::new("rsync");
    command.args(["--daemon", "--no-detach", "--address=127.0.0.1", &format!("--port={port}")]);
    command.arg(format!("--config={}", conf.display())).stdin(Stdio::null());
    let child = Running(command.spawn().expect("rsync is installed: tests/setup/apt.sh rsync"));
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(10));
    }
    (child, port)
}

/// A replicator of ours on one node, object servers of Python's on all.
async fn pushes_to_python(method: &'static str, nodes: usize, filled: usize) {
    let all: Vec<Node> = (0..nodes).map(|_| Node::new()).collect();
    let conf = tempfile::tempdir().unwrap();
    let (mut running, ports): (Vec<Running>, Vec<u16>) =
        (0..).zip(&all).map(|(at, node)| python_server(at, node.root.path())).unzip();
    let serving = (0..nodes).map(|_| None).collect();
    let mut cluster = Cluster::of(all, ports, serving, &[("sync_method", method)], |_| 1);
    let is_handoff = nodes > 3;
    cluster.fill(filled, |partition| !is_handoff || partition == 0).await;
    let objects = cluster.objects(filled);
    if method == "rsync" {
        for node in 0..nodes {
            // as the node's own replicator would, at its first pass
            std::fs::create_dir_all(cluster.device(node).join("objects")).unwrap();
        }
        let (daemon, port) = rsync_daemon(&cluster, &conf.path().join("rsyncd.conf"));
        running.push(daemon);
        cluster.options.push(("rsync_module", format!("rsync://127.0.0.1:{port}/object{{port}}")));
    }
    let recon = cluster.replicate(filled).await;
    assert_eq!(stat(&recon, "failure"), 0, "{recon}");
    let others = (0..3).filter(|node| *node != filled);
    for node in others.clone() {
        assert_eq!(cluster.objects(node), objects);
    }
    if is_handoff {
        assert!(cluster.objects(filled).is_empty());
        return;
    }
    let again = cluster.replicate(filled).await;
    assert_eq!(stat(&again, "rsync"), 0, "Python's hashes are ours: {again}");
    let age = Duration::from_secs(604_800);
    for partition in objects.keys() {
        let of =
            |node| hashes::get_hashes(&cluster.device(node), 0, (*partition).into(), &[], age).unwrap().1;
        assert!(others.clone().all(|node| of(node) == of(filled)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ours_pushes_to_pythons_object_server_by_ssync() {
    pushes_to_python("ssync", 3, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ours_pushes_to_pythons_object_server_by_rsync() {
    pushes_to_python("rsync", 3, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ours_hands_over_to_pythons_object_server_by_either() {
    pushes_to_python("ssync", 4, 3).await;
    pushes_to_python("rsync", 4, 3).await;
}
