//! Removing what newer files of a hash folder have made useless.

use super::filename::FileName;
use super::fileset::{FileSet, FragmentChoice};
use super::layout::Layout;
use super::xattrs::SIDE_FILE_SUFFIX;
use crate::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};
use swiftlet_types::timestamp::Timestamp;

/// By which rules folders are cleaned up and judged.
#[derive(Debug, Clone, Copy)]
pub struct CleanupRules<'a> {
    /// How their objects lie.
    pub layout: Layout,
    /// Which fragment is to stand for an object.
    pub choice: FragmentChoice<'a>,
    /// How long tombstones, and what was never committed, are kept.
    pub reclaim_age: Duration,
}

impl CleanupRules<'_> {
    /// Those of whole objects.
    pub fn whole(reclaim_age: Duration) -> Self {
        Self::of(Layout::Whole, reclaim_age)
    }

    /// Those of objects that lie as `layout` says.
    pub fn of(layout: Layout, reclaim_age: Duration) -> Self {
        Self { layout, choice: FragmentChoice::default(), reclaim_age }
    }
}

/// [`cleanup_by`] for whole objects.
pub fn cleanup(dir: &Path, reclaim_age: Duration) -> io::Result<(FileSet, Vec<String>)> {
    cleanup_by(dir, CleanupRules::whole(reclaim_age))
}

/// [`cleanup_by`] for objects that lie as `layout` says.
pub fn cleanup_as(dir: &Path, layout: Layout, reclaim_age: Duration) -> io::Result<(FileSet, Vec<String>)> {
    cleanup_by(dir, CleanupRules::of(layout, reclaim_age))
}

/// Removes the obsolete files of the hash folder `dir`, a tombstone older than the reclaim age, and the folder
/// itself once it is empty. The verdict on what is left, and its names.
///
/// Needs no lock: whoever else cleans at the same time comes to the same verdict, and a file that arrives in
/// between is never among those judged obsolete.
pub fn cleanup_by(dir: &Path, rules: CleanupRules<'_>) -> io::Result<(FileSet, Vec<String>)> {
    let CleanupRules { layout, choice, reclaim_age } = rules;
    let mut names = fs::list(dir)?;
    if names.is_empty() && !dir.exists() {
        return Ok((FileSet::default(), names));
    }
    names.sort_by(|a, b| b.cmp(a));
    let mut set = FileSet::choose_as(&names, layout, choice);
    let deadline = Timestamp::now().ticks().saturating_sub(reclaim_age.as_secs() * 100_000);
    let mut remove = std::mem::take(&mut set.obsolete);
    if let Some(tombstone) = set.tombstone.take_if(|file| file.timestamp.ticks() < deadline) {
        remove.push(tombstone);
    }
    // Who takes the folder of a fragmented object for a whole one's must not take its metadata away.
    let is_foreign = layout == Layout::Whole
        && set.unexpected.iter().any(|name| FileName::parse(name).is_ok_and(|file| file.fragment.is_some()));
    let is_useless = |file: &&FileName| {
        !is_foreign && file.timestamp.ticks() < deadline && !may_be_committed(dir, file, layout)
    };
    remove.extend(set.reclaimable.iter().filter(is_useless).cloned());
    for file in &remove {
        fs::remove_quietly(&dir.join(&file.text));
        names.retain(|name| *name != file.text);
        remove_side_file(dir, &file.text, &mut names);
    }
    set.obsolete = remove;
    remove_orphans(dir, &set, &mut names);
    if names.is_empty() {
        // someone may be writing a new file here: then it stays
        let _ = std::fs::remove_dir(dir);
    }
    Ok((set, names))
}

/// Removes the files of the hash folder `dir` that are not newer than `timestamp`, and the folder once it is empty: what
/// was put since somebody looked stays.
///
/// The hash of its suffix is left as it was: replicators are not to bring back, from nodes where it has yet to be removed,
/// what is removed on all of them.
pub fn remove_up_to(dir: &Path, timestamp: Timestamp) -> io::Result<()> {
    let mut names = fs::list(dir)?;
    let is_old = |name: &String| FileName::parse(name).is_ok_and(|file| file.timestamp <= timestamp);
    for name in names.clone().into_iter().filter(is_old) {
        fs::remove_quietly(&dir.join(&name));
        remove_side_file(dir, &name, &mut names);
    }
    match std::fs::remove_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => Err(error),
        _ => Ok(()),
    }
}

/// Whether `file` is a fragment written so lately that its PUT may still be under way, whatever its timestamp says.
fn may_be_committed(dir: &Path, file: &FileName, layout: Layout) -> bool {
    let (Layout::Fragments(rules), Some(fragment)) = (layout, file.fragment) else { return false };
    if fragment.durable || rules.commit_window.is_zero() {
        return false;
    }
    let modified = std::fs::symlink_metadata(dir.join(&file.text)).and_then(|metadata| metadata.modified());
    let age = |time: SystemTime| SystemTime::now().duration_since(time).unwrap_or_default();
    modified.is_ok_and(|time| age(time) <= rules.commit_window)
}

/// After its owner, so that a crash in between leaves an orphan and never an owner without metadata.
fn remove_side_file(dir: &Path, owner: &str, names: &mut Vec<String>) {
    let side = format!("{owner}{SIDE_FILE_SUFFIX}");
    if let Some(at) = names.iter().position(|name| *name == side) {
        fs::remove_quietly(&dir.join(side));
        names.remove(at);
    }
}

/// Side files whose owner never came (a crash between the two) and, by the files present, never will.
fn remove_orphans(dir: &Path, set: &FileSet, names: &mut Vec<String>) {
    let newest = set.data.iter().chain(&set.meta).chain(&set.tombstone).map(|file| file.timestamp).max();
    let orphans: Vec<String> = set
        .unexpected
        .iter()
        .filter_map(|name| name.strip_suffix(SIDE_FILE_SUFFIX))
        .filter(|owner| !names.iter().any(|name| name == owner))
        .filter(|owner| FileName::parse(owner).is_ok_and(|file| Some(file.timestamp) < newest))
        .map(str::to_owned)
        .collect();
    for owner in orphans {
        remove_side_file(dir, &owner, names);
    }
}
