//! Which files of a hash folder make up the object, and which are left-overs.
//!
//! Pure: names in, verdict out. Between them a folder's files say everything about the order of events, whoever
//! wrote them and in whatever order they arrived, so readers need no lock.

mod fragments;

use super::filename::{Extension, FileName};
use super::layout::Layout;
use swiftlet_types::timestamp::Timestamp;

pub use fragments::{FragmentChoice, FragmentPreference, FragmentPreferences, FragmentSets};

/// The verdict on a hash folder's files.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct FileSet {
    /// The object's bytes (or one fragment of them) and first metadata.
    pub data: Option<FileName>,
    /// The metadata of the last POST; only with `data`.
    pub meta: Option<FileName>,
    /// The `.meta` file that holds the newest content type (often `meta` itself), if that is newer than `data`.
    pub content_type: Option<FileName>,
    /// The tombstone; only without `data`.
    pub tombstone: Option<FileName>,
    /// Files that newer ones have made useless.
    pub obsolete: Vec<FileName>,
    /// `.meta` files without `.data`, and fragments that were never committed: useless once they are older than the
    /// reclaim age.
    pub reclaimable: Vec<FileName>,
    /// Which fragments there are; none of whole objects.
    pub fragments: FragmentSets,
    /// Names that no Swift would write. Never touched.
    pub unexpected: Vec<String>,
}

impl FileSet {
    /// Judges the files called `names` of a whole object.
    pub fn choose<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Self {
        Self::choose_as(names, Layout::Whole, FragmentChoice::default())
    }

    /// The same for an object that lies as `layout` says; of its fragments, the one that `choice` tells.
    pub fn choose_as<N: AsRef<str>>(
        names: impl IntoIterator<Item = N>,
        layout: Layout,
        choice: FragmentChoice<'_>,
    ) -> Self {
        let mut set = Self::default();
        let mut by_kind = ByKind::default();
        let belongs = |file: &FileName| match layout {
            Layout::Whole => file.fragment.is_none(),
            Layout::Fragments(rules) => Self::is_of_fragments(file, rules),
        };
        for name in names {
            match FileName::parse(name.as_ref()) {
                Ok(file) if belongs(&file) => by_kind.add(file),
                _ => set.unexpected.push(name.as_ref().to_owned()),
            }
        }
        by_kind.sort();
        set.settle_tombstones(&mut by_kind);
        set.settle_metas(&mut by_kind.meta);
        match layout {
            Layout::Whole => set.settle_data(&mut by_kind),
            Layout::Fragments(_) => set.settle_fragments(&mut by_kind, choice),
        }
        set.elect(by_kind);
        set
    }

    /// Everything up to the newest tombstone's time is gone, and so are older tombstones.
    fn settle_tombstones(&mut self, kinds: &mut ByKind) {
        let Some(newest) = kinds.tombstone.first().map(|f| f.timestamp) else { return };
        for list in [&mut kinds.data, &mut kinds.meta, &mut kinds.other] {
            self.obsolete.extend(split_off(list, |f| f.timestamp > newest));
        }
        self.obsolete.extend(kinds.tombstone.drain(1..));
    }

    /// The newest `.meta` stays, and a second one only if it holds a newer content type.
    fn settle_metas(&mut self, metas: &mut Vec<FileName>) {
        let mut keep = 1;
        if metas.len() > 1 {
            metas[1..].sort_by_key(|f| std::cmp::Reverse(f.content_type_timestamp));
            if metas[1].content_type_timestamp > metas[0].content_type_timestamp {
                if metas[1].timestamp == metas[0].timestamp {
                    metas.swap(0, 1);
                } else {
                    keep = 2;
                }
            }
        }
        self.obsolete.extend(metas.drain(keep.min(metas.len())..));
    }

    /// The newest `.data` makes obsolete what is not newer than itself.
    fn settle_data(&mut self, kinds: &mut ByKind) {
        let Some(newest) = kinds.data.first().map(|f| f.timestamp) else {
            self.reclaimable.extend(kinds.meta.iter().cloned());
            return;
        };
        self.obsolete.extend(split_off(&mut kinds.data, |f| f.timestamp >= newest));
        for list in [&mut kinds.meta, &mut kinds.tombstone, &mut kinds.other] {
            self.obsolete.extend(split_off(list, |f| f.timestamp > newest));
        }
    }

    fn elect(&mut self, mut kinds: ByKind) {
        if kinds.data.is_empty() {
            self.tombstone = kinds.tombstone.into_iter().next();
            return;
        }
        let data = kinds.data.swap_remove(0);
        let written: Option<Timestamp> = Some(data.timestamp);
        self.content_type = kinds.meta.last().filter(|f| f.content_type_timestamp > written).cloned();
        self.meta = kinds.meta.into_iter().next();
        self.data = Some(data);
    }
}

/// A folder's files by extension, each list newest first.
#[derive(Default)]
struct ByKind {
    data: Vec<FileName>,
    meta: Vec<FileName>,
    tombstone: Vec<FileName>,
    other: Vec<FileName>,
}

impl ByKind {
    fn add(&mut self, file: FileName) {
        match file.extension {
            Extension::Data => self.data.push(file),
            Extension::Meta => self.meta.push(file),
            Extension::Tombstone => self.tombstone.push(file),
            Extension::Other => self.other.push(file),
        }
    }

    fn sort(&mut self) {
        for list in [&mut self.data, &mut self.meta, &mut self.tombstone, &mut self.other] {
            // by name too, so that the verdict does not depend on the order of the listing
            list.sort_by(|a, b| b.timestamp.cmp(&a.timestamp).then_with(|| b.text.cmp(&a.text)));
        }
    }
}

/// Cuts `list` where `keep` first fails; what was cut off.
fn split_off(list: &mut Vec<FileName>, keep: impl Fn(&FileName) -> bool) -> Vec<FileName> {
    let at = list.iter().position(|f| !keep(f)).unwrap_or(list.len());
    list.split_off(at)
}

#[cfg(test)]
mod tests;
