//! Finding devices, and the partitions they hold.

use std::collections::HashSet;

use super::Builder;
use crate::address::normalize_address;
use crate::{Device, DeviceId};

/// What a device must be like to match; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Search {
    /// Its id.
    pub id: Option<DeviceId>,
    /// Its region.
    pub region: Option<u32>,
    /// Its zone.
    pub zone: Option<u32>,
    /// Its address, normalised.
    pub ip: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// Its address for replicators, normalised.
    pub replication_ip: Option<String>,
    /// Its port for replicators.
    pub replication_port: Option<u16>,
    /// Its mount point.
    pub device: Option<String>,
    /// Its weight.
    pub weight: Option<f64>,
    /// Part of its free text.
    pub meta: Option<String>,
}

impl Search {
    /// Whether a device matches.
    pub fn matches(&self, device: &Device) -> bool {
        fn is<T: PartialEq>(wanted: &Option<T>, value: &T) -> bool {
            wanted.as_ref().is_none_or(|wanted| wanted == value)
        }
        let is_at = |wanted: &Option<String>, ip: &str| {
            wanted.as_ref().is_none_or(|wanted| normalize_address(ip).is_some_and(|ip| ip == *wanted))
        };
        is(&self.id, &device.id)
            && is(&self.region, &device.region)
            && is(&self.zone, &device.zone)
            && is_at(&self.ip, &device.ip)
            && is(&self.port, &device.port)
            && is_at(&self.replication_ip, &device.replication_ip)
            && is(&self.replication_port, &device.replication_port)
            && is(&self.device, &device.device)
            && is(&self.weight, &device.weight)
            && self.meta.as_ref().is_none_or(|meta| device.meta.contains(meta.as_str()))
    }
}

impl Builder {
    /// Devices that match, in order of id.
    pub fn search<'a>(&'a self, search: &'a Search) -> impl Iterator<Item = &'a Device> {
        self.devices().filter(|device| search.matches(device))
    }

    /// Another device that servers would take for the same disk.
    pub fn same_disk(&self, device: &Device) -> Option<&Device> {
        self.devices().find(|other| other.id != device.id && other.is_same_disk(device))
    }

    /// Partitions that these devices hold and how many replicas of each, most first. Equal counts come in the order
    /// in which the table, replica by replica, first names the partition.
    pub fn parts_on(&self, devices: &HashSet<DeviceId>) -> Vec<(u32, u32)> {
        let mut counts = vec![0u32; self.part_count()];
        let mut found: Vec<u32> = Vec::new();
        for row in self.rows.as_deref().unwrap_or_default() {
            for (part, _) in row.iter().enumerate().filter(|(_, id)| devices.contains(id)) {
                if counts[part] == 0 {
                    found.push(part as u32);
                }
                counts[part] += 1;
            }
        }
        let mut parts: Vec<(u32, u32)> =
            found.into_iter().map(|part| (part, counts[part as usize])).collect();
        parts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        parts
    }
}
