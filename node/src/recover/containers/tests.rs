use super::*;
use bytes::Bytes;
use std::path::Path;
use swiftlet_storage::db::{AccountBroker, BrokerOptions, ContainerBroker, MetadataEntry, ObjectRecord};
use swiftlet_storage::device::Devices;
use swiftlet_storage::object::{Metadata, ObjectPath, ObjectStore, StoreConfig};
use swiftlet_types::Timestamp;

const POWER: u32 = 8;

/// Two devices of a cluster.
struct Cluster {
    root: tempfile::TempDir,
    hash: HashConf,
}

impl Cluster {
    fn new() -> Self {
        let hash = HashConf { prefix: b"p".to_vec(), suffix: b"s".to_vec() };
        let cluster = Self { root: tempfile::tempdir().unwrap(), hash };
        cluster.devices().iter().for_each(|device| std::fs::create_dir_all(device).unwrap());
        cluster
    }

    fn devices(&self) -> Vec<PathBuf> {
        ["d1", "d2"].map(|name| self.root.path().join("srv").join(name)).to_vec()
    }

    fn out(&self) -> PathBuf {
        self.root.path().join("out")
    }

    fn container(&self, device: &Path, name: &str) -> ContainerBroker {
        let hash = self.hash.container("a", name);
        let dir = DbDir::new(device, "containers", &hash.partition(POWER).to_string(), &hash);
        ContainerBroker::new("a", name, dir, Connections::new(OPEN_MAX), BrokerOptions::default())
    }

    /// Puts an object on a device, or deletes it there.
    fn put(&self, device: &str, object: &str, time: &str, body: Option<&[u8]>) {
        let path = ObjectPath { account: "a".into(), container: "c".into(), object: object.into() };
        let devices = Devices::new(self.root.path().join("srv"), false);
        let store = Arc::new(ObjectStore::new(StoreConfig::new(self.hash.clone(), devices)));
        let partition = path.hash(&self.hash).partition(POWER);
        let at = store.locate(device, partition.into(), 0, &path).unwrap();
        let timestamp: Timestamp = time.parse().unwrap();
        let Some(body) = body else {
            store.delete(&at, timestamp, None).unwrap();
            return;
        };
        let mut writer = store.create(&at, Some(body.len() as u64)).unwrap();
        writer.write(vec![Bytes::copy_from_slice(body)]).unwrap();
        let metadata: Metadata = [
            ("X-Timestamp", timestamp.internal()),
            ("Content-Type", "text/plain".into()),
            ("Content-Length", body.len().to_string()),
            ("ETag", format!("etag of {object}")),
        ]
        .into_iter()
        .collect();
        writer.commit(metadata).unwrap();
    }

    fn recover(&self) -> (Report, Problems) {
        std::fs::create_dir_all(self.out()).unwrap();
        let (devices, out) = (self.devices(), self.out());
        let mut problems = Problems::default();
        let recovery = Recovery {
            devices: &devices,
            out: &out,
            hash: &self.hash,
            part_power: None,
            style: Style::Lines,
        };
        (recover(&recovery, &mut problems).unwrap(), problems)
    }

    /// The names that the recovered container `c` lists.
    fn listing(&self) -> Vec<String> {
        let rows = self.container(&self.out(), "c").rows_since(-1, 1000).unwrap();
        let mut names: Vec<String> =
            rows.into_iter().filter(|(_, row)| !row.deleted).map(|(_, row)| row.name).collect();
        names.sort();
        names
    }
}

fn record(name: &str, time: &str) -> ObjectRecord {
    let deleted = ObjectRecord::tombstone(name, time.parse().unwrap(), 0);
    ObjectRecord { deleted: false, size: 3, etag: "e".into(), content_type: "t/p".into(), ..deleted }
}

#[test]
fn replicas_and_objects_make_the_listing() {
    let cluster = Cluster::new();
    let [one, two] = [0, 1].map(|at| cluster.container(&cluster.devices()[at], "c"));
    for (broker, put) in [(&one, "0000000001.00000"), (&two, "0000000002.00000")] {
        broker.initialize(put.parse().unwrap(), 0).unwrap();
    }
    let acl = MetadataEntry {
        key: "X-Container-Read".into(),
        value: ".r:*".into(),
        timestamp: "0000000003.00000".into(),
    };
    two.update_metadata(vec![acl], None).unwrap();
    one.merge_records(vec![record("known", "0000000002.00000"), record("deleted", "0000000002.00000")])
        .unwrap();
    cluster.put("d1", "unknown", "0000000004.00000", Some(b"body"));
    // an old tombstone would be reclaimed at once
    cluster.put("d2", "deleted", &Timestamp::now().internal(), None);
    for _ in 0..2 {
        let (report, problems) = cluster.recover();
        assert_eq!((report.containers, report.containers_by_objects, problems.count()), (1, 0, 0));
        assert_eq!(cluster.listing(), ["known", "unknown"]);
    }
    let out = cluster.container(&cluster.out(), "c");
    assert_eq!(out.metadata().unwrap().get("X-Container-Read"), Some(".r:*"));
    let info = out.info().unwrap();
    assert_eq!((info.object_count, info.bytes_used), (2, 7));
    let hash = cluster.hash.account("a");
    let dir = DbDir::new(&cluster.out(), "accounts", &hash.partition(POWER).to_string(), &hash);
    let account = AccountBroker::new("a", dir, Connections::new(OPEN_MAX), BrokerOptions::default());
    let info = account.info().unwrap();
    assert_eq!((info.container_count, info.object_count, info.bytes_used), (1, 2, 7));
}

#[test]
fn a_container_that_no_database_knows_comes_of_its_objects() {
    let cluster = Cluster::new();
    cluster.put("d1", "one", "0000000004.00000", Some(b"body"));
    cluster.put("d2", "one", "0000000006.00000", Some(b"newer body"));
    let garbage = cluster.container(&cluster.devices()[0], "c").dir().plain_file();
    std::fs::create_dir_all(garbage.parent().unwrap()).unwrap();
    std::fs::write(&garbage, b"no database").unwrap();
    let (report, problems) = cluster.recover();
    assert_eq!((report.containers, report.containers_by_objects, report.objects), (0, 1, 1));
    assert!(problems.shown()[0].contains(&garbage.display().to_string()), "{problems:?}");
    assert_eq!(cluster.listing(), ["one"]);
    assert_eq!(cluster.container(&cluster.out(), "c").info().unwrap().bytes_used, 10);
    assert_eq!(std::fs::read(&garbage).unwrap(), b"no database");
}
