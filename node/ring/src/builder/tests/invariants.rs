//! What must hold of any rebalance, over many topologies.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
struct Topology {
    part_power: u32,
    replicas: f64,
    overload: f64,
    /// Region, zone, server, disk and weight of each device.
    devices: Vec<(u32, u32, u32, u32, f64)>,
}

impl Topology {
    fn builder(&self) -> Builder {
        let mut builder = Builder::new(self.part_power, self.replicas, 1).expect("allowed");
        builder.set_overload(self.overload).expect("allowed");
        for &(region, zone, server, disk, weight) in &self.devices {
            builder.add(new_device(region, zone, server, disk, weight)).expect("added");
        }
        builder
    }
}

fn topologies() -> impl Strategy<Value = Topology> {
    let weights = prop_oneof![3 => Just(100.0), 1 => Just(50.0), 1 => Just(0.0), 2 => 1.0f64..300.0];
    let device = (1u32..3, 1u32..4, 1u32..4, weights);
    let replicas =
        prop_oneof![4 => Just(3.0), 1 => Just(1.0), 1 => Just(2.0), 1 => Just(2.5), 1 => Just(4.25)];
    let overload = prop_oneof![Just(0.0), Just(0.1), Just(10.0)];
    (4u32..9, replicas, overload, proptest::collection::vec(device, 5..24))
        .prop_map(|(part_power, replicas, overload, devices)| {
            let devices = devices.into_iter().enumerate();
            let devices = devices.map(|(disk, (r, z, s, weight))| (r, z, s, disk as u32, weight)).collect();
            Topology { part_power, replicas, overload, devices }
        })
        .prop_filter("enough devices", |t| {
            t.devices.iter().filter(|device| device.4 > 0.0).count() as f64 >= t.replicas
        })
}

/// How far devices are from the quotas of the plan, at worst.
fn worst_off_quota(builder: &Builder) -> i64 {
    builder
        .devices()
        .map(|device| builder.wanted[device.id as usize].expect("balanced").abs())
        .max()
        .unwrap_or(0)
}

/// Part-replicas on another device than before, partition by partition and as sets: the order is of no matter.
fn moves_by_part(before: &Builder, after: &Builder) -> Vec<usize> {
    let moved = |part| {
        let kept: Vec<DeviceId> = before.devices_of_part(part).collect();
        after.devices_of_part(part).filter(|id| !kept.contains(id)).count()
    };
    (0..after.part_count() as u32).map(moved).collect()
}

/// Moves that no rebalance could do without: what devices must gain.
fn least_moves(before: &Builder, after: &Builder) -> u64 {
    let gain = |device: &Device| after.parts_held(device.id).saturating_sub(before.parts_held(device.id));
    after.devices().map(|device| u64::from(gain(device))).sum()
}

/// Partitions that have more replicas in some tier than today's plan allows.
fn crowded_parts(builder: &Builder) -> u64 {
    let tree = TierTree::new(&builder.devices);
    let plan =
        targets::Plan::new(&tree, &builder.devices, builder.replicas, builder.overload).expect("planned");
    let is_crowded = |part: &u32| {
        let tiers: Vec<_> = builder.devices_of_part(*part).flat_map(|id| *tree.path(id)).collect();
        tiers.iter().any(|tier| tiers.iter().filter(|other| *other == tier).count() as u32 > plan.max[*tier])
    };
    (0..builder.part_count() as u32).filter(is_crowded).count() as u64
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_first_rebalance_meets_every_quota(topology in topologies()) {
        let mut builder = topology.builder();
        builder.rebalance(NOW, "seed").expect("balanced");
        prop_assert_eq!(builder.validate(), Ok(()));
        prop_assert_eq!(worst_off_quota(&builder), 0);
        prop_assert!(builder.devices().all(|d| d.weight > 0.0 || builder.parts_held(d.id) == 0));

        let mut same = topology.builder();
        same.rebalance(NOW, "seed").expect("balanced");
        prop_assert_eq!(&same, &builder, "the same seed gives the same ring");

        let before = builder.clone();
        let again = builder.rebalance(NOW + 2 * HOUR, "other").expect("balanced");
        prop_assert_eq!(again.moved, 0, "a ring in balance stays as it is");
        prop_assert_eq!(&builder.rows, &before.rows);
    }

    #[test]
    fn changes_move_little_and_one_replica_at_a_time(
        topology in topologies(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0u8..4, 1.0f64..200.0), 1..4),
    ) {
        let mut builder = topology.builder();
        builder.rebalance(NOW, "seed").expect("balanced");
        let before = builder.clone();
        let mut removed = Vec::new();
        for (at, what, weight) in changes {
            let id = at.index(topology.devices.len()) as DeviceId;
            let _ = match what {
                0 => builder.add(new_device(1, 9, 1, 100 + id, weight)).map(drop),
                1 => builder.set_weight(id, weight),
                2 => builder.set_weight(id, 0.0),
                _ => builder.remove(id).map(|()| removed.push(id)),
            };
        }
        let weighted = builder.devices().filter(|device| device.weight > 0.0).count() as f64;
        prop_assume!(weighted >= topology.replicas);

        let mut early = builder.clone();
        early.rebalance(NOW, "now").expect("balanced");
        prop_assert_eq!(early.validate(), Ok(()));
        for part in 0..early.part_count() as u32 {
            let lost = before.devices_of_part(part).filter(|id| removed.contains(id)).count();
            let moved = moves_by_part(&before, &early)[part as usize];
            prop_assert_eq!(moved, lost, "before min_part_hours only what was on removed devices moves");
        }

        let crowded = crowded_parts(&builder);
        let done = builder.rebalance(NOW + HOUR, "later").expect("balanced");
        prop_assert_eq!(builder.validate(), Ok(()));
        let moves = moves_by_part(&before, &builder);
        for part in 0..builder.part_count() as u32 {
            let lost = before.devices_of_part(part).filter(|id| removed.contains(id)).count();
            prop_assert!(moves[part as usize] <= lost.max(1), "one replica at a time");
        }
        // A chain moves two replicas for one, and a crowded partition moves though no device's count asks for it.
        let due = least_moves(&before, &builder) + crowded;
        prop_assert!(done.moved <= 2 * due, "{} moves where {due} were due", done.moved);

        // Left to itself the ring settles, and then stays.
        for round in 2..20 {
            if builder.rebalance(NOW + round * HOUR, "settling").expect("balanced").moved == 0 {
                break;
            }
        }
        prop_assert_eq!(builder.rebalance(NOW + 21 * HOUR, "settled").expect("balanced").moved, 0);
        prop_assert!(builder.devices().all(|d| d.weight > 0.0 || builder.parts_held(d.id) == 0), "drained");
    }

    #[test]
    fn replicas_change_without_moving_the_others(topology in topologies(), more in 1.0f64..5.0) {
        let mut builder = topology.builder();
        builder.rebalance(NOW, "seed").expect("balanced");
        let before = builder.clone();
        let weighted = builder.devices().filter(|device| device.weight > 0.0).count() as f64;
        prop_assume!(weighted >= more);
        builder.set_replicas(more).expect("allowed");
        builder.rebalance(NOW, "more").expect("balanced");
        prop_assert_eq!(builder.validate(), Ok(()));
        let slots = (builder.part_count() as f64 * more.trunc()) as usize
            + (builder.part_count() as f64 * more.fract()) as usize;
        prop_assert_eq!(builder.ring().assignments.iter().map(DeviceIds::len).sum::<usize>(), slots);
        for (old, new) in before.ring().assignments.iter().zip(&builder.ring().assignments) {
            prop_assert!(old.iter().zip(new.iter()).all(|(old, new)| old == new));
        }
    }
}

#[test]
fn a_new_zone_takes_its_share_and_nothing_else_moves() {
    let mut builder = equal(12, 3.0, 5, 2, 3);
    builder.rebalance(NOW, "1").expect("balanced");
    for disk in 0..6 {
        builder.add(new_device(1, 6, 1 + disk / 3, disk % 3, 100.0)).expect("added");
    }
    let done = builder.rebalance(NOW + HOUR, "2").expect("balanced");
    assert_eq!((done.moved, builder.dispersion()), (4096 * 3 / 6, Some(0.0)));
    assert!(done.balance < 0.2, "{}", done.balance);
}

#[test]
fn replicas_are_as_far_apart_as_the_cluster_allows() {
    let shapes = [(1, 1, 4), (1, 4, 1), (2, 2, 1), (3, 1, 2), (4, 1, 1), (5, 3, 2)];
    for (zones, servers, disks) in shapes {
        let mut builder = equal(7, 3.0, zones, servers, disks);
        builder.rebalance(NOW, "1").expect("balanced");
        for part in 0..128 {
            let devices = || builder.devices_of_part(part).filter_map(|id| builder.device(id));
            let count = |mut keys: Vec<String>| {
                keys.sort();
                keys.dedup();
                keys.len() as u32
            };
            assert_eq!(count(devices().map(|d| d.zone.to_string()).collect()), zones.min(3));
            assert_eq!(count(devices().map(|d| d.ip.clone()).collect()), (zones * servers).min(3));
        }
    }
}

#[test]
fn overload_buys_dispersion() {
    let with_overload = |overload| {
        let mut builder = equal(8, 3.0, 2, 1, 3);
        builder.add(new_device(1, 3, 1, 0, 100.0)).expect("added");
        builder.set_overload(overload).expect("allowed");
        builder.rebalance(NOW, "1").expect("balanced");
        (builder.parts_held(6), builder.dispersion().expect("known"))
    };
    let (fair, crowded) = with_overload(0.0);
    let (more, less_crowded) = with_overload(0.1);
    let (all, none_crowded) = with_overload(10.0);
    assert!((109..=110).contains(&fair) && crowded > 0.0);
    assert!((120..=121).contains(&more) && less_crowded < crowded);
    assert_eq!((all, none_crowded), (256, 0.0));
}
