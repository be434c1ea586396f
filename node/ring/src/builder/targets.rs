//! How many replicas of each partition a failure domain should hold, on average: its *target*.
//!
//! Two wishes pull at it. By weight, a device gets its share and never more than one replica of a partition. By
//! dispersion, each domain gets as even a share as its siblings, whatever it weighs. Swift follows weight unless
//! the operator allows *overload*: devices may then take up to that fraction more than their weight asks for, as
//! far as dispersion gains from it. The figures are those of Swift 2.38, so that rings of both stay comparable.

use super::BuilderError;
use super::tree::{CLUSTER, DEVICE, TierId, TierTree};
use crate::Device;

/// Room for rounding in sums of replicas.
const EPSILON: f64 = 1e-9;

/// What each tier should hold, by tier.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Average replicas of a partition.
    pub(crate) target: Vec<f64>,
    /// Fewest replicas of any partition: the target rounded down.
    pub(crate) min: Vec<u32>,
    /// Most replicas of any partition: the target rounded up.
    pub(crate) max: Vec<u32>,
}

impl Plan {
    pub(crate) fn new(
        tree: &TierTree,
        devices: &[Option<Device>],
        replicas: f64,
        overload: f64,
    ) -> Result<Plan, BuilderError> {
        let weighted = by_weight(tree, devices, replicas)?;
        let dispersed = by_dispersion(tree, replicas, &weighted);
        let required = required_overload(tree, &weighted, &dispersed);
        let reach = if required > 0.0 { overload.min(required) / required } else { 1.0 };
        let target: Vec<f64> = weighted
            .iter()
            .zip(&dispersed)
            .map(|(weighted, wanted)| weighted + (wanted - weighted) * reach)
            .collect();
        let min = target.iter().map(|target| (target + EPSILON).floor() as u32).collect();
        let max = target.iter().map(|target| (target - EPSILON).ceil() as u32).collect();
        Ok(Plan { target, min, max })
    }
}

/// The overload at which dispersion is as good as it can get.
pub(crate) fn overload_for_dispersion(
    tree: &TierTree,
    devices: &[Option<Device>],
    replicas: f64,
) -> Result<f64, BuilderError> {
    let weighted = by_weight(tree, devices, replicas)?;
    let dispersed = by_dispersion(tree, replicas, &weighted);
    Ok(required_overload(tree, &weighted, &dispersed))
}

/// Most replicas of a partition that each tier holds in an evenly dispersed ring, weights aside. What holds more
/// is at risk; a tier without weight may hold none.
pub(crate) fn even_max(tree: &TierTree, replicas: f64) -> Vec<u32> {
    even_shares(tree, replicas, f64::ceil).into_iter().map(|share| share as u32).collect()
}

fn even_shares(tree: &TierTree, replicas: f64, round: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut shares = vec![0.0; tree.len()];
    shares[CLUSTER] = replicas;
    for tier in tree.ids() {
        let children = tree.weighted_children(tier);
        let share = round(shares[tier] / children.len() as f64);
        for child in children {
            shares[child] = if tree.tier(child).depth == DEVICE { share.min(1.0) } else { share };
        }
    }
    shares
}

fn by_weight(tree: &TierTree, devices: &[Option<Device>], replicas: f64) -> Result<Vec<f64>, BuilderError> {
    let weighted: Vec<&Device> = devices.iter().flatten().filter(|device| device.weight > 0.0).collect();
    if weighted.is_empty() {
        return Err(BuilderError::Empty);
    }
    if (weighted.len() as f64) < replicas {
        return Err(BuilderError::TooFewDevices { replicas, devices: weighted.len() });
    }
    let shares: Vec<Share> =
        weighted.iter().map(|device| Share { weight: device.weight, low: 0.0, high: 1.0 }).collect();
    let mut of_device = vec![0.0; devices.len()];
    for (device, share) in weighted.iter().zip(spread(replicas, &shares)) {
        of_device[device.id as usize] = share;
    }
    Ok(tree.sum_up(|device| of_device[device as usize]))
}

/// As even as can be at each level, weight deciding within what evenness leaves open.
fn by_dispersion(tree: &TierTree, replicas: f64, weighted: &[f64]) -> Vec<f64> {
    let even = even_shares(tree, replicas, |share| share);
    let mut dispersed = vec![0.0; tree.len()];
    dispersed[CLUSTER] = replicas;
    for tier in tree.ids() {
        let children = tree.weighted_children(tier);
        let devices = |child: TierId| f64::from(tree.tier(child).weighted_devices);
        let share = |child: TierId| {
            let (low, high) = ((even[child] + EPSILON).floor(), (even[child] - EPSILON).ceil());
            Share { weight: weighted[child], low: low.min(devices(child)), high: high.min(devices(child)) }
        };
        let mut shares: Vec<Share> = children.iter().map(|&child| share(child)).collect();
        // Too few devices in some domains: the others must take more than their even share.
        if shares.iter().map(|share| share.high).sum::<f64>() + EPSILON < dispersed[tier] {
            for (share, &child) in shares.iter_mut().zip(&children) {
                share.low = share.high;
                share.high = devices(child);
            }
        }
        for (&child, replicas) in children.iter().zip(spread(dispersed[tier], &shares)) {
            dispersed[child] = replicas;
        }
    }
    dispersed
}

/// How far the worst device is beyond its weight.
fn required_overload(tree: &TierTree, weighted: &[f64], dispersed: &[f64]) -> f64 {
    let devices = tree.ids().filter(|&tier| tree.tier(tier).depth == DEVICE && weighted[tier] > 0.0);
    let overload =
        devices.map(|tier| (dispersed[tier] - weighted[tier]) / weighted[tier]).fold(0.0, f64::max);
    if overload < EPSILON { 0.0 } else { overload }
}

/// A claim on something to be shared out.
#[derive(Clone, Copy, Debug)]
struct Share {
    weight: f64,
    low: f64,
    high: f64,
}

/// Shares an amount out by weight within everyone's bounds: all get the same multiple of their weight, but for
/// those whom a bound stops. Bounds that the amount breaks are all met instead.
fn spread(amount: f64, shares: &[Share]) -> Vec<f64> {
    // The sum grows with the multiple, along straight lines between the multiples at which a bound starts or stops
    // to hold.
    let mut turns: Vec<(f64, f64)> = Vec::with_capacity(2 * shares.len());
    for share in shares.iter().filter(|share| share.high > share.low) {
        turns.push((share.low / share.weight, share.weight));
        turns.push((share.high / share.weight, -share.weight));
    }
    turns.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut sum: f64 = shares.iter().map(|share| share.low).sum();
    let (mut multiple, mut slope) = (0.0, 0.0);
    for (turn, change) in turns {
        let next_sum = sum + slope * (turn - multiple);
        if next_sum > amount {
            break;
        }
        (sum, multiple) = (next_sum, turn);
        slope += change;
    }
    if slope > 0.0 && amount > sum {
        multiple += (amount - sum) / slope;
    }
    shares.iter().map(|share| (share.weight * multiple).clamp(share.low, share.high)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_spread_adds_up(
            claims in proptest::collection::vec((0.1f64..100.0, 0u32..3, 0u32..3), 1..20),
            at in 0.0f64..1.0,
        ) {
            let claim = |&(weight, low, room)| Share { weight, low: f64::from(low), high: f64::from(low + room) };
            let shares: Vec<Share> = claims.iter().map(claim).collect();
            let low: f64 = shares.iter().map(|share| share.low).sum();
            let high: f64 = shares.iter().map(|share| share.high).sum();
            let amount = low + (high - low) * at;
            let got = spread(amount, &shares);
            prop_assert!((got.iter().sum::<f64>() - amount).abs() < 1e-6);
            // Whoever is within bounds got as much for its weight as anyone.
            let free = got.iter().zip(&shares).filter(|(got, s)| **got > s.low && **got < s.high);
            let multiples: Vec<f64> = free.map(|(got, share)| got / share.weight).collect();
            prop_assert!(multiples.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 1e-6));
        }
    }
}
