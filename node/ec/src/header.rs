//! What stands before each fragment: which one it is, of what, and by which code.
//!
//! 80 bytes, little-endian: 59 of metadata, then magic, the library's version, a checksum of the metadata, and zeros.

use super::legacy_crc::legacy_crc;
use thiserror::Error;

/// Bytes of a fragment before its payload.
pub const HEADER_LEN: usize = 80;
const METADATA_LEN: usize = 59;
const MAGIC: u32 = 0x0b0c_5ecc;
/// The version of liberasurecode whose format this is.
const LIBRARY_VERSION: u32 = 0x0001_0800;
/// Before this version headers had no checksum.
const FIRST_CHECKED_VERSION: u32 = 0x0001_0200;
/// No checksum of the payload, the one kind that Swift asks for.
const NO_CHECKSUM: u8 = 1;

mod at {
    pub const INDEX: usize = 0;
    pub const PAYLOAD_LEN: usize = 4;
    pub const ORIGINAL_LEN: usize = 12;
    pub const CHECKSUM_KIND: usize = 20;
    pub const BACKEND_ID: usize = 54;
    pub const BACKEND_VERSION: usize = 55;
    pub const MAGIC: usize = 59;
    pub const LIBRARY_VERSION: usize = 63;
    pub const METADATA_CRC: usize = 67;
}

/// Why bytes are no fragment.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// There are fewer than a header has.
    #[error("{len} bytes are no fragment: its header alone has {HEADER_LEN}")]
    TooShort {
        /// How many there are.
        len: usize,
    },
    /// The magic number is not there.
    #[error("no fragment header: its magic number is {found:#010x}")]
    Magic {
        /// What stands in its place.
        found: u32,
    },
    /// It was damaged.
    #[error("a fragment header's checksum does not match")]
    Checksum,
    /// The payload is not as long as the header says.
    #[error("a fragment's payload of {found} bytes should have {stated}")]
    PayloadLen {
        /// The payload's bytes.
        found: usize,
        /// What the header says.
        stated: usize,
    },
}

/// A fragment's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FragmentHeader {
    /// Which fragment it is: data first, then parity.
    pub index: u32,
    /// Bytes of its payload.
    pub payload_len: u32,
    /// Bytes of the segment that it is a part of.
    pub original_len: u64,
    /// Which code made it, by liberasurecode's number.
    pub backend_id: u8,
    /// Of which version.
    pub backend_version: u32,
}

impl FragmentHeader {
    /// Reads the header of `fragment`, whose payload may still be missing.
    pub fn parse(fragment: &[u8]) -> Result<Self, HeaderError> {
        let bytes: &[u8; HEADER_LEN] =
            fragment.first_chunk().ok_or(HeaderError::TooShort { len: fragment.len() })?;
        let magic = u32_at(bytes, at::MAGIC);
        if magic != MAGIC {
            return Err(HeaderError::Magic { found: magic });
        }
        let stated = u32_at(bytes, at::METADATA_CRC);
        let metadata = &bytes[..METADATA_LEN];
        if u32_at(bytes, at::LIBRARY_VERSION) >= FIRST_CHECKED_VERSION
            && stated != crc32fast::hash(metadata)
            && stated != legacy_crc(metadata)
        {
            return Err(HeaderError::Checksum);
        }
        let (low, high) = (u32_at(bytes, at::ORIGINAL_LEN), u32_at(bytes, at::ORIGINAL_LEN + 4));
        Ok(Self {
            index: u32_at(bytes, at::INDEX),
            payload_len: u32_at(bytes, at::PAYLOAD_LEN),
            original_len: u64::from(high) << 32 | u64::from(low),
            backend_id: bytes[at::BACKEND_ID],
            backend_version: u32_at(bytes, at::BACKEND_VERSION),
        })
    }

    /// Reads `fragment`, all of which is there: its header and its payload.
    pub fn split(fragment: &[u8]) -> Result<(Self, &[u8]), HeaderError> {
        let header = Self::parse(fragment)?;
        let (payload, stated) = (&fragment[HEADER_LEN..], header.payload_len as usize);
        if payload.len() != stated {
            return Err(HeaderError::PayloadLen { found: payload.len(), stated });
        }
        Ok((header, payload))
    }

    /// As it is written; `legacy_crc` guards it by the checksum that old libraries read.
    pub fn to_bytes(self, legacy: bool) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(at::INDEX, &self.index.to_le_bytes());
        put(at::PAYLOAD_LEN, &self.payload_len.to_le_bytes());
        put(at::ORIGINAL_LEN, &self.original_len.to_le_bytes());
        put(at::CHECKSUM_KIND, &[NO_CHECKSUM]);
        put(at::BACKEND_ID, &[self.backend_id]);
        put(at::BACKEND_VERSION, &self.backend_version.to_le_bytes());
        put(at::MAGIC, &MAGIC.to_le_bytes());
        put(at::LIBRARY_VERSION, &LIBRARY_VERSION.to_le_bytes());
        let metadata = &bytes[..METADATA_LEN];
        let crc = if legacy { legacy_crc(metadata) } else { crc32fast::hash(metadata) };
        bytes[at::METADATA_CRC..at::METADATA_CRC + 4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }
}

fn u32_at(bytes: &[u8; HEADER_LEN], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
