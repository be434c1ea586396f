//! Eight messages side by side in 256-bit registers.

use super::steps::{BLOCK_LEN, Chain, Words, compress_block};
use std::arch::x86_64::*;

/// Messages that are hashed side by side.
pub(super) const LANES: usize = 8;

/// One word of each message.
///
/// The methods below are not compiled for AVX2 themselves: they dissolve into [`compress`], which is. Only it makes
/// a `Wide`, so where there is one the processor has AVX2; that makes the intrinsics safe.
#[derive(Clone, Copy)]
struct Wide(__m256i);

macro_rules! wide {
    ($call:expr) => {
        // SAFETY: this runs within `compress`, whose caller has made sure of AVX2.
        Wide(unsafe { $call })
    };
}

impl Words for Wide {
    #[inline(always)]
    fn splat(word: u32) -> Self {
        wide!(_mm256_set1_epi32(word as i32))
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        wide!(_mm256_add_epi32(self.0, other.0))
    }
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        wide!(_mm256_and_si256(self.0, other.0))
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        wide!(_mm256_or_si256(self.0, other.0))
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        wide!(_mm256_xor_si256(self.0, other.0))
    }
    #[inline(always)]
    fn not(self) -> Self {
        self.xor(Self::splat(u32::MAX))
    }
    #[inline(always)]
    fn rotated_left(self, bits: u32) -> Self {
        wide!(_mm256_sll_epi32(self.0, count(bits))).or(wide!(_mm256_srl_epi32(self.0, count(32 - bits))))
    }
}

/// A count of bits as the shifts take it; the compiler sees through it.
#[inline(always)]
fn count(bits: u32) -> __m128i {
    // SAFETY: every x86-64 has SSE2.
    unsafe { _mm_cvtsi32_si128(bits as i32) }
}

/// Compresses the first `blocks` blocks of each message into its chain, one of each at a time.
#[target_feature(enable = "avx2")]
pub(super) fn compress(chains: &mut [Chain; LANES], messages: [&[u8]; LANES], blocks: usize) {
    let messages = messages.map(|message| &message.as_chunks::<BLOCK_LEN>().0[..blocks]);
    let mut wide = [Wide::splat(0); 4];
    for (word, wide) in wide.iter_mut().enumerate() {
        *wide = to_wide(chains.map(|chain| chain[word]));
    }
    for n in 0..blocks {
        let [low, high] =
            [0, 1].map(|half| transposed(messages.map(|message| message[n].as_chunks::<32>().0[half])));
        let mut input = [Wide::splat(0); 16];
        input[..8].copy_from_slice(&low);
        input[8..].copy_from_slice(&high);
        compress_block(&mut wide, &input);
    }
    for (word, wide) in wide.into_iter().enumerate() {
        chains.iter_mut().zip(from_wide(wide)).for_each(|(chain, value)| chain[word] = value);
    }
}

#[inline(always)]
fn to_wide(words: [u32; LANES]) -> Wide {
    // SAFETY: both are 32 bytes of which every value is valid.
    Wide(unsafe { std::mem::transmute::<[u32; LANES], __m256i>(words) })
}

#[inline(always)]
fn from_wide(wide: Wide) -> [u32; LANES] {
    // SAFETY: as above.
    unsafe { std::mem::transmute::<__m256i, [u32; LANES]>(wide.0) }
}

/// Eight words of each message, as each word of the eight messages.
#[inline(always)]
fn transposed(rows: [[u8; 32]; LANES]) -> [Wide; 8] {
    // SAFETY: both are 32 bytes of which every value is valid.
    let r = rows.map(|row| unsafe { std::mem::transmute::<[u8; 32], __m256i>(row) });
    let low = |a: Wide, b: Wide| wide!(_mm256_unpacklo_epi64(a.0, b.0));
    let high = |a: Wide, b: Wide| wide!(_mm256_unpackhi_epi64(a.0, b.0));
    let pairs = |a, b| (wide!(_mm256_unpacklo_epi32(a, b)), wide!(_mm256_unpackhi_epi32(a, b)));
    let ((a0, a1), (b0, b1)) = (pairs(r[0], r[1]), pairs(r[2], r[3]));
    let ((c0, c1), (d0, d1)) = (pairs(r[4], r[5]), pairs(r[6], r[7]));
    let upper = [low(a0, b0), high(a0, b0), low(a1, b1), high(a1, b1)];
    let lower = [low(c0, d0), high(c0, d0), low(c1, d1), high(c1, d1)];
    let mut columns = [Wide::splat(0); 8];
    for n in 0..4 {
        columns[n] = wide!(_mm256_permute2x128_si256::<0x20>(upper[n].0, lower[n].0));
        columns[n + 4] = wide!(_mm256_permute2x128_si256::<0x31>(upper[n].0, lower[n].0));
    }
    columns
}
