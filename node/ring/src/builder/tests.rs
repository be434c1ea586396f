mod invariants;
mod python;

use super::*;

const NOW: u64 = 1_700_000_000;
const HOUR: u64 = 3600;

fn new_device(region: u32, zone: u32, server: u32, disk: u32, weight: f64) -> NewDevice {
    let ip = format!("10.{region}.{zone}.{server}");
    NewDevice {
        id: None,
        region,
        zone,
        ip: ip.clone(),
        port: 6200,
        replication_ip: ip,
        replication_port: 6201,
        device: format!("sd{disk}"),
        weight,
        meta: String::new(),
    }
}

/// A builder of one region with equal devices.
fn equal(part_power: u32, replicas: f64, zones: u32, servers: u32, disks: u32) -> Builder {
    let mut builder = Builder::new(part_power, replicas, 1).expect("allowed");
    for zone in 1..=zones {
        for server in 1..=servers {
            for disk in 0..disks {
                builder.add(new_device(1, zone, server, disk, 100.0)).expect("added");
            }
        }
    }
    builder
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    assert_eq!(Builder::new(33, 3.0, 1).err(), Some(BuilderError::PartPower(33)));
    assert_eq!(Builder::new(8, 0.5, 1).err(), Some(BuilderError::Replicas(0.5)));
    assert!(Builder::new(8, f64::NAN, 1).is_err());
    let mut builder = equal(4, 3.0, 1, 1, 2);
    let before = builder.clone();
    assert_eq!(builder.set_weight(9, 1.0), Err(BuilderError::NoDevice(9)));
    assert!(builder.set_weight(0, -1.0).is_err());
    assert!(builder.set_replicas(0.0).is_err());
    assert!(builder.set_overload(-0.1).is_err());
    let taken = NewDevice { id: Some(1), ..new_device(1, 1, 1, 7, 1.0) };
    assert_eq!(builder.add(taken), Err(BuilderError::DuplicateId(1)));
    let too_few = BuilderError::TooFewDevices { replicas: 3.0, devices: 2 };
    assert_eq!(too_few.to_string(), "Replica count of 3.0 requires more than 2 devices");
    assert_eq!(builder.rebalance(NOW, "1"), Err(too_few));
    assert_eq!(builder, before);
    assert_eq!(Builder::new(4, 1.0, 1).expect("allowed").rebalance(NOW, "1"), Err(BuilderError::Empty));
}

#[test]
fn ids_of_removed_devices_are_given_out_again() {
    let mut builder = equal(4, 2.0, 2, 1, 3);
    builder.rebalance(NOW, "1").expect("balanced");
    builder.remove(1).expect("removed");
    assert_eq!(builder.set_weight(1, 5.0), Err(BuilderError::Removed { what: "weight", id: 1 }));
    assert!(builder.is_removed(1));
    let done = builder.rebalance(NOW, "1").expect("balanced");
    assert_eq!((done.removed_devices, builder.device(1)), (1, None));
    assert_eq!(builder.add(new_device(1, 1, 1, 9, 1.0)), Ok(1));
}

#[test]
fn ids_beyond_two_bytes_widen_the_ring() {
    let mut builder = equal(3, 2.0, 1, 2, 1);
    builder.rebalance(NOW, "1").expect("balanced");
    assert_eq!(builder.ring().id_bytes(), 2);
    builder.add(NewDevice { id: Some(70_000), ..new_device(1, 1, 3, 0, 100.0) }).expect("added");
    builder.pretend_min_part_hours_passed();
    builder.rebalance(NOW, "1").expect("balanced");
    assert_eq!((builder.ring().id_bytes(), builder.parts_held(70_000)), (4, 5));
    assert_eq!(file::read(&file::write(&builder)).expect("ours"), builder);
    builder.remove(70_000).expect("removed");
    builder.rebalance(NOW, "1").expect("balanced");
    assert_eq!((builder.ring().id_bytes(), builder.device_slots()), (2, 2));
}

#[test]
fn partition_power_grows_step_by_step() {
    let mut builder = equal(4, 3.0, 3, 1, 2);
    builder.rebalance(NOW, "1").expect("balanced");
    let before = builder.ring();
    assert!(builder.increase_part_power(NOW).is_err());
    assert!(builder.finish_part_power_increase().is_err());
    builder.prepare_part_power_increase().expect("due");
    assert!(builder.prepare_part_power_increase().is_err());
    assert_eq!(builder.rebalance(NOW, "1"), Err(BuilderError::PartPowerIncreasing));
    assert_eq!(builder.ring().next_part_power, Some(5));
    builder.increase_part_power(NOW).expect("due");
    assert!(builder.cancel_part_power_increase().is_err());
    let after = builder.ring();
    for (old, new) in before.assignments.iter().zip(&after.assignments) {
        assert!(new.iter().enumerate().all(|(part, id)| old.get(part / 2) == Some(id)));
    }
    assert_eq!(builder.validate(), Ok(()));
    builder.finish_part_power_increase().expect("due");
    assert_eq!((builder.part_power(), builder.next_part_power()), (5, None));
    builder.prepare_part_power_increase().expect("due");
    builder.cancel_part_power_increase().expect("due");
    builder.finish_part_power_increase().expect("due");
    assert_eq!(builder.part_power(), 5);
}

#[test]
fn devices_are_found_by_any_of_their_fields() {
    let mut builder = equal(4, 3.0, 3, 2, 2);
    let found = |builder: &Builder, search: Search| builder.search(&search).map(|d| d.id).collect::<Vec<_>>();
    let ip = Search { zone: Some(2), ip: Some("10.1.2.2".into()), ..Search::default() };
    assert_eq!(found(&builder, ip), [6, 7]);
    let meta = DeviceChange { meta: Some("rack 7".into()), ..DeviceChange::default() };
    let version = builder.version();
    builder.set_info(4, &meta).expect("there");
    assert_eq!(builder.version(), version);
    assert_eq!(found(&builder, Search { meta: Some("ck 7".into()), ..Search::default() }), [4]);
    assert_eq!(found(&builder, Search { weight: Some(1.0), ..Search::default() }), [0; 0]);
    let twin = Device { id: 99, ..builder.device(3).expect("there").clone() };
    assert_eq!(builder.same_disk(&twin).map(|device| device.id), Some(3));
}

#[test]
fn a_builder_comes_back_from_its_ring() {
    let mut builder = equal(6, 2.5, 3, 1, 2);
    builder.rebalance(NOW, "1").expect("balanced");
    let mut again = Builder::from_ring(&builder.ring(), 5).expect("ours");
    assert_eq!(again.ring(), builder.ring());
    assert_eq!((again.replicas(), again.min_part_hours(), again.dispersion()), (2.5, 5, None));
    assert_eq!(again.balance(), builder.balance());
    assert_eq!(again.rebalance(NOW, "1").expect("balanced").moved, 0);
}
