//! The devices of one replica, partition by partition, in as many bytes as their ids need.

use crate::DeviceId;

/// One row of the assignment table. The largest value of a width stands for "not assigned" in builders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceIds {
    /// Ids below 255. Swift 2.38 writes none of these.
    U8(Vec<u8>),
    /// Ids below 65,535.
    U16(Vec<u16>),
    /// Ids below 2^32 - 1.
    U32(Vec<u32>),
}

/// Stands for "not assigned" in a builder at work.
pub(crate) const NO_DEVICE: DeviceId = DeviceId::MAX;

impl DeviceIds {
    /// An empty row with room, for ids of 1, 2 or 4 bytes.
    pub fn with_capacity(id_bytes: u8, capacity: usize) -> DeviceIds {
        match id_bytes {
            1 => DeviceIds::U8(Vec::with_capacity(capacity)),
            2 => DeviceIds::U16(Vec::with_capacity(capacity)),
            _ => DeviceIds::U32(Vec::with_capacity(capacity)),
        }
    }

    /// A row of these ids.
    pub fn collect(id_bytes: u8, ids: impl ExactSizeIterator<Item = DeviceId>) -> DeviceIds {
        let mut row = DeviceIds::with_capacity(id_bytes, ids.len());
        match &mut row {
            DeviceIds::U8(row) => row.extend(ids.map(|id| id as u8)),
            DeviceIds::U16(row) => row.extend(ids.map(|id| id as u16)),
            DeviceIds::U32(row) => row.extend(ids),
        }
        row
    }

    /// Bytes that one id takes.
    pub fn id_bytes(&self) -> u8 {
        match self {
            DeviceIds::U8(_) => 1,
            DeviceIds::U16(_) => 2,
            DeviceIds::U32(_) => 4,
        }
    }

    /// Partitions in this row; the last replica's row may be short.
    pub fn len(&self) -> usize {
        match self {
            DeviceIds::U8(row) => row.len(),
            DeviceIds::U16(row) => row.len(),
            DeviceIds::U32(row) => row.len(),
        }
    }

    /// Whether there are no partitions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The device of a partition.
    #[inline]
    pub fn get(&self, part: usize) -> Option<DeviceId> {
        match self {
            DeviceIds::U8(row) => row.get(part).map(|&id| DeviceId::from(id)),
            DeviceIds::U16(row) => row.get(part).map(|&id| DeviceId::from(id)),
            DeviceIds::U32(row) => row.get(part).copied(),
        }
    }

    /// The devices, partition by partition.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = DeviceId> + '_ {
        (0..self.len()).map(|part| self.get(part).unwrap_or(NO_DEVICE))
    }

    /// The smallest width Swift writes that holds ids up to `max_id`.
    pub fn bytes_for(max_id: DeviceId) -> u8 {
        if max_id < u32::from(u16::MAX) { 2 } else { 4 }
    }
}
