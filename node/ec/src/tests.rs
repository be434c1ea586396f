use super::*;
use proptest::prelude::*;
use proptest::sample::subsequence;
use swiftlet_testing::run_python;

const SCHEMES: [(usize, usize); 7] = [(1, 1), (2, 1), (2, 2), (3, 3), (4, 2), (8, 4), (10, 4)];
const NAMES: [&str; 2] = ["liberasurecode_rs_vand", "isa_l_rs_vand"];

/// Bytes that differ from place to place, the same for Python and for us.
fn segment(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 251 * 13 + 5) as u8).collect()
}

/// One line of Python's answers for each line `name k m len`: all fragments in hex.
const ENCODE: &str = r#"
import sys
from pyeclib.ec_iface import ECDriver
for line in sys.stdin:
    name, k, m, size = line.split()
    data = bytes((i * 7 + i // 251 * 13 + 5) & 255 for i in range(int(size)))
    print(*(f.hex() for f in ECDriver(k=int(k), m=int(m), ec_type=name).encode(data)))
"#;

/// Decodes what we encoded: a line `name k m wanted fragment…`; the segment and the fragment `wanted` in hex.
const DECODE: &str = r#"
import sys
from pyeclib.ec_iface import ECDriver
for line in sys.stdin:
    name, k, m, wanted, *fragments = line.split()
    driver = ECDriver(k=int(k), m=int(m), ec_type=name)
    fragments = [bytes.fromhex(f) for f in fragments]
    print('x' + driver.decode(fragments).hex(), driver.reconstruct(fragments, [int(wanted)])[0].hex())
"#;

fn cases() -> Vec<(&'static str, usize, usize, usize)> {
    let mut cases = Vec::new();
    for name in NAMES {
        for (data, parity) in SCHEMES {
            for len in [0, 1, 2, 3, 7, 8, 9, 79, 80, 81, 1000, 4096, 65_537] {
                cases.push((name, data, parity, len));
            }
        }
    }
    cases
}

#[test]
fn fragments_are_pyeclibs_byte_for_byte() {
    let input: String =
        cases().iter().map(|(name, data, parity, len)| format!("{name} {data} {parity} {len}\n")).collect();
    let output = run_python(ENCODE, &[], &input);
    let mut lines = output.lines();
    for (name, data, parity, len) in cases() {
        let codec = Codec::new(name, data, parity).unwrap();
        let ours = codec.encode(&segment(len));
        let theirs: Vec<Vec<u8>> =
            lines.next().expect("a line a case").split(' ').map(|text| hex::decode(text).unwrap()).collect();
        assert!(ours == theirs, "{name} {data}+{parity}, {len} bytes");
        assert!(ours.iter().all(|fragment| fragment.len() == codec.fragment_len(len)));
    }
}

#[test]
fn pyeclib_decodes_and_reconstructs_what_we_wrote() {
    let mut input = String::new();
    let mut expected = String::new();
    for (name, data, parity, len) in cases().into_iter().filter(|case| case.1 > 1 && case.3 > 0) {
        let fragments = Codec::new(name, data, parity).unwrap().encode(&segment(len));
        // without the first ones, as many as there is parity
        let left: Vec<String> = fragments[parity.min(data)..].iter().map(hex::encode).collect();
        input.push_str(&format!("{name} {data} {parity} 0 {}\n", left.join(" ")));
        expected.push_str(&format!("x{} {}\n", hex::encode(segment(len)), hex::encode(&fragments[0])));
    }
    assert!(run_python(DECODE, &[], &input) == expected);
}

#[test]
fn headers_guarded_as_long_ago_are_read() {
    let program = r#"
import os
os.environ['LIBERASURECODE_WRITE_LEGACY_CRC'] = '1'
from pyeclib.ec_iface import ECDriver
print(*(f.hex() for f in ECDriver(k=4, m=2, ec_type='liberasurecode_rs_vand').encode(b'swift' * 99)))
"#;
    let output = run_python(program, &[], "");
    let theirs: Vec<Vec<u8>> = output.split_whitespace().map(|text| hex::decode(text).unwrap()).collect();
    let codec = Codec::new(NAMES[0], 4, 2).unwrap();
    assert_eq!(codec.decode(&theirs[2..]).unwrap(), b"swift".repeat(99));
    assert_eq!(codec.with_legacy_crc(true).encode(&b"swift".repeat(99)), theirs);
}

#[test]
fn codes_that_are_not_there_are_refused_by_name() {
    let error = Codec::new("jerasure_rs_vand", 4, 2).unwrap_err().to_string();
    assert!(error.contains("jerasure_rs_vand") && error.contains("liberasurecode_rs_vand"), "{error}");
    for (data, parity) in [(0, 2), (4, 0), (30, 3), (usize::MAX, 2)] {
        assert_eq!(Codec::new(NAMES[0], data, parity).unwrap_err(), SchemeError::Count { data, parity });
    }
}

#[test]
fn damage_is_told() {
    let codec = Codec::new(NAMES[0], 4, 2).unwrap();
    let fragments = codec.encode(&segment(100));
    assert_eq!(codec.decode(&fragments[..3]), Err(DecodeError::TooFew { found: 3, needed: 4 }));
    let doubled = [&fragments[0], &fragments[0], &fragments[1], &fragments[2]];
    assert_eq!(codec.decode(&doubled), Err(DecodeError::TooFew { found: 3, needed: 4 }));
    // the library's version, at 63, is the one thing that nothing guards
    for at in (0..63).chain(67..71) {
        let mut damaged = fragments.clone();
        damaged[1][at] ^= 4;
        assert!(codec.decode(&damaged).is_err(), "byte {at} of the header");
    }
    let mut mixed = codec.encode(&segment(100));
    mixed[2] = codec.encode(&segment(99)).swap_remove(2);
    assert_eq!(codec.decode(&mixed), Err(DecodeError::Mixed));
    let other = Codec::new(NAMES[1], 4, 2).unwrap();
    assert_eq!(other.decode(&fragments), Err(DecodeError::Foreign { index: 0 }));
}

proptest! {
    #[test]
    fn any_k_fragments_are_enough(
        (data, parity, kept, wanted) in (1usize..12, 1usize..6).prop_flat_map(|(k, m)| {
            (Just(k), Just(m), subsequence((0..k + m).collect::<Vec<_>>(), k).prop_shuffle(), 0..k + m)
        }),
        segment in prop::collection::vec(any::<u8>(), 0..3000),
    ) {
        let codec = Codec::new(NAMES[0], data, parity).unwrap();
        let all = codec.encode(&segment);
        let kept: Vec<_> = kept.into_iter().map(|index| &all[index]).collect();
        prop_assert_eq!(codec.decode(&kept).unwrap(), segment);
        prop_assert_eq!(&codec.reconstruct(&kept, wanted).unwrap(), &all[wanted]);
    }

    #[test]
    fn no_bytes_make_it_panic(fragments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 0..6)) {
        let _ = Codec::new(NAMES[0], 4, 2).unwrap().decode(&fragments);
    }
}
