//! Which of too many holders keep a partition: between them they should have everything in its newest version, and
//! each as much as can be. The others are handoffs, whatever they were before.

use super::assign::Choice;
use super::shape::Holder;
use crate::recover::problems::Problems;
use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use swiftlet_storage::salvage::{DataDir, object_files};
use swiftlet_types::{PathHash, Timestamp};

/// What one holder has of a partition.
struct Content {
    holder: Holder,
    /// The time of each thing's newest file. Databases have none that can be compared by name: there, all are alike.
    versions: HashMap<PathHash, Timestamp>,
    /// When the newest of it was written, in nanoseconds since the epoch.
    newest_ns: i128,
}

/// Chooses `count` of `holders`.
pub(super) fn choose<'a>(
    data_dir: DataDir,
    partition: u32,
    holders: &[Holder],
    count: usize,
    path_of: impl Fn(usize) -> &'a PathBuf,
    problems: &mut Problems,
) -> Choice {
    let read =
        |holder: &Holder| Content::read(data_dir, partition, *holder, path_of(holder.device), problems);
    choose_by_content(holders.iter().map(read).collect(), count)
}

impl Content {
    fn read(
        data_dir: DataDir,
        partition: u32,
        holder: Holder,
        device: &Path,
        problems: &mut Problems,
    ) -> Self {
        let mut content = Self { holder, versions: HashMap::new(), newest_ns: 0 };
        for dir in data_dir.hash_dirs(device, partition) {
            let Some((hash, dir)) = problems.ok(dir) else { continue };
            let version = match data_dir {
                DataDir::Objects(_) => {
                    let files = problems.ok(object_files(&dir)).unwrap_or_default();
                    files.iter().map(|file| file.timestamp).max()
                }
                _ => Some(Timestamp::ZERO),
            };
            content.versions.extend(version.map(|version| (hash, version)));
            content.newest_ns = content.newest_ns.max(modified_ns(&dir));
        }
        content
    }
}

/// When something in `dir` was last written.
fn modified_ns(dir: &Path) -> i128 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let time =
        |stat: std::fs::Metadata| i128::from(stat.mtime()) * 1_000_000_000 + i128::from(stat.mtime_nsec());
    entries.filter_map(|entry| Some(time(entry.metadata().ok()?))).max().unwrap_or(0)
}

/// Takes, again and again, who adds most that is not yet had in its newest version; then who has most of that; then who
/// was written to last.
fn choose_by_content(mut contents: Vec<Content>, count: usize) -> Choice {
    let mut newest: HashMap<PathHash, Timestamp> = HashMap::new();
    for (hash, version) in contents.iter().flat_map(|content| &content.versions) {
        let known = newest.entry(*hash).or_insert(*version);
        *known = (*known).max(*version);
    }
    let mut had: HashSet<PathHash> = HashSet::new();
    let (mut chosen, mut fragments) = (Vec::new(), HashSet::new());
    while chosen.len() < count && !contents.is_empty() {
        let rank = |content: &Content| {
            let current = content.versions.iter().filter(|(hash, version)| newest.get(hash) == Some(version));
            let (mut all, mut new) = (0, 0);
            for (hash, _) in current {
                all += 1;
                new += usize::from(!had.contains(hash));
            }
            // a fragment that is there already adds nothing
            let is_new_fragment = content.holder.fragment.is_none_or(|index| !fragments.contains(&index));
            (is_new_fragment, new, all, content.newest_ns)
        };
        let best = (0..contents.len()).max_by_key(|&at| (rank(&contents[at]), std::cmp::Reverse(at)));
        let Some(best) = best else { break };
        let content = contents.remove(best);
        let current = content.versions.iter().filter(|(hash, version)| newest.get(hash) == Some(version));
        had.extend(current.map(|(hash, _)| *hash));
        fragments.extend(content.holder.fragment);
        chosen.push(content.holder);
    }
    Choice { chosen, newest_beyond: (newest.len() - had.len()) as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(device: usize, versions: &[(u8, u64)]) -> Content {
        let version =
            |&(hash, time): &(u8, u64)| (PathHash([hash; 16]), Timestamp::from_ticks(time).unwrap());
        let holder = Holder { device, fragment: None };
        Content { holder, versions: versions.iter().map(version).collect(), newest_ns: 0 }
    }

    fn devices(contents: Vec<Content>, count: usize) -> (Vec<usize>, u64) {
        let choice = choose_by_content(contents, count);
        (choice.chosen.iter().map(|holder| holder.device).collect(), choice.newest_beyond)
    }

    #[test]
    fn the_newest_and_most_complete_stay_and_nothing_is_left_out() {
        let old = || content(0, &[(1, 1), (2, 1), (3, 1)]);
        let new = || content(1, &[(1, 2), (2, 2), (3, 1)]);
        let handoff = || content(2, &[(4, 9)]);
        let empty = || content(3, &[]);
        assert_eq!(devices(vec![old(), new(), handoff(), empty()], 2), (vec![1, 2], 0));
        assert_eq!(devices(vec![old(), new(), handoff(), empty()], 3), (vec![1, 2, 0], 0));
        assert_eq!(devices(vec![handoff(), old(), new()], 1), (vec![1], 1));
    }

    #[test]
    fn a_second_copy_of_a_fragment_comes_last() {
        let of = |device, fragment| {
            let mut content = content(device, &[(1, 1)]);
            content.holder.fragment = Some(fragment);
            content
        };
        assert_eq!(devices(vec![of(0, 4), of(1, 4), of(2, 5)], 2), (vec![0, 2], 0));
    }
}
