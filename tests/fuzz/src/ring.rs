//! Ring files of both versions: what is in them, packed here, because no fuzzer guesses checksums.
#![no_main]

use flate2::{Compression, write::GzEncoder};
use fuzz::cut;
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};
use std::io::Write;
use swiftlet_ring::format::{FormatVersion, read, write};

fn check(content: &[u8]) {
    let mut packer = GzEncoder::new(Vec::new(), Compression::none());
    let file = packer.write_all(content).and_then(|()| packer.finish()).expect("in memory");
    let Ok(ring) = read(&file) else { return };
    for version in [FormatVersion::V1, FormatVersion::V2] {
        if let Ok(written) = write(&ring, version) {
            let again = read(&written).unwrap_or_else(|error| panic!("{version:?} as we write it {error}"));
            assert_eq!((&again.devices, again.assignments.len()), (&ring.devices, ring.assignments.len()));
        }
    }
}

/// Metadata, devices (a line each) and the table as a file of version 2.
fn version_2(bytes: &[u8]) -> Vec<u8> {
    let (metadata, rest) = cut(bytes);
    let (devices, table) = cut(rest);
    let with_length = |content: &[u8]| [&(content.len() as u64).to_be_bytes()[..], content].concat();
    let mut file = b"R1NG\0\x02".to_vec();
    let sections = [("metadata", metadata), ("devices", devices), ("assignments", table)];
    let entries = sections.map(|(name, content)| {
        let (start, section) = (file.len(), with_length(content));
        file.extend(&section);
        let checksum = hex::encode(Sha256::digest(&section));
        format!(r#""swift/ring/{name}":[0,{start},0,{},"sha256","{checksum}"]"#, file.len())
    });
    let index_start = file.len() as u64;
    file.extend(with_length(format!("{{{}}}", entries.join(",")).as_bytes()));
    file.extend(index_start.to_be_bytes());
    file.extend([0; 8]);
    file
}

fuzz_target!(|content: &[u8]| {
    check(content);
    check(&version_2(content));
});
