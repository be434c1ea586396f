//! The updater beside a cluster's real servers.

use crate::internal_client::{InternalClient, Path};
use crate::role::DaemonKind;
use crate::role::testing::TestCluster;
use swiftlet_storage::object::ObjectPath;
use swiftlet_storage::object::async_pending::AsyncPending;

const THEN: &str = "1402464677.04188";

async fn cluster() -> (TestCluster, InternalClient) {
    let cluster = TestCluster::start().await;
    let client = cluster.client();
    client.put(Path::container("a", "c"), &[("X-Storage-Policy", "gold")], "").await;
    (cluster, client)
}

/// Leaves an update on a device, of an object in that policy.
fn pend(cluster: &TestCluster, policy: u32, object: &str) -> std::path::PathBuf {
    let fields = [
        ("X-Timestamp", THEN),
        ("X-Size", "5"),
        ("X-Etag", "5d41402abc4b2a76b9719d911017c592"),
        ("X-Content-Type", "text/plain"),
    ];
    let update = AsyncPending {
        op: "PUT".into(),
        path: ObjectPath { account: "a".into(), container: "c".into(), object: object.into() },
        headers: fields.map(|(name, value)| (name.into(), value.into())).to_vec(),
        db_state: None,
        container_path: None,
        successes: vec![],
        redirect_history: vec![],
    };
    let device = cluster.dir().join("node/sda");
    update.save(&device, policy, &cluster.swift().hash, THEN.parse().unwrap()).unwrap()
}

fn recon(cluster: &TestCluster) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(cluster.dir().join("object.recon")).unwrap()).unwrap()
}

#[tokio::test]
async fn updates_of_every_policy_are_sent_and_recon_hears_of_it() {
    let (cluster, client) = cluster().await;
    let files = [pend(&cluster, 0, "gold one"), pend(&cluster, 1, "silver one")];
    cluster.run(DaemonKind::ObjectUpdater, "").await;
    assert!(files.iter().all(|file| !file.exists()));
    assert_eq!(client.names(Path::container("a", "c")).await, ["gold one"], "the other is not of its policy");
    let recon = recon(&cluster);
    assert!(
        recon["object_updater_sweep"].as_f64().is_some() && recon["object_updater_last"].as_f64().is_some()
    );
    assert_eq!(recon["object_updater_stats"]["failures_account_container_count"], 0, "{recon}");
    assert_eq!(recon["object_updater_per_device"].as_object().unwrap().len(), 3);
}

#[tokio::test]
async fn a_busy_container_has_its_share_and_the_rest_waits() {
    let (cluster, client) = cluster().await;
    for n in 0..5 {
        pend(&cluster, 0, &format!("o{n}"));
    }
    let limits = "max_objects_per_container_per_second = 0.01\ninterval = 1\n";
    cluster.run(DaemonKind::ObjectUpdater, limits).await;
    assert_eq!(client.names(Path::container("a", "c")).await.len(), 1);
    // what waits is sent while there is time
    cluster.run(DaemonKind::ObjectUpdater, "max_objects_per_container_per_second = 20\n").await;
    assert_eq!(client.names(Path::container("a", "c")).await.len(), 5);
}

#[tokio::test]
async fn the_oldest_update_that_fails_is_told_of() {
    let (cluster, _client) = cluster().await;
    let file = pend(&cluster, 0, "o");
    // nobody is there
    let ring = swiftlet_ring::load_data(&cluster.dir().join("container.ring.gz")).unwrap();
    let mut ring = ring;
    for device in ring.devices.iter_mut().flatten() {
        device.replication_port = 1;
    }
    let bytes = swiftlet_ring::format::write(&ring, swiftlet_ring::format::FormatVersion::V1).unwrap();
    std::fs::write(cluster.dir().join("container.ring.gz"), bytes).unwrap();
    cluster.run(DaemonKind::ObjectUpdater, "").await;
    assert!(file.exists());
    let stats = recon(&cluster)["object_updater_stats"].clone();
    assert_eq!(stats["failures_oldest_timestamp"], 1_402_464_677.041_88);
    let oldest = &stats["failures_oldest_timestamp_account_containers"]["oldest_entries"][0];
    assert_eq!((&oldest["account"], &oldest["container"]), (&"a".into(), &"c".into()));
}
