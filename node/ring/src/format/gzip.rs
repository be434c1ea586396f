//! The gzip container, with flush points where version 2 needs them.
//!
//! Deflate blocks are put together by hand rather than by a gzip writer: Python Swift seeks to a section in the
//! *compressed* file and starts to inflate there, and reads the index's offset from a fixed place before the end.

use std::io::Read;

use flate2::{Compress, Compression, Crc, FlushCompress};

use super::FormatError;

/// Largest ring read, uncompressed: partition power 27 with five replicas of 4-byte ids is within it.
const MAX_LEN: u64 = 8 << 30;
/// Python Swift's fixed time, so that the same ring gives the same file.
const MTIME: u32 = 1_300_507_380;

/// Decompresses a gzip file and checks its checksum.
pub(super) fn unpack(file: &[u8]) -> Result<Vec<u8>, FormatError> {
    let mut plain = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(file).take(MAX_LEN + 1);
    decoder.read_to_end(&mut plain).map_err(FormatError::Gzip)?;
    if plain.len() as u64 > MAX_LEN {
        return Err(FormatError::TooLarge);
    }
    Ok(plain)
}

/// A gzip file in the making. After every call it ends on a full flush: a byte boundary from which inflating can
/// start afresh.
pub(super) struct Writer {
    file: Vec<u8>,
    plain_len: usize,
    crc: Crc,
}

impl Writer {
    pub(super) fn new() -> Writer {
        let mut file = vec![0x1f, 0x8b, 8, 0];
        file.extend(MTIME.to_le_bytes());
        // Slowest compression, unknown system.
        file.extend([2, 255]);
        Writer { file, plain_len: 0, crc: Crc::new() }
    }

    /// Bytes written to the file so far.
    pub(super) fn compressed_len(&self) -> usize {
        self.file.len()
    }

    /// Bytes given so far.
    pub(super) fn plain_len(&self) -> usize {
        self.plain_len
    }

    /// Adds at most 65,535 bytes as they are: 10 bytes more than it is given, whatever it is given.
    pub(super) fn store(&mut self, plain: &[u8]) {
        let len = plain.len() as u16;
        self.take_in(plain);
        self.file.push(0);
        self.file.extend(len.to_le_bytes());
        self.file.extend((!len).to_le_bytes());
        self.file.extend(plain);
        self.file.extend([0, 0, 0, 0xff, 0xff]);
    }

    /// Adds bytes compressed.
    pub(super) fn deflate(&mut self, plain: &[u8]) {
        self.take_in(plain);
        let mut compress = Compress::new(Compression::default(), false);
        loop {
            self.file.reserve(plain.len() / 2 + 1024);
            let consumed = compress.total_in() as usize;
            let status = compress.compress_vec(&plain[consumed..], &mut self.file, FlushCompress::Full);
            debug_assert!(status.is_ok(), "raw deflate without a dictionary cannot fail");
            // A flush is complete when it did not use up all the room it had.
            if compress.total_in() as usize == plain.len() && self.file.len() < self.file.capacity() {
                return;
            }
        }
    }

    fn take_in(&mut self, plain: &[u8]) {
        self.crc.update(plain);
        self.plain_len += plain.len();
    }

    /// Ends the deflate stream and adds checksum and length: 13 bytes.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.file.extend([1, 0, 0, 0xff, 0xff]);
        self.file.extend(self.crc.sum().to_le_bytes());
        self.file.extend(self.crc.amount().to_le_bytes());
        self.file
    }
}
