//! Chains of two moves, where no single move is allowed: partition *p* leaves a device that holds too much for a
//! device that is neither, which passes partition *q* on to a device that lacks some.

use super::state::State;
use crate::DeviceId;
use crate::builder::tree::{DEVICE, TierId};

/// Passes noted per device in between; more would rarely be used up before the next look.
const NOTED_PASSES: usize = 16;
/// Looks over all partitions before giving up. A look costs about what the whole balancing pass does.
const MAX_LOOKS: usize = 48;

/// A move from a device in between to the device in need.
type Pass = (u32, usize);

impl State<'_> {
    /// Evens out what direct moves could not.
    pub(super) fn balance_by_chains(&mut self) {
        let mut hopeless: Vec<TierId> = Vec::new();
        for _ in 0..MAX_LOOKS {
            if self.total_excess == 0 || !self.order.iter().any(|&part| self.may_move(part)) {
                return;
            }
            let in_need = self.tree.devices().filter(|tier| !hopeless.contains(tier));
            let Some(neediest) = in_need.max_by_key(|&tier| self.placer.need(tier)) else { return };
            if self.placer.need(neediest) <= 0 {
                return;
            }
            let passes = self.passes_to(neediest);
            if !self.fill_by_passes(neediest, passes) {
                hopeless.push(neediest);
            }
        }
    }

    /// For every device, some partitions it could hand to the one in need.
    fn passes_to(&mut self, neediest: TierId) -> Vec<Vec<Pass>> {
        let to = self.tree.tier(neediest).first_device;
        let mut passes: Vec<Vec<Pass>> = vec![Vec::new(); self.tree.device_slots()];
        for at in 0..self.order.len() {
            let part = self.order[at];
            if !self.may_move(part) {
                continue;
            }
            self.open(part);
            for replica in 0..self.replicas() {
                let Some(from) = self.device(part, replica) else { continue };
                if passes[from as usize].len() < NOTED_PASSES && self.may_go(from, to) {
                    passes[from as usize].push((part, replica));
                }
            }
            self.close(part);
        }
        passes
    }

    /// Uses the passes until the device has enough; `false` when none was of use.
    fn fill_by_passes(&mut self, neediest: TierId, mut passes: Vec<Vec<Pass>>) -> bool {
        let mut between: Vec<DeviceId> =
            (0..passes.len() as DeviceId).filter(|&id| !passes[id as usize].is_empty()).collect();
        let mut used = false;
        for at in 0..self.order.len() {
            if self.placer.need(neediest) <= 0 || between.is_empty() {
                break;
            }
            let part = self.order[at];
            for replica in 0..self.replicas() {
                let Some(from) = self.device(part, replica).filter(|&id| self.excess(id) > 0) else {
                    continue;
                };
                if self.may_move(part) && self.chain(part, replica, from, neediest, &between, &mut passes) {
                    used = true;
                    between.retain(|&id| !passes[id as usize].is_empty());
                }
            }
        }
        used
    }

    /// Moves a replica to a device in between, and one from there to the device in need. Straight there should
    /// earlier moves have opened the way.
    fn chain(
        &mut self,
        part: u32,
        replica: usize,
        from: DeviceId,
        neediest: TierId,
        between: &[DeviceId],
        passes: &mut [Vec<Pass>],
    ) -> bool {
        let last = self.tree.tier(neediest).first_device;
        self.open(part);
        let mut pass = None;
        let via = if self.may_go(from, last) {
            Some(last)
        } else {
            between.iter().copied().find(|&via| {
                pass = self.usable_pass(&mut passes[via as usize], via, part);
                pass.is_some() && self.may_go(from, via)
            })
        };
        if let Some(via) = via {
            self.shift(part, replica, from, via);
        }
        self.close(part);
        if let (Some(via), Some((part, replica))) = (via, pass) {
            self.open(part);
            self.shift(part, replica, via, last);
            self.close(part);
        }
        via.is_some()
    }

    fn shift(&mut self, part: u32, replica: usize, from: DeviceId, to: DeviceId) {
        self.lift(part, replica, from);
        self.drop(part, replica, to);
        self.mark_moved(part);
    }

    /// The last noted pass that still holds, of another partition; those that do not are forgotten.
    fn usable_pass(&self, passes: &mut Vec<Pass>, via: DeviceId, other_than: u32) -> Option<Pass> {
        while let Some(&(part, replica)) = passes.last() {
            if self.may_move(part) && self.device(part, replica) == Some(via) {
                return (part != other_than).then_some((part, replica));
            }
            passes.pop();
        }
        None
    }

    /// Whether a replica of the open partition may go from one device to another.
    fn may_go(&mut self, from: DeviceId, to: DeviceId) -> bool {
        if from == to || self.placer.here[self.tree.path(to)[DEVICE - 1]] > 0 {
            return false;
        }
        let path = *self.tree.path(from);
        self.placer.uncount(&path);
        let has_room = self.tree.path(to).iter().all(|&tier| self.placer.has_room(tier));
        let may_go = has_room && self.keeps_least(from, to);
        self.placer.count(&path);
        may_go
    }
}
