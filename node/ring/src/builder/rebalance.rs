//! Assigning partitions to devices.
//!
//! A rebalance first decides how many part-replicas every failure domain should hold (`targets`, `quota`), then
//! moves the fewest replicas that get there, each to where its partition's other replicas are not:
//!
//! 1. Replicas without a device (a first rebalance, more replicas, removed devices) are placed.
//! 2. Of partitions with more replicas in a domain than its target rounded up, one moves elsewhere.
//! 3. Replicas move from devices that hold too much straight to devices that hold too little.
//! 4. Where no such move is allowed, a chain of two does it: to a device that then passes on another partition.
//!
//! Steps 2 to 4 leave alone what moved within `min_part_hours`, and move one replica of a partition at a time.
//!
//! A replica is placed by walking down the tree of domains. Among those that may still take a replica of this
//! partition, domains below their least share go first, then the one with the most quota left. Filling rows of a
//! table in this order (most remaining column total first) is the Gale-Ryser construction: for a first rebalance
//! every quota is met and every domain holds its target, rounded up or down, of each partition.

mod chains;
mod placer;
mod state;

use super::quota::Quotas;
use super::random::Random;
use super::targets::{Plan, even_max};
use super::tree::TierTree;
use super::{Builder, BuilderError};
use crate::DeviceId;
use crate::ids::NO_DEVICE;
use state::State;

/// What a rebalance did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rebalanced {
    /// Part-replicas that are on another device than before, new ones included.
    pub moved: u64,
    /// How far the worst device is from its weight's share, in percent.
    pub balance: f64,
    /// Devices that left the ring.
    pub removed_devices: usize,
}

impl Builder {
    /// Assigns partitions anew after devices or settings changed; see the module. The same builder, time and seed
    /// give the same ring.
    pub fn rebalance(&mut self, now_secs: u64, seed: &str) -> Result<Rebalanced, BuilderError> {
        if self.next_part_power.is_some() {
            return Err(BuilderError::PartPowerIncreasing);
        }
        let tree = TierTree::new(&self.devices);
        let plan = Plan::new(&tree, &self.devices, self.replicas, self.overload)?;
        let before = self.rows.clone().unwrap_or_default();

        self.age_moves(now_secs);
        let rows = self.resized_rows();
        let quotas = {
            let held = count_held(&rows, self.devices.len());
            let division = Quotas {
                tree: &tree,
                plan: &plan,
                even_max: &even_max(&tree, self.replicas),
                devices: &self.devices,
                parts: self.part_count(),
                slots: rows.iter().map(Vec::len).sum(),
                parts_a_weight: self.parts_a_weight()?,
            };
            division.divide(|device| held[device as usize])
        };
        let may_move: Vec<bool> =
            self.last_moves_hours.iter().map(|&hours| u32::from(hours) >= self.min_part_hours).collect();
        let mut state = State::new(&tree, &plan, &quotas, rows, may_move, Random::seeded(seed));
        state.detach(&self.removed);
        state.place_unassigned();
        state.disperse();
        state.balance();
        state.balance_by_chains();
        let (rows, moved_parts) = state.into_rows();

        for part in moved_parts {
            self.last_moves_hours[part] = 0;
        }
        self.held = count_held(&rows, self.devices.len());
        for device in self.devices.iter().flatten() {
            let id = device.id as usize;
            self.wanted[id] = Some(i64::from(quotas[tree.path(device.id)[3]]) - i64::from(self.held[id]));
        }
        let moved = count_moved(&before, &rows);
        self.rows = Some(rows);
        let removed_devices = self.drop_removed();
        self.devices_changed = false;
        self.recalculate_dispersion();
        Ok(Rebalanced { moved, balance: self.balance()?, removed_devices })
    }

    /// Brings the hours since the last moves up to now.
    pub(super) fn age_moves(&mut self, now_secs: u64) {
        let elapsed_hours = now_secs.saturating_sub(self.last_moves_epoch_secs) / 3600;
        if elapsed_hours == 0 {
            return;
        }
        let elapsed_hours = u8::try_from(elapsed_hours).unwrap_or(u8::MAX);
        for hours in &mut self.last_moves_hours {
            *hours = hours.saturating_add(elapsed_hours);
        }
        self.last_moves_epoch_secs = now_secs;
    }

    /// The table with as many rows, and as long, as the number of replicas asks for.
    fn resized_rows(&self) -> Vec<Vec<DeviceId>> {
        let parts = self.part_count();
        let (whole, fraction) = (self.replicas.trunc() as usize, self.replicas.fract());
        let mut lengths = vec![parts; whole];
        if fraction > 0.0 {
            lengths.push((parts as f64 * fraction) as usize);
        }
        let mut rows = self.rows.clone().unwrap_or_default();
        rows.resize(lengths.len(), Vec::new());
        for (row, len) in rows.iter_mut().zip(lengths) {
            row.resize(len, NO_DEVICE);
        }
        rows
    }

    fn drop_removed(&mut self) -> usize {
        let removed = std::mem::take(&mut self.removed);
        for &id in &removed {
            self.devices[id as usize] = None;
            self.wanted[id as usize] = None;
        }
        let kept = self.devices.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        self.devices.truncate(kept);
        self.held.truncate(kept);
        self.wanted.truncate(kept);
        // Ids go back to two bytes only when they fit well, so that rings do not flip between widths.
        if self.id_bytes > 2 && kept < usize::from(u16::MAX) / 2 {
            self.id_bytes = 2;
        }
        removed.len()
    }
}

/// Part-replicas that each device has.
pub(super) fn count_held(rows: &[Vec<DeviceId>], devices: usize) -> Vec<u32> {
    let mut held = vec![0; devices];
    for &id in rows.iter().flatten().filter(|&&id| id != NO_DEVICE) {
        held[id as usize] += 1;
    }
    held
}

fn count_moved(before: &[Vec<DeviceId>], after: &[Vec<DeviceId>]) -> u64 {
    let moved = |(replica, row): (usize, &Vec<DeviceId>)| {
        let before = before.get(replica).map_or(&[][..], Vec::as_slice);
        let kept = row.iter().zip(before).filter(|(now, then)| now == then).count();
        (row.len() - kept) as u64
    };
    after.iter().enumerate().map(moved).sum()
}
