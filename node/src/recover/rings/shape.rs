//! How many partitions and replicas a lost ring had.
//!
//! Replicas follow from how many devices hold a partition: most have as many holders as replicas, some fewer (a device
//! is missing), some more (handoffs). With a fraction, partitions up to some number have one more than those after it.

use super::Known;
use super::survey::{DeviceSurvey, Found};
use crate::recover::part_power::Votes;
use std::collections::BTreeMap;
use swiftlet_storage::salvage::DataDir;

/// A share of partitions (one in so many) that must have as many holders for that to be the number of replicas:
/// handoffs are rarer, and devices that are missing leave more than that whole.
const TELLING_SHARE: usize = 10;
/// Fewer partitions than this on either side tell no fraction from chance.
const FRACTION_MIN: usize = 8;

/// A device that holds something of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holder {
    /// Which of the surveyed devices.
    pub device: usize,
    /// Which fragment it has of objects in fragments.
    pub fragment: Option<u32>,
}

/// What a ring was like.
#[derive(Debug, PartialEq)]
pub(super) struct Shape {
    pub part_power: u32,
    /// Partitions of each row of its table: all have 2^`part_power`, but the last may have fewer.
    pub row_lengths: Vec<u32>,
    /// Who holds which partition.
    pub holders: BTreeMap<u32, Vec<Holder>>,
    /// Partitions on devices that belong to another partition power.
    pub misplaced: u64,
}

impl Shape {
    /// That of the ring of `data_dir`; `None` where nothing tells the partition power. Another ring's power is taken
    /// for it where a ring holds too little to tell.
    pub fn of(data_dir: DataDir, surveys: &[DeviceSurvey], known: &Known) -> Option<Self> {
        let of_ring = || surveys.iter().flat_map(|survey| survey.partitions(data_dir));
        let of_any = || {
            let all = |survey: &'_ DeviceSurvey| survey.data_dirs().collect::<Vec<_>>();
            surveys
                .iter()
                .flat_map(move |survey| all(survey).into_iter().flat_map(|dir| survey.partitions(dir)))
        };
        let part_power =
            known.part_power.or_else(|| part_power(of_ring())).or_else(|| part_power(of_any()))?;
        let (mut holders, mut misplaced) = (BTreeMap::<u32, Vec<Holder>>::new(), 0);
        for (device, survey) in surveys.iter().enumerate() {
            for found in survey.partitions(data_dir) {
                if fits(found, part_power) {
                    let holder = Holder { device, fragment: found.fragment };
                    holders.entry(found.partition).or_default().push(holder);
                } else {
                    misplaced += 1;
                }
            }
        }
        let counts: Vec<(u32, usize)> =
            holders.iter().map(|(part, holders)| (*part, holders.len())).collect();
        let parts = u32::try_from(1u64.checked_shl(part_power)?).unwrap_or(u32::MAX);
        let row_lengths = match known.replicas {
            Some(replicas) => rows_of(replicas, parts),
            None => guess_rows(&counts, parts),
        };
        Some(Self { part_power, row_lengths, holders, misplaced })
    }

    /// Replicas of a partition.
    pub fn replicas_of(&self, partition: u32) -> usize {
        self.row_lengths.iter().filter(|&&len| partition < len).count()
    }

    /// Partitions that more devices hold than there are replicas.
    pub fn contested_count(&self) -> u64 {
        self.holders.iter().filter(|(part, holders)| holders.len() > self.replicas_of(**part)).count() as u64
    }

    /// How many partitions lie on so many devices.
    pub fn histogram(&self) -> Vec<(usize, usize)> {
        let mut counts = BTreeMap::new();
        self.holders.values().for_each(|holders| *counts.entry(holders.len()).or_default() += 1);
        counts.into_iter().collect()
    }
}

/// The power by which most partitions lie where they do.
fn part_power<'a>(found: impl Iterator<Item = &'a Found>) -> Option<u32> {
    let mut votes = Votes::default();
    for found in found {
        found.samples.iter().for_each(|&sample| votes.add(found.partition, sample));
    }
    votes.winner()
}

/// Whether most of what was looked at belongs there.
fn fits(found: &Found, part_power: u32) -> bool {
    let belongs = |sample: &&u32| sample.checked_shr(32 - part_power).unwrap_or(0) == found.partition;
    found.samples.iter().filter(belongs).count() * 2 > found.samples.len()
}

fn rows_of(replicas: f64, parts: u32) -> Vec<u32> {
    let mut rows = vec![parts; replicas.trunc() as usize];
    let rest = (f64::from(parts) * replicas.fract()) as u32;
    rows.extend((rest > 0).then_some(rest));
    rows
}

/// The rows of the table of which these holders (by partition, in order) are left.
fn guess_rows(counts: &[(u32, usize)], parts: u32) -> Vec<u32> {
    let reach = |count: usize| counts.iter().filter(|(_, holders)| *holders >= count).count();
    let most = counts.iter().map(|(_, holders)| *holders).max().unwrap_or(1);
    let whole = (1..=most).rev().find(|&count| reach(count) * TELLING_SHARE >= counts.len()).unwrap_or(1);
    let mut rows = vec![parts; whole];
    if let Some(end) = end_of_last_row(counts, whole)
        && let Some(last) = rows.last_mut()
    {
        // the table's length is known to within the next partition that something is in
        *last = end;
    }
    rows
}

/// Up to where partitions have `whole` holders, if those after it have one fewer.
fn end_of_last_row(counts: &[(u32, usize)], whole: usize) -> Option<u32> {
    if whole < 2 {
        return None;
    }
    let misses =
        |side: &[(u32, usize)], count: usize| side.iter().filter(|(_, holders)| *holders != count).count();
    // walking the cut to the right: what was right of it is now left of it
    let mut wrong = misses(counts, whole - 1);
    let (mut best, mut at_best) = (wrong, 0);
    for (at, (_, holders)) in counts.iter().enumerate() {
        wrong = wrong + usize::from(*holders != whole) - usize::from(*holders != whole - 1);
        if wrong < best {
            (best, at_best) = (wrong, at + 1);
        }
    }
    let is_telling = at_best >= FRACTION_MIN
        && counts.len() - at_best >= FRACTION_MIN
        && best * TELLING_SHARE <= counts.len();
    is_telling.then(|| counts[at_best].0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_told_through_handoffs_and_missing_devices() {
        let of = |holders: &dyn Fn(u32) -> usize| {
            let counts: Vec<_> = (0..256).map(|part| (part, holders(part))).collect();
            guess_rows(&counts, 256)
        };
        assert_eq!(of(&|_| 3), [256; 3]);
        assert_eq!(of(&|part| if part % 20 == 0 { 5 } else { 3 }), [256; 3], "handoffs");
        assert_eq!(of(&|part| if part % 4 == 0 { 3 } else { 2 }), [256; 3], "a device of four is missing");
        assert_eq!(of(&|part| if part < 128 { 3 } else { 2 }), [256, 256, 128]);
        assert_eq!(guess_rows(&[(5, 3), (9, 3)], 256), [256; 3]);
        assert_eq!(guess_rows(&[], 16), [16]);
        assert_eq!(rows_of(2.5, 16), [16, 16, 8]);
    }
}
