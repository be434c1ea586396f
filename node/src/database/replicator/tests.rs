//! Passes of both replicators over nodes of ours, and towards Python Swift's servers.

mod cluster;
mod python;

use super::Replica;
use crate::database::replicate::Replicated;
use cluster::{Cluster, Rows, container};
use serde_json::json;
use swiftlet_storage::db::{Account, Container, MetadataEntry, ObjectRecord};
use swiftlet_types::Timestamp;

fn names(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("row {n:04}")).collect()
}

fn meta(key: &str, value: &str) -> MetadataEntry {
    MetadataEntry { key: key.into(), value: value.into(), timestamp: Timestamp::now().internal() }
}

/// From nothing to whole files, rows, and whole files again.
async fn peers_get_what_they_miss<K: Replica + Rows>() {
    let cluster = Cluster::<K>::new(3, &[]).await;
    let broker = cluster.create(0);
    K::put(&broker, &names(0..3));
    let stats = cluster.pass(0).await;
    assert_eq!((&stats["rsync"], &stats["success"], &stats["attempted"]), (&json!(2), &json!(2), &json!(1)));
    assert!(cluster.are_same());
    assert!(cluster.ids_differ());

    K::put(&broker, &names(3..9));
    broker.update_metadata(vec![meta("X-Container-Meta-Color", "blue")], None).unwrap();
    cluster.at(2).update_metadata(vec![meta("X-Container-Meta-Shape", "round")], None).unwrap();
    let stats = cluster.pass(0).await;
    assert_eq!((&stats["diff"], &stats["failure"]), (&json!(2), &json!(0)));
    assert!(cluster.are_same());
    assert_eq!(cluster.at(1).metadata().unwrap().get("X-Container-Meta-Color"), Some("blue"));
    assert_eq!(cluster.at(0).metadata().unwrap().get("X-Container-Meta-Shape"), Some("round"));
    let stats = cluster.pass(0).await;
    assert_eq!((&stats["no_change"], &stats["diff"]), (&json!(2), &json!(0)));
    assert_eq!(cluster.at(1).metadata().unwrap().get("X-Container-Meta-Shape"), Some("round"));

    // far behind, with a row that is theirs alone
    K::put(&cluster.at(1), &["theirs".to_owned()]);
    K::put(&broker, &names(9..200));
    let stats = cluster.pass(0).await;
    assert_eq!(stats["remote_merge"], json!(2));
    assert_eq!((K::count(&cluster.at(1)), K::count(&cluster.at(2))), (201, 200));
    cluster.pass(1).await;
    cluster.pass(2).await;
    assert!(cluster.are_same());
    assert_eq!(K::count(&cluster.at(0)), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn account_peers_get_what_they_miss() {
    peers_get_what_they_miss::<Account>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn container_peers_get_what_they_miss() {
    peers_get_what_they_miss::<Container>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_rows_than_a_pass_may_send_go_with_the_next() {
    let cluster = Cluster::<Container>::new(2, &[("per_diff", "10"), ("max_diffs", "3")]).await;
    let broker = cluster.create(0);
    cluster.create(1);
    Container::put(&cluster.at(1), &names(0..60));
    Container::put(&broker, &names(60..160));
    let capped = cluster.pass(0).await;
    assert_eq!((&capped["diff_capped"], &capped["failure"]), (&json!(1), &json!(1)));
    assert_eq!(Container::count(&cluster.at(1)), 90);
    cluster.pass(0).await;
    cluster.pass(0).await;
    cluster.pass(0).await;
    assert_eq!(Container::count(&cluster.at(1)), 160);
}

/// With a peer down it stays; when all have it, it goes with its folders.
#[tokio::test(flavor = "multi_thread")]
async fn a_handoff_goes_when_all_primaries_have_it() {
    let mut cluster = Cluster::<Account>::new(3, &[]).await;
    let broker = cluster.create(3);
    Account::put(&broker, &names(0..3));
    cluster.stop(1);
    let stats = cluster.pass(3).await;
    assert_eq!((&stats["success"], &stats["failure"], &stats["remove"]), (&json!(2), &json!(1), &json!(0)));
    assert!(broker.exists().unwrap());
    let failed = stats["failure_nodes"].as_object().unwrap();
    assert_eq!(failed["127.0.0.1"], json!({"sda1": 1}));
    cluster.start(1).await;
    let stats = cluster.pass(3).await;
    assert_eq!((&stats["success"], &stats["remove"]), (&json!(3), &json!(1)));
    assert!(!broker.dir().path().parent().unwrap().exists());
    assert!(cluster.are_same());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handoff_goes_early_where_that_is_asked_for() {
    let mut cluster = Cluster::<Account>::new(3, &[("handoff_delete", "2"), ("handoffs_only", "yes")]).await;
    let (handoff, primary) = (cluster.create(3), cluster.create(0));
    cluster.stop(1);
    assert_eq!(cluster.pass(3).await["remove"], json!(1));
    assert!(!handoff.dir().path().exists());
    assert_eq!(cluster.pass(0).await["attempted"], json!(0));
    assert!(primary.exists().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_the_wrong_partition_is_brought_to_the_right_one() {
    let cluster = Cluster::<Account>::new(3, &[]).await;
    let broker = cluster.create(0);
    let right = broker.dir().path().to_owned();
    let partition = right.ancestors().nth(2).unwrap().to_owned();
    let wrong = partition.with_file_name("9");
    drop(broker);
    std::fs::rename(&partition, &wrong).unwrap();
    let stats = cluster.pass(0).await;
    assert_eq!((&stats["remove"], &stats["success"]), (&json!(1), &json!(2)), "{stats}");
    assert!(!wrong.exists());
    cluster.pass(1).await;
    assert!(right.exists() && cluster.are_same());
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_databases_go_after_a_while() {
    let cluster = Cluster::<Account>::new(2, &[("reclaim_age", "1")]).await;
    let broker = cluster.create(0);
    broker.delete_db(Timestamp::now()).unwrap();
    cluster.pass(0).await;
    assert!(broker.exists().unwrap(), "not yet");
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let stats = cluster.pass(0).await;
    assert_eq!((&stats["remove"], &stats["success"]), (&json!(1), &json!(0)));
    assert!(!broker.dir().path().exists());
}

/// Its account must hear of the deletion first.
#[tokio::test(flavor = "multi_thread")]
async fn deleted_containers_wait_for_their_report() {
    let cluster = Cluster::<Container>::new(2, &[("reclaim_age", "0")]).await;
    let broker = cluster.create(0);
    broker.delete_db(Timestamp::now()).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    assert_eq!(cluster.pass(0).await["remove"], json!(0));
    broker.set_reported(&broker.info().unwrap()).unwrap();
    assert_eq!(cluster.pass(0).await["remove"], json!(1));
    assert!(!broker.dir().path().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_database_is_set_aside_and_comes_back_from_a_peer() {
    let cluster = Cluster::<Container>::new(2, &[]).await;
    let broker = cluster.create(0);
    Container::put(&broker, &names(0..3));
    cluster.pass(0).await;
    let file = cluster.at(1).file().unwrap();
    std::fs::write(&file, "no database".repeat(1000)).unwrap();
    let other = cluster.node(1).root.path().join("sda1/containers/0/abc/00000000000000000000000000000abc");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("00000000000000000000000000000abc.db"), "").unwrap();
    let stats = cluster.pass(1).await;
    assert_eq!((&stats["attempted"], &stats["failure"]), (&json!(2), &json!(4)), "two nodes each");
    let aside = cluster.node(1).root.path().join("sda1/quarantined/containers");
    assert_eq!(std::fs::read_dir(aside).unwrap().count(), 2);
    cluster.pass(0).await;
    assert!(cluster.are_same());
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_and_partitions_can_be_picked() {
    let cluster = Cluster::<Account>::new(2, &[]).await;
    cluster.create(0);
    let partition = cluster.partition();
    assert_eq!(cluster.pass_of(0, &["sdz"], &[]).await["attempted"], json!(0));
    assert_eq!(cluster.pass_of(0, &[], &[1 - partition]).await["attempted"], json!(0));
    assert_eq!(cluster.pass_of(0, &["sda0"], &[partition]).await["attempted"], json!(1));
}

/// Objects in another policy than their container's are queued, and the queue is where it belongs at the end.
#[tokio::test(flavor = "multi_thread")]
async fn misplaced_objects_are_queued() {
    // The deletion is of long ago, and must not be forgotten.
    let cluster = Cluster::<Container>::new(2, &[("reclaim_age", "600000000")]).await;
    let broker = cluster.create(0);
    let created: Timestamp = "1402464677.04188".parse().unwrap();
    broker.put_object(ObjectRecord::tombstone("gone", created, 1)).unwrap();
    Container::put(&broker, &names(0..1));
    cluster.pass(0).await;
    let misplaced = broker.misplaced_since(-1, 9).unwrap();
    assert_eq!(broker.reconciler_sync_point().unwrap(), misplaced[0].0);
    for node in 0..2 {
        let queue = container(cluster.node(node), node, cluster.ring(), ".misplaced_objects", "1402462800");
        let rows = queue.rows_since(-1, 9).unwrap();
        let (_, row) = &rows[0];
        assert_eq!((row.name.as_str(), rows.len()), ("1:/a/c/gone", 1));
        assert_eq!(
            (row.content_type.as_str(), row.etag.as_str()),
            ("application/x-delete", "1402464677.04188")
        );
        assert_eq!(row.created_at, "1402464677.04188");
    }
    // The other replica takes the policy that is older, and so do its rows.
    let other = cluster.at(1);
    other.set_storage_policy_index(1, Timestamp::now()).unwrap();
    cluster.pass(0).await;
    assert_eq!(cluster.at(1).info().unwrap().storage_policy_index, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_swifts() {
    let cluster = Cluster::<Account>::new(2, &[]).await;
    let stats = cluster.pass(0).await;
    let mut keys: Vec<&str> = stats.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    // an empty `failure_nodes` is not kept, as by Python
    assert_eq!(
        keys,
        [
            "attempted",
            "deferred",
            "diff",
            "diff_capped",
            "empty",
            "failure",
            "hashmatch",
            "no_change",
            "remote_merge",
            "remove",
            "rsync",
            "start",
            "success",
            "ts_repl"
        ]
    );
    let recon = cluster.recon(0);
    assert!(recon["replication_time"].as_f64().is_some() && recon["replication_last"].as_f64().is_some());
}

/// What a device's tmp keeps of a copy.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_behind_in_tmp() {
    let cluster = Cluster::<Container>::new(2, &[]).await;
    Container::put(&cluster.create(0), &names(0..3));
    cluster.pass(0).await;
    assert_eq!(cluster.at(0).info().unwrap().hash, cluster.at(1).info().unwrap().hash);
    for node in 0..2 {
        let tmp = cluster.node(node).root.path().join(format!("sda{node}/tmp"));
        assert_eq!(std::fs::read_dir(tmp).unwrap().count(), 0);
    }
    let facts = Container::facts(&cluster.at(1)).unwrap();
    assert_eq!(facts["reported_object_count"], json!(0), "the copy has reported nothing");
}
