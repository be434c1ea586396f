//! The hash of a suffix: what two nodes compare to see whether they have the same of it.

use super::fileset::FileSet;
use super::layout::Layout;
use md5::{Digest, Md5};
use std::collections::BTreeMap;
use swiftlet_types::pickle::{Dict, Value};

/// A suffix's hash, MD5 in hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SuffixHash {
    /// Of whole objects: one.
    Whole(String),
    /// Of objects in fragments: one for each index, since nodes differ in those; and under `None` one of what they must
    /// have in common.
    Fragments(BTreeMap<Option<u32>, String>),
}

impl SuffixHash {
    /// The one hash of whole objects.
    pub fn as_whole(&self) -> Option<&str> {
        match self {
            Self::Whole(hash) => Some(hash),
            Self::Fragments(_) => None,
        }
    }

    /// As it stands in `hashes.pkl`, and in what nodes tell each other.
    pub fn from_value(value: &Value) -> Option<Self> {
        let Some(dict) = value.as_dict() else { return Some(Self::Whole(value.as_str()?.to_owned())) };
        let fragment = |(index, hash): &(Value, Value)| {
            let index = match index {
                Value::None => None,
                index => Some(u32::try_from(index.as_int()?).ok()?),
            };
            Some((index, hash.as_str()?.to_owned()))
        };
        dict.entries.iter().map(fragment).collect::<Option<_>>().map(Self::Fragments)
    }
}

impl From<&SuffixHash> for Value {
    fn from(hash: &SuffixHash) -> Self {
        match hash {
            SuffixHash::Whole(hash) => hash.as_str().into(),
            SuffixHash::Fragments(hashes) => {
                let entry = |(index, hash): (&Option<u32>, &String)| {
                    (Value::from(index.map(i64::from)), Value::from(hash.as_str()))
                };
                hashes.iter().map(entry).collect::<Dict>().into()
            }
        }
    }
}

/// A suffix being hashed, object by object in order of their hashes.
pub(super) enum SuffixHasher {
    Whole(Md5),
    Fragments(BTreeMap<Option<u32>, Md5>),
}

impl SuffixHasher {
    pub(super) fn new(layout: Layout) -> Self {
        match layout {
            Layout::Whole => Self::Whole(Md5::new()),
            Layout::Fragments(_) => Self::Fragments(BTreeMap::new()),
        }
    }

    /// Adds what decides the state of an object.
    pub(super) fn add(&mut self, set: &FileSet) {
        for file in set.meta.iter().chain(&set.tombstone) {
            self.common().update(file.timestamp.internal());
            self.common().update(file.extension.as_str());
        }
        match self {
            Self::Whole(md5) => set.data.iter().for_each(|file| {
                md5.update(file.timestamp.internal());
                md5.update(file.extension.as_str());
            }),
            Self::Fragments(hashers) => {
                for (time, indexes) in &set.fragments.by_time {
                    for index in indexes {
                        hashers.entry(Some(*index)).or_default().update(time.internal());
                    }
                }
            }
        }
        if let Some(time) = set.fragments.durable {
            // the same however the commit is marked on disk
            self.common().update(time.internal());
            self.common().update(".durable");
        }
        if let Some(time) = set.content_type.as_ref().and_then(|file| file.content_type_timestamp) {
            self.common().update(time.internal());
            self.common().update("_ctype");
        }
    }

    /// What is not of one fragment.
    fn common(&mut self) -> &mut Md5 {
        match self {
            Self::Whole(md5) => md5,
            Self::Fragments(hashers) => hashers.entry(None).or_default(),
        }
    }

    pub(super) fn finish(self) -> SuffixHash {
        let hex = |md5: Md5| hex::encode(md5.finalize());
        match self {
            Self::Whole(md5) => SuffixHash::Whole(hex(md5)),
            Self::Fragments(hashers) => {
                SuffixHash::Fragments(hashers.into_iter().map(|(index, md5)| (index, hex(md5))).collect())
            }
        }
    }
}
