//! A ring: the assignment table and its devices, and lookups in them.

use std::collections::HashMap;

use md5::{Digest, Md5};
use swiftlet_types::PathHash;

use crate::{Device, DeviceId, DeviceIds, Handoffs};

/// A ring as it is stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RingData {
    /// The ring has 2^`part_power` partitions.
    pub part_power: u32,
    /// Devices by id; a gap where one was removed.
    pub devices: Vec<Option<Device>>,
    /// One row a replica; only the last may be short. Empty before the first rebalance.
    pub assignments: Vec<DeviceIds>,
    /// Version of the builder that wrote it; rings of before 2.15 have none.
    pub version: Option<u64>,
    /// Set while the partition power is being increased.
    pub next_part_power: Option<u32>,
}

/// Why ring data cannot be used for lookups.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RingDataError {
    /// More partitions than 2^32.
    #[error("partition power {0} is above 32")]
    PartPower(u32),
    /// A row is short that is not the last, or longer than there are partitions.
    #[error("replica {replica} has {len} partitions, expected {expected}")]
    RowLength {
        /// Which replica.
        replica: usize,
        /// Partitions in its row.
        len: usize,
        /// Partitions of the ring.
        expected: usize,
    },
    /// A partition is assigned to a device that is not there.
    #[error("replica {replica} of partition {part} is on device {device}, which the ring does not have")]
    UnknownDevice {
        /// Which replica.
        replica: usize,
        /// Which partition.
        part: usize,
        /// The id in the table.
        device: DeviceId,
    },
}

impl RingData {
    /// 2^part_power.
    pub fn part_count(&self) -> usize {
        1 << self.part_power
    }

    /// Replicas, a fraction where the last row is short.
    pub fn replica_count(&self) -> f64 {
        match (self.assignments.first(), self.assignments.last()) {
            (Some(first), Some(last)) if !first.is_empty() => {
                (self.assignments.len() - 1) as f64 + last.len() as f64 / first.len() as f64
            }
            _ => 0.0,
        }
    }

    /// Bytes that one device id takes; 2 before anything is assigned.
    pub fn id_bytes(&self) -> u8 {
        self.assignments.iter().map(DeviceIds::id_bytes).max().unwrap_or(2)
    }

    fn check(&self) -> Result<(), RingDataError> {
        if self.part_power > 32 {
            return Err(RingDataError::PartPower(self.part_power));
        }
        for (replica, row) in self.assignments.iter().enumerate() {
            let (len, expected) = (row.len(), self.part_count());
            let is_last = replica + 1 == self.assignments.len();
            if len > expected || (len < expected && !is_last) {
                return Err(RingDataError::RowLength { replica, len, expected });
            }
            let is_known = |id: DeviceId| matches!(self.devices.get(id as usize), Some(Some(_)));
            if let Some((part, device)) = row.iter().enumerate().find(|&(_, id)| !is_known(id)) {
                return Err(RingDataError::UnknownDevice { replica, part, device });
            }
        }
        Ok(())
    }
}

/// The indices of the failure domains a device is in, each dense from 0.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Domains {
    pub(crate) region: u32,
    pub(crate) zone: u32,
    pub(crate) ip: u32,
}

/// How many of each there are among devices that hold partitions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DomainCounts {
    pub(crate) regions: usize,
    pub(crate) zones: usize,
    pub(crate) ips: usize,
    pub(crate) devices: usize,
}

/// A ring ready for lookups.
#[derive(Debug)]
pub struct Ring {
    data: RingData,
    domains: Vec<Domains>,
    assigned: DomainCounts,
}

impl Ring {
    /// Checks the data, so that no lookup can fail.
    pub fn new(data: RingData) -> Result<Ring, RingDataError> {
        data.check()?;
        let mut is_assigned = vec![false; data.devices.len()];
        for row in &data.assignments {
            row.iter().for_each(|id| is_assigned[id as usize] = true);
        }
        let (domains, assigned) = number_domains(&data.devices, &is_assigned);
        Ok(Ring { data, domains, assigned })
    }

    /// The stored form.
    pub fn data(&self) -> &RingData {
        &self.data
    }

    /// 2^part_power; 0 before the first rebalance, when there is nothing to look up.
    pub fn part_count(&self) -> u64 {
        if self.data.assignments.is_empty() { 0 } else { 1 << self.data.part_power }
    }

    /// The exponent of the number of partitions.
    pub fn part_power(&self) -> u32 {
        self.data.part_power
    }

    /// The partition power after an increase under way.
    pub fn next_part_power(&self) -> Option<u32> {
        self.data.next_part_power
    }

    /// Version of the builder that wrote this ring.
    pub fn version(&self) -> Option<u64> {
        self.data.version
    }

    /// Replicas, a fraction where some partitions have one more.
    pub fn replica_count(&self) -> f64 {
        self.data.replica_count()
    }

    /// Rows of the table: replicas rounded up.
    pub fn max_replicas(&self) -> usize {
        self.data.assignments.len()
    }

    /// All devices, in order of id.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.data.devices.iter().flatten()
    }

    /// The device with this id.
    pub fn device(&self, id: DeviceId) -> Option<&Device> {
        self.data.devices.get(id as usize)?.as_ref()
    }

    /// Devices that hold partitions.
    pub fn assigned_device_count(&self) -> usize {
        self.assigned.devices
    }

    /// The partition of an account, container or object.
    pub fn partition(&self, hash: &PathHash) -> u32 {
        hash.partition(self.data.part_power)
    }

    /// The primary devices of a partition in replica order, each once: a node's position is Swift's node `index`.
    /// Empty for a partition beyond the ring.
    pub fn nodes(&self, part: u32) -> impl Iterator<Item = &Device> {
        let rows = &self.data.assignments;
        let ids = rows.iter().enumerate().filter_map(move |(replica, row)| {
            let id = row.get(part as usize)?;
            let seen = rows[..replica].iter().any(|earlier| earlier.get(part as usize) == Some(id));
            (!seen).then_some(id)
        });
        ids.filter_map(|id| self.device(id))
    }

    /// The other devices of the ring, in the order in which Swift asks them for this partition: unused regions
    /// first, then unused zones, servers and devices. A handoff's position is Swift's `handoff_index`.
    pub fn handoffs(&self, part: u32) -> Handoffs<'_> {
        let start = Md5::digest(part.to_string().as_bytes());
        let hash = PathHash(start.into());
        Handoffs::new(self, part, hash.partition(self.data.part_power))
    }

    pub(crate) fn domains(&self, id: DeviceId) -> Domains {
        self.domains[id as usize]
    }

    pub(crate) fn assigned(&self) -> DomainCounts {
        self.assigned
    }
}

/// Numbers regions, zones and servers, and counts those that hold partitions: one that holds none does not keep
/// the search for handoffs going.
fn number_domains(devices: &[Option<Device>], is_assigned: &[bool]) -> (Vec<Domains>, DomainCounts) {
    let (mut regions, mut zones, mut ips) = (HashMap::new(), HashMap::new(), HashMap::new());
    let mut counts = DomainCounts::default();
    let mut domains = vec![Domains::default(); devices.len()];
    for assigned in [true, false] {
        for device in devices.iter().flatten().filter(|d| is_assigned[d.id as usize] == assigned) {
            let Device { region, zone, ip, .. } = device;
            let place = &mut domains[device.id as usize];
            let next = regions.len() as u32;
            place.region = *regions.entry(*region).or_insert(next);
            let next = zones.len() as u32;
            place.zone = *zones.entry((*region, *zone)).or_insert(next);
            let next = ips.len() as u32;
            place.ip = *ips.entry((*region, *zone, ip.as_str())).or_insert(next);
            counts.devices += usize::from(assigned);
        }
        if assigned {
            (counts.regions, counts.zones, counts.ips) = (regions.len(), zones.len(), ips.len());
        }
    }
    (domains, counts)
}

#[cfg(test)]
mod tests;
