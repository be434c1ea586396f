//! The auditor on a real device with real damage.

mod damage;
mod python;

use super::config::AuditorConfig;
use super::plan::{Counts, Scan};
use super::run::ObjectAuditor;
use super::scan::{Running, Shared};
use super::watcher::Watchers;
use crate::daemon::{Checkpoint, Daemon, HowToRun, ReconCache};
use crate::object::config::store_config;
use crate::serve::DevicePools;
use damage::Damage;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use swiftlet_storage::object::{Change, Location, Metadata, ObjectPath, ObjectStore};
use swiftlet_types::conf::Options;
use swiftlet_types::{HashConf, Policies, Timestamp};

/// A node with the devices `sda` and `sdb`.
pub(super) struct Node {
    pub root: tempfile::TempDir,
    pub store: Arc<ObjectStore>,
    options: Options,
}

impl Node {
    pub fn new() -> Self {
        Self::with(&[])
    }

    fn with(options: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        for device in ["sda", "sdb"] {
            std::fs::create_dir_all(root.path().join("node").join(device)).unwrap();
        }
        Self::at(root, options)
    }

    pub fn at(root: tempfile::TempDir, more: &[(&str, &str)]) -> Self {
        let mut options = Options::new("object-server.conf", "object-auditor")
            .with("devices", &root.path().join("node").display().to_string())
            .with("recon_cache_path", &root.path().display().to_string())
            .with("mount_check", "false")
            .with("fallocate_reserve", "0")
            .with("files_per_second", "0")
            .with("bytes_per_second", "0")
            .with("zero_byte_files_per_second", "1000");
        for (option, value) in more {
            options = options.with(option, value);
        }
        let hash = HashConf { prefix: vec![], suffix: b"endcap".to_vec() };
        let store = Arc::new(ObjectStore::new(store_config(&options, hash).unwrap()));
        Self { root, store, options }
    }

    pub fn location(&self, device: &str, object: &str) -> Location {
        let path = ObjectPath { account: "a".into(), container: "c".into(), object: object.into() };
        self.store.locate(device, 7, 0, &path).unwrap()
    }

    /// Stores an object; its folder.
    pub fn put(&self, device: &str, object: &str, body: &[u8], fields: &[(&'static str, &str)]) -> PathBuf {
        let at = self.location(device, object);
        let mut writer = self.store.create(&at, Some(body.len() as u64)).unwrap();
        writer.write(vec![bytes::Bytes::copy_from_slice(body)]).unwrap();
        let (size, etag) = writer.digest();
        let mut metadata: Metadata = [
            ("X-Timestamp", Timestamp::now().internal()),
            ("Content-Type", "a/b".into()),
            ("Content-Length", size.to_string()),
            ("ETag", etag),
        ]
        .into_iter()
        .collect();
        fields.iter().for_each(|(name, value)| metadata.set(*name, value.to_string()));
        writer.commit(metadata).map(Change::settle).unwrap();
        at.dir
    }

    pub fn delete(&self, device: &str, object: &str, at: Timestamp) -> PathBuf {
        let location = self.location(device, object);
        self.store.delete(&location, at, None).unwrap().settle();
        location.dir
    }

    fn config(&self) -> AuditorConfig {
        AuditorConfig::from_options(&self.options, None).unwrap()
    }

    fn recon_cache(&self) -> ReconCache {
        ReconCache::from_options(&self.options, "object")
    }

    /// One scan; what it found.
    pub async fn scan(&self, scan: Scan) -> Counts {
        let shared = Shared {
            config: self.config(),
            store: self.store.clone(),
            pools: DevicePools::default(),
            policies: vec![0],
            recon: self.recon_cache(),
            watchers: Watchers::default(),
            mode: "once",
        };
        Running::new(&shared, scan, None, 0.0).run().await
    }

    fn auditor(&self, how: HowToRun) -> ObjectAuditor {
        let policies = Policies::new(vec![]).unwrap();
        let pools = DevicePools::default();
        ObjectAuditor::new(
            self.config(),
            self.store.clone(),
            &policies,
            pools,
            self.recon_cache(),
            Watchers::default(),
            how,
        )
    }

    fn recon(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.root.path().join("object.recon")).unwrap()).unwrap()
    }

    /// What was set aside on `sda`.
    pub fn quarantined(&self) -> Vec<String> {
        names(&self.root.path().join("node/sda/quarantined/objects"))
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn name(dir: &Path) -> String {
    dir.file_name().unwrap().to_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_sound_passes() {
    let node = Node::new();
    node.put("sda", "small", b"hello", &[]);
    node.put("sda", "empty", b"", &[]);
    node.put("sdb", "large", &vec![7; 3 << 20], &[]);
    node.put("sda", "expired", b"hello", &[("X-Delete-At", "1402464677")]);
    node.delete("sda", "gone", Timestamp::now());
    let counts = node.scan(Scan::All).await;
    assert_eq!(counts, Counts { passes: 5, bytes: 5 + (3 << 20), ..Counts::default() });
    assert_eq!(node.scan(Scan::ZeroByte).await, Counts { passes: 5, ..Counts::default() });
}

#[tokio::test]
async fn each_kind_of_damage_is_set_aside() {
    for damage in Damage::ALL {
        let node = Node::new();
        let dir = node.put("sda", "o", &vec![b'x'; 1 << 20], &[]);
        node.put("sda", "sound", b"hello", &[]);
        damage.apply(&dir);
        let counts = node.scan(Scan::All).await;
        assert_eq!((counts.passes, counts.errors), (2, 0), "{damage:?}");
        assert_eq!(counts.quarantined, u64::from(damage.is_damage()), "{damage:?}");
        let expected = if damage.is_damage() { vec![name(&dir)] } else { vec![] };
        assert_eq!(node.quarantined(), expected, "{damage:?}");
        assert_eq!(dir.exists(), !damage.is_damage(), "{damage:?}");
        assert_eq!(node.scan(Scan::All).await.quarantined, 0, "{damage:?} once");
    }
}

#[tokio::test]
async fn a_glance_sees_sizes_and_not_bytes() {
    let node = Node::new();
    Damage::FlippedByte.apply(&node.put("sda", "flipped", b"hello", &[]));
    let cut = node.put("sda", "cut", b"hello", &[]);
    Damage::Truncated.apply(&cut);
    let counts = node.scan(Scan::ZeroByte).await;
    assert_eq!((counts.quarantined, counts.bytes), (1, 0));
    assert_eq!(node.quarantined(), [name(&cut)]);
}

#[tokio::test]
async fn an_object_in_anothers_folder_is_set_aside() {
    let node = Node::new();
    let (dir, other) = (node.put("sda", "o", b"hello", &[]), node.location("sda", "other").dir);
    std::fs::create_dir_all(other.parent().unwrap()).unwrap();
    std::fs::rename(dir, &other).unwrap();
    assert_eq!(node.scan(Scan::All).await.quarantined, 1);
    assert_eq!(node.quarantined(), [name(&other)]);
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_and_the_rest_is_audited() {
    let node = Node::new();
    let bad = node.put("sda", "bad", b"hello", &[]);
    Damage::FlippedByte.apply(&node.put("sda", "o", b"hello", &[]));
    let loops = bad.join(&names(&bad)[0]);
    std::fs::remove_file(&loops).unwrap();
    // not even root can follow it, and it says nothing of the bytes
    std::os::unix::fs::symlink(&loops, &loops).unwrap();
    std::fs::remove_dir_all(node.root.path().join("node/sdb")).unwrap();
    std::fs::write(node.root.path().join("node/sdb"), "no folder").unwrap();
    let counts = node.scan(Scan::All).await;
    assert_eq!((counts.passes, counts.quarantined, counts.errors), (1, 1, 1));
    assert!(bad.exists());
}

#[tokio::test]
async fn reclaimable_tombstones_have_their_suffix_rehashed() {
    let node = Node::new();
    let old = Timestamp::from_ticks(Timestamp::now().ticks() - 2_000 * 100_000).unwrap();
    let dir = node.delete("sda", "o", old);
    // so that it is too old only from now on
    let node = Node::at(node.root, &[("reclaim_age", "1000")]);
    let notes = node.root.path().join("node/sda/objects/7/hashes.invalid");
    std::fs::write(&notes, "").unwrap();
    node.scan(Scan::ZeroByte).await;
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), "");
    node.scan(Scan::All).await;
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), format!("{}\n", name(dir.parent().unwrap())));
}

#[tokio::test]
async fn what_rsync_left_is_removed_in_time() {
    let node = Node::with(&[("rsync_tempfile_timeout", "100")]);
    let dir = node.put("sda", "o", b"hello", &[]);
    let ages = [
        (".1402464677.00000.data.x7Kd_0", 200),
        (".1402464677.00000.data.x7Kd_1", 10),
        ("other.x7Kd_2", 200),
    ];
    for (name, age_s) in ages {
        let file = std::fs::File::create(dir.join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age_s)).unwrap();
    }
    node.scan(Scan::All).await;
    let left = names(&dir);
    assert!(!left.contains(&ages[0].0.to_owned()) && left.len() == 3, "{left:?}");
}

#[tokio::test]
async fn old_metadata_gets_its_checksum() {
    const CHECKSUM: &str = "user.swift.metadata_checksum";
    let node = Node::new();
    let dir = node.put("sda", "o", b"hello", &[]);
    let file = dir.join(&names(&dir)[0]);
    let sum = xattr::get(&file, CHECKSUM).unwrap().unwrap();
    xattr::remove(&file, CHECKSUM).unwrap();
    assert_eq!(node.scan(Scan::All).await.quarantined, 0);
    assert_eq!(xattr::get(&file, CHECKSUM).unwrap(), Some(sum));
}

#[tokio::test]
async fn a_pass_does_both_scans_and_tells_recon() {
    let node = Node::new();
    Damage::FlippedByte.apply(&node.put("sda", "o", b"hello", &[]));
    std::fs::write(
        node.root.path().join("object.recon"),
        r#"{"object_auditor_stats_ALL": {"old": 1}, "x": 1}"#,
    )
    .unwrap();
    node.auditor(HowToRun { once: true, ..HowToRun::default() }).pass().await;
    let recon = node.recon();
    assert_eq!(recon["x"], json!(1));
    let all = &recon["object_auditor_stats_ALL"];
    assert_eq!(
        (&all["quarantined"], &all["passes"], &all["bytes_processed"]),
        (&json!(1), &json!(1), &json!(5))
    );
    assert_eq!(all["old"], Value::Null);
    assert!(all["start_time"].as_f64() > Some(1.4e9), "{recon}");
    assert_eq!(node.quarantined().len(), 1);
}

#[tokio::test]
async fn a_pass_over_some_devices_leaves_the_others_alone() {
    let node = Node::with(&[("zero_byte_files_per_second", "0")]);
    for device in ["sda", "sdb"] {
        Damage::FlippedByte.apply(&node.put(device, "o", b"hello", &[]));
    }
    let devices = vec!["sdb".to_owned(), "gone".to_owned()];
    node.auditor(HowToRun { once: true, devices, ..HowToRun::default() }).pass().await;
    assert!(node.quarantined().is_empty());
    assert_eq!(node.recon()["object_auditor_stats_ALL"]["sdb"]["quarantined"], json!(1));
    assert_eq!(node.recon().get("object_auditor_stats_ZBF"), None);
}

#[tokio::test]
async fn devices_side_by_side_have_figures_of_their_own() {
    let node = Node::with(&[("concurrency", "2")]);
    node.put("sda", "o", b"hello", &[]);
    node.put("sdb", "o", b"hello", &[]);
    node.auditor(HowToRun { once: true, ..HowToRun::default() }).pass().await;
    let all = &node.recon()["object_auditor_stats_ALL"];
    assert_eq!((&all["sda"]["passes"], &all["sdb"]["passes"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn a_glance_alone_is_what_z_asks_for() {
    let node = Node::new();
    let cut = node.put("sda", "cut", b"hello", &[]);
    Damage::Truncated.apply(&cut);
    Damage::FlippedByte.apply(&node.put("sda", "flipped", b"hello", &[]));
    node.auditor(HowToRun { once: true, zero_byte_fps: Some(1000.0), ..HowToRun::default() }).pass().await;
    assert_eq!(node.quarantined(), [name(&cut)]);
    assert_eq!(node.recon().get("object_auditor_stats_ALL"), None);
}

#[tokio::test]
async fn an_audit_goes_on_where_it_was_stopped() {
    let node = Node::new();
    Damage::FlippedByte.apply(&node.put("sda", "o", b"hello", &[]));
    let data_dir = node.root.path().join("node/sda/objects");
    Checkpoint::new("ALL").note(&data_dir, &["8".to_owned()]);
    assert_eq!(node.scan(Scan::All).await.passes, 0, "partition 7 was done");
    assert_eq!(Checkpoint::new("ALL").read(&data_dir), None, "the next pass begins anew");
    assert_eq!(node.scan(Scan::All).await.quarantined, 1);
}

#[tokio::test]
async fn reading_is_paced() {
    let node = Node::with(&[("bytes_per_second", "10000000")]);
    node.put("sda", "o", &vec![0; 3 << 20], &[]);
    let begun = std::time::Instant::now();
    node.scan(Scan::All).await;
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
}
