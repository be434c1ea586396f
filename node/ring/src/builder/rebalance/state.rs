//! The assignment at work, and the steps that change it.

use super::placer::Placer;
use crate::DeviceId;
use crate::builder::random::Random;
use crate::builder::targets::Plan;
use crate::builder::tree::{DEVICE, TierId, TierTree};
use crate::ids::NO_DEVICE;

pub(super) struct State<'a> {
    pub(super) tree: &'a TierTree,
    pub(super) plan: &'a Plan,
    rows: Vec<Vec<DeviceId>>,
    /// Part-replicas that each device holds beyond its quota; negative when it lacks some.
    excess: Vec<i64>,
    /// Part-replicas that each device should hold.
    quotas: Vec<u32>,
    /// Sum of what devices hold too much.
    pub(super) total_excess: i64,
    /// Partitions that neither moved lately nor in this rebalance.
    may_move: Vec<bool>,
    /// Partitions that moved in this rebalance.
    moved: Vec<bool>,
    pub(super) placer: Placer<'a>,
    /// The order in which partitions are looked at.
    pub(super) order: Vec<u32>,
}

impl<'a> State<'a> {
    pub(super) fn new(
        tree: &'a TierTree,
        plan: &'a Plan,
        quotas: &[u32],
        rows: Vec<Vec<DeviceId>>,
        may_move: Vec<bool>,
        mut random: Random,
    ) -> State<'a> {
        let parts = may_move.len();
        let order = random.permutation(parts as u32);
        let held = super::count_held(&rows, tree.device_slots());
        let quota_of = |id: DeviceId| quotas[tree.path(id)[DEVICE - 1]];
        let quotas: Vec<u32> = (0..tree.device_slots() as DeviceId).map(quota_of).collect();
        let excess: Vec<i64> = held.iter().zip(&quotas).map(|(&h, &q)| i64::from(h) - i64::from(q)).collect();
        let lack = |tier: TierId| -excess[tree.tier(tier).first_device as usize];
        let due = due(tree, plan, &rows, parts);
        let placer = Placer::new(tree, plan, lack, due, random);
        let total_excess = excess.iter().map(|excess| excess.max(&0)).sum();
        State {
            tree,
            plan,
            rows,
            excess,
            quotas,
            total_excess,
            may_move,
            moved: vec![false; parts],
            placer,
            order,
        }
    }

    /// The table, and the partitions of which something moved.
    pub(super) fn into_rows(self) -> (Vec<Vec<DeviceId>>, impl Iterator<Item = usize>) {
        (self.rows, self.moved.into_iter().enumerate().filter_map(|(part, moved)| moved.then_some(part)))
    }

    pub(super) fn replicas(&self) -> usize {
        self.rows.len()
    }

    /// The device of a replica of a partition.
    pub(super) fn device(&self, part: u32, replica: usize) -> Option<DeviceId> {
        self.rows[replica].get(part as usize).copied().filter(|&id| id != NO_DEVICE)
    }

    pub(super) fn excess(&self, device: DeviceId) -> i64 {
        self.excess[device as usize]
    }

    /// What a device holds too much relative to what it should: who is worst off sheds first, should there be no
    /// time for all. In millionths.
    fn relative_excess(&self, device: DeviceId) -> i64 {
        self.excess(device) * 1_000_000 / i64::from(self.quotas[device as usize].max(1))
    }

    pub(super) fn may_move(&self, part: u32) -> bool {
        self.may_move[part as usize]
    }

    /// Counts a partition's replicas for the placer, until [`State::close`].
    pub(super) fn open(&mut self, part: u32) {
        for replica in 0..self.replicas() {
            if let Some(device) = self.device(part, replica) {
                self.placer.count(self.tree.path(device));
            }
        }
    }

    pub(super) fn close(&mut self, part: u32) {
        for replica in 0..self.replicas() {
            if let Some(device) = self.device(part, replica) {
                self.placer.uncount(self.tree.path(device));
            }
        }
    }

    /// Takes a replica of the open partition off its device.
    pub(super) fn lift(&mut self, part: u32, replica: usize, device: DeviceId) {
        let excess = &mut self.excess[device as usize];
        *excess -= 1;
        self.total_excess -= i64::from(*excess >= 0);
        self.placer.give(self.tree.path(device), *excess < 0);
        self.rows[replica][part as usize] = NO_DEVICE;
    }

    /// Puts a replica of the open partition on a device.
    pub(super) fn drop(&mut self, part: u32, replica: usize, device: DeviceId) {
        let excess = &mut self.excess[device as usize];
        *excess += 1;
        self.total_excess += i64::from(*excess > 0);
        self.placer.take(self.tree.path(device), *excess <= 0);
        self.rows[replica][part as usize] = device;
    }

    /// Remembers that a partition has had its move.
    pub(super) fn mark_moved(&mut self, part: u32) {
        self.may_move[part as usize] = false;
        self.moved[part as usize] = true;
    }

    /// Takes everything off devices that leave.
    pub(super) fn detach(&mut self, leaving: &[DeviceId]) {
        if leaving.is_empty() {
            return;
        }
        for part in 0..self.may_move.len() as u32 {
            let leaves = |id: Option<DeviceId>| id.is_some_and(|id| leaving.contains(&id));
            if !(0..self.replicas()).any(|replica| leaves(self.device(part, replica))) {
                continue;
            }
            self.open(part);
            for replica in 0..self.replicas() {
                if let Some(device) = self.device(part, replica).filter(|&id| leaves(Some(id))) {
                    self.lift(part, replica, device);
                }
            }
            self.close(part);
        }
    }

    /// Gives every replica without a device one, whatever it takes.
    pub(super) fn place_unassigned(&mut self) {
        for at in 0..self.order.len() {
            let part = self.order[at];
            let is_unassigned = |row: &Vec<DeviceId>| row.get(part as usize) == Some(&NO_DEVICE);
            if !self.rows.iter().any(is_unassigned) {
                continue;
            }
            self.open(part);
            for replica in 0..self.replicas() {
                if self.rows[replica].get(part as usize) != Some(&NO_DEVICE) {
                    continue;
                }
                let tier =
                    self.placer.pick().or_else(|| self.least_bad(true)).or_else(|| self.least_bad(false));
                if let Some(tier) = tier {
                    self.drop(part, replica, self.tree.tier(tier).first_device);
                }
            }
            self.close(part);
            self.mark_moved(part);
        }
    }

    /// The device for a replica of the open partition when none in need will do: within what the plan allows in
    /// every tier, or else wherever it breaks the plan least, and with the least excess then.
    fn least_bad(&self, within_plan: bool) -> Option<TierId> {
        let devices = self
            .tree
            .devices()
            .filter(|&tier| self.tree.tier(tier).weighted_devices > 0 && self.placer.here[tier] == 0);
        let rank = |tier: TierId| {
            let device = self.tree.tier(tier).first_device;
            let breaks = self.tree.path(device).iter().filter(|&&tier| !self.placer.has_room(tier)).count();
            (breaks, self.excess(device), tier)
        };
        devices.map(rank).filter(|&(breaks, ..)| breaks == 0 || !within_plan).min().map(|(.., tier)| tier)
    }

    /// Moves one replica of each partition that has too many in some tier.
    pub(super) fn disperse(&mut self) {
        for at in 0..self.order.len() {
            let part = self.order[at];
            self.open(part);
            if let Some((replica, device)) = self.worst_crowded(part) {
                let shares_device = self.placer.here[self.tree.path(device)[DEVICE - 1]] > 1;
                if self.may_move(part) || shares_device {
                    self.lift(part, replica, device);
                    let tier = self.placer.pick().or_else(|| self.least_bad(true));
                    let better = tier.map(|tier| self.tree.tier(tier).first_device);
                    self.drop(part, replica, better.unwrap_or(device));
                    if better.is_some_and(|better| better != device) {
                        self.mark_moved(part);
                    }
                }
            }
            self.close(part);
        }
    }

    /// Of the open partition's replicas in a tier that has too many, the one whose device holds too much most.
    fn worst_crowded(&self, part: u32) -> Option<(usize, DeviceId)> {
        let crowded = |device: DeviceId| {
            self.tree.path(device).iter().any(|&tier| self.placer.here[tier] > self.plan.max[tier])
        };
        (0..self.replicas())
            .filter_map(|replica| Some((replica, self.device(part, replica)?)))
            .filter(|&(_, device)| crowded(device))
            .max_by_key(|&(_, device)| self.relative_excess(device))
    }

    /// Moves replicas from devices that hold too much straight to devices that lack some.
    pub(super) fn balance(&mut self) {
        let mut candidates: Vec<(i64, usize, DeviceId)> = Vec::with_capacity(self.replicas());
        for at in 0..self.order.len() {
            if self.total_excess == 0 || !self.placer.has_need() {
                return;
            }
            let part = self.order[at];
            if !self.may_move(part) {
                continue;
            }
            candidates.clear();
            for replica in 0..self.replicas() {
                let Some(device) = self.device(part, replica) else { continue };
                if self.excess(device) > 0 {
                    candidates.push((self.relative_excess(device), replica, device));
                }
            }
            if candidates.is_empty() {
                continue;
            }
            candidates.sort_unstable_by(|a, b| b.cmp(a));
            self.open(part);
            for &(_, replica, device) in &candidates {
                if self.move_to_need(part, replica, device) {
                    self.mark_moved(part);
                    break;
                }
            }
            self.close(part);
        }
    }

    /// Moves a replica of the open partition to a device in need, unless no tier that allows it has one.
    fn move_to_need(&mut self, part: u32, replica: usize, device: DeviceId) -> bool {
        self.placer.uncount(self.tree.path(device));
        let picked = self.placer.pick().map(|tier| self.tree.tier(tier).first_device);
        let to = picked.filter(|&to| self.keeps_least(device, to));
        self.placer.count(self.tree.path(device));
        let Some(to) = to else { return false };
        self.lift(part, replica, device);
        self.drop(part, replica, to);
        true
    }

    /// Whether the tiers that a replica of the open partition, already counted out, leaves have their least share
    /// without it.
    pub(super) fn keeps_least(&self, from: DeviceId, to: DeviceId) -> bool {
        let (from, to) = (self.tree.path(from), self.tree.path(to));
        from.iter()
            .zip(to)
            .all(|(&left, &entered)| left == entered || self.placer.here[left] >= self.plan.min[left])
    }
}

/// How many part-replicas each tier must still get so that no partition is below its least share there.
fn due(tree: &TierTree, plan: &Plan, rows: &[Vec<DeviceId>], parts: usize) -> Vec<i64> {
    let mut due: Vec<i64> = plan.min.iter().map(|&min| i64::from(min) * parts as i64).collect();
    if rows.iter().flatten().all(|&id| id == NO_DEVICE) {
        return due;
    }
    let mut here = vec![0u32; tree.len()];
    for part in 0..parts {
        let devices = || rows.iter().filter_map(|row| row.get(part)).filter(|&&id| id != NO_DEVICE);
        for &tier in devices().flat_map(|&id| tree.path(id)) {
            here[tier] += 1;
            due[tier] -= i64::from(here[tier] <= plan.min[tier]);
        }
        devices().flat_map(|&id| tree.path(id)).for_each(|&tier| here[tier] = 0);
    }
    due
}
