//! From a segment to its fragments and back.

use super::field::Field;
use super::header::{FragmentHeader, HEADER_LEN, HeaderError};
use super::matrix::{Rows, generator_powers, inverse, systematic_vandermonde};
use thiserror::Error;

/// liberasurecode takes up to so many fragments.
const MAX_FRAGMENTS: usize = 32;
/// The names that [`Codec::new`] knows.
const SUPPORTED: &str = "liberasurecode_rs_vand, isa_l_rs_vand";

/// Why there is no such code.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SchemeError {
    /// Its name is not known.
    #[error("ec_type {name:?} is not supported; supported are: {SUPPORTED}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// It cannot have so many fragments.
    #[error("{data} data and {parity} parity fragments: at least one of each, and no more than 32 together")]
    Count {
        /// Data fragments.
        data: usize,
        /// Parity fragments.
        parity: usize,
    },
}

/// Why fragments give no segment.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// One of them is none.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// Its header cannot be right for this code.
    #[error("fragment {index} of another code, or with lengths that do not fit")]
    Foreign {
        /// Which one it says it is.
        index: u32,
    },
    /// They are not of the same segment.
    #[error("fragments of different segments")]
    Mixed,
    /// Too few different ones.
    #[error("{found} different fragments, {needed} are needed")]
    TooFew {
        /// How many there are.
        found: usize,
        /// How many it takes.
        needed: usize,
    },
    /// There is no fragment of that index.
    #[error("there is no fragment {index}")]
    NoSuchFragment {
        /// The index.
        index: usize,
    },
}

/// One erasure code: k data and m parity fragments.
#[derive(Debug, Clone)]
pub struct Codec {
    field: Field,
    data: usize,
    parity: Rows,
    backend_id: u8,
    backend_version: u32,
    legacy_crc: bool,
}

/// What all the fragments of a segment have in common, and their payloads by index.
struct Segment<'a> {
    original_len: usize,
    payload_len: usize,
    payloads: Vec<Option<&'a [u8]>>,
}

impl Codec {
    /// The code that Swift's `ec_type` calls `name`.
    pub fn new(name: &str, data: usize, parity: usize) -> Result<Self, SchemeError> {
        if data == 0 || parity == 0 || data.saturating_add(parity) > MAX_FRAGMENTS {
            return Err(SchemeError::Count { data, parity });
        }
        // numbers and versions are those of liberasurecode's back ends
        let (field, rows, backend_id, backend_version): (_, fn(Field, usize, usize) -> Rows, _, _) =
            match name {
                "liberasurecode_rs_vand" => (Field::Bits16, systematic_vandermonde, 6, 0x0001_0000),
                "isa_l_rs_vand" => (Field::Bits8, generator_powers, 4, 0x0002_0d00),
                _ => return Err(SchemeError::Unknown { name: name.to_owned() }),
            };
        let parity = rows(field, data, parity);
        Ok(Self { field, data, parity, backend_id, backend_version, legacy_crc: false })
    }

    /// The same, writing headers that liberasurecode before 1.6 reads too (`write_legacy_ec_crc`).
    pub fn with_legacy_crc(mut self, legacy_crc: bool) -> Self {
        self.legacy_crc = legacy_crc;
        self
    }

    /// Data fragments a segment: as many of any kind give it back.
    pub fn data_count(&self) -> usize {
        self.data
    }

    /// All fragments of a segment.
    pub fn fragment_count(&self) -> usize {
        self.data + self.parity.len()
    }

    /// Bytes of each fragment of a segment of `segment_len` bytes, header and all.
    pub fn fragment_len(&self, segment_len: usize) -> usize {
        HEADER_LEN + self.payload_len(segment_len)
    }

    fn payload_len(&self, segment_len: usize) -> usize {
        let word = self.field.word_len();
        segment_len.div_ceil(self.data * word) * word
    }

    /// The fragments of `segment`, by index.
    pub fn encode(&self, segment: &[u8]) -> Vec<Vec<u8>> {
        let payload_len = self.payload_len(segment.len());
        let mut fragments: Vec<Vec<u8>> =
            (0..self.fragment_count()).map(|index| self.begin(index, payload_len, segment.len())).collect();
        let (data, parity) = fragments.split_at_mut(self.data);
        // none where the segment is empty
        for (fragment, piece) in data.iter_mut().zip(segment.chunks(payload_len.max(1))) {
            fragment.extend_from_slice(piece);
        }
        data.iter_mut().for_each(|fragment| fragment.resize(HEADER_LEN + payload_len, 0));
        for (fragment, row) in parity.iter_mut().zip(&self.parity) {
            fragment.resize(HEADER_LEN + payload_len, 0);
            for (piece, factor) in data.iter().zip(row) {
                self.field.add_product(&mut fragment[HEADER_LEN..], &piece[HEADER_LEN..], *factor);
            }
        }
        fragments
    }

    /// A fragment without its payload.
    fn begin(&self, index: usize, payload_len: usize, original_len: usize) -> Vec<u8> {
        let header = FragmentHeader {
            index: index as u32,
            payload_len: payload_len as u32,
            original_len: original_len as u64,
            backend_id: self.backend_id,
            backend_version: self.backend_version,
        };
        let mut fragment = Vec::with_capacity(HEADER_LEN + payload_len);
        fragment.extend_from_slice(&header.to_bytes(self.legacy_crc));
        fragment
    }

    /// The segment that `fragments` are of: any k different ones, in any order.
    pub fn decode<F: AsRef<[u8]>>(&self, fragments: &[F]) -> Result<Vec<u8>, DecodeError> {
        let segment = self.gather(fragments)?;
        let mut whole = Vec::with_capacity(self.data * segment.payload_len);
        let missing = segment.payloads[..self.data].iter().any(Option::is_none);
        let solution = if missing { Some(self.solve(&segment)?) } else { None };
        for index in 0..self.data {
            match (segment.payloads[index], &solution) {
                (Some(payload), _) => whole.extend_from_slice(payload),
                (None, Some(solution)) => {
                    let from = whole.len();
                    whole.resize(from + segment.payload_len, 0);
                    self.sum(&mut whole[from..], &solution.used, &solution.undo[index]);
                }
                (None, None) => unreachable!("solved where one is missing"),
            }
        }
        whole.truncate(segment.original_len);
        Ok(whole)
    }

    /// The fragment `wanted` of the segment that `fragments` are of: any k different ones, in any order.
    pub fn reconstruct<F: AsRef<[u8]>>(
        &self,
        fragments: &[F],
        wanted: usize,
    ) -> Result<Vec<u8>, DecodeError> {
        if wanted >= self.fragment_count() {
            return Err(DecodeError::NoSuchFragment { index: wanted });
        }
        let segment = self.gather(fragments)?;
        let mut fragment = self.begin(wanted, segment.payload_len, segment.original_len);
        if let Some(payload) = segment.payloads[wanted] {
            fragment.extend_from_slice(payload);
            return Ok(fragment);
        }
        let solution = self.solve(&segment)?;
        let row = self.row(wanted);
        let factors: Vec<u16> = (0..self.data)
            .map(|used| {
                let terms = row.iter().zip(&solution.undo);
                terms.fold(0, |sum, (factor, undo)| sum ^ self.field.multiply(*factor, undo[used]))
            })
            .collect();
        fragment.resize(HEADER_LEN + segment.payload_len, 0);
        self.sum(&mut fragment[HEADER_LEN..], &solution.used, &factors);
        Ok(fragment)
    }

    fn sum(&self, to: &mut [u8], payloads: &[&[u8]], factors: &[u16]) {
        for (payload, factor) in payloads.iter().zip(factors) {
            self.field.add_product(to, payload, *factor);
        }
    }

    /// Checks that `fragments` are of this code and of one segment, and that there are enough.
    fn gather<'a, F: AsRef<[u8]>>(&self, fragments: &'a [F]) -> Result<Segment<'a>, DecodeError> {
        let mut common: Option<FragmentHeader> = None;
        let mut payloads = vec![None; self.fragment_count()];
        for fragment in fragments {
            let (header, payload) = FragmentHeader::split(fragment.as_ref())?;
            let fits = usize::try_from(header.original_len).is_ok_and(|len| {
                len <= payload.len().saturating_mul(self.data) && self.payload_len(len) == payload.len()
            });
            let slot = payloads.get_mut(header.index as usize);
            match slot.filter(|_| fits && header.backend_id == self.backend_id) {
                Some(slot) => *slot = Some(payload),
                None => return Err(DecodeError::Foreign { index: header.index }),
            }
            let first = common.get_or_insert(header);
            if header.original_len != first.original_len {
                return Err(DecodeError::Mixed);
            }
        }
        let found = payloads.iter().flatten().count();
        match common.filter(|_| found >= self.data) {
            Some(header) => Ok(Segment {
                original_len: header.original_len as usize,
                payload_len: header.payload_len as usize,
                payloads,
            }),
            None => Err(DecodeError::TooFew { found, needed: self.data }),
        }
    }

    /// How the data fragment `index` or the parity fragment is a sum of data fragments.
    fn row(&self, index: usize) -> Vec<u16> {
        match index.checked_sub(self.data) {
            Some(parity) => self.parity[parity].clone(),
            None => (0..self.data).map(|column| u16::from(column == index)).collect(),
        }
    }

    fn solve<'a>(&self, segment: &Segment<'a>) -> Result<Solution<'a>, DecodeError> {
        let there =
            segment.payloads.iter().enumerate().filter_map(|(index, payload)| Some((index, (*payload)?)));
        let (indexes, used): (Vec<_>, Vec<_>) = there.take(self.data).unzip();
        let rows = indexes.iter().map(|index| self.row(*index)).collect();
        // ISA-L's code has choices of k fragments that do not give the rest, for many of both
        let undo = inverse(self.field, rows)
            .ok_or(DecodeError::TooFew { found: self.data - 1, needed: self.data })?;
        Ok(Solution { used, undo })
    }
}

/// The payloads that were chosen, and which sums of them the data fragments are.
struct Solution<'a> {
    used: Vec<&'a [u8]>,
    undo: Rows,
}
