//! How well the replicas of partitions are spread over failure domains.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use super::Builder;
use super::targets::even_max;
use super::tree::{DEVICE, TierId, TierTree};
use crate::ids::NO_DEVICE;
use crate::{Device, DeviceId};

/// A failure domain by name, from the region down as far as it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TierKey {
    /// A region.
    Region(u32),
    /// A zone of a region.
    Zone(u32, u32),
    /// A server of a zone, by address.
    Server(u32, u32, String),
    /// A device of a server.
    Device(u32, u32, String, DeviceId),
}

impl TierKey {
    fn new(depth: usize, device: &Device) -> TierKey {
        let Device { region, zone, ip, id, .. } = device;
        match depth {
            1 => TierKey::Region(*region),
            2 => TierKey::Zone(*region, *zone),
            3 => TierKey::Server(*region, *zone, ip.clone()),
            _ => TierKey::Device(*region, *zone, ip.clone(), *id),
        }
    }

    fn parts(&self) -> (u32, Option<u32>, Option<&str>, Option<DeviceId>) {
        match self {
            TierKey::Region(region) => (*region, None, None, None),
            TierKey::Zone(region, zone) => (*region, Some(*zone), None, None),
            TierKey::Server(region, zone, ip) => (*region, Some(*zone), Some(ip), None),
            TierKey::Device(region, zone, ip, id) => (*region, Some(*zone), Some(ip), Some(*id)),
        }
    }
}

/// A parent comes before what is in it.
impl Ord for TierKey {
    fn cmp(&self, other: &TierKey) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for TierKey {
    fn partial_cmp(&self, other: &TierKey) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `r1z2-10.0.0.1`; devices are shown by id, their names are the builder's.
impl fmt::Display for TierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TierKey::Region(region) => write!(f, "r{region}"),
            TierKey::Zone(region, zone) => write!(f, "r{region}z{zone}"),
            TierKey::Server(region, zone, ip) => write!(f, "r{region}z{zone}-{ip}"),
            TierKey::Device(region, zone, ip, id) => write!(f, "r{region}z{zone}-{ip}/IDd{id}"),
        }
    }
}

/// How one tier fares.
#[derive(Clone, Debug, PartialEq)]
pub struct TierReport {
    /// Its name, as tools print it.
    pub name: String,
    /// Part-replicas placed in it.
    pub placed_parts: u64,
    /// Share of them above the most it should hold of a partition, in percent.
    pub dispersion: f64,
    /// Most replicas of a partition it should hold.
    pub max_replicas: u32,
    /// Partitions with no, one, two, … replicas in it.
    pub parts_by_replicas: Vec<u64>,
}

/// How all tiers fare.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DispersionReport {
    /// Tiers from the region down.
    pub tiers: Vec<TierReport>,
}

impl DispersionReport {
    /// The tier with the greatest share of replicas too many, if any has some.
    pub fn worst(&self) -> Option<&TierReport> {
        let at_fault = self.tiers.iter().filter(|tier| tier.dispersion > 0.0);
        at_fault.reduce(|worst, tier| if tier.dispersion > worst.dispersion { tier } else { worst })
    }
}

impl Builder {
    /// The report of the last rebalance's dispersion, tier by tier. Empty before the first.
    pub fn dispersion_report(&self) -> DispersionReport {
        let tree = TierTree::new(&self.devices);
        let most = even_max(&tree, self.replicas);
        let tier_of: BTreeMap<TierKey, TierId> =
            tree.ids().skip(1).filter_map(|tier| Some((self.tier_key(&tree, tier)?, tier))).collect();
        let mut graph: Vec<&(TierKey, Vec<u64>)> = self.dispersion_graph.iter().collect();
        graph.sort_by(|a, b| a.0.cmp(&b.0));
        let report = |(key, counts): &(TierKey, Vec<u64>)| {
            let max_replicas = tier_of.get(key).map_or(0, |&tier| most[tier]);
            let counted = || counts.iter().enumerate().map(|(replicas, parts)| (replicas as u64, parts));
            let placed_parts = counted().map(|(replicas, parts)| replicas * parts).sum::<u64>();
            let at_risk: u64 = counted()
                .map(|(replicas, parts)| replicas.saturating_sub(u64::from(max_replicas)) * parts)
                .sum();
            TierReport {
                name: self.tier_name(key),
                placed_parts,
                dispersion: if placed_parts > 0 { 100.0 * at_risk as f64 / placed_parts as f64 } else { 0.0 },
                max_replicas,
                parts_by_replicas: counts.clone(),
            }
        };
        DispersionReport { tiers: graph.into_iter().map(report).collect() }
    }

    /// Whether a report of dispersion has been kept.
    pub fn has_dispersion_report(&self) -> bool {
        !self.dispersion_graph.is_empty()
    }

    /// Counts anew how dispersed the partitions are; this changes the builder's version.
    pub fn recalculate_dispersion(&mut self) {
        let Some(rows) = &self.rows else { return };
        let tree = TierTree::new(&self.devices);
        let most = even_max(&tree, self.replicas);
        let rows_len = rows.len();
        let mut graph = vec![0u64; tree.len() * (rows_len + 1)];
        let mut here = vec![0u32; tree.len()];
        let mut touched: Vec<TierId> = Vec::new();
        let mut at_risk = 0u64;
        for part in 0..self.part_count() {
            for &id in rows.iter().filter_map(|row| row.get(part)).filter(|&&id| id != NO_DEVICE) {
                for &tier in tree.path(id) {
                    if here[tier] == 0 {
                        touched.push(tier);
                    }
                    here[tier] += 1;
                }
            }
            // Each part-replica counts once, at the depth where it is worst.
            let mut risk = [0u32; DEVICE + 1];
            for tier in touched.drain(..) {
                graph[tier * (rows_len + 1) + here[tier] as usize] += 1;
                risk[tree.tier(tier).depth] += here[tier].saturating_sub(most[tier]);
                here[tier] = 0;
            }
            at_risk += u64::from(risk.into_iter().max().unwrap_or(0));
        }
        let parts = self.part_count() as u64;
        self.dispersion = Some(100.0 * at_risk as f64 / (parts as f64 * self.replicas));
        self.dispersion_graph = tree
            .ids()
            .skip(1)
            .filter_map(|tier| {
                let mut counts = graph[tier * (rows_len + 1)..][..=rows_len].to_vec();
                counts[0] = parts - counts.iter().sum::<u64>();
                let key = self.tier_key(&tree, tier)?;
                (counts[0] < parts).then_some((key, counts))
            })
            .collect();
        self.version += 1;
    }

    fn tier_key(&self, tree: &TierTree, tier: TierId) -> Option<TierKey> {
        let tier = tree.tier(tier);
        Some(TierKey::new(tier.depth, self.device(tier.first_device)?))
    }

    fn tier_name(&self, key: &TierKey) -> String {
        match key {
            TierKey::Device(region, zone, ip, id) => match self.device(*id) {
                Some(device) => format!("r{region}z{zone}-{ip}/{}", device.device),
                None => key.to_string(),
            },
            _ => key.to_string(),
        }
    }
}
