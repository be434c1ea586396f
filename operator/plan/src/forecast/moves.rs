//! What two tables of one ring differ in, device by device.

use std::collections::{BTreeMap, BTreeSet};
use swiftlet_ring::{Device, RingData};

/// Where a device is: host and device name.
pub type Place = (String, String);

/// How a table differs from another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moves {
    /// Every device of either, by place.
    pub devices: BTreeMap<Place, DeviceMoves>,
    /// Partition replicas that are on another device than before.
    pub replicas: u64,
    /// The most replicas of one partition among them.
    pub most_of_one: usize,
    /// The partitions they are of.
    pub parts: Vec<usize>,
}

/// What a device gives and takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceMoves {
    /// The device's region.
    pub region: u32,
    /// The device's zone.
    pub zone: u32,
    /// The weight before; `None`: it was not in the ring.
    pub weight_before: Option<f64>,
    /// The weight after; `None`: it is not in the ring any more.
    pub weight_after: Option<f64>,
    /// Partition replicas it held.
    pub parts_before: u64,
    /// Partition replicas it holds after.
    pub parts_after: u64,
    /// Those that leave it.
    pub gives: u64,
    /// Those that come to it.
    pub takes: u64,
}

/// Compares two tables of as many partitions; `None` where they have not as many.
pub fn compare(before: &RingData, after: &RingData) -> Option<Moves> {
    if before.part_power != after.part_power {
        return None;
    }
    let mut moves = Moves::default();
    for (table, is_before) in [(before, true), (after, false)] {
        for device in table.devices.iter().flatten() {
            let entry = moves.devices.entry(place(device)).or_default();
            (entry.region, entry.zone) = (device.region, device.zone);
            let weight = if is_before { &mut entry.weight_before } else { &mut entry.weight_after };
            *weight = Some(device.weight);
        }
    }
    // Devices by their number among all places: a partition's are compared thousands of times.
    let mut all: Vec<(Place, DeviceMoves)> = std::mem::take(&mut moves.devices).into_iter().collect();
    let (old, new) = (numbers(before, &all), numbers(after, &all));
    for part in 0..before.part_count() {
        let (was, is) = (on(before, &old, part), on(after, &new, part));
        was.iter().for_each(|number| all[*number].1.parts_before += 1);
        is.iter().for_each(|number| all[*number].1.parts_after += 1);
        let lost = was.difference(&is).inspect(|number| all[**number].1.gives += 1).count();
        let gained = is.difference(&was).inspect(|number| all[**number].1.takes += 1).count();
        moves.replicas += gained as u64;
        moves.most_of_one = moves.most_of_one.max(lost);
        if lost + gained > 0 {
            moves.parts.push(part);
        }
    }
    moves.devices = all.into_iter().collect();
    Some(moves)
}

fn place(device: &Device) -> Place {
    (device.ip.clone(), device.device.clone())
}

/// The number of each device id among `all`.
fn numbers(table: &RingData, all: &[(Place, DeviceMoves)]) -> Vec<Option<usize>> {
    let number = |device: &Option<Device>| {
        let place = place(device.as_ref()?);
        all.binary_search_by(|(other, _)| other.cmp(&place)).ok()
    };
    table.devices.iter().map(number).collect()
}

fn on(table: &RingData, numbers: &[Option<usize>], part: usize) -> BTreeSet<usize> {
    let ids = table.assignments.iter().filter_map(|row| row.get(part));
    ids.filter_map(|id| numbers.get(id as usize).copied().flatten()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use swiftlet_ring::DeviceIds;

    fn device(id: u32, name: &str, weight: f64) -> Option<Device> {
        Some(Device {
            device: name.into(),
            id,
            ip: "n1".into(),
            meta: String::new(),
            port: 6200,
            region: 1,
            zone: id + 1,
            replication_ip: "n1".into(),
            replication_port: 6200,
            weight,
        })
    }

    fn table(devices: Vec<Option<Device>>, rows: &[[u32; 4]]) -> RingData {
        let assignments = rows.iter().map(|row| DeviceIds::collect(2, row.iter().copied())).collect();
        RingData { part_power: 2, devices, assignments, ..RingData::default() }
    }

    #[test]
    fn each_device_gives_and_takes_what_moves_whatever_its_id_is() {
        let before = table(vec![device(0, "a", 1.0), device(1, "b", 1.0)], &[[0, 0, 1, 1], [1, 1, 0, 0]]);
        // The same disks under other ids, and one more, which takes two replicas from `a` and one from `b`.
        let after = table(
            vec![device(0, "b", 1.0), device(1, "a", 2.0), device(2, "c", 1.0)],
            &[[2, 1, 2, 0], [0, 0, 1, 2]],
        );
        let moves = compare(&before, &after).unwrap();
        let of = |name: &str| &moves.devices[&("n1".to_string(), name.to_string())];
        assert_eq!((of("a").gives, of("a").takes, of("a").parts_before, of("a").parts_after), (2, 0, 4, 2));
        assert_eq!((of("b").gives, of("b").takes), (1, 0));
        assert_eq!((of("c").gives, of("c").takes, of("c").weight_before), (0, 3, None));
        assert_eq!((of("a").weight_before, of("a").weight_after), (Some(1.0), Some(2.0)));
        assert_eq!((moves.replicas, moves.most_of_one, moves.parts), (3, 1, vec![0, 2, 3]));
    }

    #[test]
    fn two_replicas_of_one_partition_that_move_at_once_are_seen() {
        let before = table(vec![device(0, "a", 1.0), device(1, "b", 1.0)], &[[0, 0, 0, 0], [1, 1, 1, 1]]);
        let four = |name: [&str; 4]| name.iter().zip(0..).map(|(n, id)| device(id, n, 1.0)).collect();
        let after = table(four(["a", "b", "c", "d"]), &[[2, 0, 0, 0], [3, 1, 1, 1]]);
        assert_eq!(compare(&before, &after).unwrap().most_of_one, 2);
        assert_eq!(compare(&before, &before).unwrap().replicas, 0);
        let other = RingData { part_power: 3, ..after };
        assert_eq!(compare(&before, &other), None);
    }
}
