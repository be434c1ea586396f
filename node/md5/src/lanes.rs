//! Compression of several messages at once, where the processor can.
//!
//! Measured on a 2 GHz Xeon core, in MB/s of processor time: one message 340 (the `md-5` crate 350), two 360, four 800,
//! eight 1430. A crate with wider kernels (`md5-many`, up to 4700) is still an alpha, of 14,000 lines, and slows down
//! to 130 at six messages; our kernel is the RFC's steps and one transposition.

use super::steps::{self, BLOCK_LEN, Chain};

/// Messages that are hashed together at most.
pub(super) const LANES: usize = 8;

/// Compresses as many whole blocks as the shortest of `messages` has, from the front of each, into its chain.
/// There are 1 to [`LANES`] of them. Returns how many bytes of each that was.
pub(super) fn compress(chains: &mut [&mut Chain], messages: &[&[u8]]) -> usize {
    let len = messages.iter().map(|message| message.len() / BLOCK_LEN).min().unwrap_or(0) * BLOCK_LEN;
    if chains.len() == 1 || !side_by_side(chains, messages, len) {
        for (chain, message) in chains.iter_mut().zip(messages) {
            steps::compress(chain, &message[..len]);
        }
    }
    len
}

#[cfg(target_arch = "x86_64")]
fn side_by_side(chains: &mut [&mut Chain], messages: &[&[u8]], len: usize) -> bool {
    use super::avx2;
    if !is_x86_feature_detected!("avx2") {
        return false;
    }
    // lanes without a message do what the first one does
    let of_lane = |lane: usize| if lane < messages.len() { lane } else { 0 };
    let mut wide: [Chain; avx2::LANES] = std::array::from_fn(|lane| *chains[of_lane(lane)]);
    let messages = std::array::from_fn(|lane| messages[of_lane(lane)]);
    // SAFETY: this processor has what it was compiled for.
    unsafe { avx2::compress(&mut wide, messages, len / BLOCK_LEN) };
    chains.iter_mut().zip(wide).for_each(|(chain, after)| **chain = after);
    true
}

#[cfg(not(target_arch = "x86_64"))]
fn side_by_side(_: &mut [&mut Chain], _: &[&[u8]], _: usize) -> bool {
    false
}
