//! Removing what newer files of a hash folder have made useless.

use super::fileset::FileSet;
use super::xattrs::SIDE_FILE_SUFFIX;
use crate::fs;
use std::io;
use std::path::Path;
use std::time::Duration;
use swiftlet_types::timestamp::Timestamp;

/// Removes the obsolete files of the hash folder `dir`, a tombstone older than `reclaim_age`, and the folder
/// itself once it is empty. The verdict on what is left, and its names.
///
/// Needs no lock: whoever else cleans at the same time comes to the same verdict, and a file that arrives in
/// between is never among those judged obsolete.
pub fn cleanup(dir: &Path, reclaim_age: Duration) -> io::Result<(FileSet, Vec<String>)> {
    let mut names = fs::list(dir)?;
    if names.is_empty() && !dir.exists() {
        return Ok((FileSet::default(), names));
    }
    names.sort_by(|a, b| b.cmp(a));
    let mut set = FileSet::choose(&names);
    let deadline = Timestamp::now().ticks().saturating_sub(reclaim_age.as_secs() * 100_000);
    let mut remove = std::mem::take(&mut set.obsolete);
    if let Some(tombstone) = set.tombstone.take_if(|file| file.timestamp.ticks() < deadline) {
        remove.push(tombstone);
    }
    remove.extend(set.reclaimable.iter().filter(|file| file.timestamp.ticks() < deadline).cloned());
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
        .filter(|owner| super::FileName::parse(owner).is_ok_and(|file| Some(file.timestamp) < newest))
        .map(str::to_owned)
        .collect();
    for owner in orphans {
        remove_side_file(dir, &owner, names);
    }
}
