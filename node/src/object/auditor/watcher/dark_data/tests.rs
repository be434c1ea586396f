//! The watcher on a cluster of real servers, in the auditor that is loaded from its file.

use super::*;
use crate::internal_client::{InternalClient, Path as Name};
use crate::role::DaemonKind;
use crate::role::testing::TestCluster;
use std::path::Path;

/// A cluster in whose container `c` two objects are listed, and a third one, `dark`, is not.
async fn cluster() -> (TestCluster, InternalClient) {
    let cluster = TestCluster::start().await;
    let client = cluster.client();
    assert_eq!(client.put(Name::container("a", "c"), &[], "").await, 201);
    for name in ["dark", "dark/er", "light"] {
        assert_eq!(client.put(Name::object("a", "c", name), &[], "hello").await, 201);
    }
    let direct = DirectClient::new(
        crate::role::Resources::default().client,
        client.container_ring(),
        cluster.swift().hash,
    );
    direct.delete_entry("a", "c", "dark", None).await;
    (cluster, client)
}

async fn audit(cluster: &TestCluster, options: &str) {
    let text = format!(
        "files_per_second = 0\nwatchers = swift#dark_data\n[object-auditor:watcher:swift#dark_data]\n{options}\n"
    );
    cluster.run(DaemonKind::ObjectAuditor, &text).await;
}

/// How many objects lie below a folder of each device.
fn objects(cluster: &TestCluster, folder: &str) -> usize {
    fn below(dir: &Path) -> usize {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries
            .map(|entry| if entry.path().is_dir() { below(&entry.path()) } else { data(&entry.path()) })
            .sum()
    }
    fn data(path: &Path) -> usize {
        path.extension().is_some_and(|extension| extension == "data").into()
    }
    ["sda", "sdb", "sdc"]
        .iter()
        .map(|device| below(&cluster.dir().join("node").join(device).join(folder)))
        .sum()
}

#[tokio::test]
async fn what_no_container_lists_is_told_removed_or_set_aside() {
    for (options, left, quarantined) in [
        ("grace_age = 0", 9, 0),
        ("action = shred\ngrace_age = 0", 9, 0),
        ("action = delete", 9, 0),
        ("action = delete\ngrace_age = 0", 6, 0),
        ("action = quarantine\ngrace_age = 0", 6, 3),
    ] {
        let (cluster, client) = cluster().await;
        audit(&cluster, options).await;
        assert_eq!(
            (objects(&cluster, "objects"), objects(&cluster, "quarantined")),
            (left, quarantined),
            "{options}"
        );
        let status = if left == 9 { 200 } else { 404 };
        let ask = |name| client.ask(crate::http::Method::Get, Name::object("a", "c", name), &[]);
        assert_eq!((ask("dark").await.status, ask("light").await.status), (status, 200), "{options}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_say_leaves_it_unknown() {
    let (cluster, _) = cluster().await;
    let containers = cluster.dir().join("node/sdb/containers");
    std::fs::rename(&containers, cluster.dir().join("away")).unwrap();
    audit(&cluster, "action = delete\ngrace_age = 0").await;
    assert_eq!(objects(&cluster, "objects"), 9);
    std::fs::rename(cluster.dir().join("away"), containers).unwrap();
    audit(&cluster, "action = delete\ngrace_age = 0").await;
    assert_eq!(objects(&cluster, "objects"), 6);
}

#[test]
fn what_servers_say_is_put_together() {
    let mut found = Found::default();
    let listing = |record_type: &'static str, name: &str| {
        let mut headers = Headers::new();
        headers.set("X-Backend-Record-Type", record_type);
        Some(crate::direct_client::ServerListing { headers, rows: vec![serde_json::json!({"name": name})] })
    };
    found.heed(listing("shard", ".shards_a/c-1"), "o");
    found.heed(listing("shard", ".shards_a/c-1"), "o");
    found.heed(listing("object", "o-other"), "o");
    assert!(!found.is_listed && !found.is_unsure);
    assert_eq!(found.shards.into_iter().collect::<Vec<_>>(), [(".shards_a".to_owned(), "c-1".to_owned())]);
    let mut found = Found::default();
    found.heed(None, "o");
    found.heed(listing("object", "o"), "o");
    assert!(found.is_listed && found.is_unsure);
}
