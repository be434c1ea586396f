//! How a generation of rings travels in pieces that each fit one Kubernetes object.
//!
//! A generation is the set of `*.ring.gz` files that a cluster uses together. [`split`] lays them end to end and
//! cuts the whole into chunks of fixed size; an [`Index`] says which bank of slots holds them, and what each chunk
//! and each file must hash to. Two banks take turns: a generation fills the idle one and only then does the index
//! name it, so a reader that sees a mixture finds a hash that does not match and keeps what it has. [`assemble`] is
//! that reader. No I/O happens here: whoever calls brings the bytes. Builder files are kept the same way.
//!
//! The hashes are MD5, the figure that `swift-recon --md5` compares. They guard against torn reads, not against an
//! attacker: who may write the index may write the rings.

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

/// Bytes a chunk holds at most: a ConfigMap takes 1 MiB with its metadata, base64 not counted.
pub const CHUNK_BYTES_MAX: usize = 900 * 1024;
/// Bytes a whole generation may have.
pub const GENERATION_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Slots in a bank at most.
pub const SLOTS_MAX: usize = GENERATION_BYTES_MAX.div_ceil(CHUNK_BYTES_MAX);
/// Slots in a bank at least, so that a policy more or less rarely changes the pods.
const SLOTS_MIN: usize = 4;
/// Ring files in a generation at most: account, container, and one a storage policy.
pub const RINGS_MAX: usize = 34;
/// An index is small; anything larger is not one.
pub const INDEX_BYTES_MAX: usize = 64 * 1024;
/// What each ring's device list may take, compressed: 200 nodes of 12 devices and their names.
const DEVICE_LIST_BYTES: usize = 64 * 1024;

/// One of the two sets of slots that take turns in holding a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bank {
    /// Slots `a-0`, `a-1`, …
    A,
    /// Slots `b-0`, `b-1`, …
    B,
}

impl Bank {
    /// Both, in order.
    pub const ALL: [Bank; 2] = [Bank::A, Bank::B];

    /// The bank that the next generation fills.
    pub fn other(self) -> Bank {
        match self {
            Bank::A => Bank::B,
            Bank::B => Bank::A,
        }
    }

    /// The name of a slot, such as `a-0`: the end of its ConfigMap's name, and its file's name in a pod.
    pub fn slot_name(self, slot: usize) -> String {
        let letter = match self {
            Bank::A => 'a',
            Bank::B => 'b',
        };
        format!("{letter}-{slot}")
    }
}

/// What a bank must hold for a generation to be whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Index {
    /// Counts up by one with every publication, from 1.
    pub generation: u64,
    /// The generation that this one was made from; 0 for the first.
    pub parent: u64,
    /// Where the chunks are.
    pub bank: Bank,
    /// MD5 of each chunk, in hex, in the order of the slots.
    pub chunks: Vec<String>,
    /// The files, in the order in which their bytes follow each other.
    pub rings: Vec<RingFile>,
}

/// One `*.ring.gz` of a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RingFile {
    /// File name, such as `object-1.ring.gz`.
    pub name: String,
    /// Length of the file.
    pub bytes: usize,
    /// MD5 of the file in hex, as `/recon/ringmd5` reports it.
    pub md5: String,
}

impl RingFile {
    /// Whether this is the file's content.
    pub fn matches(&self, content: &[u8]) -> bool {
        content.len() == self.bytes && md5_hex(content) == self.md5
    }
}

/// Why rings cannot be cut up, or not be put together again.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DistributionError {
    /// More than [`GENERATION_BYTES_MAX`].
    #[error("the rings take {bytes} bytes; at most {GENERATION_BYTES_MAX} can be distributed in ConfigMaps")]
    TooLarge {
        /// What they take.
        bytes: usize,
    },
    /// More chunks than the pods have slots for.
    #[error("the rings take {needed} slots, the pods have {slots}")]
    TooFewSlots {
        /// What they take.
        needed: usize,
        /// What there is.
        slots: usize,
    },
    /// The index is no index.
    #[error("ring index: {0}")]
    Index(String),
    /// A slot is empty or holds something else, most often because its volume is still being brought up to date.
    #[error("ring slot {slot} does not hold its part of generation {generation} yet")]
    Chunk {
        /// Name of the slot.
        slot: String,
        /// The generation asked for.
        generation: u64,
    },
    /// All chunks match and a file does not: the index contradicts itself.
    #[error("{name} of generation {generation} does not match its MD5")]
    Ring {
        /// Name of the file.
        name: String,
        /// The generation asked for.
        generation: u64,
    },
}

/// Slots each bank needs for rings of these (part power, replicas), whatever devices they will have. Pods are made
/// with that many from their first day.
///
/// A row of device ids compresses hardly at all, so a ring is counted with two bytes a partition and replica.
pub fn slots_needed(rings: impl IntoIterator<Item = (u8, f64)>) -> usize {
    let bytes_of = |(part_power, replicas): (u8, f64)| {
        let row_bytes = 2.0 * f64::from(part_power).exp2();
        (row_bytes * replicas.max(0.0).ceil()) as usize + DEVICE_LIST_BYTES
    };
    let bytes = rings.into_iter().map(bytes_of).fold(0, usize::saturating_add);
    bytes.div_ceil(CHUNK_BYTES_MAX).clamp(SLOTS_MIN, SLOTS_MAX)
}

/// Cuts the files of one generation into the contents of its slots.
///
/// # Errors
/// [`DistributionError::TooLarge`] and [`DistributionError::TooFewSlots`] where `slots` cannot hold them, and
/// [`DistributionError::Index`] for a name that is no ring's.
pub fn split(
    generation: u64,
    parent: u64,
    bank: Bank,
    files: &[(String, Vec<u8>)],
    slots: usize,
) -> Result<(Index, Vec<Vec<u8>>), DistributionError> {
    let bytes: usize = files.iter().map(|(_, content)| content.len()).sum();
    if bytes > GENERATION_BYTES_MAX {
        return Err(DistributionError::TooLarge { bytes });
    }
    let needed = bytes.div_ceil(CHUNK_BYTES_MAX);
    if needed > slots {
        return Err(DistributionError::TooFewSlots { needed, slots });
    }
    let whole: Vec<u8> = files.iter().flat_map(|(_, content)| content.iter().copied()).collect();
    let chunks: Vec<Vec<u8>> = whole.chunks(CHUNK_BYTES_MAX).map(<[u8]>::to_vec).collect();
    let rings = files
        .iter()
        .map(|(name, content)| RingFile { name: name.clone(), bytes: content.len(), md5: md5_hex(content) })
        .collect();
    let index =
        Index { generation, parent, bank, chunks: chunks.iter().map(|c| md5_hex(c)).collect(), rings };
    index.check()?;
    Ok((index, chunks))
}

/// Puts a generation together from what `read_slot` finds under each slot's name, and vouches for every byte.
///
/// # Errors
/// [`DistributionError::Chunk`] while a slot is missing or holds another generation's chunk; the caller keeps what it
/// has and looks again.
pub fn assemble(
    index: &Index,
    mut read_slot: impl FnMut(&str) -> Option<Vec<u8>>,
) -> Result<Vec<(String, Vec<u8>)>, DistributionError> {
    index.check()?;
    let mut whole = Vec::new();
    for number in 0..index.chunks.len() {
        let slot = index.bank.slot_name(number);
        match read_slot(&slot) {
            Some(chunk) if index.is_chunk(number, &chunk) => whole.extend_from_slice(&chunk),
            _ => return Err(DistributionError::Chunk { slot, generation: index.generation }),
        }
    }
    let mut rest = whole.as_slice();
    let mut files = Vec::with_capacity(index.rings.len());
    for ring in &index.rings {
        let content = rest.split_off(..ring.bytes).filter(|content| ring.matches(content));
        let Some(content) = content else {
            return Err(index.contradiction(ring));
        };
        files.push((ring.name.clone(), content.to_vec()));
    }
    Ok(files)
}

impl Index {
    /// Whether this is the content of slot `number`.
    pub fn is_chunk(&self, number: usize, content: &[u8]) -> bool {
        self.chunks.get(number).is_some_and(|md5| md5_hex(content) == *md5)
    }

    /// Reads an index from its JSON.
    ///
    /// # Errors
    /// [`DistributionError::Index`] says what is wrong with it.
    pub fn parse(json: &[u8]) -> Result<Index, DistributionError> {
        if json.len() > INDEX_BYTES_MAX {
            return Err(DistributionError::Index(format!("{} bytes, at most {INDEX_BYTES_MAX}", json.len())));
        }
        let index: Index =
            serde_json::from_slice(json).map_err(|e| DistributionError::Index(e.to_string()))?;
        index.check()?;
        Ok(index)
    }

    /// The index as it is published.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers and text always have a JSON form")
    }

    /// The error for a file that does not match although all that it was made of does.
    pub fn contradiction(&self, ring: &RingFile) -> DistributionError {
        DistributionError::Ring { name: ring.name.clone(), generation: self.generation }
    }

    fn check(&self) -> Result<(), DistributionError> {
        let wrong = |what: String| Err(DistributionError::Index(what));
        if self.chunks.len() > SLOTS_MAX {
            return wrong(format!("{} chunks, at most {SLOTS_MAX}", self.chunks.len()));
        }
        if self.rings.is_empty() || self.rings.len() > RINGS_MAX {
            return wrong(format!("{} rings, from 1 to {RINGS_MAX} expected", self.rings.len()));
        }
        let bytes = self.rings.iter().fold(0usize, |sum, ring| sum.saturating_add(ring.bytes));
        if bytes > GENERATION_BYTES_MAX {
            return Err(DistributionError::TooLarge { bytes });
        }
        match self.rings.iter().find(|ring| !is_ring_name(&ring.name)) {
            Some(ring) => wrong(format!("{:?} is not the name of a ring file", ring.name)),
            None => Ok(()),
        }
    }
}

/// Whether a file may be written under this name: `account`, `container`, `object` or `object-N`, and `.ring.gz` or
/// `.builder`.
fn is_ring_name(name: &str) -> bool {
    let Some(ring) = name.strip_suffix(".ring.gz").or_else(|| name.strip_suffix(".builder")) else {
        return false;
    };
    match ring.strip_prefix("object-") {
        Some(policy) => !policy.is_empty() && policy.len() <= 9 && policy.bytes().all(|b| b.is_ascii_digit()),
        None => matches!(ring, "account" | "container" | "object"),
    }
}

fn md5_hex(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn slots_of(index: &Index, chunks: &[Vec<u8>]) -> HashMap<String, Vec<u8>> {
        chunks.iter().enumerate().map(|(n, chunk)| (index.bank.slot_name(n), chunk.clone())).collect()
    }

    /// Two rings; the length of the second shows in every byte of the first.
    fn rings(object_bytes: usize) -> Vec<(String, Vec<u8>)> {
        vec![
            ("account.ring.gz".into(), vec![object_bytes as u8; 10]),
            ("object-1.ring.gz".into(), (0..object_bytes).map(|i| i as u8).collect()),
        ]
    }

    #[test]
    fn a_generation_survives_the_way_there() {
        let files = rings(2 * CHUNK_BYTES_MAX);
        let (index, chunks) = split(7, 6, Bank::B, &files, 3).unwrap();
        assert_eq!(chunks.len(), 3);
        let parsed = Index::parse(index.to_json().as_bytes()).unwrap();
        let slots = slots_of(&index, &chunks);
        assert_eq!(assemble(&parsed, |slot| slots.get(slot).cloned()).unwrap(), files);
    }

    #[test]
    fn a_mixture_of_two_generations_is_refused() {
        let (old, old_chunks) = split(1, 0, Bank::A, &rings(CHUNK_BYTES_MAX), 2).unwrap();
        let (new, new_chunks) = split(3, 2, Bank::A, &rings(CHUNK_BYTES_MAX + 1), 2).unwrap();
        let mut slots = slots_of(&old, &old_chunks);
        slots.insert("a-1".into(), new_chunks[1].clone());
        let refused = assemble(&new, |slot| slots.get(slot).cloned());
        assert!(matches!(refused, Err(DistributionError::Chunk { slot, generation: 3 }) if slot == "a-0"));
        let refused = assemble(&old, |slot| slots.get(slot).cloned());
        assert!(matches!(refused, Err(DistributionError::Chunk { slot, generation: 1 }) if slot == "a-1"));
    }

    #[test]
    fn what_does_not_fit_is_refused_before_anything_is_published() {
        let refused = split(1, 0, Bank::A, &rings(CHUNK_BYTES_MAX), 1).unwrap_err();
        assert_eq!(refused, DistributionError::TooFewSlots { needed: 2, slots: 1 });
        let refused = split(1, 0, Bank::A, &rings(GENERATION_BYTES_MAX), 99).unwrap_err();
        assert_eq!(refused, DistributionError::TooLarge { bytes: GENERATION_BYTES_MAX + 10 });
    }

    #[test]
    fn an_index_cannot_name_a_file_outside_its_folder() {
        for name in
            ["../object.ring.gz", "object.ring.gz/", "object-.ring.gz", "object-x.ring.gz", "swift.conf"]
        {
            let file = RingFile { name: name.into(), bytes: 0, md5: md5_hex(b"") };
            let index = Index { generation: 1, parent: 0, bank: Bank::A, chunks: vec![], rings: vec![file] };
            assert!(Index::parse(index.to_json().as_bytes()).is_err(), "{name}");
        }
    }

    #[test]
    fn slots_follow_from_the_shape_of_the_cluster_alone() {
        assert_eq!(slots_needed([(10, 3.0); 3]), SLOTS_MIN);
        assert_eq!(slots_needed([(18, 3.0); 3]), 6);
        assert_eq!(slots_needed([(24, 3.0); 3]), SLOTS_MAX);
    }

    proptest! {
        #[test]
        fn no_damage_goes_unnoticed(at in 0usize..5000, flip in 1u8..) {
            let (index, mut chunks) = split(1, 0, Bank::A, &rings(4990), 1).unwrap();
            chunks[0][at] ^= flip;
            prop_assert!(assemble(&index, |_| Some(chunks[0].clone())).is_err());
        }

        #[test]
        fn any_bytes_as_index_are_an_error_not_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Index::parse(&bytes).is_err());
        }
    }
}
