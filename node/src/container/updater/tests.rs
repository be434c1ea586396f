//! Accounts hear of their containers: while a client waits, and from the updater later.

use super::run::ContainerUpdater;
use crate::account::AccountServer;
use crate::container::ContainerServer;
use crate::daemon::Daemon;
use crate::database::Jobs;
use crate::database::testing::{TestNode, ask};
use crate::http::Method::{Delete, Get, Post, Put};
use crate::http::server::serve;
use crate::http::{Client, ClientOptions, ServerOptions, Service};
use std::sync::Arc;
use swiftlet_ring::format::{self, FormatVersion};
use swiftlet_ring::{Device, DeviceIds, RingData, SharedRing};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const T1: &str = "1402464677.04188";
const T2: &str = "1402464678.00000";

/// A node with both servers; the account server listens, and a ring of one device leads to it.
struct Node {
    node: TestNode,
    accounts: Arc<AccountServer>,
    containers: ContainerServer,
    port: u16,
    _stop: tokio_util::sync::DropGuard,
}

impl Node {
    async fn new() -> Self {
        let node = TestNode::new();
        let jobs = Jobs::default();
        let options = node.options("app:account-server");
        let accounts = Arc::new(AccountServer::from_options(&options, node.swift(), jobs.clone()).unwrap());
        let client = Client::new(ClientOptions::default());
        let options = node.options("app:container-server");
        let containers = ContainerServer::from_options(&options, node.swift(), jobs, client).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        let service: Arc<dyn Service> = accounts.clone();
        tokio::spawn(serve(listener, None, ServerOptions::default(), service, stop.clone()));
        Self { node, accounts, containers, port, _stop: stop.drop_guard() }
    }

    fn updater(&self) -> ContainerUpdater {
        let device = Device {
            device: "sda".into(),
            id: 0,
            ip: "127.0.0.1".into(),
            meta: String::new(),
            port: self.port,
            region: 1,
            replication_ip: "127.0.0.1".into(),
            replication_port: self.port,
            weight: 1.0,
            zone: 1,
        };
        let ring = RingData {
            devices: vec![Some(device)],
            assignments: vec![DeviceIds::U16(vec![0])],
            part_power: 0,
            version: None,
            next_part_power: None,
        };
        let path = self.node.root.path().join("account.ring.gz");
        std::fs::write(&path, format::write(&ring, FormatVersion::V1).unwrap()).unwrap();
        let ring = Arc::new(SharedRing::load(path).unwrap());
        let options = self.node.options("container-updater");
        let client = Client::new(ClientOptions::default());
        ContainerUpdater::from_options(
            &options,
            self.node.swift().hash.clone(),
            ring,
            client,
            Jobs::default(),
        )
        .unwrap()
    }

    async fn account(&self) -> String {
        ask(&*self.accounts, Get, "/sda/0/a?format=json", &[], "").await.body
    }

    async fn put_container(&self, with_account: bool) -> u16 {
        let host = format!("127.0.0.1:{}", self.port);
        let mut headers = vec![("X-Timestamp", T1)];
        if with_account {
            headers.extend([
                ("X-Account-Host", host.as_str()),
                ("X-Account-Device", "sda"),
                ("X-Account-Partition", "0"),
            ]);
        }
        ask(&self.containers, Put, "/sda/7/a/c", &headers, "").await.status
    }
}

#[tokio::test]
async fn a_new_container_is_told_of_at_once_and_its_counts_later() {
    let node = Node::new().await;
    assert_eq!(node.put_container(true).await, 404, "the account is not there");
    assert_eq!(ask(&*node.accounts, Put, "/sda/0/a", &[("X-Timestamp", T1)], "").await.status, 201);
    assert_eq!(node.put_container(true).await, 202);
    assert!(node.account().await.contains("\"name\": \"c\", \"count\": 0"));

    let row = [("X-Timestamp", T1), ("X-Size", "5"), ("X-Content-Type", "a/b"), ("X-Etag", "e")];
    assert_eq!(ask(&node.containers, Put, "/sda/7/a/c/o", &row, "").await.status, 201);
    let updater = node.updater();
    updater.pass().await;
    let told = node.account().await;
    assert!(told.contains("\"name\": \"c\", \"count\": 1, \"bytes\": 5"), "{told}");

    // What was told already is not told again: the account's copy would come back to life.
    let forget =
        [("X-Put-Timestamp", T1), ("X-Delete-Timestamp", T2), ("X-Object-Count", "0"), ("X-Bytes-Used", "0")];
    assert_eq!(ask(&*node.accounts, Put, "/sda/0/a/c", &forget, "").await.status, 204);
    updater.pass().await;
    assert_eq!(node.account().await, "[]");
}

#[tokio::test]
async fn a_failing_account_is_let_alone_for_a_while() {
    let node = Node::new().await;
    assert_eq!(node.put_container(false).await, 201);
    let updater = node.updater();
    // Under another name the device has the container still, and the account server answers 507.
    let (disk, away) = (node.node.root.path().join("sda"), node.node.root.path().join("sdb"));
    std::fs::rename(&disk, &away).unwrap();
    updater.pass().await;
    std::fs::rename(&away, &disk).unwrap();
    assert_eq!(ask(&*node.accounts, Put, "/sda/0/a", &[("X-Timestamp", T1)], "").await.status, 201);
    updater.pass().await;
    assert_eq!(node.account().await, "[]", "still suppressed");
    node.updater().pass().await;
    assert!(node.account().await.contains("\"name\": \"c\""));
}

#[tokio::test]
async fn a_container_without_account_is_quarantined() {
    let node = Node::new().await;
    assert_eq!(node.put_container(false).await, 201);
    assert_eq!(ask(&node.containers, Post, "/sda/7/a/c", &[("X-Timestamp", T2)], "").await.status, 204);
    node.updater().pass().await;
    assert!(node.node.root.path().join("sda/quarantined/containers").exists());
    assert_eq!(ask(&node.containers, Delete, "/sda/7/a/c", &[("X-Timestamp", T2)], "").await.status, 404);
}
