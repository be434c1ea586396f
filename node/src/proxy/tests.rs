//! The application against nodes that fail in the ways that nodes do.

pub(super) mod nodes;

use crate::http::{Body, BodyError, BodyStream, Method};
use async_trait::async_trait;
use bytes::Bytes;
use nodes::{Cluster, Fault, etag_of};
use std::time::{Duration, Instant};

const OLD: &str = "1700000000.00000";
const NEW: &str = "1700000001.00000";

#[tokio::test]
async fn an_object_goes_to_every_replica_and_comes_from_one() {
    let cluster = Cluster::start(5, &[]).await;
    let (status, headers) = cluster.put("hello").await;
    assert_eq!((status, headers.get_str("etag")), (201, Some(etag_of(b"hello").as_str())));
    assert!(headers.contains("last-modified"));
    for node in &cluster.nodes[..3] {
        assert_eq!(node.has().as_deref(), Some(&b"hello"[..]));
    }
    assert!(cluster.nodes[3..].iter().all(|node| node.has().is_none()));
    assert_eq!(cluster.get(&[]).await, (200, "hello".into()));
    assert_eq!(cluster.nodes[1].methods(), ["PUT"], "the first replica was enough");
    let (status, _, body) = cluster.request(Method::Delete, &[], Body::empty()).await;
    assert_eq!((status, &body[..]), (204, &b""[..]));
    assert_eq!(cluster.get(&[]).await.0, 404);
}

#[tokio::test]
async fn each_container_server_is_named_to_one_object_server() {
    let cluster = Cluster::start(3, &[]).await;
    cluster
        .request(Method::Put, &[("X-Delete-After", "60"), ("X-Auth-Token", "secret")], "hello".into())
        .await;
    let mut hosts = Vec::new();
    for node in &cluster.nodes {
        let seen = node.seen.lock();
        let headers = &seen[0].1;
        hosts.push(headers.get_str("x-container-host").unwrap().to_owned());
        assert_eq!(headers.get_str("x-backend-storage-policy-index"), Some("0"));
        assert!(headers.get_str("referer").unwrap().starts_with("PUT http://"));
        assert!(headers.get_str("user-agent").unwrap().starts_with("proxy-server "));
        assert!(headers.contains("x-delete-at") && headers.contains("x-delete-at-host"));
        assert!(!headers.contains("x-auth-token") && !headers.contains("x-delete-after"));
    }
    hosts.sort();
    hosts.dedup();
    assert_eq!(hosts.len(), 3);
}

#[tokio::test]
async fn a_full_device_is_replaced_and_left_alone() {
    let cluster = Cluster::start(4, &[]).await;
    cluster.fail(1, Fault::Status(507));
    assert_eq!(cluster.put("hello").await.0, 201);
    assert_eq!(cluster.nodes[3].has().as_deref(), Some(&b"hello"[..]));
    assert_eq!(cluster.put("again").await.0, 201);
    assert_eq!(cluster.nodes[1].methods(), ["PUT"], "it is not asked a second time");
}

#[tokio::test]
async fn fewer_nodes_than_a_quorum_take_nothing() {
    let cluster = Cluster::start(3, &[]).await;
    cluster.fail(0, Fault::Status(503));
    assert_eq!(cluster.put("hello").await.0, 201);
    cluster.fail(1, Fault::Status(503));
    assert_eq!(cluster.put("hello").await.0, 503);
}

#[tokio::test]
async fn nodes_that_stored_different_things_are_an_error() {
    let cluster = Cluster::start(3, &[]).await;
    cluster.fail(2, Fault::WrongEtag);
    assert_eq!(cluster.put("hello").await.0, 500);
}

#[tokio::test]
async fn a_body_goes_on_where_a_node_breaks_off() {
    let cluster = Cluster::start(3, &[]).await;
    cluster.nodes.iter().for_each(|node| node.store(OLD, "0123456789"));
    cluster.fail(0, Fault::BreaksOffAfter(4));
    cluster.fail(1, Fault::BreaksOffAfter(3));
    assert_eq!(cluster.get(&[]).await, (200, "0123456789".into()));
    let ranges: Vec<_> =
        cluster.nodes.iter().map(|n| n.seen.lock()[0].1.get_str("range").map(String::from)).collect();
    assert_eq!(ranges, [None, Some("bytes=4-9".into()), Some("bytes=7-9".into())]);
}

#[tokio::test]
async fn a_body_never_goes_on_with_another_object() {
    let cluster = Cluster::start(3, &[]).await;
    cluster.nodes[0].store(NEW, "0123456789");
    cluster.nodes[1].store(OLD, "abcdefghij");
    cluster.nodes[2].store(OLD, "abcdefghij");
    cluster.fail(0, Fault::BreaksOffAfter(4));
    let (status, body) = cluster.get(&[]).await;
    assert_eq!(status, 200);
    assert!(body.starts_with(b"broken off"), "{body:?}");
}

#[tokio::test]
async fn the_second_node_is_asked_when_the_first_is_slow() {
    let cluster = Cluster::start(3, &[("concurrent_gets", "yes"), ("concurrency_timeout", "0.05")]).await;
    cluster.nodes.iter().for_each(|node| node.store(OLD, "hello"));
    cluster.fail(0, Fault::Late(Duration::from_secs(60)));
    let started = Instant::now();
    assert_eq!(cluster.get(&[]).await, (200, "hello".into()));
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn a_node_that_takes_too_long_is_passed_over() {
    let cluster = Cluster::start(3, &[("node_timeout", "2")]).await;
    cluster.nodes.iter().for_each(|node| node.store(OLD, "hello"));
    cluster.fail(0, Fault::Late(Duration::from_secs(60)));
    assert_eq!(cluster.get(&[]).await, (200, "hello".into()));
    assert_eq!(cluster.put("again").await.0, 201);
}

#[tokio::test]
async fn newest_asks_all() {
    let cluster = Cluster::start(3, &[]).await;
    cluster.nodes[0].store(OLD, "old");
    cluster.nodes[2].store(NEW, "new");
    assert_eq!(cluster.get(&[]).await, (200, "old".into()));
    assert_eq!(cluster.get(&[("X-Newest", "true")]).await, (200, "new".into()));
    cluster.nodes[1].store(NEW, "");
    cluster.nodes[2].store(OLD, "old");
    assert_eq!(cluster.get(&[("X-Newest", "true")]).await.0, 404, "a deletion is newer than what is left");
}

#[tokio::test]
async fn one_missing_replica_is_not_believed() {
    let cluster = Cluster::start(5, &[]).await;
    cluster.nodes[2].store(OLD, "hello");
    assert_eq!(cluster.get(&[]).await, (200, "hello".into()));
    let (status, _, _) = cluster.request(Method::Post, &[("X-Object-Meta-A", "b")], Body::empty()).await;
    assert_eq!(status, 503, "one has it, so that it is missing cannot be said");
}

#[tokio::test]
async fn what_is_missing_at_some_nodes_can_be_deleted() {
    let cluster = Cluster::start(3, &[]).await;
    cluster.nodes[0].store(OLD, "hello");
    cluster.fail(2, Fault::Status(503));
    assert_eq!(cluster.request(Method::Delete, &[], Body::empty()).await.0, 204);
}

/// Gives its bytes, and then ends as it is told.
struct Ends(Bytes, Option<BodyError>);

#[async_trait]
impl BodyStream for Ends {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        match (std::mem::take(&mut self.0), self.1.take()) {
            (none, Some(error)) if none.is_empty() => Err(error),
            (none, None) if none.is_empty() => std::future::pending().await,
            (bytes, error) => {
                self.1 = error;
                Ok(Some(bytes))
            }
        }
    }
}

#[tokio::test]
async fn what_a_client_does_not_send_is_not_stored() {
    let cluster = Cluster::start(3, &[("client_timeout", "0.1")]).await;
    let ends = |error| Body::stream(Some(10), Ends(Bytes::from_static(b"01234"), error));
    assert_eq!(cluster.put(ends(Some(BodyError::Disconnected { got: 5 }))).await.0, 499);
    assert_eq!(cluster.put(ends(None)).await.0, 408);
    assert!(cluster.nodes.iter().all(|node| node.has().is_none()));
}

#[tokio::test]
async fn requests_that_cannot_be() {
    let cluster = Cluster::start(3, &[]).await;
    let put = |name: &'static str, value: &'static str| {
        let cluster = &cluster;
        async move { cluster.request(Method::Put, &[(name, value)], "hello".into()).await.0 }
    };
    assert_eq!(put("If-None-Match", "abc").await, 400);
    assert_eq!(put("X-Delete-After", "x").await, 400);
    assert_eq!(put("X-Timestamp", "x").await, 400);
    assert_eq!(put("Content-Length", "99999999999").await, 413);
    assert_eq!(put("Content-Type", "text/plain; swift_bytes=1").await, 400);
    assert_eq!(cluster.request(Method::Copy, &[], Body::empty()).await.0, 405);
    assert!(cluster.nodes.iter().all(|node| node.seen.lock().is_empty()));
}
