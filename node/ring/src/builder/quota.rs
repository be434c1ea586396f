//! From targets to whole partitions: how many part-replicas each device should hold.

use super::targets::Plan;
use super::tree::{CLUSTER, DEVICE, TierId, TierTree};
use crate::{Device, DeviceId};

/// Room for rounding in a target times a number of partitions.
const EPSILON: f64 = 1e-6;

/// What quotas are made of.
pub(crate) struct Quotas<'a> {
    pub(crate) tree: &'a TierTree,
    pub(crate) plan: &'a Plan,
    /// Most replicas of a partition that each tier holds in an evenly dispersed ring.
    pub(crate) even_max: &'a [u32],
    pub(crate) devices: &'a [Option<Device>],
    pub(crate) parts: usize,
    /// Part-replicas to give out.
    pub(crate) slots: usize,
    /// Part-replicas due to a device of weight 1.
    pub(crate) parts_a_weight: f64,
}

impl Quotas<'_> {
    /// The quota of every tier. Each is its target rounded up or down, children add up to their parent, and the
    /// device furthest from what its weight asks for is as near to it as rounding allows.
    ///
    /// `held` is what a device holds now: among equal choices of whom to round up, whoever holds as much already is
    /// preferred, so that a ring in balance stays as it is.
    pub(crate) fn divide(&self, held: impl Fn(DeviceId) -> u32) -> Vec<u32> {
        let held = self.tree.sum_up(|device| f64::from(held(device)));
        let mut claims: Vec<Claim> = self.tree.ids().map(|tier| self.claim(tier, held[tier])).collect();
        // How far off the devices below get depends on how their tiers can be rounded: from the bottom up.
        for tier in self.tree.ids().rev().filter(|&tier| self.tree.tier(tier).depth < DEVICE) {
            let children: Vec<Claim> = self.tree.weighted_children(tier).iter().map(|&c| claims[c]).collect();
            if !children.is_empty() {
                let floor = claims[tier].floor;
                claims[tier].off_below = least_worst(&children, ups(&children, floor));
                if claims[tier].can_round_up {
                    claims[tier].off_above = least_worst(&children, ups(&children, floor + 1));
                }
            }
        }
        let mut quotas = vec![0u32; self.tree.len()];
        quotas[CLUSTER] = self.slots as u32;
        for tier in self.tree.ids() {
            let children = self.tree.weighted_children(tier).iter().map(|&child| claims[child]).collect();
            for (child, quota) in round(children, quotas[tier]) {
                quotas[child] = quota;
            }
        }
        quotas
    }

    fn claim(&self, tier: TierId, held: f64) -> Claim {
        let target = self.plan.target[tier] * self.parts as f64;
        let floor = (target + EPSILON).floor();
        let can_round_up = target - floor > EPSILON;
        let due = self.devices[self.tree.tier(tier).first_device as usize]
            .as_ref()
            .map_or(0.0, |device| device.weight * self.parts_a_weight);
        Claim {
            tier,
            floor: floor as u32,
            can_round_up,
            off_below: (floor - due).abs() / due,
            off_above: if can_round_up { (floor + 1.0 - due).abs() / due } else { f64::INFINITY },
            is_crowded: self.plan.target[tier] > f64::from(self.even_max[tier]),
            holds_more: held > floor,
        }
    }
}

/// One child's claim on its parent's quota.
#[derive(Clone, Copy, Debug)]
struct Claim {
    tier: TierId,
    floor: u32,
    can_round_up: bool,
    /// How far off its share the worst device is when the child is rounded down and when it is rounded up.
    off_below: f64,
    off_above: f64,
    /// Each part-replica more is one more at risk.
    is_crowded: bool,
    holds_more: bool,
}

/// How many claims must be rounded up to give out a quota.
fn ups(claims: &[Claim], quota: u32) -> usize {
    let floors: u32 = claims.iter().map(|claim| claim.floor).sum();
    (quota.saturating_sub(floors) as usize).min(claims.len())
}

/// Rounds claims so that they add up to `total` and the worst device is off by as little as possible.
fn round(mut claims: Vec<Claim>, total: u32) -> Vec<(TierId, u32)> {
    let up = ups(&claims, total);
    if up > 0 {
        // Equal targets differ in their last bits.
        let bound = least_worst(&claims, up) * (1.0 + 1e-9) + 1e-12;
        // First who must be rounded up and last who must not; in between, who does no harm, who holds that much
        // already, and who would be further off otherwise.
        let rank = |claim: &Claim| {
            let must = claim.off_below > bound && claim.can_round_up;
            (!must, claim.off_above > bound, claim.is_crowded, !claim.holds_more)
        };
        claims.sort_by(|a, b| {
            rank(a).cmp(&rank(b)).then(b.off_below.total_cmp(&a.off_below)).then(a.tier.cmp(&b.tier))
        });
    }
    claims.iter().enumerate().map(|(rank, claim)| (claim.tier, claim.floor + u32::from(rank < up))).collect()
}

/// The smallest bound that everyone can stay within when `up` of the claims are rounded up.
fn least_worst(claims: &[Claim], up: usize) -> f64 {
    let mut bounds: Vec<f64> = claims.iter().flat_map(|claim| [claim.off_below, claim.off_above]).collect();
    bounds.sort_by(f64::total_cmp);
    let is_enough = |bound: &f64| {
        let must = claims.iter().filter(|claim| claim.off_below > *bound).count();
        let must_not = claims.iter().filter(|claim| claim.off_above > *bound).count();
        let both = claims.iter().any(|claim| claim.off_below > *bound && claim.off_above > *bound);
        !both && must <= up && up + must_not <= claims.len()
    };
    bounds[bounds.partition_point(|bound| !is_enough(bound)).min(bounds.len() - 1)]
}
