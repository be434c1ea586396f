//! What is on a simulated cluster's disks: which partitions of which rings.

use crate::plan::BuiltRing;
use crate::world::Holding;
use std::collections::{BTreeMap, BTreeSet};
use swiftlet_ring::format;

/// Host and device.
type Place = (String, String);

/// Partitions on disks, and where the current rings have them.
#[derive(Default)]
pub(crate) struct Data {
    /// By ring, what each disk holds.
    held: BTreeMap<String, BTreeMap<Place, BTreeSet<usize>>>,
    /// By ring, the disks of each partition.
    primaries: BTreeMap<String, Vec<BTreeSet<Place>>>,
    /// By ring, the partitions that something was ever written to.
    written: BTreeMap<String, BTreeSet<usize>>,
}

impl Data {
    /// Other rings.
    pub(crate) fn publish(&mut self, rings: &BTreeMap<String, BuiltRing>) {
        for (name, built) in rings {
            let table = format::read(&built.ring).expect("rings can be read");
            let place = |id: u32| {
                let device = table.devices[id as usize].as_ref().expect("assigned devices exist");
                (device.ip.clone(), device.device.clone())
            };
            let of_part =
                |part| table.assignments.iter().filter_map(|row| row.get(part)).map(place).collect();
            self.primaries.insert(name.clone(), (0..table.part_count()).map(of_part).collect());
        }
    }

    /// Clients write to every partition, wherever it is up.
    pub(crate) fn write(&mut self, up: &BTreeSet<Place>) {
        for (ring, parts) in &self.primaries {
            let held = self.held.entry(ring.clone()).or_default();
            for (part, places) in parts.iter().enumerate() {
                for place in places.intersection(up) {
                    held.entry(place.clone()).or_default().insert(part);
                    self.written.entry(ring.clone()).or_default().insert(part);
                }
            }
        }
    }

    /// Every disk that is up gives what it holds to all primaries, and what belongs elsewhere away once all have it.
    pub(crate) fn replicate(&mut self, up: &BTreeSet<Place>) {
        for (ring, parts) in &self.primaries {
            let held = self.held.entry(ring.clone()).or_default();
            for (part, places) in parts.iter().enumerate() {
                let holders: Vec<Place> = up
                    .iter()
                    .filter(|place| held.get(*place).is_some_and(|p| p.contains(&part)))
                    .cloned()
                    .collect();
                if holders.is_empty() {
                    continue;
                }
                for place in places.intersection(up) {
                    held.entry(place.clone()).or_default().insert(part);
                }
                if places.is_subset(up) {
                    for place in holders.iter().filter(|place| !places.contains(*place)) {
                        held.entry(place.clone()).or_default().remove(&part);
                    }
                }
            }
        }
    }

    /// What a disk holds, as its node counts.
    pub(crate) fn holdings(&self, place: &Place) -> BTreeMap<String, Holding> {
        let count = |(ring, held): (&String, &BTreeMap<Place, BTreeSet<usize>>)| {
            let parts = held.get(place)?;
            let belongs = |part: &&usize| {
                self.primaries.get(ring).is_some_and(|primaries| primaries[**part].contains(place))
            };
            let misplaced = parts.iter().filter(|part| !belongs(part)).count() as u64;
            Some((ring.clone(), Holding { partitions: parts.len() as u64, misplaced }))
        };
        self.held.iter().filter_map(count).collect()
    }

    /// The disk is emptied or goes.
    pub(crate) fn take(&mut self, place: &Place) {
        self.held.values_mut().for_each(|held| drop(held.remove(place)));
    }

    /// Whether everything would be somewhere else too, if this disk died.
    pub(crate) fn survives(&self, place: &Place) -> bool {
        let mut rest: BTreeMap<&String, BTreeSet<usize>> = BTreeMap::new();
        for (ring, held) in &self.held {
            let others = held.iter().filter(|(other, _)| *other != place);
            rest.entry(ring).or_default().extend(others.flat_map(|(_, parts)| parts));
        }
        self.written.iter().all(|(ring, parts)| rest.get(ring).is_some_and(|held| parts.is_subset(held)))
    }

    /// A partition that was written to and that no disk holds any more.
    pub(crate) fn lost(&self) -> Option<(&str, usize)> {
        self.written.iter().find_map(|(ring, parts)| {
            let held: BTreeSet<usize> = self.held.get(ring)?.values().flatten().copied().collect();
            parts.iter().find(|part| !held.contains(part)).map(|part| (ring.as_str(), *part))
        })
    }
}
