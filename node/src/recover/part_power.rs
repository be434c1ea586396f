//! The partition power by where things lie: a partition is the first bits of its things' hashes, as many as the power.
//! Any one thing outside partition 0 tells it; most decide, as a few may lie where another power would have them.

use swiftlet_types::PathHash;

/// What things say so far.
#[derive(Debug, Clone)]
pub struct Votes {
    by_power: [u64; 33],
    /// Of things that are said to be in the same kind of ring, but may not be.
    doubtful: [u64; 33],
}

impl Default for Votes {
    fn default() -> Self {
        Self { by_power: [0; 33], doubtful: [0; 33] }
    }
}

impl Votes {
    /// A thing of which the first four bytes of the hash are these lies in `partition`.
    pub fn add(&mut self, partition: u32, first_bytes: u32) {
        if let Some(power) = power_of(partition, first_bytes) {
            self.by_power[power as usize] += 1;
        }
    }

    /// The thing with this hash lies in `partition` of another ring, which most likely has the same power.
    pub fn add_doubtful(&mut self, partition: u32, hash: &PathHash) {
        if let Some(power) = power_of(partition, hash.partition(u32::BITS)) {
            self.doubtful[power as usize] += 1;
        }
    }

    /// The power that most things tell, if any does.
    pub fn winner(&self) -> Option<u32> {
        let most = |votes: &[u64; 33]| {
            let (power, votes) = votes.iter().enumerate().max_by_key(|(_, votes)| **votes)?;
            (*votes > 0).then_some(power as u32)
        };
        most(&self.by_power).or_else(|| most(&self.doubtful))
    }
}

/// The one power that puts it there. Partition 0 is as many zero bits, however many: it tells none.
fn power_of(partition: u32, first_bytes: u32) -> Option<u32> {
    // one more bit doubles the number: only one power gives this partition
    (1..=32).find(|power| partition > 0 && first_bytes >> (32 - power) == partition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn most_decide() {
        assert_eq!(power_of(0xab, 0xabcd_ef01), Some(8));
        assert_eq!(power_of(1, 0x0000_0001), Some(32));
        assert_eq!(power_of(7, 0x1000_0000), None);
        assert_eq!(power_of(0, 1), None);
        let mut votes = Votes::default();
        votes.add(0, 0x0fff_ffff);
        assert_eq!(votes.winner(), None);
        votes.add_doubtful(0xa, &PathHash([0xab; 16]));
        assert_eq!(votes.winner(), Some(4));
        votes.add(0xab, 0xabcd_ef01);
        votes.add(0xab, 0xabcd_ef02);
        votes.add(0x157, 0xabcd_ef01);
        assert_eq!(votes.winner(), Some(8));
    }

    proptest! {
        #[test]
        fn every_hash_tells_its_power(hash in 1u32.., power in 1u32..=32) {
            let partition = hash >> (32 - power);
            prop_assume!(partition > 0);
            prop_assert_eq!(power_of(partition, hash), Some(power));
        }
    }
}
