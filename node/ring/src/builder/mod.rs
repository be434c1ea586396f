//! A ring under construction: devices, settings and the assignment so far.
//!
//! Pure: no I/O but in [`file`], and the clock is passed in as Unix seconds. Changing devices or settings assigns
//! nothing; [`Builder::rebalance`] does, and [`Builder::ring`] gives what servers load.

mod dispersion;
mod edit;
pub mod file;
mod part_power;
mod quota;
mod random;
mod rebalance;
mod recovered;
mod search;
mod targets;
mod tree;
mod validate;

pub use dispersion::{DispersionReport, TierKey, TierReport};
pub use edit::{DeviceChange, NewDevice};
pub use rebalance::Rebalanced;
pub use recovered::Assignment;
pub use search::Search;
pub use validate::ValidationError;

use crate::ids::NO_DEVICE;
use crate::{Device, DeviceId, DeviceIds, RingData};
use targets::overload_for_dispersion;
use tree::TierTree;

/// Swift's figure for "as unbalanced as can be": a device without weight that holds partitions.
pub const MAX_BALANCE: f64 = 999.99;

/// Why a builder refuses. Nothing has changed then.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum BuilderError {
    /// Out of what Swift allows.
    #[error("part_power must be at most 32 (was {0})")]
    PartPower(u32),
    /// Out of what Swift allows.
    #[error("replicas must be at least 1 (was {0:.6})")]
    Replicas(f64),
    /// A weight that is negative or no number.
    #[error("weight must be a number of at least 0 (was {0})")]
    Weight(f64),
    /// An overload that is negative or no number.
    #[error("overload must be a number of at least 0 (was {0})")]
    Overload(f64),
    /// The id asked for is taken.
    #[error("Duplicate device id: {0}")]
    DuplicateId(DeviceId),
    /// There is no such device.
    #[error("there is no device with id {0}")]
    NoDevice(DeviceId),
    /// The device leaves with the next rebalance.
    #[error("Can not set {what} of dev_id {id} because it is marked for removal")]
    Removed {
        /// What was to be set.
        what: &'static str,
        /// Which device.
        id: DeviceId,
    },
    /// No device has weight.
    #[error("There are no devices in this ring, or all devices have been deleted")]
    Empty,
    /// A partition needs as many devices as it has replicas.
    #[error("Replica count of {replicas:?} requires more than {devices} devices")]
    TooFewDevices {
        /// Replicas of a partition.
        replicas: f64,
        /// Devices with weight.
        devices: usize,
    },
    /// Devices and partitions stay as they are until the increase is finished or cancelled.
    #[error("a partition power increase is in progress")]
    PartPowerIncreasing,
}

/// A ring under construction; see the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Builder {
    part_power: u32,
    next_part_power: Option<u32>,
    replicas: f64,
    min_part_hours: u32,
    overload: f64,
    devices: Vec<Option<Device>>,
    /// Part-replicas each device holds, by id.
    held: Vec<u32>,
    /// Part-replicas each device still wanted after the last rebalance, as the builder file keeps it; none before
    /// the first.
    wanted: Vec<Option<i64>>,
    /// Devices that leave with the next rebalance.
    removed: Vec<DeviceId>,
    devices_changed: bool,
    version: u64,
    id: Option<String>,
    id_bytes: u8,
    /// One row a replica, the last perhaps short; none before the first rebalance.
    rows: Option<Vec<Vec<DeviceId>>>,
    /// Hours since each partition moved, as of `last_moves_epoch_secs`, at most 255.
    last_moves_hours: Vec<u8>,
    last_moves_epoch_secs: u64,
    last_gather_start: u64,
    dispersion: Option<f64>,
    dispersion_graph: Vec<(TierKey, Vec<u64>)>,
}

impl Builder {
    /// A ring of 2^`part_power` partitions without devices.
    pub fn new(part_power: u32, replicas: f64, min_part_hours: u32) -> Result<Builder, BuilderError> {
        if part_power > 32 {
            return Err(BuilderError::PartPower(part_power));
        }
        check_replicas(replicas)?;
        Ok(Builder {
            part_power,
            next_part_power: None,
            replicas,
            min_part_hours,
            overload: 0.0,
            devices: Vec::new(),
            held: Vec::new(),
            wanted: Vec::new(),
            removed: Vec::new(),
            devices_changed: false,
            version: 0,
            id: None,
            id_bytes: 2,
            rows: None,
            last_moves_hours: vec![0; 1 << part_power],
            last_moves_epoch_secs: 0,
            last_gather_start: 0,
            dispersion: Some(0.0),
            dispersion_graph: Vec::new(),
        })
    }

    /// A builder made again from a ring file, for who lost the builder: all partitions count as never moved.
    pub fn from_ring(ring: &RingData, min_part_hours: u32) -> Result<Builder, BuilderError> {
        let mut builder = Builder::new(ring.part_power, ring.replica_count(), min_part_hours)?;
        builder.held = vec![0; ring.devices.len()];
        builder.wanted = vec![Some(0); ring.devices.len()];
        let rows: Vec<Vec<DeviceId>> = ring.assignments.iter().map(|row| row.iter().collect()).collect();
        for &id in rows.iter().flatten() {
            *builder.held.get_mut(id as usize).ok_or(BuilderError::NoDevice(id))? += 1;
        }
        builder.devices.clone_from(&ring.devices);
        builder.rows = Some(rows);
        builder.id_bytes = ring.id_bytes();
        builder.version = ring.version.unwrap_or(0);
        builder.dispersion = None;
        Ok(builder)
    }

    /// The ring as servers load it.
    pub fn ring(&self) -> RingData {
        let rows = self.rows.as_deref().unwrap_or_default();
        RingData {
            part_power: self.part_power,
            devices: self.devices.clone(),
            assignments: rows
                .iter()
                .map(|row| DeviceIds::collect(self.id_bytes, row.iter().copied()))
                .collect(),
            version: Some(self.version),
            // Swift's ring of a builder without assignments says nothing of it.
            next_part_power: self.next_part_power.filter(|_| self.rows.is_some()),
        }
    }

    /// The exponent of the number of partitions.
    pub fn part_power(&self) -> u32 {
        self.part_power
    }

    /// 2^part_power.
    pub fn part_count(&self) -> usize {
        1 << self.part_power
    }

    /// The partition power after an increase under way; equal to `part_power` once the cleanup is due.
    pub fn next_part_power(&self) -> Option<u32> {
        self.next_part_power
    }

    /// Replicas of a partition, on average.
    pub fn replicas(&self) -> f64 {
        self.replicas
    }

    /// Hours before a partition may move again.
    pub fn min_part_hours(&self) -> u32 {
        self.min_part_hours
    }

    /// Fraction by which a device may exceed its weight for dispersion's sake.
    pub fn overload(&self) -> f64 {
        self.overload
    }

    /// Counts the changes; a ring carries the version of its builder.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The id given at the first save.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Gives the builder its id, unless it has one.
    pub fn assign_id(&mut self, id: impl FnOnce() -> String) {
        self.id.get_or_insert_with(id);
    }

    /// Bytes that one device id takes in the ring.
    pub fn id_bytes(&self) -> u8 {
        match self.rows {
            Some(_) => self.id_bytes,
            None => DeviceIds::bytes_for(self.devices.len().saturating_sub(1) as DeviceId),
        }
    }

    /// Makes the ring's ids this wide, for one write; needs assignments.
    pub fn set_id_bytes(&mut self, id_bytes: u8) {
        self.id_bytes = id_bytes;
    }

    /// Whether partitions have been assigned.
    pub fn is_balanced_once(&self) -> bool {
        self.rows.is_some()
    }

    /// Whether devices or settings changed since the last rebalance.
    pub fn devices_changed(&self) -> bool {
        self.devices_changed
    }

    /// All devices in order of id, those marked for removal included.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.iter().flatten()
    }

    /// One past the highest device id ever in use and not trimmed since.
    pub fn device_slots(&self) -> usize {
        self.devices.len()
    }

    /// The device with this id.
    pub fn device(&self, id: DeviceId) -> Option<&Device> {
        self.devices.get(id as usize)?.as_ref()
    }

    /// Part-replicas a device holds.
    pub fn parts_held(&self, id: DeviceId) -> u32 {
        self.held.get(id as usize).copied().unwrap_or(0)
    }

    /// Whether a device leaves with the next rebalance.
    pub fn is_removed(&self, id: DeviceId) -> bool {
        self.removed.contains(&id)
    }

    /// The devices of a partition in replica order; unassigned replicas are left out.
    pub fn devices_of_part(&self, part: u32) -> impl Iterator<Item = DeviceId> + '_ {
        let rows = self.rows.as_deref().unwrap_or_default();
        rows.iter().filter_map(move |row| row.get(part as usize).copied().filter(|&id| id != NO_DEVICE))
    }

    /// Share of part-replicas that are less dispersed than they could be, in percent; unknown after
    /// [`Builder::from_ring`].
    pub fn dispersion(&self) -> Option<f64> {
        self.dispersion
    }

    /// How far the worst device is from its weight's share, in percent.
    pub fn balance(&self) -> Result<f64, BuilderError> {
        let share = self.parts_a_weight()?;
        Ok(self.devices().map(|device| self.balance_at(device, share).abs()).fold(0.0, f64::max))
    }

    /// How far a device is from its weight's share, in percent: negative when it holds too little.
    pub fn device_balance(&self, device: &Device) -> Result<f64, BuilderError> {
        Ok(self.balance_at(device, self.parts_a_weight()?))
    }

    fn balance_at(&self, device: &Device, parts_a_weight: f64) -> f64 {
        let held = self.parts_held(device.id);
        if device.weight > 0.0 {
            100.0 * f64::from(held) / (device.weight * parts_a_weight) - 100.0
        } else if held > 0 {
            MAX_BALANCE
        } else {
            0.0
        }
    }

    /// Part-replicas due to a device of weight 1.
    fn parts_a_weight(&self) -> Result<f64, BuilderError> {
        let weight: f64 = self.devices().map(|device| device.weight).sum();
        if weight > 0.0 {
            Ok(self.part_count() as f64 * self.replicas / weight)
        } else {
            Err(BuilderError::Empty)
        }
    }

    /// The overload at which partitions would be as dispersed as the topology allows.
    pub fn required_overload(&self) -> Result<f64, BuilderError> {
        overload_for_dispersion(&TierTree::new(&self.devices), &self.devices, self.replicas)
    }

    /// Seconds until every partition may move again: as [`Self::min_part_secs_left`], but a rebalance that moved nothing
    /// does not count.
    pub fn secs_until_all_may_move(&self, now_secs: u64) -> u64 {
        let latest_hours = self.last_moves_hours.iter().copied().min().unwrap_or(u8::MAX);
        let wait_hours = self.min_part_hours.saturating_sub(u32::from(latest_hours));
        let elapsed = now_secs.saturating_sub(self.last_moves_epoch_secs);
        (u64::from(wait_hours) * 3600).saturating_sub(elapsed)
    }

    /// Seconds until `min_part_hours` have passed since the last rebalance.
    pub fn min_part_secs_left(&self, now_secs: u64) -> u64 {
        let elapsed = now_secs.saturating_sub(self.last_moves_epoch_secs);
        (u64::from(self.min_part_hours) * 3600).saturating_sub(elapsed)
    }
}

fn check_replicas(replicas: f64) -> Result<(), BuilderError> {
    if (1.0..1e6).contains(&replicas) { Ok(()) } else { Err(BuilderError::Replicas(replicas)) }
}

#[cfg(test)]
mod tests;
