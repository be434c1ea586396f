//! Nodes and devices that leave or are replaced while clients read.

use super::*;
use std::path::Path;

/// Objects that are stored before anything leaves.
const OBJECTS: usize = 24;

/// Two nodes a Zone, of few partitions; `edit` has the last word.
fn two_nodes_a_zone(folder: &Path, edit: impl Fn(String) -> String) -> Vec<PathBuf> {
    manifest(folder, |text| {
        let text = hurried(text).replace("nodes: 1\n", "nodes: 2\n");
        edit(text.replacen("partPower: 10", "partPower: 6", 1))
    })
}

/// The objects that a user stored.
struct Stored<'a>(&'a User);

impl<'a> Stored<'a> {
    async fn by(user: &'a User) -> Self {
        assert_eq!(user.put("photos", b"").await, 201);
        for n in 0..OBJECTS {
            assert_eq!(user.put(&format!("photos/{n:02}"), b"meow").await, 201);
        }
        Self(user)
    }

    /// Every one is read, and listed.
    async fn are_whole(&self) {
        for n in 0..OBJECTS {
            assert_eq!(self.0.get(&format!("photos/{n:02}")).await, (200, b"meow".to_vec()), "{n}");
        }
        let (status, listing) = self.0.get("photos").await;
        assert_eq!((status, String::from_utf8(listing).unwrap().lines().count()), (200, OBJECTS));
    }
}

/// The partitions with data of a ring's folder on a device.
fn partitions(device: &Path, datadir: &str) -> BTreeSet<String> {
    let names = |folder: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    };
    let datadir = device.join(datadir);
    let holds = |part: &String| names(&datadir.join(part)).iter().any(|name| name.len() == 3);
    names(&datadir).into_iter().filter(holds).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn zones_shrink_while_clients_read_and_a_restart_goes_on_with_it() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), two_nodes_a_zone(folder.path(), |text| text));
    let mut cluster = DevCluster::start(&options).await.unwrap();
    let mut user = User::of(&cluster).await;
    Stored::by(&user).await;

    let fewer = |text: String| text.replace("nodes: 2\n", "nodes: 1\n");
    let delete_volumes = "  nodes: 1\n  volumeClaimDeletion: Delete\n";
    two_nodes_a_zone(folder.path(), |text| {
        let (before, last_zone) = text.split_at(text.rfind("kind: Zone").unwrap());
        fewer(before.to_string()) + &last_zone.replace("  nodes: 2\n", delete_volumes)
    });
    assert_eq!(told(&mut cluster).await.unwrap(), "changed: 3 zones · 3 nodes · 6 devices · 3 replicas");
    assert!(cluster.executor.waits(), "what leaves holds data");
    cluster.stop().await;

    let mut cluster = DevCluster::start(&options).await.unwrap();
    assert!(cluster.executor.running.nodes.contains_key("dev-rack1-1"), "it still holds data");
    user.address = cluster.address();
    settled(&mut cluster, async || Stored(&user).are_whole().await).await;
    let left: Vec<&String> = cluster.executor.running.nodes.keys().collect();
    assert_eq!(left, ["dev-rack1-0", "dev-rack2-0", "dev-rack3-0"]);
    cluster.stop().await;

    let kept = options.data.join("rack1-1");
    for datadir in ["accounts", "containers", "objects"] {
        assert_eq!(partitions(&kept.join("d1"), datadir), BTreeSet::new(), "{datadir}");
    }
    assert!(kept.join("d1").exists(), "Retain");
    assert!(!options.data.join("rack3-1").exists(), "Delete");
    let cluster = DevCluster::start(&options).await.unwrap();
    user.address = cluster.address();
    Stored(&user).are_whole().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_disk_is_replaced_and_filled_again() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), two_nodes_a_zone(folder.path(), |text| text));
    let mut cluster = DevCluster::start(&options).await.unwrap();
    let user = User::of(&cluster).await;
    let stored = Stored::by(&user).await;
    let device = options.data.join("rack1-0/d1");
    let held = partitions(&device, "objects");
    assert!(!held.is_empty());
    std::fs::write(device.join("of-the-old-disk"), "").unwrap();

    let replaced = "  nodeOverrides: [{ordinal: 0, devices: [{name: d1, state: Failed, replacement: 1}]}]\n";
    two_nodes_a_zone(folder.path(), |text| {
        text.replacen("  nodes: 2\n", &format!("  nodes: 2\n{replaced}"), 1)
    });
    told(&mut cluster).await.unwrap();
    assert!(!device.join("of-the-old-disk").exists());
    settled(&mut cluster, async || stored.are_whole().await).await;
    let begun = Instant::now();
    while partitions(&device, "objects") != held {
        assert!(begun.elapsed() < PATIENCE, "{:?} of {held:?}", partitions(&device, "objects"));
        stored.are_whole().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_node_and_any_device_may_leave() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), two_nodes_a_zone(folder.path(), |text| text));
    let mut cluster = DevCluster::start(&options).await.unwrap();
    let user = User::of(&cluster).await;
    let stored = Stored::by(&user).await;

    let drained = "  nodes: 2\n  nodeOverrides: [{ordinal: 0, drain: true}]\n";
    two_nodes_a_zone(folder.path(), |text| {
        let without_device = remove_last(&text, "    - {name: d2, size: 10Gi}\n");
        without_device.replacen("  nodes: 2\n", drained, 1)
    });
    told(&mut cluster).await.unwrap();
    settled(&mut cluster, async || stored.are_whole().await).await;
    let has = |node: &str| cluster.executor.running.nodes.contains_key(node);
    assert_eq!((has("dev-rack1-0"), has("dev-rack1-1"), has("dev-rack1-2")), (false, true, true));
    for node in ["dev-rack3-0", "dev-rack3-1"] {
        let devices = &cluster.executor.state.nodes[node].devices;
        assert!(devices.keys().eq(["d1"]), "{node}: {devices:?}");
    }
    cluster.stop().await;
}

fn remove_last(text: &str, line: &str) -> String {
    let (before, after) = text.rsplit_once(line).unwrap();
    before.to_string() + after
}
