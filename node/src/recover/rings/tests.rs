use super::*;
use std::collections::BTreeSet;
use std::path::Path;
use swiftlet_types::{HashConf, Timestamp};

const NOW: u64 = 1_700_000_000;
const KNOWN: Known =
    Known { part_power: None, replicas: None, has_all_devices: false, min_part_hours: 24, now_secs: NOW };

fn place(n: u32) -> NewDevice {
    let ip = format!("10.0.0.{n}");
    NewDevice {
        id: None,
        region: 1,
        zone: n,
        ip: ip.clone(),
        port: 6200,
        replication_ip: ip,
        replication_port: 6200,
        device: "d1".into(),
        weight: 100.0,
        meta: String::new(),
    }
}

/// A cluster's devices in a folder, and the ring by which they were filled.
struct Lost {
    _root: tempfile::TempDir,
    ring: Builder,
    devices: Vec<RingDevice>,
}

impl Lost {
    /// Of so many devices, in which each of `objects` objects lies where the ring says; `file_name` names the file of a
    /// replica.
    fn new(
        part_power: u32,
        replicas: f64,
        count: u32,
        objects: u32,
        file_name: impl Fn(usize) -> String,
    ) -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut ring = Builder::new(part_power, replicas, 1).unwrap();
        for n in 1..=count {
            ring.add(place(n)).unwrap();
        }
        ring.rebalance(NOW, "1").unwrap();
        let path = |n: u32| root.path().join(format!("n{n}"));
        let devices = (1..=count).map(|n| RingDevice { path: path(n), place: place(n) }).collect();
        let lost = Self { ring, devices, _root: root };
        lost.devices.iter().for_each(|device| std::fs::create_dir_all(device.path.join("objects")).unwrap());
        for object in 0..objects {
            let hash = HashConf::default().object("a", "c", object.to_string());
            let partition = hash.partition(part_power);
            for (replica, id) in lost.ring.devices_of_part(partition).enumerate() {
                lost.put(id as usize, partition, &hash, &file_name(replica));
            }
        }
        lost
    }

    fn put(&self, device: usize, partition: u32, hash: &swiftlet_types::PathHash, file_name: &str) {
        let dir = format!("objects/{partition}/{}/{hash}", hash.suffix());
        let dir = self.devices[device].path.join(dir);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(file_name), "").unwrap();
    }

    fn recover(&self) -> (Builder, RingReport) {
        let mut problems = Problems::default();
        let survey =
            |device: &RingDevice| DeviceSurvey::of(&device.path, &mut Problems::default(), || {}).unwrap();
        let surveys: Vec<_> = self.devices.iter().map(survey).collect();
        let objects = DataDir::Objects(0);
        let recovered =
            super::recover(objects, &self.devices, &surveys, &KNOWN, Style::Lines, &mut problems).unwrap();
        assert_eq!(problems.count(), 0);
        recovered.0.validate().unwrap();
        recovered
    }

    fn held(&self) -> BTreeSet<u32> {
        let of = |path: &Path| DataDir::Objects(0).partitions(path).unwrap();
        self.devices.iter().flat_map(|device| of(&device.path)).collect()
    }
}

fn set(builder: &Builder, partition: u32) -> BTreeSet<u32> {
    builder.devices_of_part(partition).collect()
}

fn data(_: usize) -> String {
    format!("{}.data", Timestamp::from_ticks(140_000_000_000_000).unwrap())
}

#[test]
fn every_held_partition_is_assigned_to_who_holds_it() {
    let lost = Lost::new(7, 3.0, 5, 120, data);
    let (builder, report) = lost.recover();
    assert_eq!((report.part_power, report.replicas, report.devices), (7, 3.0, 5));
    assert_eq!((report.replicas_missing, report.copies_beyond, report.misplaced), (0, 0, 0));
    let held = lost.held();
    assert!(held.len() < 128, "some partitions are empty");
    for &partition in &held {
        assert_eq!(set(&builder, partition), set(&lost.ring, partition), "{partition}");
    }
    assert!((0..128).all(|partition| set(&builder, partition).len() == 3));
}

#[test]
fn fractions_of_replicas_come_back() {
    let lost = Lost::new(6, 2.5, 4, 400, data);
    let (builder, report) = lost.recover();
    assert_eq!((report.part_power, report.replicas), (6, 2.5));
    lost.held()
        .iter()
        .for_each(|&partition| assert_eq!(set(&builder, partition), set(&lost.ring, partition)));
}

#[test]
fn fragments_go_to_the_rows_that_they_are_of() {
    let lost = Lost::new(6, 6.0, 8, 100, |replica| format!("1400000000.00000#{replica}#d.data"));
    let (builder, _) = lost.recover();
    for partition in lost.held() {
        let rows = |builder: &Builder| builder.devices_of_part(partition).collect::<Vec<_>>();
        assert_eq!(rows(&builder), rows(&lost.ring), "{partition}");
    }
}

#[test]
fn handoffs_and_older_copies_give_way() {
    let lost = Lost::new(4, 2.0, 4, 60, data);
    let hash = HashConf::default().object("a", "c", "0");
    let partition = hash.partition(4);
    let stranger = (0..4).find(|id| !set(&lost.ring, partition).contains(id)).unwrap();
    lost.put(stranger as usize, partition, &hash, "1300000000.00000.data");
    let (builder, report) = lost.recover();
    assert_eq!(set(&builder, partition), set(&lost.ring, partition));
    assert_eq!((report.copies_beyond, report.newest_beyond), (1, 0));
}

#[test]
fn a_lost_device_leaves_replicas_to_be_made() {
    let mut lost = Lost::new(5, 3.0, 6, 100, data);
    lost.devices.remove(0);
    let (builder, report) = lost.recover();
    assert_eq!((report.replicas, report.devices), (3.0, 5));
    assert!(report.replicas_missing > 0);
    for partition in lost.held() {
        // ids are one less: the first device is gone
        let left: BTreeSet<u32> =
            set(&lost.ring, partition).iter().filter_map(|id| id.checked_sub(1)).collect();
        assert!(set(&builder, partition).is_superset(&left), "{partition}");
    }
}

#[test]
fn nothing_tells_nothing() {
    let lost = Lost::new(4, 2.0, 2, 0, data);
    let surveys = vec![DeviceSurvey::of(&lost.devices[0].path, &mut Problems::default(), || {}).unwrap()];
    let of = |known: &Known| {
        let problems = &mut Problems::default();
        super::recover(DataDir::Objects(0), &lost.devices, &surveys, known, Style::Lines, problems)
    };
    assert!(matches!(of(&KNOWN), Err(RingsError::PartPower { .. })));
    let (builder, _) = of(&Known { part_power: Some(4), ..KNOWN }).unwrap();
    assert_eq!((builder.part_power(), builder.replicas()), (4, 1.0));
}
