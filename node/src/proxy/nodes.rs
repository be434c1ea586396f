//! The nodes of a partition in the order in which a request tries them: primaries first, then handoffs.

use super::error_limit::ErrorLimiter;
use super::rings::{Node, RingView};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// A node to ask, and whether the ring names it a handoff of the partition.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The node.
    pub node: Arc<Node>,
    /// Whether it is a handoff: then it may well not have what the primaries have.
    pub is_handoff: bool,
}

/// Nodes that one request tries, one after the other and never twice. Nodes that are error limited are passed
/// over; one that gets limited while the request uses it does not count against the number to try.
pub struct NodeIter {
    first: VecDeque<Candidate>,
    rest: Rest,
    primary_count: usize,
    left_to_try: usize,
    expected_handoffs: usize,
    handoffs_given: usize,
    last_given: Option<Arc<Node>>,
}

enum Rest {
    /// The handoffs of this partition, not looked up before somebody needs one.
    Handoffs(Arc<RingView>, u32),
    Known(std::vec::IntoIter<Candidate>),
}

impl NodeIter {
    /// The nodes of `partition`, of which up to `request_node_count` are tried. `sort` puts the primaries in
    /// the order to try them.
    pub fn new(
        ring: Arc<RingView>,
        partition: u32,
        request_node_count: usize,
        sort: impl FnOnce(&mut [Candidate]),
    ) -> Self {
        let primaries = ring.primaries(partition);
        let count = primaries.len();
        let mut first: Vec<_> =
            primaries.into_iter().map(|node| Candidate { node, is_handoff: false }).collect();
        sort(&mut first);
        Self::with_order(first, Rest::Handoffs(ring, partition), count, request_node_count)
    }

    /// The same in an order of the caller's, whose first `primary_count` nodes are still sorted.
    pub fn in_order(
        mut order: Vec<Candidate>,
        primary_count: usize,
        request_node_count: usize,
        sort: impl FnOnce(&mut [Candidate]),
    ) -> Self {
        let rest = order.split_off(primary_count.min(order.len()));
        sort(&mut order);
        Self::with_order(order, Rest::Known(rest.into_iter()), primary_count, request_node_count)
    }

    fn with_order(
        first: Vec<Candidate>,
        rest: Rest,
        primary_count: usize,
        request_node_count: usize,
    ) -> Self {
        Self {
            first: first.into(),
            rest,
            primary_count,
            left_to_try: request_node_count,
            expected_handoffs: request_node_count.saturating_sub(primary_count),
            handoffs_given: 0,
            last_given: None,
        }
    }

    /// How many replicas the partition has.
    pub fn primary_count(&self) -> usize {
        self.primary_count
    }

    /// The next node to try at `now`.
    pub fn next(&mut self, limiter: &ErrorLimiter, now: Instant) -> Option<Candidate> {
        if self.last_given.take().is_some_and(|last| !limiter.is_limited(last.key(), now)) {
            self.left_to_try = self.left_to_try.saturating_sub(1);
        }
        if self.left_to_try == 0 {
            return None;
        }
        let usable = |c: &Candidate| !limiter.is_limited(c.node.key(), now);
        let candidate = match std::iter::from_fn(|| self.first.pop_front()).find(usable) {
            Some(candidate) => candidate,
            None => {
                let candidate = self.handoffs().find(usable)?;
                self.handoffs_given += 1;
                candidate
            }
        };
        self.last_given = Some(candidate.node.clone());
        Some(candidate)
    }

    /// How many more handoffs were given than the configured number of nodes to try would lead one to expect:
    /// that many primaries were passed over.
    pub fn unexpected_handoffs(&self) -> usize {
        self.handoffs_given.saturating_sub(self.expected_handoffs)
    }

    /// Up to `count` nodes after the primaries that were not given yet.
    pub fn take_handoffs(&mut self, count: usize) -> Vec<Candidate> {
        self.handoffs().take(count).collect()
    }

    fn handoffs(&mut self) -> &mut std::vec::IntoIter<Candidate> {
        if let Rest::Handoffs(ring, partition) = &self.rest {
            let handoffs = ring.handoffs(*partition).map(|node| Candidate { node, is_handoff: true });
            self.rest = Rest::Known(handoffs.collect::<Vec<_>>().into_iter());
        }
        match &mut self.rest {
            Rest::Known(nodes) => nodes,
            Rest::Handoffs(..) => unreachable!("looked up just above"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;
    use std::time::Duration;

    fn order(primaries: usize, handoffs: usize) -> Vec<Candidate> {
        (0..primaries + handoffs)
            .map(|i| Candidate { node: Arc::new(Node::for_tests(i)), is_handoff: i >= primaries })
            .collect()
    }

    fn limiter() -> ErrorLimiter {
        ErrorLimiter::new(Duration::from_secs(60), 0)
    }

    fn drain(nodes: &mut NodeIter, limiter: &ErrorLimiter) -> Vec<usize> {
        let now = Instant::now();
        std::iter::from_fn(|| nodes.next(limiter, now)).map(|c| c.node.id()).collect()
    }

    #[test]
    fn stops_after_the_number_to_try() {
        let mut nodes = NodeIter::in_order(order(3, 10), 3, 5, |_| ());
        assert_eq!(drain(&mut nodes, &limiter()), [0, 1, 2, 3, 4]);
        assert_eq!(nodes.unexpected_handoffs(), 0);
    }

    #[test]
    fn limited_nodes_are_replaced_by_handoffs() {
        let (limiter, nodes) = (limiter(), order(3, 10));
        limiter.limit(nodes[1].node.key(), Instant::now());
        let mut nodes = NodeIter::in_order(nodes, 3, 3, |_| ());
        assert_eq!(drain(&mut nodes, &limiter), [0, 2, 3]);
        assert_eq!(nodes.unexpected_handoffs(), 1);
    }

    #[test]
    fn a_node_limited_while_used_does_not_count() {
        let (limiter, mut nodes) = (limiter(), NodeIter::in_order(order(2, 5), 2, 2, |_| ()));
        let now = Instant::now();
        let first = nodes.next(&limiter, now).unwrap();
        limiter.limit(first.node.key(), now);
        assert_eq!(drain(&mut nodes, &limiter), [1, 2]);
    }

    #[test]
    fn only_the_primaries_are_sorted() {
        let mut nodes = NodeIter::in_order(order(3, 2), 3, 5, |first| first.reverse());
        assert_eq!(drain(&mut nodes, &limiter()), [2, 1, 0, 3, 4]);
    }

    proptest! {
        #[test]
        fn never_twice_and_never_a_limited_one(
            primaries in 1usize..5, handoffs in 0usize..8, to_try in 0usize..12,
            limited in prop::collection::hash_set(0usize..12, 0..6),
        ) {
            let (limiter, all) = (limiter(), order(primaries, handoffs));
            let now = Instant::now();
            for i in limited.iter().filter(|i| **i < all.len()) {
                limiter.limit(all[*i].node.key(), now);
            }
            let total = all.len();
            let usable = (0..total).filter(|i| !limited.contains(i)).count();
            let mut nodes = NodeIter::in_order(all, primaries, to_try, |_| ());
            let given = drain(&mut nodes, &limiter);
            prop_assert_eq!(given.len(), usable.min(to_try));
            prop_assert_eq!(given.iter().collect::<HashSet<_>>().len(), given.len());
            prop_assert!(given.iter().all(|i| !limited.contains(i)));
            prop_assert!(given.is_sorted(), "primaries go before handoffs");
        }
    }
}
