//! Random numbers that a seed repeats on every machine and in every release: rings built from the same commands
//! and seed must be the same bytes, which no general generator promises across its versions.

use md5::{Digest, Md5};

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The sequence of a seed, which is any text.
    pub(crate) fn seeded(seed: &str) -> Random {
        let digest: [u8; 16] = Md5::digest(seed.as_bytes()).into();
        Random(digest.iter().fold(0, |word, &byte| word.rotate_left(8) ^ u64::from(byte)))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        (((self.next() >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// All numbers below `len`, in random order.
    pub(crate) fn permutation(&mut self, len: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..len).collect();
        for left in (1..len).rev() {
            order.swap(left as usize, self.below(left + 1) as usize);
        }
        order
    }
}
