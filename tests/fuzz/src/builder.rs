//! Builder files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use swiftlet_ring::builder::file::{read, write};

fuzz_target!(|bytes: &[u8]| {
    let Ok(builder) = read(bytes) else { return };
    let written = write(&builder);
    let again = read(&written).expect("what was written is read");
    assert_eq!(write(&again), written);
});
