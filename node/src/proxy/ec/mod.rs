//! Objects of erasure-coded policies: each segment of an object is encoded into fragments, each node of the partition
//! stores the archive of one index, and any k archives give the object back.

mod body;
mod gather;
mod head;
mod put;
mod read;

pub use put::FragmentsPut;
pub use read::FragmentsRead;

use bytes::Bytes;
use swiftlet_ec::{Codec, SchemeError};
use swiftlet_types::policy::{Policy, PolicyKind};

/// How a policy's objects are encoded, and how many nodes must have them.
#[derive(Debug)]
pub struct Scheme {
    codec: Codec,
    /// Bytes of an object that are encoded together.
    segment_len: usize,
    /// How often each fragment is stored.
    duplication: usize,
    /// For whoever looks at a fragment and wonders.
    description: String,
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
            description: format!("{ec_type} {data_fragments}+{parity_fragments}"),
        }))
    }

    /// Nodes that must store their archive: one more than give the object back, of each duplicate.
    pub fn quorum(&self) -> usize {
        (self.codec.data_count() + 1) * self.duplication
    }

    /// Bytes of a fragment of a whole segment.
    fn fragment_len(&self) -> u64 {
        self.codec.fragment_len(self.segment_len) as u64
    }

    /// Bytes of the segment that begins at byte `start` of an object of `object_len` bytes.
    fn segment_len_at(&self, start: u64, object_len: u64) -> usize {
        object_len.saturating_sub(start).min(self.segment_len as u64) as usize
    }

    /// Bytes of each archive of an object of so many bytes.
    fn archive_len(&self, object_len: u64) -> u64 {
        let segment_len = self.segment_len as u64;
        let last = match (object_len % segment_len) as usize {
            0 => 0,
            len => self.codec.fragment_len(len) as u64,
        };
        object_len / segment_len * self.fragment_len() + last
    }
}

/// Object metadata that only this room knows of.
const SYSMETA: &[u8] = b"x-object-sysmeta-ec-";
const ETAG: &str = "X-Object-Sysmeta-Ec-Etag";
const CONTENT_LENGTH: &str = "X-Object-Sysmeta-Ec-Content-Length";
const FRAGMENT_INDEX: &str = "X-Object-Sysmeta-Ec-Frag-Index";

/// What work on another thread gives; that it does not end is a bug in it.
async fn off_the_workers<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Bytes> {
    let failed = |error: tokio::task::JoinError| Bytes::from(format!("coding was cut off: {error}"));
    tokio::task::spawn_blocking(work).await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scheme(segment_len: usize) -> Scheme {
        let codec = Codec::new("liberasurecode_rs_vand", 4, 2).expect("a known code");
        Scheme { codec, segment_len, duplication: 1, description: String::new() }
    }

    #[test]
    fn a_node_more_than_needed_stores_it() {
        assert_eq!(scheme(1 << 20).quorum(), 5);
        assert_eq!(Scheme { duplication: 2, ..scheme(1 << 20) }.quorum(), 10);
    }

    proptest! {
        #[test]
        fn archives_are_as_long_as_their_fragments(segment_len in 1usize..500, object_len in 0u64..3000) {
            let scheme = scheme(segment_len);
            let starts = (0..object_len).step_by(segment_len);
            let lens = starts.map(|start| scheme.codec.fragment_len(scheme.segment_len_at(start, object_len)) as u64);
            prop_assert_eq!(scheme.archive_len(object_len), lens.sum::<u64>());
        }
    }
}
