//! What is to be done with a partition, by the fragments that are in it. Pure.

use super::scheme::Scheme;
use crate::object::replication::Hashes;
use rand::seq::IndexedRandom;
use std::collections::BTreeMap;
use swiftlet_ring::Device;
use swiftlet_storage::object::SuffixHash;

/// A node that is sent something.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    pub node: Device,
    /// Which fragment of each object it is to have.
    pub index: u32,
}

/// One thing to be done with a partition.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Job {
    /// Fragments `index` belong here: each partner is to have its own of the same objects.
    Sync { index: u32, partners: Vec<Target> },
    /// Fragments `index` (without one, tombstones alone) belong on these nodes.
    Revert { index: Option<u32>, suffixes: Vec<String>, targets: Vec<Target> },
}

/// All that is to be done with a partition.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub jobs: Vec<Job>,
    /// Which fragment of each object belongs here, if one does.
    pub primary_index: Option<u32>,
    /// Fragments that the policy does not have, and their suffixes.
    pub unknown: BTreeMap<u32, Vec<String>>,
}

impl Plan {
    /// What is to be done with a partition of these hashes, which belongs on `nodes`, on the device `own_id`.
    pub fn of(hashes: &Hashes, nodes: &[Device], own_id: u32, scheme: &Scheme) -> Self {
        let Found { mut by_index, without } = Found::in_hashes(hashes);
        let mut plan = Self::default();
        let target = |at: usize| Some(Target { node: nodes.get(at)?.clone(), index: scheme.index_at(at) });
        if let Some(at) = nodes.iter().position(|node| node.id == own_id) {
            let index = scheme.index_at(at);
            by_index.remove(&index);
            plan.primary_index = Some(index);
            plan.jobs
                .push(Job::Sync { index, partners: partners(at, nodes.len()).filter_map(target).collect() });
        }
        let mut reverts: Vec<(u32, Vec<String>)> = by_index.into_iter().collect();
        reverts.sort_by_key(|(_, suffixes)| suffixes.len());
        for (index, suffixes) in reverts {
            let count = scheme.codec.fragment_count();
            let targets: Vec<Target> =
                (0..scheme.duplication).filter_map(|n| target(index as usize + n * count)).collect();
            if index as usize >= count || targets.is_empty() {
                plan.unknown.insert(index, suffixes);
                continue;
            }
            plan.jobs.push(Job::Revert { index: Some(index), suffixes, targets });
        }
        plan.add_without(without, nodes, scheme);
        plan
    }

    /// Suffixes with nothing but tombstones go with the first job. Where there is none, some of the nodes get them.
    fn add_without(&mut self, without: Vec<String>, nodes: &[Device], scheme: &Scheme) {
        match self.jobs.first_mut() {
            // A partner's hashes tell which of them differ.
            Some(Job::Sync { .. }) => {}
            Some(Job::Revert { suffixes, .. }) => suffixes.extend(without),
            None if without.is_empty() => {}
            None => {
                let places: Vec<usize> = (0..nodes.len()).collect();
                let sample = places.sample(&mut rand::rng(), scheme.tombstone_sample());
                let targets = sample
                    .map(|at| Target { node: nodes[*at].clone(), index: scheme.index_at(*at) })
                    .collect();
                self.jobs.push(Job::Revert { index: None, suffixes: without, targets });
            }
        }
    }
}

/// The positions of the neighbours of a node, and of the one that is farthest.
fn partners(at: usize, count: usize) -> impl Iterator<Item = usize> {
    [at + count - 1, at + 1, at + count / 2].into_iter().map(move |place| place % count)
}

/// Which suffixes have fragments of which index, and which have none of any.
struct Found {
    by_index: BTreeMap<u32, Vec<String>>,
    without: Vec<String>,
}

impl Found {
    fn in_hashes(hashes: &Hashes) -> Self {
        let mut found = Self { by_index: BTreeMap::new(), without: Vec::new() };
        for (suffix, hash) in hashes {
            let Some(SuffixHash::Fragments(of)) = hash else { continue };
            let mut indexes = of.keys().flatten().peekable();
            if indexes.peek().is_none() && !of.is_empty() {
                found.without.push(suffix.clone());
            }
            for index in indexes {
                found.by_index.entry(*index).or_default().push(suffix.clone());
            }
        }
        found
    }
}

/// The suffixes in which the fragments `index` of `own`, or what all fragments have in common, are not those that
/// `theirs` has of `their_index`.
pub(super) fn differing(own: &Hashes, index: u32, theirs: &Hashes, their_index: u32) -> Vec<String> {
    let of = |hash: Option<&Option<SuffixHash>>, index: Option<u32>| match hash {
        Some(Some(SuffixHash::Fragments(of))) => of.get(&index).cloned(),
        _ => None,
    };
    let differs = |(suffix, hash): &(&String, &Option<SuffixHash>)| {
        let (hash, there) = (Some(*hash), theirs.get(*suffix));
        of(hash, None) != of(there, None) || of(hash, Some(index)) != of(there, Some(their_index))
    };
    own.iter().filter(differs).map(|(suffix, _)| suffix.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::replicator::tests::ring;
    use swiftlet_ec::Codec;

    fn scheme(duplication: usize) -> Scheme {
        let codec = Codec::new("liberasurecode_rs_vand", 2, 1).expect("a known code");
        Scheme { codec, segment_len: 1 << 20, duplication }
    }

    fn hashes(suffixes: &[(&str, &[Option<u32>])]) -> Hashes {
        let hash = |indexes: &[Option<u32>]| {
            SuffixHash::Fragments(indexes.iter().map(|index| (*index, format!("{index:?}"))).collect())
        };
        suffixes.iter().map(|(suffix, indexes)| ((*suffix).to_owned(), Some(hash(indexes)))).collect()
    }

    /// The devices of a partition in a ring of so many replicas.
    fn nodes(count: u32) -> Vec<Device> {
        ring(3, count, count + 1, |_| 6200).nodes(0).cloned().collect()
    }

    fn told(job: &Job) -> (Option<u32>, Vec<(u32, u32)>) {
        let (index, targets) = match job {
            Job::Sync { index, partners } => (Some(*index), partners),
            Job::Revert { index, targets, .. } => (*index, targets),
        };
        (index, targets.iter().map(|target| (target.node.id, target.index)).collect())
    }

    #[test]
    fn a_primary_looks_after_its_partners_and_hands_over_the_rest() {
        let hashes =
            hashes(&[("abc", &[None, Some(1), Some(0)]), ("abd", &[None]), ("abe", &[None, Some(7)])]);
        let plan = Plan::of(&hashes, &nodes(3), 1, &scheme(1));
        assert_eq!(plan.primary_index, Some(1));
        assert_eq!(told(&plan.jobs[0]), (Some(1), vec![(0, 0), (2, 2), (2, 2)]));
        assert_eq!(told(&plan.jobs[1]), (Some(0), vec![(0, 0)]));
        assert_eq!((plan.jobs.len(), plan.unknown), (2, BTreeMap::from([(7, vec!["abe".to_owned()])])));
    }

    #[test]
    fn a_handoff_hands_over_each_fragment_to_all_its_nodes() {
        let hashes = hashes(&[("abc", &[None, Some(1)]), ("abd", &[None])]);
        let plan = Plan::of(&hashes, &nodes(6), 99, &scheme(2));
        assert_eq!((plan.jobs.len(), plan.primary_index), (1, None));
        assert_eq!(told(&plan.jobs[0]), (Some(1), vec![(1, 1), (4, 1)]));
        let Job::Revert { suffixes, .. } = &plan.jobs[0] else { panic!("a revert") };
        assert_eq!(suffixes, &["abc", "abd"]);
    }

    #[test]
    fn tombstones_that_nothing_says_the_place_of_go_to_some() {
        let plan = Plan::of(&hashes(&[("abd", &[None])]), &nodes(3), 99, &scheme(1));
        let (index, targets) = told(&plan.jobs[0]);
        assert_eq!((index, targets.len()), (None, 2));
        assert_eq!(Plan::of(&hashes(&[]), &nodes(3), 99, &scheme(1)), Plan::default());
    }

    #[test]
    fn suffixes_differ_by_index() {
        let own = hashes(&[("a01", &[None, Some(1)]), ("a02", &[None, Some(1)]), ("a03", &[None])]);
        let same = |index: u32| {
            let of = BTreeMap::from([(None, "None".to_owned()), (Some(index), "Some(1)".to_owned())]);
            Some(SuffixHash::Fragments(of))
        };
        let theirs = Hashes::from([("a01".into(), same(2)), ("a02".into(), same(0))]);
        assert_eq!(differing(&own, 1, &theirs, 2), ["a02", "a03"]);
    }
}
