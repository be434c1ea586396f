//! Erasure coding as liberasurecode does it: an object's segment becomes k data and m parity fragments, any k of
//! which give it back. Byte for byte what pyeclib writes, which tests compare with.
//!
//! No I/O and no runtime: bytes in, bytes out. How fragments of many segments make up an archive on disk, and which
//! node has which, is others' business.

mod codec;
mod field;
mod header;
mod legacy_crc;
mod matrix;

pub use codec::{Codec, DecodeError, SchemeError};
pub use header::{FragmentHeader, HEADER_LEN, HeaderError};

#[cfg(test)]
mod tests;
