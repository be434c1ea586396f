//! How many MiB of segments are encoded and decoded a second: `cargo run -p swiftlet-ec --example throughput`.

use std::time::Instant;
use swiftlet_ec::Codec;

const SEGMENT_LEN: usize = 1 << 20;
const ROUNDS: usize = 200;

fn main() {
    let codec = Codec::new("liberasurecode_rs_vand", 4, 2).expect("a known code");
    let segment: Vec<u8> = (0..SEGMENT_LEN).map(|i| (i * 31 + i / 97) as u8).collect();
    let fragments = codec.encode(&segment);
    let decode = |fragments: &[Vec<u8>]| codec.decode(fragments).expect("enough fragments").len();
    report("encode", || codec.encode(&segment).len());
    report("decode, all data", || decode(&fragments[..4]));
    report("decode, two lost", || decode(&fragments[2..]));
}

fn report(what: &str, work: impl Fn() -> usize) {
    let began = Instant::now();
    let done: usize = (0..ROUNDS).map(|_| work()).sum();
    assert!(done > 0, "nothing was done");
    println!("{what}: {:.0} MiB/s", ROUNDS as f64 / began.elapsed().as_secs_f64());
}
