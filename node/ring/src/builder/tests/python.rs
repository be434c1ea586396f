//! Builder files both ways with Python Swift, and rings no worse than its own.

use serde_json::{Value, json};

use super::*;
use swiftlet_testing::run_python;

/// Reads a builder file of ours, works on with it and saves it again; prints what it makes of it.
const WORK_ON: &str = r#"
import json, sys
from swift.common.ring import RingBuilder
path = sys.argv[1]
rb = RingBuilder.load(path)
rb.validate()
facts = [rb.part_power, rb.replicas, rb.min_part_hours, rb.version, rb.overload, rb.id, rb.dispersion,
         [d and [d['id'], d['parts'], d['weight'], d['ip'], d['meta']] for d in rb.devs],
         [d['id'] for d in rb._remove_devs], all(d is rb.devs[d['id']] for d in rb._remove_devs),
         [list(row) for row in rb._replica2part2dev], list(rb._last_part_moves), rb._last_part_moves_epoch,
         round(rb.get_balance(), 6), round(rb.get_required_overload(), 6), rb.dev_id_bytes]
old = rb._dispersion_graph
rb._build_dispersion_graph()
facts.append(sorted(old.items()) == sorted(rb._dispersion_graph.items()))
facts.append(round(rb.dispersion, 6))
print(json.dumps(facts))
rb.pretend_min_part_hours_passed()
rb.rebalance(seed='5')
rb.remove_dev(4)
rb.save(path)
print(rb.get_balance())
"#;

#[test]
fn builder_files_go_to_python_and_back() {
    let mut builder = equal(6, 3.0, 3, 2, 2);
    builder.set_overload(0.25).expect("allowed");
    builder.rebalance(NOW, "1").expect("balanced");
    builder
        .set_info(5, &DeviceChange { meta: Some("caf\u{e9}".into()), ..Default::default() })
        .expect("there");
    builder.set_weight(2, 30.5).expect("there");
    builder.remove(7).expect("there");
    builder.assign_id(|| "0123456789abcdef0123456789abcdef".into());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("object.builder");
    file::save(&path, &builder).expect("saved");
    assert_eq!(file::load(&path).expect("ours"), builder);

    let answer = run_python(WORK_ON, &[path.to_str().expect("text")], "");
    let (facts, balance) = answer.trim_end().split_once('\n').expect("two lines");
    let round = |x: f64| (x * 1e6).round() / 1e6;
    let devices: Vec<Value> =
        builder.devices().map(|d| json!([d.id, builder.parts_held(d.id), d.weight, d.ip, d.meta])).collect();
    let mut again = builder.clone();
    again.recalculate_dispersion();
    let expected = json!([
        6,
        3.0,
        1,
        builder.version(),
        0.25,
        builder.id(),
        builder.dispersion(),
        devices,
        [7],
        true,
        builder.rows,
        builder.last_moves_hours,
        NOW,
        round(builder.balance().expect("weight")),
        round(builder.required_overload().expect("weight")),
        2,
        again.dispersion_graph == builder.dispersion_graph,
        round(again.dispersion().expect("known")),
    ]);
    assert_eq!(serde_json::from_str::<Value>(facts).expect("JSON"), expected);

    let theirs = file::load(&path).expect("Python's");
    assert_eq!(theirs.validate(), Ok(()));
    assert!((theirs.balance().expect("weight") - balance.parse::<f64>().expect("a number")).abs() < 1e-9);
    assert_eq!((theirs.device(7), theirs.is_removed(4), theirs.id()), (None, true, builder.id()));
    let bytes = std::fs::read(&path).expect("readable");
    assert_eq!(file::read(&file::write(&theirs)).expect("ours"), file::read(&bytes).expect("theirs"));
}

/// Builds the topologies on standard input and prints how well Python balances and disperses them: first, and
/// after the changes.
const BUILD_EACH: &str = r#"
import json, sys
from swift.common.ring import RingBuilder
for line in sys.stdin:
    power, replicas, overload, devices, added, weights = json.loads(line)
    rb = RingBuilder(power, replicas, 1)
    rb.set_overload(overload)
    def add(dev):
        r, z, s, d, w = dev
        rb.add_dev({'region': r, 'zone': z, 'ip': '10.%d.%d.%d' % (r, z, s), 'port': 6200, 'device': 'sd%d' % d,
                    'weight': w, 'meta': '', 'replication_ip': '10.%d.%d.%d' % (r, z, s), 'replication_port': 6201})
    for dev in devices: add(dev)
    out = []
    def go():
        rb.pretend_min_part_hours_passed()
        moved, balance, _ = rb.rebalance(seed='1')
        out.append([moved, balance, rb.dispersion, rb.get_required_overload()])
    go()
    for dev in added: add(dev)
    for dev, weight in weights: rb.set_dev_weight(dev, weight)
    go()
    go()
    print(json.dumps(out))
"#;

type Devices = Vec<(u32, u32, u32, u32, f64)>;

/// Topologies from a seed: trees of every shape, weights alike or not.
fn topology(random: &mut random::Random) -> (u32, f64, f64, Devices, Devices, Vec<(u32, f64)>) {
    let replicas = [3.0, 3.0, 3.0, 2.0, 4.0, 6.0][random.below(6) as usize];
    let overload = [0.0, 0.0, 0.1, 10.0][random.below(4) as usize];
    let weights: &[f64] =
        [&[100.0][..], &[100.0], &[100.0, 50.0], &[10.0, 40.0, 100.0, 250.0]][random.below(4) as usize];
    let (regions, zones, servers, disks) =
        (1 + random.below(2), 1 + random.below(4), 1 + random.below(4), 1 + random.below(4));
    let mut devices = Vec::new();
    for region in 1..=regions {
        for zone in 1..=zones {
            for server in 1..=servers {
                for disk in 0..disks {
                    devices.push((
                        region,
                        zone,
                        server,
                        disk,
                        weights[random.below(weights.len() as u32) as usize],
                    ));
                }
            }
        }
    }
    for disk in devices.len() as u32..replicas as u32 {
        devices.push((1, 1, 1, 50 + disk, 100.0));
    }
    let new_zone = random.below(2) * (zones + 1);
    let added = (0..random.below(4)).map(|disk| (1, new_zone.max(1), 9, disk, 100.0)).collect();
    let changed = (0..random.below(3)).map(|_| (random.below(devices.len() as u32), 70.0)).collect();
    (6 + random.below(4), replicas, overload, devices, added, changed)
}

#[test]
fn rings_are_never_worse_than_pythons() {
    let mut random = random::Random::seeded("topologies");
    let topologies: Vec<_> = (0..150).map(|_| topology(&mut random)).collect();
    let input: String = topologies.iter().map(|topology| json!(topology).to_string() + "\n").collect();
    let answers = run_python(BUILD_EACH, &[], &input);
    assert_eq!(answers.lines().count(), topologies.len());
    // Moves, dispersion and balance over all rounds after the first.
    let (mut ours_sum, mut theirs_sum) = ([0.0; 3], [0.0; 3]);
    for (topology, answer) in topologies.iter().zip(answers.lines()) {
        let theirs: Vec<(u64, f64, f64, f64)> = serde_json::from_str(answer).expect("JSON");
        let (power, replicas, overload, devices, added, weights) = topology;
        let mut builder = Builder::new(*power, *replicas, 1).expect("allowed");
        builder.set_overload(*overload).expect("allowed");
        let add = |builder: &mut Builder, list: &Devices| {
            for &(region, zone, server, disk, weight) in list {
                builder.add(new_device(region, zone, server, disk, weight)).expect("added");
            }
        };
        add(&mut builder, devices);
        for (round, theirs) in theirs.iter().enumerate() {
            if round == 1 {
                add(&mut builder, added);
                weights.iter().for_each(|&(id, weight)| builder.set_weight(id, weight).expect("there"));
            }
            builder.pretend_min_part_hours_passed();
            let ours = builder.rebalance(NOW, "1").expect("balanced");
            let (moved, balance, dispersion, required) = *theirs;
            let context = format!("round {round} of {topology:?}: ours {ours:?}, theirs {theirs:?}");
            assert_eq!(builder.validate(), Ok(()), "{context}");
            assert!((builder.required_overload().expect("weight") - required).abs() < 1e-6, "{context}");
            let our_dispersion = builder.dispersion().expect("known");
            if round == 0 {
                assert!(our_dispersion <= dispersion + 1e-9, "dispersion, {context}");
                assert!(ours.balance <= balance + 1e-9, "balance, {context}");
                continue;
            }
            // With one move a partition, or weights that contradict dispersion, one figure is paid with the other.
            assert!(our_dispersion <= dispersion + 1.5 || ours.balance < balance, "dispersion, {context}");
            for (sum, figure) in ours_sum.iter_mut().zip([ours.moved as f64, our_dispersion, ours.balance]) {
                *sum += figure;
            }
            for (sum, figure) in theirs_sum.iter_mut().zip([moved as f64, dispersion, balance]) {
                *sum += figure;
            }
        }
    }
    let is_less = ours_sum.iter().zip(&theirs_sum).all(|(ours, theirs)| ours <= theirs);
    assert!(is_less, "ours {ours_sum:?}, Python's {theirs_sum:?}");
}
