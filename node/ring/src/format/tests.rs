use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::DeviceIds;

fn ring() -> RingData {
    let json = r#"[null, {"id": 1, "zone": 3, "ip": "fe80::1", "port": 6200, "device": "sdb", "weight": 0}]"#;
    let devices = devices_from_json(serde_json::from_str(json).expect("JSON")).expect("devices");
    let assignments = vec![DeviceIds::U16(vec![1; 4]), DeviceIds::U16(vec![1; 2])];
    RingData { part_power: 2, devices, assignments, version: None, next_part_power: None }
}

#[test]
fn old_devices_are_completed() {
    let ring = ring();
    let device = ring.devices[1].as_ref().expect("a device");
    assert_eq!((device.region, &*device.replication_ip, device.replication_port), (1, "fe80::1", 6200));
    assert_eq!(device.to_string(), "d1r1z3-[fe80::1]:6200R[fe80::1]:6200/sdb_\"\"");
}

#[test]
fn big_endian_tables_are_read() {
    let json = br#"{"byteorder": "big", "devs": [], "part_shift": 31, "replica_count": 1}"#;
    let plain = [b"R1NG\0\x01\0\0\0", &[json.len() as u8][..], json, &[0, 1, 1, 0]].concat();
    assert_eq!(read(&gzipped(&plain)).expect("a ring").assignments, [DeviceIds::U16(vec![1, 256])]);
}

fn gzipped(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).expect("to memory");
    encoder.finish().expect("to memory")
}

#[test]
fn a_file_compressed_again_still_loads() {
    let file = write(&ring(), FormatVersion::V2).expect("any width");
    let again = gzipped(&gzip::unpack(&file).expect("gzip"));
    assert_eq!(read(&again).expect("a ring"), ring());
}

#[test]
fn a_changed_section_is_refused() {
    let file = write(&ring(), FormatVersion::V2).expect("any width");
    let mut plain = gzip::unpack(&file).expect("gzip");
    let at = plain.windows(7).position(|bytes| bytes == b"fe80::1").expect("the address");
    plain[at] = b'e';
    let error = read(&gzipped(&plain)).expect_err("the checksum differs");
    assert!(matches!(error, FormatError::CorruptSection("swift/ring/devices")), "{error}");
}

#[test]
fn what_is_no_ring_is_refused() {
    assert!(matches!(read(b""), Err(FormatError::Gzip(_) | FormatError::Magic)));
    assert!(matches!(read(&gzipped(b"nothing")), Err(FormatError::Magic)));
    assert!(matches!(read(&gzipped(b"R1NG\0\x03")), Err(FormatError::Version(3))));
    let file = write(&ring(), FormatVersion::V1).expect("2-byte ids");
    assert!(matches!(read(&file[..file.len() - 9]), Err(FormatError::Gzip(_))));
    let mut wide = ring();
    wide.assignments = vec![DeviceIds::U32(vec![1; 4])];
    assert!(matches!(write(&wide, FormatVersion::V1), Err(FormatError::IdsTooWide)));
}

#[test]
fn a_weight_is_read_to_its_last_bit() {
    let mut ring = ring();
    ring.devices[1].as_mut().expect("a device").weight = 7938.6843516156105;
    for version in [FormatVersion::V1, FormatVersion::V2] {
        assert_eq!(read(&write(&ring, version).expect("2-byte ids")).expect("ours"), ring);
    }
}

proptest! {
    #[test]
    fn damaged_content_is_an_error_at_most(v2: bool, at in any::<prop::sample::Index>(), byte: u8) {
        let version = if v2 { FormatVersion::V2 } else { FormatVersion::V1 };
        let mut plain = gzip::unpack(&write(&ring(), version).expect("2-byte ids")).expect("gzip");
        let at = at.index(plain.len());
        plain[at] = byte;
        let _ = read(&gzipped(&plain)).map(crate::Ring::new);
        let _ = read(&gzipped(&plain[..at])).map(crate::Ring::new);
    }

    #[test]
    fn large_tables_survive(seed: u64, power in 0u32..17) {
        let mut ring = ring();
        let mut state = seed;
        let mut next = || { state = state.wrapping_mul(6364136223846793005).wrapping_add(1); (state >> 33) as u32 };
        ring.part_power = power;
        ring.assignments = vec![DeviceIds::collect(4, (0..1usize << power).map(|_| next()))];
        prop_assert_eq!(read(&write(&ring, FormatVersion::V2).expect("any width")).expect("ours"), ring);
    }
}
