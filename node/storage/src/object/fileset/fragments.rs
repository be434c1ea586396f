//! Which of the fragments in a hash folder stand for the object.
//!
//! There may be several: of different indexes (a handoff keeps what others could not take), and of different times,
//! since a PUT that was not committed leaves the object as it was. Only committed ones count, unless a reader says
//! which it would rather have: it may know of enough others of the same time to decode them.

use super::super::filename::FileName;
use super::super::layout::FragmentRules;
use super::{ByKind, FileSet, split_off};
use swiftlet_types::timestamp::Timestamp;

/// What a reader prefers (`X-Backend-Fragment-Preferences`), the best first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FragmentPreferences(pub Vec<FragmentPreference>);

/// Which of a folder's fragments is to stand for the object; by default the committed one of the highest index.
#[derive(Debug, Clone, Copy, Default)]
pub struct FragmentChoice<'a> {
    /// Only one of this index will do, unless a preference names another.
    pub index: Option<u32>,
    /// With preferences, be there any in them or not, it need not be committed.
    pub preferences: Option<&'a FragmentPreferences>,
}

/// Prefers nothing.
static ANY: FragmentPreferences = FragmentPreferences(Vec::new());

impl FragmentChoice<'static> {
    /// The committed one of this index.
    pub fn committed(index: Option<u32>) -> Self {
        Self { index, preferences: None }
    }

    /// The newest one of this index, committed or not.
    pub fn newest(index: Option<u32>) -> Self {
        Self { index, preferences: Some(&ANY) }
    }
}

/// Fragments of one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FragmentPreference {
    /// Their time.
    pub timestamp: Timestamp,
    /// Indexes that the reader has already.
    pub exclude: Vec<u32>,
}

/// The fragments of a folder that are not older than the last committed PUT.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct FragmentSets {
    /// Newest first; each with its fragments in order of index.
    pub by_time: Vec<(Timestamp, Vec<u32>)>,
    /// When the last committed PUT was.
    pub durable: Option<Timestamp>,
}

/// Fragments of one time, in order of index.
struct Group {
    timestamp: Timestamp,
    files: Vec<FileName>,
}

impl Group {
    fn index_of(file: &FileName) -> Option<u32> {
        file.fragment.map(|fragment| fragment.index)
    }

    /// The one of this index; without one, of the highest.
    fn at(&self, index: Option<u32>) -> Option<&FileName> {
        match index {
            None => self.best(&[]),
            wanted => self.files.iter().find(|file| Self::index_of(file) == wanted),
        }
    }

    /// The one of the highest index that is not in `exclude`.
    fn best(&self, exclude: &[u32]) -> Option<&FileName> {
        self.files
            .iter()
            .rev()
            .find(|file| Self::index_of(file).is_some_and(|index| !exclude.contains(&index)))
    }
}

impl FileSet {
    /// Whether `file` may be in the folder of an object that lies in fragments.
    pub(super) fn is_of_fragments(file: &FileName, rules: FragmentRules) -> bool {
        match file.fragment {
            Some(fragment) => fragment.index < rules.count,
            None => file.extension != super::Extension::Data,
        }
    }

    /// Settles which fragments stand for the object, and leaves in `kinds` what goes with the one that was chosen.
    pub(super) fn settle_fragments(&mut self, kinds: &mut ByKind, choice: FragmentChoice<'_>) {
        let legacy =
            kinds.other.iter().find(|file| file.text.ends_with(".durable")).map(|file| file.timestamp);
        let (mut groups, durable_time) = group(std::mem::take(&mut kinds.data), legacy);
        let is_older = |group: &Group| Some(group.timestamp) < durable_time;
        self.obsolete
            .extend(groups.iter().filter(|group| is_older(group)).flat_map(|group| group.files.clone()));
        let last = groups.iter().position(|group| Some(group.timestamp) == durable_time);
        let durable = last.and(durable_time);
        if let Some(last) = last {
            // Where the commit's own fragments are missing, Swift still counts those of before, this once.
            groups.truncate(last + 1);
        }
        let (chosen_time, chosen) = choose(&groups, durable, choice);
        let chosen = chosen.cloned();
        if let Some(chosen) = chosen.as_ref().filter(|chosen| Some(chosen.timestamp) != durable) {
            // what was posted to the object before says nothing of this one, but is not obsolete yet
            split_off(&mut kinds.meta, |file| file.timestamp > chosen.timestamp);
        }
        if let Some(time) = durable_time {
            for list in [&mut kinds.meta, &mut kinds.tombstone, &mut kinds.other] {
                self.obsolete.extend(split_off(list, |file| file.timestamp >= time));
            }
        }
        if durable.is_none() {
            let (marks, other) = std::mem::take(&mut kinds.other)
                .into_iter()
                .partition(|file| file.text.ends_with(".durable"));
            kinds.other = other;
            self.obsolete.extend::<Vec<_>>(marks);
            self.reclaimable.extend(kinds.meta.iter().cloned());
        }
        let kept = [durable, chosen_time];
        for group in groups {
            let indexes = group.files.iter().filter_map(Group::index_of).collect();
            self.fragments.by_time.push((group.timestamp, indexes));
            if !kept.contains(&Some(group.timestamp)) && Some(group.timestamp) >= durable_time {
                self.reclaimable.extend(group.files);
            }
        }
        self.fragments.durable = durable;
        kinds.data.extend(chosen);
    }
}

/// Puts fragments, newest first, into groups of one time; and the time of the last commit, by a fragment's name or by
/// the `.durable` file of `legacy`.
fn group(files: Vec<FileName>, legacy: Option<Timestamp>) -> (Vec<Group>, Option<Timestamp>) {
    let mut groups: Vec<Group> = Vec::new();
    for file in files {
        match groups.last_mut().filter(|group| group.timestamp == file.timestamp) {
            Some(group) => group.files.push(file),
            None => groups.push(Group { timestamp: file.timestamp, files: vec![file] }),
        }
    }
    let marked = |group: &&Group| group.files.iter().any(|file| file.fragment.is_some_and(|f| f.durable));
    let committed = groups.iter().find(marked).map(|group| group.timestamp);
    let durable = committed.max(legacy);
    for group in &mut groups {
        group.files.sort_by_key(Group::index_of);
        if Some(group.timestamp) == durable {
            // the commit is of all of them
            group.files.iter_mut().filter_map(|file| file.fragment.as_mut()).for_each(|f| f.durable = true);
        }
    }
    (groups, durable)
}

/// The time whose fragments stand for the object, and which of them does.
fn choose<'a>(
    groups: &'a [Group],
    durable: Option<Timestamp>,
    choice: FragmentChoice<'_>,
) -> (Option<Timestamp>, Option<&'a FileName>) {
    let of = |group: Option<&'a Group>| {
        (group.map(|group| group.timestamp), group.and_then(|group| group.at(choice.index)))
    };
    let Some(FragmentPreferences(preferences)) = choice.preferences else {
        return of(groups.iter().find(|group| Some(group.timestamp) == durable));
    };
    let mut left: Vec<&Group> = groups.iter().collect();
    for preference in preferences {
        let Some(at) = left.iter().position(|group| group.timestamp == preference.timestamp) else {
            continue;
        };
        match left[at].best(&preference.exclude) {
            Some(file) => return (Some(file.timestamp), Some(file)),
            None => drop(left.remove(at)),
        }
    }
    // none of those that were named: the reader decides whether it wants this one
    of(left.first().copied())
}

#[cfg(test)]
mod tests {
    use super::super::super::layout::{COMMIT_WINDOW, Layout};
    use super::*;

    const RULES: FragmentRules = FragmentRules { count: 6, commit_window: COMMIT_WINDOW };

    fn ts(seconds: u64) -> Timestamp {
        Timestamp::from_ticks(seconds * 100_000).expect("a small one")
    }

    fn choose(names: &[&str], preferences: Option<FragmentPreferences>) -> FileSet {
        let full = names.iter().map(|name| {
            let at = name.find(['#', '.']).expect("a time");
            format!("{:010}.00000{}", name[..at].parse::<u64>().expect("seconds"), &name[at..])
        });
        let choice = FragmentChoice { index: None, preferences: preferences.as_ref() };
        FileSet::choose_as(full, Layout::Fragments(RULES), choice)
    }

    fn prefer(preferences: &[(u64, &[u32])]) -> Option<FragmentPreferences> {
        let one = |(time, exclude): &(u64, &[u32])| FragmentPreference {
            timestamp: ts(*time),
            exclude: exclude.to_vec(),
        };
        Some(FragmentPreferences(preferences.iter().map(one).collect()))
    }

    fn short(file: &FileName) -> String {
        let (seconds, rest) = file.text.split_once(".00000").expect("a time");
        format!("{}{rest}", seconds.trim_start_matches('0'))
    }

    fn data(set: &FileSet) -> Option<String> {
        set.data.as_ref().map(short)
    }

    fn all(files: &[FileName]) -> Vec<String> {
        let mut all: Vec<_> = files.iter().map(short).collect();
        all.sort();
        all
    }

    #[test]
    fn only_what_was_committed_counts() {
        let set = choose(&["3#1.data", "2#0#d.data", "2#4#d.data", "1#4#d.data", "1.ts"], None);
        assert_eq!(data(&set).as_deref(), Some("2#4#d.data"));
        assert_eq!(all(&set.obsolete), ["1#4#d.data", "1.ts"]);
        assert_eq!(all(&set.reclaimable), ["3#1.data"]);
        assert_eq!(set.fragments.by_time, [(ts(3), vec![1]), (ts(2), vec![0, 4])]);
        assert_eq!(set.fragments.durable, Some(ts(2)));
        let set = choose(&["3#1.data", "1.ts"], None);
        assert_eq!((data(&set), set.tombstone.as_ref().map(short).as_deref()), (None, Some("1.ts")));
    }

    #[test]
    fn a_durable_file_commits_fragments_of_its_time() {
        let set = choose(&["2#1.data", "2.durable", "1#1.data"], None);
        assert_eq!(data(&set).as_deref(), Some("2#1.data"));
        assert!(set.data.as_ref().and_then(|f| f.fragment).is_some_and(|f| f.durable));
        assert_eq!(all(&set.obsolete), ["1#1.data"]);
        let set = choose(&["2.durable", "1#1.data"], None);
        assert_eq!((data(&set), all(&set.obsolete)), (None, vec!["1#1.data".into(), "2.durable".into()]));
    }

    #[test]
    fn a_reader_may_prefer_others() {
        let names = ["3#1.data", "3#5.data", "2#0#d.data", "2#4#d.data"];
        for (preferences, chosen) in [
            (prefer(&[]), "3#5.data"),
            (prefer(&[(2, &[])]), "2#4#d.data"),
            (prefer(&[(2, &[4])]), "2#0#d.data"),
            (prefer(&[(2, &[0, 4]), (3, &[5])]), "3#1.data"),
            (prefer(&[(2, &[0, 4])]), "3#5.data"),
            (prefer(&[(3, &[1, 5])]), "2#4#d.data"),
        ] {
            assert_eq!(
                data(&choose(&names, preferences.clone())).as_deref(),
                Some(chosen),
                "{preferences:?}"
            );
        }
        assert_eq!(data(&choose(&names, prefer(&[(3, &[1, 5]), (2, &[0, 4])]))), None);
    }

    #[test]
    fn posts_go_with_what_was_committed() {
        let set = choose(&["4.meta", "5#1.data", "2#0#d.data", "1.meta"], None);
        assert_eq!(set.meta.as_ref().map(short).as_deref(), Some("4.meta"));
        let set = choose(&["4.meta", "5#1.data", "2#0#d.data"], prefer(&[]));
        assert_eq!((data(&set).as_deref(), &set.meta), (Some("5#1.data"), &None));
        assert!(set.obsolete.is_empty(), "{:?}", set.obsolete);
    }

    #[test]
    fn names_of_whole_objects_and_unknown_fragments_are_left_alone() {
        let set = choose(&["2.data", "2#6.data"], None);
        assert_eq!((set.unexpected.len(), data(&set)), (2, None));
    }
}
