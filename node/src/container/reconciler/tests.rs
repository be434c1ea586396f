//! The reconciler beside a cluster's real servers.

use super::Misplaced;
use crate::container::misplaced::Operation;
use crate::direct_client::DirectClient;
use crate::http::{Client, ClientOptions, Method};
use crate::internal_client::{InternalClient, Path};
use crate::role::DaemonKind;
use crate::role::testing::TestCluster;
use swiftlet_types::Timestamp;

const GOLD: (&str, &str) = ("X-Backend-Storage-Policy-Index", "0");
const SILVER: (&str, &str) = ("X-Backend-Storage-Policy-Index", "1");
const THEN: &str = "1402464677.04188";

/// A cluster with a container in policy gold, and an object of it in silver.
async fn misplaced(headers: &[(&'static str, &str)]) -> (TestCluster, InternalClient) {
    let cluster = TestCluster::start().await;
    let client = cluster.client();
    client.put(Path::container("a", "c"), &[("X-Storage-Policy", "gold")], "").await;
    let headers = [&[SILVER, ("X-Timestamp", THEN)], headers].concat();
    assert_eq!(client.put(Path::object("a", "c", "o"), &headers, "hello").await, 201);
    (cluster, client)
}

async fn enqueue(cluster: &TestCluster, client: &InternalClient, operation: Operation, time: &str) -> String {
    let timestamp = time.parse().unwrap();
    let item = Misplaced {
        policy_index: 1,
        account: "a".into(),
        container: "c".into(),
        object: "o".into(),
        operation,
        timestamp,
        entered: timestamp,
    };
    let connections = Client::new(ClientOptions::default());
    let direct = DirectClient::new(connections, client.container_ring(), cluster.swift().hash.clone());
    let queue = item.enqueue(&direct).await.unwrap();
    assert_eq!(client.names(Path::container(".misplaced_objects", &queue)).await, ["1:/a/c/o"]);
    // accounts hear of the queue's containers from the updater
    cluster.run(DaemonKind::ContainerUpdater, "").await;
    queue
}

async fn status(client: &InternalClient, policy: (&'static str, &str)) -> u16 {
    client.ask(Method::Head, Path::object("a", "c", "o"), &[policy]).await.status
}

async fn is_queued(client: &InternalClient, queue: &str) -> bool {
    !client.names(Path::container(".misplaced_objects", queue)).await.is_empty()
}

#[tokio::test]
async fn an_object_is_moved_to_its_containers_policy_as_it_is() {
    let metadata = [("X-Object-Meta-Color", "blue"), ("Content-Type", "text/x-own")];
    let (cluster, client) = misplaced(&metadata).await;
    let queue = enqueue(&cluster, &client, Operation::Put, THEN).await;
    assert_eq!((status(&client, GOLD).await, status(&client, SILVER).await), (404, 200));
    cluster.run(DaemonKind::ContainerReconciler, "").await;
    assert_eq!(status(&client, SILVER).await, 404);
    let mut moved = client.ask(Method::Get, Path::object("a", "c", "o"), &[GOLD]).await;
    assert_eq!(moved.status, 200);
    assert_eq!(&moved.body.read_all(100).await.unwrap()[..], b"hello");
    assert_eq!(moved.headers.get_str("X-Object-Meta-Color"), Some("blue"));
    assert_eq!(moved.headers.get_str("Content-Type"), Some("text/x-own"));
    assert_eq!(moved.headers.get_str("X-Backend-Timestamp"), Some("1402464677.04188_0000000000000003"));
    assert!(!is_queued(&client, &queue).await);
    assert_eq!(client.names(Path::container("a", "c")).await, ["o"]);
    // an old container of the queue that is empty goes with the next pass
    cluster.run(DaemonKind::ContainerReconciler, "").await;
    assert_eq!(client.names(Path::account(".misplaced_objects")).await, [""; 0]);
}

#[tokio::test]
async fn what_is_newer_where_it_belongs_stays() {
    let (cluster, client) = misplaced(&[]).await;
    let queue = enqueue(&cluster, &client, Operation::Put, THEN).await;
    assert_eq!(client.put(Path::object("a", "c", "o"), &[GOLD], "newer").await, 201);
    cluster.run(DaemonKind::ContainerReconciler, "concurrency = 3\n").await;
    let mut kept = client.ask(Method::Get, Path::object("a", "c", "o"), &[GOLD]).await;
    assert_eq!(&kept.body.read_all(100).await.unwrap()[..], b"newer");
    assert_eq!((status(&client, SILVER).await, is_queued(&client, &queue).await), (404, false));
}

#[tokio::test]
async fn a_deletion_in_the_wrong_policy_is_done_in_the_right_one() {
    let (cluster, client) = misplaced(&[]).await;
    let stored = [GOLD, ("X-Timestamp", "1402464678.00000")];
    client.put(Path::object("a", "c", "o"), &stored, "older than its deletion").await;
    let deleted = "1402464679.00000";
    let headers = [SILVER, ("X-Timestamp", deleted)];
    client.ask(Method::Delete, Path::object("a", "c", "o"), &headers).await;
    let queue = enqueue(&cluster, &client, Operation::Delete, deleted).await;
    cluster.run(DaemonKind::ContainerReconciler, "").await;
    assert_eq!((status(&client, GOLD).await, is_queued(&client, &queue).await), (404, false));
}

#[tokio::test]
async fn what_cannot_be_had_is_looked_for_until_it_is_too_old() {
    let (cluster, client) = misplaced(&[]).await;
    let newer = Timestamp::now().internal();
    let queue = enqueue(&cluster, &client, Operation::Put, &newer).await;
    cluster.run(DaemonKind::ContainerReconciler, "").await;
    assert!(is_queued(&client, &queue).await, "the object is older than what the entry tells of");
    cluster.run(DaemonKind::ContainerReconciler, "processes = 7\nprocess = 6\nreclaim_age = 0\n").await;
    cluster.run(DaemonKind::ContainerReconciler, "reclaim_age = 0\n").await;
    assert_eq!((is_queued(&client, &queue).await, status(&client, SILVER).await), (false, 200));
}
