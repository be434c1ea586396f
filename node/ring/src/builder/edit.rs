//! Changes of devices and settings. They take effect with the next rebalance.

use super::{Builder, BuilderError, check_replicas};
use crate::{Device, DeviceId, DeviceIds};

/// A device to add.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDevice {
    /// The id to have; the first free one when not given.
    pub id: Option<DeviceId>,
    /// Region.
    pub region: u32,
    /// Zone within the region.
    pub zone: u32,
    /// Address or host name of the servers.
    pub ip: String,
    /// Port of the servers.
    pub port: u16,
    /// Address for replicators.
    pub replication_ip: String,
    /// Port for replicators.
    pub replication_port: u16,
    /// Name of the mount point.
    pub device: String,
    /// Share of partitions relative to the others.
    pub weight: f64,
    /// Free text.
    pub meta: String,
}

/// New values for what a ring says of a device; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceChange {
    /// Address of the servers.
    pub ip: Option<String>,
    /// Port of the servers.
    pub port: Option<u16>,
    /// Address for replicators.
    pub replication_ip: Option<String>,
    /// Port for replicators.
    pub replication_port: Option<u16>,
    /// Name of the mount point.
    pub device: Option<String>,
    /// Free text.
    pub meta: Option<String>,
}

impl DeviceChange {
    /// The device as it would be.
    pub fn applied_to(&self, device: &Device) -> Device {
        let DeviceChange { ip, port, replication_ip, replication_port, device: name, meta } = self.clone();
        let old = device.clone();
        Device {
            ip: ip.unwrap_or(old.ip),
            port: port.unwrap_or(old.port),
            replication_ip: replication_ip.unwrap_or(old.replication_ip),
            replication_port: replication_port.unwrap_or(old.replication_port),
            device: name.unwrap_or(old.device),
            meta: meta.unwrap_or(old.meta),
            ..old
        }
    }
}

impl Builder {
    /// Adds a device, which gets partitions at the next rebalance.
    pub fn add(&mut self, new: NewDevice) -> Result<DeviceId, BuilderError> {
        if self.next_part_power.is_some() {
            return Err(BuilderError::PartPowerIncreasing);
        }
        check_weight(new.weight)?;
        let first_free = self.devices.iter().position(Option::is_none).unwrap_or(self.devices.len());
        let id = new.id.unwrap_or(first_free as DeviceId);
        if self.device(id).is_some() {
            return Err(BuilderError::DuplicateId(id));
        }
        let slots = self.devices.len().max(id as usize + 1);
        self.devices.resize(slots, None);
        self.held.resize(slots, 0);
        self.wanted.resize(slots, None);
        self.wanted[id as usize] = None;
        self.id_bytes = self.id_bytes.max(DeviceIds::bytes_for(id));
        self.devices[id as usize] = Some(Device {
            device: new.device,
            id,
            ip: new.ip,
            meta: new.meta,
            port: new.port,
            region: new.region,
            replication_ip: new.replication_ip,
            replication_port: new.replication_port,
            weight: new.weight,
            zone: new.zone,
        });
        self.touch();
        Ok(id)
    }

    /// Changes how much of the ring a device should hold.
    pub fn set_weight(&mut self, id: DeviceId, weight: f64) -> Result<(), BuilderError> {
        check_weight(weight)?;
        self.staying(id, "weight")?.weight = weight;
        self.touch();
        Ok(())
    }

    /// Moves a device to another region.
    pub fn set_region(&mut self, id: DeviceId, region: u32) -> Result<(), BuilderError> {
        self.staying(id, "region")?.region = region;
        self.touch();
        Ok(())
    }

    /// Moves a device to another zone.
    pub fn set_zone(&mut self, id: DeviceId, zone: u32) -> Result<(), BuilderError> {
        self.staying(id, "zone")?.zone = zone;
        self.touch();
        Ok(())
    }

    /// Changes what the ring says of a device. As in Swift this is no change of the assignment: the version stays,
    /// and writing the ring is enough.
    pub fn set_info(&mut self, id: DeviceId, change: &DeviceChange) -> Result<(), BuilderError> {
        let device = self.device_mut(id)?;
        *device = change.applied_to(device);
        Ok(())
    }

    /// Marks a device for removal: the next rebalance takes everything off it, whatever moved lately.
    pub fn remove(&mut self, id: DeviceId) -> Result<(), BuilderError> {
        if self.next_part_power.is_some() {
            return Err(BuilderError::PartPowerIncreasing);
        }
        self.device_mut(id)?.weight = 0.0;
        if !self.removed.contains(&id) {
            self.removed.push(id);
        }
        self.touch();
        Ok(())
    }

    /// Sets the hours before a partition may move again.
    pub fn set_min_part_hours(&mut self, hours: u32) {
        self.min_part_hours = hours;
    }

    /// Sets the number of replicas; with a fraction, that share of partitions has one more.
    pub fn set_replicas(&mut self, replicas: f64) -> Result<(), BuilderError> {
        check_replicas(replicas)?;
        let slots = |replicas: f64| (self.part_count() as f64 * replicas) as u64;
        self.devices_changed |= slots(self.replicas) != slots(replicas);
        self.replicas = replicas;
        Ok(())
    }

    /// Sets the fraction by which a device may exceed its weight for dispersion's sake.
    pub fn set_overload(&mut self, overload: f64) -> Result<(), BuilderError> {
        if !overload.is_finite() || overload < 0.0 {
            return Err(BuilderError::Overload(overload));
        }
        self.overload = overload;
        Ok(())
    }

    /// Forgets when partitions moved, so that all of them may move again.
    pub fn pretend_min_part_hours_passed(&mut self) {
        self.last_moves_epoch_secs = 0;
        self.last_moves_hours.fill(u8::MAX);
    }

    /// Takes note that partitions moved just now, by other means than a rebalance: `min_part_hours` begins anew for them.
    pub fn mark_moved(&mut self, parts: impl IntoIterator<Item = usize>, now_secs: u64) {
        self.age_moves(now_secs);
        self.last_moves_epoch_secs = now_secs;
        for part in parts {
            if let Some(hours) = self.last_moves_hours.get_mut(part) {
                *hours = 0;
            }
        }
    }

    fn device_mut(&mut self, id: DeviceId) -> Result<&mut Device, BuilderError> {
        self.devices.get_mut(id as usize).and_then(Option::as_mut).ok_or(BuilderError::NoDevice(id))
    }

    /// A device that is not about to leave.
    fn staying(&mut self, id: DeviceId, what: &'static str) -> Result<&mut Device, BuilderError> {
        if self.is_removed(id) {
            return Err(BuilderError::Removed { what, id });
        }
        self.device_mut(id)
    }

    fn touch(&mut self) {
        self.devices_changed = true;
        self.version += 1;
    }
}

fn check_weight(weight: f64) -> Result<(), BuilderError> {
    if weight.is_finite() && weight >= 0.0 { Ok(()) } else { Err(BuilderError::Weight(weight)) }
}
