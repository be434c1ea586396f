//! Version 1: `R1NG`, 1, the length of the metadata (4 bytes, big-endian), the metadata as JSON, then the table row
//! by row as 2-byte ids in the byte order that the metadata names.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{FormatError, MAGIC, ascii_json, devices_from_json, devices_to_json, gzip, part_power};
use crate::{DeviceIds, RingData};

#[derive(Deserialize)]
struct Metadata {
    devs: Value,
    part_shift: u32,
    replica_count: u32,
    #[serde(default)]
    byteorder: Option<String>,
    #[serde(default)]
    version: Option<u64>,
    #[serde(default)]
    next_part_power: Option<u32>,
}

pub(super) fn read(body: &[u8]) -> Result<RingData, FormatError> {
    let cut = || FormatError::Truncated("metadata");
    let (len, rest) = body.split_first_chunk::<4>().ok_or_else(cut)?;
    let (json, table) = rest.split_at_checked(u32::from_be_bytes(*len) as usize).ok_or_else(cut)?;
    let metadata: Metadata =
        serde_json::from_slice(json).map_err(|source| FormatError::Json { what: "metadata", source })?;
    let from_bytes = match metadata.byteorder.as_deref() {
        Some("big") => u16::from_be_bytes,
        _ => u16::from_le_bytes,
    };
    let part_power = part_power(metadata.part_shift)?;
    let (ids, _odd_byte) = table.as_chunks::<2>();
    let rows = ids.chunks(1 << part_power).take(metadata.replica_count as usize);
    let assignments: Vec<DeviceIds> =
        rows.map(|row| DeviceIds::U16(row.iter().map(|id| from_bytes(*id)).collect())).collect();
    if assignments.len() != metadata.replica_count as usize {
        return Err(FormatError::Truncated("table"));
    }
    Ok(RingData {
        part_power,
        devices: devices_from_json(metadata.devs)?,
        assignments,
        version: metadata.version,
        next_part_power: metadata.next_part_power,
    })
}

pub(super) fn write(ring: &RingData) -> Result<Vec<u8>, FormatError> {
    if ring.id_bytes() > 2 {
        return Err(FormatError::IdsTooWide);
    }
    // Keys in order of name, as Python sorts them.
    let mut metadata = json!({
        "byteorder": "little",
        "devs": devices_to_json(&ring.devices),
    });
    if let Some(power) = ring.next_part_power {
        metadata["next_part_power"] = power.into();
    }
    metadata["part_shift"] = (32 - ring.part_power).into();
    metadata["replica_count"] = ring.assignments.len().into();
    if let Some(version) = ring.version {
        metadata["version"] = version.into();
    }
    let json = ascii_json(&metadata);
    let ids: usize = ring.assignments.iter().map(DeviceIds::len).sum();
    let mut body = Vec::with_capacity(4 + json.len() + 2 * ids);
    body.extend((json.len() as u32).to_be_bytes());
    body.extend(json);
    for row in &ring.assignments {
        body.extend(row.iter().flat_map(|id| (id as u16).to_le_bytes()));
    }
    let mut writer = gzip::Writer::new();
    writer.store(&[&MAGIC[..], &[0, 1]].concat());
    writer.deflate(&body);
    Ok(writer.finish())
}
