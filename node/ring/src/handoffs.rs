//! The order in which other devices stand in for those of a partition.

use crate::ring::Domains;
use crate::{Device, DeviceId, Ring};

/// Which kind of novelty a round of the search looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    Region,
    Zone,
    Ip,
    Device,
    Over,
}

/// Iterator over the handoffs of a partition; see [`Ring::handoffs`].
///
/// Each round walks the table from a partition that depends on the hash of the partition's number, in steps of
/// 1/65536 of the ring, then wraps around. This is Swift's walk, step for step: proxies and replicators of both
/// programs must look for a misplaced object in the same places.
#[derive(Debug)]
pub struct Handoffs<'a> {
    ring: &'a Ring,
    start: u64,
    step: u64,
    round: Round,
    /// The partition of the table under the walk.
    at_part: u64,
    /// The walk has wrapped around to before `start`.
    wrapped: bool,
    at_replica: usize,
    seen: Seen,
}

impl<'a> Handoffs<'a> {
    pub(crate) fn new(ring: &'a Ring, part: u32, start: u32) -> Handoffs<'a> {
        let mut seen = Seen::new(ring);
        for node in ring.nodes(part) {
            seen.add(node.id, ring.domains(node.id));
        }
        let start = u64::from(start);
        let step = (ring.part_count() / 65536).max(1);
        let round = if ring.part_count() == 0 { Round::Over } else { Round::Region };
        Handoffs { ring, start, step, round, at_part: start, wrapped: false, at_replica: 0, seen }
    }

    fn next_round(&mut self) {
        self.round = match self.round {
            Round::Region => Round::Zone,
            Round::Zone => Round::Ip,
            Round::Ip => Round::Device,
            Round::Device | Round::Over => Round::Over,
        };
        (self.at_part, self.wrapped, self.at_replica) = (self.start, false, 0);
    }

    fn next_part(&mut self) {
        self.at_replica = 0;
        self.at_part += self.step;
        let parts = self.ring.part_count();
        if !self.wrapped && self.at_part >= parts {
            self.wrapped = true;
            self.at_part = self.step - (parts - self.start) % self.step;
        }
        if self.wrapped && self.at_part >= self.start {
            self.next_round();
        }
    }

    /// Nothing of this round's kind is left to find.
    fn round_is_done(&self) -> bool {
        let assigned = self.ring.assigned();
        match self.round {
            Round::Region => self.seen.regions.count == assigned.regions,
            Round::Zone => self.seen.zones.count == assigned.zones,
            Round::Ip => self.seen.ips.count == assigned.ips,
            Round::Device => self.seen.devices.count == assigned.devices,
            Round::Over => false,
        }
    }

    fn is_new(&self, id: DeviceId, domains: Domains) -> bool {
        !self.seen.devices.has(id)
            && match self.round {
                Round::Region => !self.seen.regions.has(domains.region),
                Round::Zone => !self.seen.zones.has(domains.zone),
                Round::Ip => !self.seen.ips.has(domains.ip),
                Round::Device | Round::Over => true,
            }
    }
}

impl<'a> Iterator for Handoffs<'a> {
    type Item = &'a Device;

    fn next(&mut self) -> Option<&'a Device> {
        loop {
            while self.round_is_done() {
                self.next_round();
            }
            if self.round == Round::Over {
                return None;
            }
            let Some(row) = self.ring.data().assignments.get(self.at_replica) else {
                self.next_part();
                continue;
            };
            self.at_replica += 1;
            let Some(id) = row.get(self.at_part as usize) else { continue };
            let domains = self.ring.domains(id);
            if self.is_new(id, domains) {
                self.seen.add(id, domains);
                return self.ring.device(id);
            }
        }
    }
}

/// What was used so far.
#[derive(Debug)]
struct Seen {
    regions: BitSet,
    zones: BitSet,
    ips: BitSet,
    devices: BitSet,
}

impl Seen {
    fn new(ring: &Ring) -> Seen {
        let most = ring.data().devices.len();
        let assigned = ring.assigned();
        Seen {
            regions: BitSet::new(assigned.regions),
            zones: BitSet::new(assigned.zones),
            ips: BitSet::new(assigned.ips),
            devices: BitSet::new(most),
        }
    }

    fn add(&mut self, id: DeviceId, domains: Domains) {
        self.devices.add(id);
        self.regions.add(domains.region);
        self.zones.add(domains.zone);
        self.ips.add(domains.ip);
    }
}

/// A set of small numbers.
#[derive(Debug)]
struct BitSet {
    words: Vec<u64>,
    count: usize,
}

impl BitSet {
    fn new(len: usize) -> BitSet {
        BitSet { words: vec![0; len.div_ceil(64)], count: 0 }
    }

    fn has(&self, index: u32) -> bool {
        self.words[index as usize / 64] >> (index % 64) & 1 == 1
    }

    fn add(&mut self, index: u32) {
        self.count += usize::from(!self.has(index));
        self.words[index as usize / 64] |= 1 << (index % 64);
    }
}
