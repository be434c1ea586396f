//! A partition power that grows from 3 to 4, with real rings and files.

use super::*;
use serde_json::Value;
use std::path::Path;
use swiftlet_ring::format::{self, FormatVersion};
use swiftlet_ring::{Device, DeviceIds, RingData};
use swiftlet_types::{PathHash, Policies};

/// Their first four bits are 0b1010 and 0b0011: partitions 5 and 1 of 8, 10 and 3 of 16.
const HASHES: [&str; 2] = ["a0000000000000000000000000000abc", "30000000000000000000000000000def"];
const FILE: &str = "4000000000.00000.data";

struct Node {
    root: tempfile::TempDir,
}

impl Node {
    fn new() -> Self {
        let node = Self { root: tempfile::tempdir().unwrap() };
        for (device, hash) in ["sda", "sdb"].into_iter().zip(HASHES) {
            let dir = node.dir(device, hash, 3);
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join(FILE), hash).unwrap();
        }
        node
    }

    fn dir(&self, device: &str, hash: &str, part_power: u32) -> PathBuf {
        let parsed = PathHash::from_hex(hash).unwrap();
        let partition = parsed.partition(part_power).to_string();
        self.root.path().join(device).join("objects").join(partition).join(parsed.suffix()).join(hash)
    }

    fn has(&self, device: &str, hash: &str, part_power: u32) -> bool {
        std::fs::read_to_string(self.dir(device, hash, part_power).join(FILE)).is_ok_and(|text| text == hash)
    }

    fn write_ring(&self, part_power: u32, next_part_power: Option<u32>) {
        let device = Device {
            device: "sda".into(),
            id: 0,
            ip: "127.0.0.1".into(),
            meta: String::new(),
            port: 6200,
            region: 1,
            replication_ip: "127.0.0.1".into(),
            replication_port: 6200,
            weight: 1.0,
            zone: 1,
        };
        let assignments = vec![DeviceIds::U16(vec![0; 1 << part_power])];
        let devices = vec![Some(device)];
        let ring = RingData { devices, assignments, part_power, version: None, next_part_power };
        let bytes = format::write(&ring, FormatVersion::V1).unwrap();
        std::fs::write(self.root.path().join("object.ring.gz"), bytes).unwrap();
    }

    fn run(&self, step: Step) -> Outcome {
        self.run_on(step, &[])
    }

    fn run_on(&self, step: Step, devices: &[&str]) -> Outcome {
        let root: &Path = self.root.path();
        let options = swiftlet_types::conf::Options::new("o.conf", "object-relinker")
            .with("recon_cache_path", &root.display().to_string());
        let all = ["sda", "sdb"];
        let devices = if devices.is_empty() { &all } else { devices };
        let config = RelinkerConfig {
            step,
            devices: Devices::new(root, false),
            device_names: devices.iter().map(|name| (*name).to_owned()).collect(),
            partitions: BTreeSet::new(),
            swift_dir: root.to_owned(),
            policies: Policies::default().iter().cloned().collect(),
            files_per_second: 0.0,
            workers: usize::MAX,
            stats_interval: Duration::ZERO,
            reclaim_age: Duration::from_secs(604_800),
            clobber_collisions: false,
            recon: ReconCache::from_options(&options, "relinker"),
        };
        super::run(&config).unwrap()
    }

    fn recon(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.root.path().join("relinker.recon")).unwrap()).unwrap()
    }
}

#[test]
fn every_object_is_whole_at_each_step() {
    let node = Node::new();
    let of_both =
        |power| ["sda", "sdb"].into_iter().zip(HASHES).all(|(device, hash)| node.has(device, hash, power));
    node.write_ring(3, None);
    assert_eq!(node.run(Step::Relink), Outcome::NoPolicy);

    node.write_ring(3, Some(4));
    assert_eq!(node.run(Step::Cleanup), Outcome::NoPolicy, "the ring has not grown yet");
    assert_eq!(node.run(Step::Relink), Outcome::Done);
    assert!(of_both(3) && of_both(4));
    let recon = node.recon();
    let stats = &recon["devices"]["sda"]["stats"];
    assert_eq!((&stats["linked"], &stats["errors"]), (&1.into(), &0.into()));
    assert_eq!(recon["devices"]["sdb"]["parts_done"], 1);
    assert_eq!(recon["workers"].as_object().unwrap().len(), 2);
    assert!(recon["workers"].as_object().unwrap().values().all(|worker| worker["return_code"] == 0));

    node.write_ring(4, Some(4));
    assert_eq!(node.run(Step::Cleanup), Outcome::Done);
    assert!(of_both(4) && !of_both(3));
    let old = node.root.path().join("sda/objects/5");
    assert!(!old.exists(), "an empty partition goes");
}

#[test]
fn a_device_that_is_gone_fails_the_run_and_no_other_device() {
    let node = Node::new();
    node.write_ring(3, Some(4));
    assert_eq!(node.run_on(Step::Relink, &["sda", "gone"]), Outcome::Errors);
    assert!(node.has("sda", HASHES[0], 4));
    assert_eq!(node.recon()["devices"]["gone"]["stats"]["unmounted"], 1);
}

#[test]
fn what_failed_is_done_by_the_next_run() {
    let node = Node::new();
    node.write_ring(3, Some(4));
    let (target, hash) = (node.dir("sda", HASHES[0], 4), HASHES[0]);
    std::fs::create_dir_all(&target).unwrap();
    std::fs::write(target.join(FILE), "another's").unwrap();
    assert_eq!(node.run(Step::Relink), Outcome::Errors);
    assert!(node.has("sda", hash, 3) && node.has("sdb", HASHES[1], 4));
    std::fs::remove_file(target.join(FILE)).unwrap();
    assert_eq!(node.run(Step::Relink), Outcome::Done);
    assert!(node.has("sda", hash, 4));
}
