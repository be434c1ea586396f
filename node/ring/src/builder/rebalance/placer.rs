//! Which device takes a replica: the walk down the tree.

use std::collections::BinaryHeap;

use crate::builder::random::Random;
use crate::builder::targets::Plan;
use crate::builder::tree::{CLUSTER, DEVICE, TierId, TierTree};

/// A domain offered to its parent: the quota it has left beyond what it must get, and a random tie-breaker.
type Offer = (i64, u32, TierId);

/// What every domain still needs, kept in step with the assignment.
#[derive(Debug)]
pub(super) struct Placer<'a> {
    tree: &'a TierTree,
    plan: &'a Plan,
    /// Part-replicas each tier may still take: the sum of what its devices lack.
    need: Vec<i64>,
    /// Part-replicas each tier must still get so that no partition is below its least share there.
    due: Vec<i64>,
    /// Replicas of the partition at hand in each tier.
    pub(super) here: Vec<u32>,
    /// Offers of the children of each tier, most quota first. Offers that no longer hold are dropped when met.
    offers: Vec<BinaryHeap<Offer>>,
    /// Offers met on the way down at each depth that go back afterwards; kept for their room.
    met: [Vec<Offer>; DEVICE],
    /// Children of each tier that must have a replica of every partition.
    obliged: Vec<Vec<TierId>>,
    random: Random,
}

impl<'a> Placer<'a> {
    /// `lack` gives what each device lacks, `due` what each tier must still get.
    pub(super) fn new(
        tree: &'a TierTree,
        plan: &'a Plan,
        lack: impl Fn(TierId) -> i64,
        due: Vec<i64>,
        random: Random,
    ) -> Placer<'a> {
        let mut need = vec![0; tree.len()];
        for tier in tree.ids().rev() {
            need[tier] = match tree.tier(tier).depth {
                DEVICE => lack(tier).max(0),
                _ => tree.children(tier).map(|child| need[child]).sum(),
            };
        }
        let obliged = |tier| tree.children(tier).filter(|&child| plan.min[child] > 0).collect();
        let mut placer = Placer {
            tree,
            plan,
            need,
            due,
            here: vec![0; tree.len()],
            offers: tree.ids().map(|_| BinaryHeap::new()).collect(),
            met: Default::default(),
            obliged: tree.ids().map(obliged).collect(),
            random,
        };
        for parent in tree.ids() {
            tree.children(parent).for_each(|child| placer.offer(parent, child));
        }
        placer
    }

    /// Whether any device still lacks something.
    pub(super) fn has_need(&self) -> bool {
        self.need[CLUSTER] > 0
    }

    /// What a device still lacks.
    pub(super) fn need(&self, tier: TierId) -> i64 {
        self.need[tier]
    }

    /// The device in need that should take a replica of the partition at hand.
    pub(super) fn pick(&mut self) -> Option<TierId> {
        if self.has_need() { self.pick_below(CLUSTER) } else { None }
    }

    fn pick_below(&mut self, tier: TierId) -> Option<TierId> {
        if self.tree.tier(tier).depth == DEVICE {
            return Some(tier);
        }
        self.pick_obliged(tier).or_else(|| self.pick_offered(tier))
    }

    fn pick_obliged(&mut self, tier: TierId) -> Option<TierId> {
        if self.obliged[tier].is_empty() {
            return None;
        }
        let is_short = |&child: &TierId| self.here[child] < self.plan.min[child] && self.need[child] > 0;
        let mut short: Vec<TierId> = self.obliged[tier].iter().copied().filter(is_short).collect();
        short.sort_by_key(|&child| std::cmp::Reverse(self.spare(child)));
        short.into_iter().find_map(|child| self.pick_below(child))
    }

    fn pick_offered(&mut self, tier: TierId) -> Option<TierId> {
        let depth = self.tree.tier(tier).depth;
        let mut met = std::mem::take(&mut self.met[depth]);
        let mut picked = None;
        while let Some(offer) = self.offers[tier].pop() {
            let (spare, _, child) = offer;
            if spare != self.spare(child) || self.need[child] <= 0 {
                continue;
            }
            met.push(offer);
            if self.has_room(child) {
                picked = self.pick_below(child);
                if picked.is_some() {
                    break;
                }
            }
        }
        self.offers[tier].extend(met.drain(..));
        self.met[depth] = met;
        picked
    }

    /// Whether a tier may hold one more replica of the partition at hand.
    pub(super) fn has_room(&self, tier: TierId) -> bool {
        self.here[tier] < self.plan.max[tier]
    }

    fn spare(&self, tier: TierId) -> i64 {
        self.need[tier] - self.due[tier]
    }

    fn offer(&mut self, parent: TierId, child: TierId) {
        if self.need[child] > 0 {
            let offer = (self.spare(child), self.random.next() as u32, child);
            self.offers[parent].push(offer);
        }
    }

    /// Counts a replica of the partition at hand in, without any effect on needs.
    pub(super) fn count(&mut self, path: &[TierId; DEVICE]) {
        path.iter().for_each(|&tier| self.here[tier] += 1);
    }

    /// Counts a replica of the partition at hand out.
    pub(super) fn uncount(&mut self, path: &[TierId; DEVICE]) {
        path.iter().for_each(|&tier| self.here[tier] -= 1);
    }

    /// A device takes a replica of the partition at hand. `lacked` says whether it was in need.
    pub(super) fn take(&mut self, path: &[TierId; DEVICE], lacked: bool) {
        let mut parent = CLUSTER;
        self.need[CLUSTER] -= i64::from(lacked);
        for &tier in path {
            let spare = self.spare(tier);
            self.need[tier] -= i64::from(lacked);
            self.due[tier] -= i64::from(self.here[tier] < self.plan.min[tier]);
            self.here[tier] += 1;
            if self.spare(tier) != spare {
                self.offer(parent, tier);
            }
            parent = tier;
        }
    }

    /// A device gives a replica of the partition at hand away. `lacks` says whether it is in need thereafter.
    pub(super) fn give(&mut self, path: &[TierId; DEVICE], lacks: bool) {
        let mut parent = CLUSTER;
        self.need[CLUSTER] += i64::from(lacks);
        for &tier in path {
            let spare = self.spare(tier);
            self.here[tier] -= 1;
            self.need[tier] += i64::from(lacks);
            self.due[tier] += i64::from(self.here[tier] < self.plan.min[tier]);
            if self.spare(tier) != spare {
                self.offer(parent, tier);
            }
            parent = tier;
        }
    }
}
