use serde_json::{Value, json};

use super::*;
use crate::format::{self, FormatVersion};
use swiftlet_testing::run_python;

/// Builds rings in Python Swift and prints, for each, its file and what its lookups answer.
const PYTHON_RINGS: &str = r#"
import itertools, json, os, random, tempfile
from array import array
import swift.common.utils as utils
utils.HASH_PATH_SUFFIX = b'test'
from swift.common.ring import RingBuilder, Ring
SHAPES = [
    # part power, replicas, (region, zone, ip, device) counts, empty devices, format
    (0, 1, (1, 1, 1, 1), 0, 1),
    (3, 1, (1, 1, 1, 2), 0, 1),
    (6, 3, (1, 3, 2, 2), 0, 1),
    (7, 3, (2, 2, 2, 3), 2, 2),
    (8, 2.5, (1, 4, 3, 2), 0, 1),
    (5, 3, (1, 1, 1, 4), 1, 2),
    (9, 4.25, (3, 2, 2, 1), 3, 2),
    (17, 3, (2, 3, 2, 2), 0, 1),
]
for power, replicas, (regions, zones, ips, devs), empty, version in SHAPES:
    rb = RingBuilder(power, replicas, 1)
    for r, z, i, d in itertools.product(range(regions), range(zones), range(ips), range(devs)):
        ip = '10.%d.%d.%d' % (r, z, i)
        rb.add_dev({'region': r, 'zone': z, 'ip': ip, 'port': 6200, 'device': 'sd%d' % d, 'weight': 10.0 + d,
                    'replication_ip': ip, 'replication_port': 6201, 'meta': 'caf\u00e9 \U0001f600'})
    for e in range(empty):
        rb.add_dev({'region': 9, 'zone': e, 'ip': '10.9.9.9', 'port': 6200, 'device': 'sd%d' % e, 'weight': 0,
                    'replication_ip': '10.9.9.9', 'replication_port': 6201, 'meta': ''})
    if power > 16:
        # Rebalancing takes Python long, and the walk in steps only asks for any assignment at all.
        rb._replica2part2dev = [array('H', random.choices(range(24), k=2 ** power)) for _ in range(replicas)]
    else:
        rb.rebalance(seed='1')
    if empty:
        rb.remove_dev(0); rb.pretend_min_part_hours_passed(); rb.rebalance(seed='2')
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, 'object.ring.gz')
        rb.get_ring().save(path, format_version=version)
        raw = open(path, 'rb').read()
        ring = Ring(path)
    sample = range(0, ring.partition_count, max(1, ring.partition_count // 24))
    print(json.dumps({
        'file': raw.hex(), 'power': power, 'replicas': ring.replica_count, 'version': ring.version,
        'devices': ring.device_count,
        'parts': [[p, [n['id'] for n in ring.get_part_nodes(p)], [n['id'] for n in ring.get_more_nodes(p)]]
                  for p in sample],
    }))
"#;

fn ids<'a>(devices: impl Iterator<Item = &'a Device>) -> Value {
    devices.map(|device| device.id).collect()
}

#[test]
fn lookups_answer_what_python_answers() {
    for line in run_python(PYTHON_RINGS, &[], "").lines() {
        let expected: Value = serde_json::from_str(line).expect("JSON");
        let file = hex::decode(expected["file"].as_str().expect("hex")).expect("hex");
        let ring = Ring::new(format::read(&file).expect("a ring")).expect("consistent");
        assert_eq!(json!(ring.part_power()), expected["power"]);
        assert_eq!(json!(ring.version()), expected["version"]);
        assert_eq!(Some(ring.replica_count()), expected["replicas"].as_f64());
        assert_eq!(json!(ring.devices().count()), expected["devices"]);
        let parts = expected["parts"].as_array().expect("a list");
        assert!(!parts.is_empty());
        for expected in parts {
            let part = expected[0].as_u64().expect("a number") as u32;
            assert_eq!(ids(ring.nodes(part)), expected[1], "nodes of {part}");
            assert_eq!(ids(ring.handoffs(part)), expected[2], "handoffs of {part}");
        }
    }
}

/// Loads the files named on standard input and prints their content.
const PYTHON_LOADS: &str = r#"
import json, sys
from swift.common.ring import RingData
for path in sys.stdin.read().split():
    data = RingData.load(path)
    d = data.to_dict()
    print(json.dumps([data.format_version, data.part_power, d['next_part_power'], d['version'], d['devs'],
                      data.dev_id_bytes, [list(row) for row in d['replica2part2dev_id']],
                      list(data._replica2part2dev_id and [data._replica2part2dev_id[0].typecode])]))
"#;

#[test]
fn python_loads_what_we_write() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rings = Vec::new();
    let mut paths = String::new();
    for (index, line) in
        run_python(PYTHON_RINGS, &[], "").lines().enumerate().filter(|(_, l)| l.len() < 100_000)
    {
        let value: Value = serde_json::from_str(line).expect("JSON");
        let file = hex::decode(value["file"].as_str().expect("hex")).expect("hex");
        let mut data = format::read(&file).expect("a ring");
        data.next_part_power = (index % 2 == 1).then_some(data.part_power + 1);
        for version in [FormatVersion::V1, FormatVersion::V2] {
            if index == 3 && version == FormatVersion::V2 {
                data.assignments =
                    data.assignments.iter().map(|row| DeviceIds::collect(4, row.iter())).collect();
            }
            let bytes = format::write(&data, version).expect("it has 2-byte ids");
            assert_eq!(format::read_versioned(&bytes).expect("ours"), (data.clone(), version));
            let path = folder.path().join(format!("{index}-{version:?}.ring.gz"));
            format::replace_file(&path, &bytes).expect("written");
            paths.push_str(&format!("{}\n", path.display()));
            rings.push((version, data.clone()));
        }
    }
    assert!(rings.len() >= 12);
    let answers = run_python(PYTHON_LOADS, &[], &paths);
    for ((version, data), answer) in rings.iter().zip(answers.lines()) {
        let rows: Vec<Vec<u32>> = data.assignments.iter().map(|row| row.iter().collect()).collect();
        let typecode = if data.id_bytes() == 4 { "I" } else { "H" };
        let number = if *version == FormatVersion::V1 { 1 } else { 2 };
        let expected = json!([
            number,
            data.part_power,
            data.next_part_power,
            data.version,
            data.devices,
            data.id_bytes(),
            rows,
            [typecode],
        ]);
        assert_eq!(serde_json::from_str::<Value>(answer).expect("JSON"), expected);
    }
}

fn device(id: DeviceId) -> Device {
    let ip = "10.0.0.1".to_owned();
    Device {
        device: format!("sd{id}"),
        id,
        replication_ip: ip.clone(),
        ip,
        meta: String::new(),
        port: 6200,
        region: 1,
        replication_port: 6200,
        weight: 1.0,
        zone: 1,
    }
}

#[test]
fn contradictions_are_refused() {
    let devices = vec![Some(device(0)), None];
    let with = |assignments| RingData {
        part_power: 1,
        devices: devices.clone(),
        assignments,
        ..RingData::default()
    };
    let unknown = RingDataError::UnknownDevice { replica: 0, part: 1, device: 1 };
    assert_eq!(Ring::new(with(vec![DeviceIds::U16(vec![0, 1])])).err(), Some(unknown));
    let short = RingDataError::RowLength { replica: 0, len: 1, expected: 2 };
    assert_eq!(Ring::new(with(vec![DeviceIds::U16(vec![0]), DeviceIds::U16(vec![0, 0])])).err(), Some(short));
}

#[test]
fn a_ring_without_assignments_has_no_nodes() {
    let data = RingData { part_power: 4, devices: vec![Some(device(0))], ..RingData::default() };
    let ring = Ring::new(data).expect("consistent");
    assert_eq!((ring.part_count(), ring.nodes(0).count(), ring.handoffs(0).count()), (0, 0, 0));
}

#[test]
fn a_partition_beyond_the_ring_has_no_nodes() {
    let assignments = vec![DeviceIds::U8(vec![0, 1])];
    let devices = vec![Some(device(0)), Some(device(1))];
    let ring = Ring::new(RingData { part_power: 1, devices, assignments, ..RingData::default() });
    let ring = ring.expect("consistent");
    assert_eq!(ring.nodes(2).count(), 0);
}
