//! How the objects of a policy are coded.

use swiftlet_ec::{Codec, SchemeError};
use swiftlet_types::policy::{Policy, PolicyKind};

/// How the objects of a policy are coded.
#[derive(Debug)]
pub struct Scheme {
    /// The code.
    pub codec: Codec,
    /// Bytes of an object that are encoded together.
    pub segment_len: usize,
    /// How often each fragment is stored.
    pub duplication: usize,
}

impl Scheme {
    /// That of `policy`; `None` where its objects are whole.
    pub fn of(policy: &Policy, legacy_crc: bool) -> Option<Result<Self, SchemeError>> {
        let PolicyKind::ErasureCoding {
            ec_type,
            data_fragments,
            parity_fragments,
            segment_size,
            duplication_factor,
        } = &policy.kind
        else {
            return None;
        };
        Some(Codec::new(ec_type, *data_fragments, *parity_fragments).map(|codec| Self {
            codec: codec.with_legacy_crc(legacy_crc),
            segment_len: usize::try_from(*segment_size).unwrap_or(usize::MAX).max(1),
            duplication: (*duplication_factor).max(1),
        }))
    }

    /// Which fragment belongs on the node, or handoff, at this position of a partition.
    pub fn index_at(&self, position: usize) -> u32 {
        (position % self.codec.fragment_count()) as u32
    }

    /// So many nodes that a tombstone is sent to which no fragment says where it belongs: so that it is not lost, and
    /// fewer than all.
    pub fn tombstone_sample(&self) -> usize {
        (self.codec.fragment_count() * self.duplication + 1).saturating_sub(self.codec.data_count())
    }
}
