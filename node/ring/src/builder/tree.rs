//! The tree of failure domains: the cluster, its regions, their zones, their servers, their devices.

use std::ops::Range;

use crate::{Device, DeviceId};

/// Depths of the tree. A tier's depth says what it is.
pub(crate) const CLUSTER: usize = 0;
pub(crate) const DEVICE: usize = 4;

/// Index of a tier in its tree; the cluster is 0.
pub(crate) type TierId = usize;

/// A failure domain.
#[derive(Debug)]
pub(crate) struct Tier {
    pub(crate) depth: usize,
    pub(crate) children: Range<TierId>,
    /// Devices below that have weight: those that can take partitions.
    pub(crate) weighted_devices: u32,
    /// The device whose path this tier is on first, by which it is named.
    pub(crate) first_device: DeviceId,
}

/// All tiers, breadth first, so that the children of one lie side by side in order of name.
#[derive(Debug)]
pub(crate) struct TierTree {
    tiers: Vec<Tier>,
    /// By device: its region, zone, server and own tier. Zeros where there is no device.
    paths: Vec<[TierId; DEVICE]>,
}

/// What distinguishes a tier of a depth from the others of it.
fn key(device: &Device, depth: usize) -> (u32, u32, &str, DeviceId) {
    let Device { region, zone, ip, id, .. } = device;
    match depth {
        1 => (*region, 0, "", 0),
        2 => (*region, *zone, "", 0),
        3 => (*region, *zone, ip, 0),
        _ => (*region, *zone, ip, *id),
    }
}

impl TierTree {
    pub(crate) fn new(devices: &[Option<Device>]) -> TierTree {
        let mut sorted: Vec<&Device> = devices.iter().flatten().collect();
        sorted.sort_by_key(|device| key(device, DEVICE));
        let weighted = |devices: &[&Device]| devices.iter().filter(|d| d.weight > 0.0).count() as u32;
        let first = |devices: &[&Device]| devices.first().map_or(0, |device| device.id);

        let mut tiers = vec![Tier {
            depth: CLUSTER,
            children: 0..0,
            weighted_devices: weighted(&sorted),
            first_device: first(&sorted),
        }];
        let mut paths = vec![[0; DEVICE]; devices.len()];
        // The devices below each tier of the level above.
        let mut level: Vec<(TierId, &[&Device])> = vec![(0, &sorted)];
        for depth in 1..=DEVICE {
            let mut below = Vec::new();
            for (parent, devices) in level {
                let start = tiers.len();
                for group in devices.chunk_by(|a, b| key(a, depth) == key(b, depth)) {
                    for device in group {
                        paths[device.id as usize][depth - 1] = tiers.len();
                    }
                    below.push((tiers.len(), group));
                    tiers.push(Tier {
                        depth,
                        children: 0..0,
                        weighted_devices: weighted(group),
                        first_device: first(group),
                    });
                }
                tiers[parent].children = start..tiers.len();
            }
            level = below;
        }
        TierTree { tiers, paths }
    }

    pub(crate) fn len(&self) -> usize {
        self.tiers.len()
    }

    pub(crate) fn tier(&self, tier: TierId) -> &Tier {
        &self.tiers[tier]
    }

    /// One past the highest device id.
    pub(crate) fn device_slots(&self) -> usize {
        self.paths.len()
    }

    /// The tiers that are devices.
    pub(crate) fn devices(&self) -> impl Iterator<Item = TierId> + '_ {
        self.ids().filter(|&tier| self.tiers[tier].depth == DEVICE)
    }

    /// Region, zone, server and device tier of a device.
    pub(crate) fn path(&self, device: DeviceId) -> &[TierId; DEVICE] {
        &self.paths[device as usize]
    }

    pub(crate) fn children(&self, tier: TierId) -> Range<TierId> {
        self.tiers[tier].children.clone()
    }

    /// Children that can take partitions.
    pub(crate) fn weighted_children(&self, tier: TierId) -> Vec<TierId> {
        self.children(tier).filter(|&child| self.tiers[child].weighted_devices > 0).collect()
    }

    /// All tiers with the cluster first and no child before its parent.
    pub(crate) fn ids(&self) -> Range<TierId> {
        0..self.tiers.len()
    }

    /// Adds up a figure of the devices at every tier above them.
    pub(crate) fn sum_up(&self, of_device: impl Fn(DeviceId) -> f64) -> Vec<f64> {
        let mut sums = vec![0.0; self.len()];
        for device in self.devices().map(|tier| self.tiers[tier].first_device) {
            let figure = of_device(device);
            sums[0] += figure;
            self.path(device).iter().for_each(|&tier| sums[tier] += figure);
        }
        sums
    }
}
