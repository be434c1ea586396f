//! Pickles, as they lie in hashes.pkl, async_pending and REPLICATE's answers: none makes the decoder fail otherwise
//! than by its error, and what we write of what was read is read as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use swiftlet_types::pickle::{decode, encode};

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = decode(bytes) else { return };
    let written = encode(&value);
    assert_eq!(decode(&written).map(|again| encode(&again)).ok(), Some(written));
});
