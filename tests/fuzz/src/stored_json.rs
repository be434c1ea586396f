//! JSON that lies in databases, that replicas and sharders send, and that tells which rings there are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use swiftlet_ring::distribution::Index;
use swiftlet_storage::db::{Metadata, ShardRange};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(index) = Index::parse(bytes) {
        assert_eq!(Index::parse(index.to_json().as_bytes()).expect("what was written is read"), index);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(metadata) = Metadata::from_json(text) {
        assert_eq!(Metadata::from_json(&metadata.to_json()), Ok(metadata));
    }
    if let Ok(value) = serde_json::from_str(text) {
        let _ = ShardRange::from_json(&value);
    }
});
