//! `R1NG`: the file format of rings, versions 1 and 2.
//!
//! A ring file is one gzip member. Uncompressed it begins with `R1NG` and the version as two bytes, big-endian.
//! Version 1 goes on with JSON metadata and the bare table; version 2 with sections that an index at the end
//! locates and checksums. The layouts are in [`v1`] and [`v2`].

mod gzip;
mod v1;
mod v2;

use std::io::{self, Write};
use std::path::Path;

use serde_json::Value;

use crate::{Device, RingData};

const MAGIC: &[u8; 4] = b"R1NG";

/// Why bytes are no ring, or a ring cannot be written as asked.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Not gzip, cut short, or its checksum is wrong.
    #[error("cannot be decompressed: {0}")]
    Gzip(#[source] io::Error),
    /// Larger than any ring.
    #[error("larger than 8 GiB uncompressed")]
    TooLarge,
    /// Does not begin with `R1NG`.
    #[error("does not begin with R1NG")]
    Magic,
    /// A version above 2.
    #[error("has format version {0}, expected 1 or 2")]
    Version(u16),
    /// The uncompressed bytes end too early.
    #[error("is cut short in its {0}")]
    Truncated(&'static str),
    /// JSON that does not parse or lacks a field.
    #[error("has malformed {what}: {source}")]
    Json {
        /// Which part.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// A field with a value that cannot be.
    #[error("has impossible {what}: {value}")]
    Value {
        /// Which field.
        what: &'static str,
        /// What it holds.
        value: String,
    },
    /// A section of version 2 is not in the index.
    #[error("has no section {0}")]
    NoSection(&'static str),
    /// A section of version 2 does not match its checksum or its length.
    #[error("has a corrupt section {0}")]
    CorruptSection(&'static str),
    /// Version 1 has room for 2-byte ids only.
    #[error("Ring v1 only supports 2-byte dev IDs")]
    IdsTooWide,
}

/// Which format to write. Version 1 is what every Swift reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FormatVersion {
    /// 2-byte device ids, no checksums but gzip's.
    #[default]
    V1,
    /// Sections with checksums, any width of device id.
    V2,
}

/// Reads a ring of either version.
pub fn read(file: &[u8]) -> Result<RingData, FormatError> {
    read_versioned(file).map(|(data, _)| data)
}

/// Reads a ring of either version and says which it was.
pub fn read_versioned(file: &[u8]) -> Result<(RingData, FormatVersion), FormatError> {
    let plain = gzip::unpack(file)?;
    let (magic, rest) = plain.split_first_chunk::<4>().ok_or(FormatError::Magic)?;
    if magic != MAGIC {
        return Err(FormatError::Magic);
    }
    let (version, body) = rest.split_first_chunk::<2>().ok_or(FormatError::Truncated("version"))?;
    match u16::from_be_bytes(*version) {
        1 => v1::read(body).map(|data| (data, FormatVersion::V1)),
        2 => v2::read(&plain).map(|data| (data, FormatVersion::V2)),
        other => Err(FormatError::Version(other)),
    }
}

/// The bytes of a ring file. The same ring gives the same bytes.
pub fn write(ring: &RingData, version: FormatVersion) -> Result<Vec<u8>, FormatError> {
    match version {
        FormatVersion::V1 => v1::write(ring),
        FormatVersion::V2 => Ok(v2::write(ring)),
    }
}

/// Puts a file in place as a whole: written beside it, synced, then renamed over it.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = std::fs::File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let result = written.and_then(|()| std::fs::rename(&temporary, path));
    if result.is_err() {
        // The first error is the one that matters.
        let _ = std::fs::remove_file(&temporary);
    }
    result
}

/// JSON text in ASCII only, as Python's `json.dumps` gives it.
fn ascii_json(value: &Value) -> Vec<u8> {
    let text = value.to_string();
    if text.is_ascii() {
        return text.into_bytes();
    }
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_ascii() {
            true => ascii.push(c),
            false => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }),
        }
    }
    ascii.into_bytes()
}

fn devices_to_json(devices: &[Option<Device>]) -> Value {
    serde_json::to_value(devices).unwrap_or_else(|_| unreachable!("devices are plain data with text keys"))
}

fn devices_from_json(value: Value) -> Result<Vec<Option<Device>>, FormatError> {
    let mut devices: Vec<Option<Device>> =
        serde_json::from_value(value).map_err(|source| FormatError::Json { what: "devices", source })?;
    for (index, device) in devices.iter_mut().enumerate() {
        let Some(device) = device else { continue };
        device.complete();
        if device.id as usize != index {
            return Err(FormatError::Value { what: "device id", value: device.id.to_string() });
        }
    }
    Ok(devices)
}

/// `32 - part_shift`, the only way Swift writes the partition power.
fn part_power(part_shift: u32) -> Result<u32, FormatError> {
    32u32
        .checked_sub(part_shift)
        .ok_or_else(|| FormatError::Value { what: "part_shift", value: part_shift.to_string() })
}

#[cfg(test)]
mod tests;
