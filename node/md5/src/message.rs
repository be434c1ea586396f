//! One message: what was hashed of it, and the beginning of a block that is not whole yet.

use super::steps::{BLOCK_LEN, Chain, START, compress};

/// An MD5.
pub type Digest = [u8; 16];

/// An MD5 under way (RFC 1321).
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) chain: Chain,
    length: u64,
    /// The last `length % 64` bytes.
    partial: [u8; BLOCK_LEN],
}

impl Default for Message {
    fn default() -> Self {
        Self { chain: START, length: 0, partial: [0; BLOCK_LEN] }
    }
}

impl Message {
    /// Appends `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        let rest = self.align(bytes);
        if rest.is_empty() {
            return;
        }
        let whole = rest.len() - rest.len() % BLOCK_LEN;
        compress(&mut self.chain, &rest[..whole]);
        self.skip(whole);
        self.align(&rest[whole..]);
    }

    /// Appends the front of `bytes` up to the end of a block, or all of less than a block; the rest comes back.
    pub fn align<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let used = self.partial_len();
        if used == 0 && bytes.len() >= BLOCK_LEN {
            return bytes;
        }
        let (front, rest) = bytes.split_at(bytes.len().min(BLOCK_LEN - used));
        self.partial[used..used + front.len()].copy_from_slice(front);
        self.length += front.len() as u64;
        if used + front.len() == BLOCK_LEN {
            compress(&mut self.chain, &self.partial);
        }
        rest
    }

    /// Notes that `len` bytes, whole blocks, have gone into the chain.
    pub fn skip(&mut self, len: usize) {
        debug_assert!(self.partial_len() == 0 && len.is_multiple_of(BLOCK_LEN));
        self.length += len as u64;
    }

    /// The MD5.
    pub fn finish(mut self) -> Digest {
        let bits = self.length.wrapping_mul(8).to_le_bytes();
        let used = self.partial_len();
        // one bit, then zeros up to eight bytes before the end of a block
        let padding = if used < BLOCK_LEN - 8 { BLOCK_LEN - 8 - used } else { 2 * BLOCK_LEN - 8 - used };
        let mut end = [0; BLOCK_LEN + 8];
        end[0] = 0x80;
        end[padding..padding + 8].copy_from_slice(&bits);
        self.update(&end[..padding + 8]);
        let mut digest = Digest::default();
        digest.as_chunks_mut().0.iter_mut().zip(self.chain).for_each(|(to, word)| *to = word.to_le_bytes());
        digest
    }

    fn partial_len(&self) -> usize {
        (self.length % BLOCK_LEN as u64) as usize
    }
}
