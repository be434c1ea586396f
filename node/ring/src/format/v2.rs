//! Version 2: `R1NG`, 2, then sections, each a length (8 bytes, big-endian) and that many bytes:
//! `swift/ring/metadata` and `swift/ring/devices` are JSON, `swift/ring/assignments` is the table in network order.
//!
//! An index follows in the same shape: JSON that gives each section's start and end in the compressed file and in
//! the uncompressed bytes, and the checksum of its bytes. Last come, stored uncompressed so that they lie a fixed
//! distance from the end, the index's own uncompressed and compressed start.
//!
//! Reading here uses the uncompressed offsets: the whole file is wanted anyway, gzip's checksum gets verified on
//! the way, and a file that someone compressed again still loads.

use std::collections::HashMap;

use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Sha256, Sha512};

use super::{FormatError, MAGIC, ascii_json, devices_from_json, devices_to_json, gzip, part_power};
use crate::{DeviceIds, RingData};

const METADATA: &str = "swift/ring/metadata";
const DEVICES: &str = "swift/ring/devices";
const ASSIGNMENTS: &str = "swift/ring/assignments";

#[derive(Deserialize)]
struct Metadata {
    part_shift: u32,
    dev_id_bytes: u8,
    #[serde(default)]
    version: Option<u64>,
    #[serde(default)]
    next_part_power: Option<u32>,
}

/// Compressed start, uncompressed start, compressed end, uncompressed end, checksum method, checksum.
type IndexEntry = (u64, usize, u64, usize, String, String);

pub(super) fn read(plain: &[u8]) -> Result<RingData, FormatError> {
    let cut = || FormatError::Truncated("index");
    let tail: &[u8; 16] = plain.last_chunk().ok_or_else(cut)?;
    let (uncompressed_start, _) = tail.split_first_chunk::<8>().ok_or_else(cut)?;
    let index_blob = plain.get(u64::from_be_bytes(*uncompressed_start) as usize..).ok_or_else(cut)?;
    let index: HashMap<String, IndexEntry> = parse(blob(index_blob, "index")?, "index")?;

    let metadata: Metadata = parse(section(plain, &index, METADATA)?, METADATA)?;
    let devices = devices_from_json(parse(section(plain, &index, DEVICES)?, DEVICES)?)?;
    let part_power = part_power(metadata.part_shift)?;
    let table = section(plain, &index, ASSIGNMENTS)?;
    let row_len = (1usize << part_power) * usize::from(metadata.dev_id_bytes);
    let bad_width = || FormatError::Value { what: "dev_id_bytes", value: metadata.dev_id_bytes.to_string() };
    if row_len == 0 {
        return Err(bad_width());
    }
    let rows = table.chunks(row_len).map(|row| network_order(metadata.dev_id_bytes, row));
    let assignments = rows.collect::<Option<Vec<DeviceIds>>>().ok_or_else(bad_width)?;
    Ok(RingData {
        part_power,
        devices,
        assignments,
        version: metadata.version,
        next_part_power: metadata.next_part_power,
    })
}

/// The bytes of a section, checked.
fn section<'a>(
    plain: &'a [u8],
    index: &HashMap<String, IndexEntry>,
    name: &'static str,
) -> Result<&'a [u8], FormatError> {
    let (_, start, _, end, method, checksum) = index.get(name).ok_or(FormatError::NoSection(name))?;
    let corrupt = || FormatError::CorruptSection(name);
    let bytes = plain.get(*start..*end).ok_or_else(corrupt)?;
    let digest = match method.as_str() {
        "md5" => hex::encode(Md5::digest(bytes)),
        "sha256" => hex::encode(Sha256::digest(bytes)),
        "sha512" => hex::encode(Sha512::digest(bytes)),
        _ => return Err(FormatError::Value { what: "checksum method", value: method.clone() }),
    };
    let content = blob(bytes, name)?;
    if digest != *checksum || content.len() + 8 != bytes.len() {
        return Err(corrupt());
    }
    Ok(content)
}

/// What follows its own length.
fn blob<'a>(bytes: &'a [u8], what: &'static str) -> Result<&'a [u8], FormatError> {
    let (len, rest) = bytes.split_first_chunk::<8>().ok_or(FormatError::Truncated(what))?;
    rest.get(..u64::from_be_bytes(*len) as usize).ok_or(FormatError::Truncated(what))
}

fn parse<T: serde::de::DeserializeOwned>(json: &[u8], what: &'static str) -> Result<T, FormatError> {
    serde_json::from_slice(json).map_err(|source| FormatError::Json { what, source })
}

fn network_order(id_bytes: u8, row: &[u8]) -> Option<DeviceIds> {
    match id_bytes {
        1 => Some(DeviceIds::U8(row.to_vec())),
        2 => match row.as_chunks() {
            (ids, []) => Some(DeviceIds::U16(ids.iter().map(|id| u16::from_be_bytes(*id)).collect())),
            _ => None,
        },
        4 => match row.as_chunks() {
            (ids, []) => Some(DeviceIds::U32(ids.iter().map(|id| u32::from_be_bytes(*id)).collect())),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn write(ring: &RingData) -> Vec<u8> {
    let mut metadata = json!({ "dev_id_bytes": ring.id_bytes() });
    if let Some(power) = ring.next_part_power {
        metadata["next_part_power"] = power.into();
    }
    metadata["part_shift"] = (32 - ring.part_power).into();
    metadata["replica_count"] = ring.replica_count().into();
    metadata["version"] = ring.version.into();

    let mut table = Vec::new();
    for row in &ring.assignments {
        match row {
            DeviceIds::U8(ids) => table.extend(ids),
            DeviceIds::U16(ids) => table.extend(ids.iter().flat_map(|id| id.to_be_bytes())),
            DeviceIds::U32(ids) => table.extend(ids.iter().flat_map(|id| id.to_be_bytes())),
        }
    }

    let mut writer = gzip::Writer::new();
    writer.store(&[&MAGIC[..], &[0, 2]].concat());
    let sections = [
        (METADATA, ascii_json(&metadata)),
        (DEVICES, ascii_json(&devices_to_json(&ring.devices))),
        (ASSIGNMENTS, table),
    ];
    let mut index = Map::new();
    for (name, content) in sections {
        index.insert(name.to_owned(), write_section(&mut writer, content));
    }
    let start = writer.plain_len() as u64;
    let compressed_start = writer.compressed_len() as u64;
    writer.deflate(&with_length(ascii_json(&Value::Object(index))));
    writer.store(&start.to_be_bytes());
    writer.store(&compressed_start.to_be_bytes());
    writer.finish()
}

/// Writes a section and gives its index entry.
fn write_section(writer: &mut gzip::Writer, content: Vec<u8>) -> Value {
    let bytes = with_length(content);
    let (compressed_start, start) = (writer.compressed_len(), writer.plain_len());
    writer.deflate(&bytes);
    let checksum = hex::encode(Sha256::digest(&bytes));
    json!([compressed_start, start, writer.compressed_len(), writer.plain_len(), "sha256", checksum])
}

fn with_length(content: Vec<u8>) -> Vec<u8> {
    [&(content.len() as u64).to_be_bytes()[..], &content].concat()
}
