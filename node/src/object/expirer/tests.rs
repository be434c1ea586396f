//! The expirer beside a cluster's real servers.

use crate::direct_client::DirectClient;
use crate::http::{Client, ClientOptions, Headers};
use crate::internal_client::{InternalClient, Path};
use crate::role::DaemonKind;
use crate::role::testing::TestCluster;
use std::time::Duration;

const QUEUE: &str = ".expiring_objects";
/// One of the containers that the queue of a day has.
const OLD_SPAN: &str = "1402444795";

const HERE: &str = "dequeue_from_legacy = true\n";

async fn expire(cluster: &TestCluster, options: &str) {
    // accounts hear of the queue's containers from the updater
    cluster.run(DaemonKind::ContainerUpdater, "").await;
    cluster.run(DaemonKind::ObjectExpirer, options).await;
}

/// Enters what is no object of ours into the queue.
async fn enqueue(cluster: &TestCluster, client: &InternalClient, entry: &str, content_type: &'static str) {
    let connections = Client::new(ClientOptions::default());
    let direct = DirectClient::new(connections, client.container_ring(), cluster.swift().hash.clone());
    let mut headers = Headers::new();
    let fields = [
        ("X-Timestamp", "1402464600.00000"),
        ("X-Size", "0"),
        ("X-Etag", "x"),
        ("X-Content-Type", content_type),
    ];
    fields.into_iter().for_each(|(name, value)| headers.set(name, value));
    assert!(direct.put_entry(QUEUE, OLD_SPAN, entry, &headers).await);
}

#[tokio::test]
async fn what_expired_goes_and_its_entry_with_it() {
    let cluster = TestCluster::start().await;
    let client = cluster.client();
    client.put(Path::container("a", "c"), &[], "").await;
    // long enough that "kept" is written again before its time also where the machine is busy
    for (name, seconds) in [("now", "5"), ("later", "86400"), ("kept", "5")] {
        assert_eq!(client.put(Path::object("a", "c", name), &[("X-Delete-After", seconds)], "x").await, 201);
    }
    assert_eq!(client.put(Path::object("a", "c", "kept"), &[], "it does not expire any more").await, 201);
    tokio::time::sleep(Duration::from_millis(6100)).await;
    expire(&cluster, HERE).await;
    assert_eq!(client.names(Path::container("a", "c")).await, ["kept", "later"]);

    let recon = std::fs::read_to_string(cluster.dir().join("object.recon")).unwrap();
    let recon: serde_json::Value = serde_json::from_str(&recon).unwrap();
    assert_eq!(recon["expired_last_pass"], 1, "{recon}");
    // that of what does not expire any more is taken out by the updater, for the object server; what is empty then is
    // removed by the next pass, and what is for later stays
    cluster.run(DaemonKind::ObjectUpdater, "").await;
    expire(&cluster, HERE).await;
    let queues = client.names(Path::account(QUEUE)).await;
    let [later] = &queues[..] else { panic!("{queues:?}") };
    let entries = client.names(Path::container(QUEUE, later)).await;
    assert!(entries.len() == 1 && entries[0].ends_with("-a/c/later"), "{entries:?}");
}

#[tokio::test]
async fn queued_deletions_are_done_by_the_process_whose_they_are() {
    let cluster = TestCluster::start().await;
    let client = cluster.client();
    let old = ("X-Timestamp", "1402464000.00000");
    client.put(Path::container("a", "c"), &[old], "").await;
    for n in 0..12 {
        client.put(Path::object("a", "c", &format!("o{n}")), &[old], "x").await;
        enqueue(&cluster, &client, &format!("1402464677.00000-a/c/o{n}"), "application/async-deleted").await;
    }
    expire(&cluster, &format!("{HERE}processes = 2\nprocess = 0\nconcurrency = 4\n")).await;
    let left = client.names(Path::container("a", "c")).await.len();
    assert!((1..12).contains(&left), "{left}");
    assert_eq!(client.names(Path::container(QUEUE, OLD_SPAN)).await.len(), left);
    expire(&cluster, &format!("{HERE}processes = 2\nprocess = 1\n")).await;
    assert_eq!(client.names(Path::container("a", "c")).await, [""; 0]);
    assert_eq!(client.names(Path::container(QUEUE, OLD_SPAN)).await, [""; 0]);
}

#[tokio::test]
async fn nodes_that_share_by_their_ring_do_what_is_theirs_and_what_is_long_overdue() {
    let cluster = TestCluster::start().await;
    let client = cluster.client();
    client.put(Path::container("a", "c"), &[], "").await;
    enqueue(&cluster, &client, "1402464677.00000-a/c/o", "application/async-deleted").await;
    let entries = async || client.names(Path::container(QUEUE, OLD_SPAN)).await.len();
    // one that is not in the ring leaves tasks to those that are: for two passes each
    expire(&cluster, &format!("{HERE}processes = auto\nring_ip = 192.0.2.1\ninterval = 1e9\n")).await;
    assert_eq!(entries().await, 1);
    expire(&cluster, &format!("{HERE}processes = auto\nring_ip = 192.0.2.1\ninterval = 1\n")).await;
    assert_eq!(entries().await, 0);
    enqueue(&cluster, &client, "1402464678.00000-a/c/o", "application/async-deleted").await;
    expire(&cluster, &format!("{HERE}processes = auto\nring_ip = 127.0.0.1\ninterval = 1e9\n")).await;
    assert_eq!(entries().await, 0);
}

#[tokio::test]
async fn entries_without_an_object_wait_for_it_as_long_as_they_are_told() {
    let cluster = TestCluster::start().await;
    let client = cluster.client();
    client.put(Path::container("a", "c"), &[], "").await;
    enqueue(&cluster, &client, "1402464677-a/c/o", "text/plain").await;
    let entries = async || client.names(Path::container(QUEUE, OLD_SPAN)).await.len();
    expire(&cluster, &format!("{HERE}reclaim_age = 1e10\n")).await;
    assert_eq!(entries().await, 1);
    expire(&cluster, &format!("{HERE}delay_reaping_a = 1e10\n")).await;
    assert_eq!(entries().await, 1);
    expire(&cluster, HERE).await;
    assert_eq!(entries().await, 0);
}

#[tokio::test]
async fn a_node_that_is_not_told_to_expires_nothing() {
    let cluster = TestCluster::start().await;
    let client = cluster.client();
    enqueue(&cluster, &client, "1402464677-a/c/o", "application/async-deleted").await;
    expire(&cluster, "dequeue_from_legacy = false\n").await;
    assert_eq!(client.names(Path::container(QUEUE, OLD_SPAN)).await.len(), 1);
}
