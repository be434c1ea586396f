//! Partitions that belong elsewhere.

use super::{Cluster, stat};
use crate::http::Method;
use crate::object::tests::recent;
use std::path::Path;
use swiftlet_storage::lock::{LockOptions, lock_dir};

/// A node that partition 0 does not belong on.
const HANDOFF: usize = 3;

fn partition_dir(cluster: &Cluster) -> std::path::PathBuf {
    cluster.device(HANDOFF).join("objects/0")
}

fn is_gone(dir: &Path) -> bool {
    !dir.exists()
}

#[tokio::test]
async fn a_handoff_is_pushed_back_and_removed() {
    let cluster = Cluster::new(4, &[("sync_method", "ssync")]).await;
    assert_eq!(cluster.primaries(0), [0, 1, 2]);
    cluster.fill(HANDOFF, |partition| partition == 0).await;
    let all = cluster.objects(HANDOFF);
    assert!(all[&0].len() > 3, "{all:?}");
    let recon = cluster.replicate(HANDOFF).await;
    for node in [0, 1, 2] {
        assert_eq!(cluster.objects(node), all);
    }
    assert!(is_gone(&partition_dir(&cluster)));
    assert_eq!(
        ["attempted", "remove", "rsync", "success", "failure"].map(|n| stat(&recon, n)),
        [1, 1, 3, 3, 0]
    );
}

#[tokio::test]
async fn nothing_is_removed_that_is_not_elsewhere() {
    for (enough, removed) in [("auto", false), ("2", true)] {
        let mut cluster = Cluster::new(4, &[("sync_method", "ssync"), ("handoff_delete", enough)]).await;
        cluster.fill(HANDOFF, |partition| partition == 0).await;
        let all = cluster.objects(HANDOFF);
        cluster.serving[1] = None;
        // its listener closes at once, connections when they are idle
        while tokio::net::TcpStream::connect((super::host(1), cluster.ports[1])).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let recon = cluster.replicate(HANDOFF).await;
        assert_eq!(cluster.objects(2), all);
        assert_eq!(is_gone(&partition_dir(&cluster)), removed, "handoff_delete={enough}");
        assert_eq!((stat(&recon, "success"), stat(&recon, "failure")), (2, 1));
        if !removed {
            assert_eq!(cluster.objects(HANDOFF), all);
        }
    }
}

#[tokio::test]
async fn a_locked_partition_waits_for_the_next_pass() {
    let cluster = Cluster::new(4, &[("sync_method", "ssync")]).await;
    cluster.fill(HANDOFF, |partition| partition == 0).await;
    let options = LockOptions { name: Some("replication"), ..LockOptions::default() };
    let held = lock_dir(&partition_dir(&cluster), options).unwrap();
    cluster.replicate(HANDOFF).await;
    assert!(cluster.objects(0).is_empty() && !is_gone(&partition_dir(&cluster)));
    drop(held);
    cluster.replicate(HANDOFF).await;
    assert!(is_gone(&partition_dir(&cluster)));
}

#[tokio::test]
async fn an_empty_handoff_is_removed() {
    let cluster = Cluster::new(4, &[("sync_method", "ssync")]).await;
    std::fs::create_dir_all(partition_dir(&cluster).join("abc")).unwrap();
    std::fs::write(partition_dir(&cluster).join("hashes.pkl"), "").unwrap();
    cluster.replicate(HANDOFF).await;
    assert!(is_gone(&partition_dir(&cluster)));
}

#[tokio::test]
async fn handoffs_first_keeps_others_waiting_until_they_are_gone() {
    let mut cluster = Cluster::new(4, &[("sync_method", "ssync"), ("handoffs_first", "yes")]).await;
    cluster.fill(HANDOFF, |_| true).await;
    let guard = cluster.serving[1].take();
    drop(guard);
    while tokio::net::TcpStream::connect((super::host(1), cluster.ports[1])).await.is_ok() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let recon = cluster.replicate(HANDOFF).await;
    let handoffs = (0..8).filter(|p| !cluster.primaries(*p).contains(&HANDOFF)).count() as u64;
    assert_eq!(stat(&recon, "attempted"), handoffs);
}

#[tokio::test]
async fn another_region_is_sent_an_object_once() {
    let region = |id: u32| if id == 1 || id == 2 { 2 } else { 1 };
    let cluster = Cluster::in_regions(4, &[("sync_method", "ssync")], region).await;
    cluster.fill(HANDOFF, |partition| partition == 0).await;
    let all = cluster.objects(HANDOFF);
    cluster.replicate(HANDOFF).await;
    assert_eq!(cluster.objects(0), all);
    let has = |node| !cluster.objects(node).is_empty();
    assert!(has(1) != has(2), "one of the two");
    assert_eq!(cluster.objects(HANDOFF), all, "and so it stays");
    let (first, second) = if has(1) { (1, 2) } else { (2, 1) };
    cluster.replicate(first).await;
    assert_eq!(cluster.objects(second), all);
    cluster.replicate(HANDOFF).await;
    assert!(is_gone(&partition_dir(&cluster)));
}

#[tokio::test]
async fn what_is_newer_where_it_belongs_stays() {
    let cluster = Cluster::new(4, &[("sync_method", "ssync")]).await;
    cluster.fill(HANDOFF, |partition| partition == 0).await;
    let object = (0..60).map(|n| format!("ö{n}")).find(|name| cluster.partition_of(name) == 0).unwrap();
    for node in [0, 1, 2] {
        cluster.send(node, Method::Delete, &object, &recent(900), "").await;
    }
    cluster.replicate(HANDOFF).await;
    assert!(is_gone(&partition_dir(&cluster)));
    for node in [0, 1, 2] {
        assert_eq!(cluster.send(node, Method::Get, &object, &recent(901), "").await.0, 404);
    }
}
