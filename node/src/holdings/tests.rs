//! Folders as servers and daemons leave them, rings as the operator publishes them.

use super::testing::Folder;
use super::*;
use serde_json::json;
use std::path::Path;

fn holdings(folder: &Folder) -> Holdings {
    let node = folder.node();
    node.holdings(&node.assignments().unwrap(), ["d1", "d2", "d3"])
}

fn held(partitions: u64, misplaced: u64) -> RingHoldings {
    RingHoldings { partitions, misplaced }
}

fn rings<const N: usize>(rings: [(&str, RingHoldings); N]) -> Option<BTreeMap<String, RingHoldings>> {
    Some(rings.into_iter().map(|(ring, held)| (ring.to_owned(), held)).collect())
}

#[test]
fn what_holds_something_is_counted_by_whose_it_is() {
    let folder = Folder::new("");
    folder.rings_with([0, 0, 1, 1]);
    folder.write("srv/d1/objects/0/abc/0123abc/1.data", "");
    folder.write("srv/d1/objects/0/hashes.pkl", "");
    folder.write("srv/d1/objects/1/.lock", "");
    folder.write("srv/d1/objects/1/hashes.pkl", "");
    folder.write("srv/d1/objects/1/hashes.invalid", "");
    folder.write("srv/d1/objects/2/abc/0123abc/1.data", "");
    folder.write("srv/d1/objects/7/abc/0123abc/1.data", "");
    folder.write("srv/d1/objects/auditor_status_ALL.json", "{}");
    folder.write("srv/d1/containers/3/fff/01fff/01fff.db", "");
    folder.write("srv/d1/objects-3/0/abc/0123abc/1.data", "");
    folder.write("srv/d1/objects-4/0/hashes.pkl", "");
    folder.write("srv/d2/objects/0/abc/0123abc/1.data", "");
    let found = holdings(&folder).devices;
    let expected = [
        ("account", held(0, 0)),
        ("container", held(1, 1)),
        ("object", held(3, 2)),
        ("object-3", held(1, 1)),
    ];
    assert_eq!(found["d1"].rings, rings(expected));
    // a device that the ring gives nothing has everything misplaced
    let expected = [("account", held(0, 0)), ("container", held(0, 0)), ("object", held(1, 1))];
    assert_eq!(found["d2"].rings, rings(expected));
    assert!(found["d1"].used_bytes.unwrap() <= found["d1"].size_bytes.unwrap());
    assert_eq!(found["d3"], DeviceHoldings::default(), "what is not there is not told");
}

#[test]
fn a_node_that_is_in_no_ring_has_everything_misplaced() {
    let folder = Folder::new("");
    folder.rings_with([0, 0, 1, 1]);
    let conf = folder.at("etc/object-server.conf");
    let text = std::fs::read_to_string(&conf).unwrap().replace("node-0", "node-9");
    std::fs::write(conf, text).unwrap();
    folder.write("srv/d1/objects/0/abc/0123abc/1.data", "");
    assert_eq!(holdings(&folder).devices["d1"].rings.as_ref().unwrap()["object"], held(1, 1));
}

#[test]
fn updates_that_wait_and_what_is_in_quarantine_are_counted() {
    let folder = Folder::new("");
    folder.rings_with([0, 0, 1, 1]);
    for path in
        ["async_pending/abc/1", "async_pending/abc/2", "async_pending-1/0ff/3", "async_pendings/0ff/4"]
    {
        folder.write(&format!("srv/d1/{path}"), "");
    }
    folder.write("srv/d1/quarantined/objects/0123abc/1.data", "");
    folder.write("srv/d1/quarantined/containers/0123abd/0123abd.db", "");
    let found = &holdings(&folder).devices["d1"];
    assert_eq!((found.async_pendings, found.quarantined), (Some(3), Some(2)));
}

#[test]
fn what_cannot_be_read_is_not_taken_for_empty() {
    let folder = Folder::new("");
    folder.rings_with([0, 0, 1, 1]);
    // a loop of links can be entered by nobody, root included
    let datadir = folder.at("srv/d1/objects");
    std::os::unix::fs::symlink(&datadir, &datadir).unwrap();
    let found = &holdings(&folder).devices["d1"];
    assert_eq!(found.rings, None);
    assert_eq!((found.async_pendings, found.quarantined), (Some(0), Some(0)));
    assert!(found.size_bytes.is_some());

    std::fs::remove_file(&datadir).unwrap();
    let waiting = folder.at("srv/d1/async_pending");
    std::os::unix::fs::symlink(&waiting, &waiting).unwrap();
    let found = &holdings(&folder).devices["d1"];
    assert_eq!((found.async_pendings, &found.rings), (None, &None), "updates that wait are held too");
}

#[test]
fn a_ring_that_cannot_be_used_is_told() {
    let folder = Folder::new("");
    folder.rings_with([0, 0, 1, 1]);
    folder.write("etc/object-1.ring.gz", "half a ring");
    assert!(folder.node().assignments().unwrap_err().to_string().contains("object-1.ring.gz"));
}

fn write_recon(path: &Path, figures: serde_json::Value) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, figures.to_string()).unwrap();
}

#[test]
fn passes_are_those_that_daemons_finished() {
    let folder = Folder::new("");
    folder.rings_with([0, 0, 1, 1]);
    assert_eq!(holdings(&folder).passes, BTreeMap::new());
    let databases = json!({"replication_last": 1000.9, "replication_time": 0.5});
    write_recon(&folder.at("cache/account.recon"), databases);
    // minutes, for objects
    let objects = json!({"object_replication_last": 2000.5, "object_replication_time": 1.5});
    write_recon(&folder.at("cache/object.recon"), objects);
    let account = Pass { began: 1000, ended: 1000 };
    let object = Pass { began: 1910, ended: 2000 };
    assert_eq!(holdings(&folder).passes, [("account", account), ("object", object)].into());
}

#[test]
fn with_fragments_a_pass_over_objects_is_that_of_both_daemons() {
    let folder = Folder::new(
        "[storage-policy:0]\nname = gold\npolicy_type = erasure_coding\nec_type = liberasurecode_rs_vand\n\
         ec_num_data_fragments = 2\nec_num_parity_fragments = 1\n",
    );
    folder.rings_with([0, 0, 1, 1]);
    let recon = folder.at("cache/object.recon");
    let mut figures = json!({"object_replication_last": 2000, "object_replication_time": 1});
    write_recon(&recon, figures.clone());
    assert_eq!(holdings(&folder).passes, BTreeMap::new());
    figures["object_reconstruction_last"] = json!(1990);
    figures["object_reconstruction_time"] = json!(2);
    write_recon(&recon, figures);
    assert_eq!(holdings(&folder).passes, [("object", Pass { began: 1870, ended: 2000 })].into());
}
