//! What is to be done with a database, and with each of its peers.

use swiftlet_ring::{Device, DeviceId, Ring};

/// Where a database goes.
#[derive(Debug)]
pub(super) struct Route {
    /// Whom to bring in step, in this order.
    pub peers: Vec<Device>,
    /// Whether the database belongs on the device that it is on.
    pub belongs_here: bool,
    /// The device's region, where the ring knows it as one for this partition.
    pub region: Option<u32>,
}

impl Route {
    /// The peers of a database of `partition` on the device `own`, from the one after it in the ring on: of three that
    /// are far apart each sends to another one than it receives from.
    pub fn new(ring: &Ring, partition: u32, own: DeviceId) -> Self {
        let nodes: Vec<Device> = ring.nodes(partition).cloned().collect();
        let at = nodes.iter().position(|node| node.id == own);
        let local = || ring.nodes(partition).chain(ring.handoffs(partition)).find(|node| node.id == own);
        let region = local().map(|node| node.region);
        let peers = match at {
            Some(at) if nodes.len() > 1 => [&nodes[at + 1..], &nodes[..at]].concat(),
            // One replica alone speaks with itself, as in Swift.
            _ => nodes,
        };
        Self { peers, belongs_here: at.is_some(), region }
    }
}

/// How far a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Distance {
    /// Our highest row id.
    pub max_row: i64,
    /// The peer's.
    pub remote_max_row: i64,
    /// Up to which of our rows it is known to have them.
    pub point: i64,
    /// Whether the hashes over all rows are the same.
    pub is_same: bool,
}

/// What a peer needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: it was given every row.
    Nothing,
    /// Nothing: it has the same rows, which is worth noting.
    Note,
    /// The rows after this one.
    RowsAfter(i64),
    /// The whole file, to merge its own rows into: it has less than half of ours, and more than a batch is missing.
    WholeFile,
}

impl Distance {
    /// What the peer needs, where `per_diff` rows are sent at once.
    pub fn need(&self, per_diff: usize) -> Need {
        let missing = self.max_row - self.remote_max_row;
        if self.point >= self.max_row {
            Need::Nothing
        } else if self.is_same {
            Need::Note
        } else if self.remote_max_row.saturating_mul(2) < self.max_row && missing > per_diff as i64 {
            Need::WholeFile
        } else {
            Need::RowsAfter(self.point)
        }
    }
}

/// Whether a database that does not belong here was given to enough peers to go: to `enough` of them, or, where that is
/// 0, to all, and there are some.
pub(super) fn may_go(outcomes: &[bool], enough: usize) -> bool {
    let successes = outcomes.iter().filter(|success| **success).count();
    match enough {
        0 => !outcomes.is_empty() && successes == outcomes.len(),
        enough => successes >= enough,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use swiftlet_ring::{DeviceIds, RingData};

    /// Five devices, of which 0, 1 and 2 have both partitions.
    fn ring(replicas: u32) -> Ring {
        let device = |id: u32| Device {
            device: format!("sd{id}"),
            id,
            ip: format!("10.0.0.{id}"),
            meta: String::new(),
            port: 6201,
            region: id % 2 + 1,
            replication_ip: format!("10.0.0.{id}"),
            replication_port: 6201,
            weight: 1.0,
            zone: id,
        };
        let data = RingData {
            part_power: 1,
            devices: (0..5).map(|id| Some(device(id))).collect(),
            assignments: (0..replicas).map(|id| DeviceIds::U8(vec![id as u8, (id as u8 + 3) % 5])).collect(),
            ..RingData::default()
        };
        Ring::new(data).unwrap()
    }

    fn ids(route: &Route) -> Vec<u32> {
        route.peers.iter().map(|peer| peer.id).collect()
    }

    #[test]
    fn each_primary_begins_with_the_one_after_it() {
        for (own, peers) in [(0, [1, 2]), (1, [2, 0]), (2, [0, 1])] {
            let route = Route::new(&ring(3), 0, own);
            assert_eq!((ids(&route), route.belongs_here), (peers.to_vec(), true));
        }
    }

    #[test]
    fn a_handoff_sends_to_all_primaries() {
        let route = Route::new(&ring(3), 0, 4);
        assert_eq!((ids(&route), route.belongs_here, route.region), (vec![0, 1, 2], false, Some(1)));
        let alone = Route::new(&ring(1), 0, 0);
        assert_eq!((ids(&alone), alone.belongs_here), (vec![0], true));
        assert!(Route::new(&ring(3), 7, 0).peers.is_empty(), "beyond the ring");
    }

    #[test]
    fn needs_are_judged_as_by_swift() {
        let need = |max_row, remote_max_row, point, is_same| {
            Distance { max_row, remote_max_row, point, is_same }.need(10)
        };
        assert_eq!(need(5, 9, 5, false), Need::Nothing);
        assert_eq!(need(-1, -1, -1, true), Need::Nothing);
        assert_eq!(need(5, 5, 3, true), Need::Note);
        assert_eq!(need(5, 5, 3, false), Need::RowsAfter(3));
        assert_eq!(need(10, -1, -1, false), Need::WholeFile);
        assert_eq!(need(9, -1, -1, false), Need::RowsAfter(-1), "no more than a batch");
        assert_eq!(need(40, 20, 3, false), Need::RowsAfter(3), "half of them");
        assert_eq!(need(40, 19, 3, false), Need::WholeFile);
    }

    #[test]
    fn handoffs_go_when_enough_have_them() {
        assert!(may_go(&[true, true], 0) && may_go(&[true, false], 1));
        assert!(!may_go(&[], 0) && !may_go(&[true, false], 0) && !may_go(&[true, false], 2));
    }
}
