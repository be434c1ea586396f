//! What the replicator and the reconstructor have in common: finding the partitions on this node's devices, hashing
//! them, and asking other nodes for their hashes. What they then send, and to whom, is theirs.

mod devices;
mod hashing;
mod interval;
mod partitions;
mod peer;
mod standing;

pub(super) use devices::{Looked, check_partition, look, own_devices, shares};
pub(super) use hashing::{Hashes, PartitionId, hash_again, hash_all};
pub(super) use interval::interval;
pub use partitions::PolicyRing;
pub(super) use partitions::{Entry, OwnDevice, PolicyPass, current_rings};
pub(super) use peer::{PeerError, Peers, hashes_of, node_name};
pub(super) use standing::{remaining, suffix_lines};
