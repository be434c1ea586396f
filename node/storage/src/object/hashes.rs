//! A partition's suffix hashes: `hashes.pkl`, and `hashes.invalid` where changes are noted for the next rehash.
//!
//! Replicators compare partitions by these. Every change of an object notes its suffix; a rehash reads pickle and notes
//! under the partition's `.lock`, hashes what is stale without it, and writes the result only if nobody else changed the
//! pickle meanwhile; then it takes the notes that it read off their file.

use super::cleanup::cleanup_as;
use super::layout::Layout;
use super::location::partition_dir;
use super::quarantine::quarantine_dir;
use super::suffix_hash::{SuffixHash, SuffixHasher};
use crate::fs;
use crate::lock::{LockError, LockOptions, lock_dir};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use swiftlet_types::pickle::{self, Dict, Value};
use thiserror::Error;

const PICKLE: &str = "hashes.pkl";
const INVALIDATIONS: &str = "hashes.invalid";
/// How often a rehash starts over because someone changed the pickle under it.
const MAX_ATTEMPTS: usize = 20;

/// Why hashes could not be read or noted.
#[derive(Debug, Error)]
pub enum HashesError {
    /// The partition's lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Reading or writing.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The partition changed faster than it could be hashed.
    #[error("{path}: changed during each of {MAX_ATTEMPTS} attempts to hash it")]
    TooBusy {
        /// The partition's folder.
        path: PathBuf,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> HashesError + '_ {
    move |source| HashesError::Io { path: path.to_owned(), source }
}

/// Notes, under the partition's lock, that `suffix_dir` changed.
pub fn invalidate(suffix_dir: &Path) -> Result<(), HashesError> {
    let (Some(partition), Some(suffix)) = (suffix_dir.parent(), suffix_dir.file_name()) else {
        return Err(at(suffix_dir)(io::ErrorKind::InvalidInput.into()));
    };
    let mut line = suffix.as_encoded_bytes().to_vec();
    line.push(b'\n');
    note(partition, &line)
}

/// Notes, under the partition's lock, that these suffixes changed; what is no suffix is passed over.
pub fn invalidate_suffixes<'a>(
    device: &Path,
    policy: u32,
    partition: u64,
    suffixes: impl IntoIterator<Item = &'a str>,
) -> Result<(), HashesError> {
    let lines: String =
        suffixes.into_iter().filter(|s| is_suffix(s)).flat_map(|suffix| [suffix, "\n"]).collect();
    if lines.is_empty() {
        return Ok(());
    }
    note(&partition_dir(device, policy, partition), lines.as_bytes())
}

/// Appends to the partition's notes, under its lock.
fn note(partition: &Path, lines: &[u8]) -> Result<(), HashesError> {
    let _lock = lock_dir(partition, LockOptions::default())?;
    let path = partition.join(INVALIDATIONS);
    match File::options().append(true).create(true).open(&path) {
        // the partition was removed after it was locked: nothing is left to be stale
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        opened => opened.and_then(|mut file| file.write_all(lines)).map_err(at(&path)),
    }
}

/// What `hashes.pkl` holds.
#[derive(Debug, Clone, PartialEq)]
struct Hashes {
    /// By suffix; `None` is stale.
    by_suffix: BTreeMap<String, Option<SuffixHash>>,
    /// `false` where the file is missing or damaged.
    valid: bool,
    /// When it was written, in seconds; -1 where it does not say.
    updated: f64,
}

impl Hashes {
    fn invalid() -> Self {
        Self { by_suffix: BTreeMap::new(), valid: false, updated: -1.0 }
    }

    fn read(partition: &Path) -> Self {
        let Ok(bytes) = std::fs::read(partition.join(PICKLE)) else { return Self::invalid() };
        pickle::decode(&bytes).ok().and_then(|value| Self::from_value(&value)).unwrap_or_else(Self::invalid)
    }

    fn from_value(value: &Value) -> Option<Self> {
        let mut hashes = Self { valid: true, ..Self::invalid() };
        for (key, value) in &value.as_dict()?.entries {
            match key.as_str()? {
                "valid" => hashes.valid = value.as_int()? != 0,
                "updated" => hashes.updated = value.as_float()?,
                suffix if is_suffix(suffix) => {
                    let hash =
                        if *value == Value::None { None } else { Some(SuffixHash::from_value(value)?) };
                    hashes.by_suffix.insert(suffix.to_owned(), hash);
                }
                _ => return None,
            }
        }
        Some(hashes)
    }

    fn write(&mut self, partition: &Path) -> Result<(), HashesError> {
        self.updated = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let own = [("valid", Value::Bool(self.valid)), ("updated", Value::Float(self.updated))];
        let suffixes =
            self.by_suffix.iter().map(|(suffix, hash)| (suffix.as_str(), Value::from(hash.as_ref())));
        let dict: Dict = own.into_iter().chain(suffixes).collect();
        let path = partition.join(PICKLE);
        fs::replace_file(&path, partition, partition, &pickle::encode(&dict.into())).map_err(at(&path))
    }
}

/// Whether `name` is a suffix folder's: three lower-case hex digits.
pub fn is_suffix(name: &str) -> bool {
    name.len() == 3 && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether `name` is that of a file that hashes are kept in.
pub(super) fn is_own_file(name: &str) -> bool {
    name == PICKLE || name == INVALIDATIONS
}

/// A partition's hashes, and what was noted since they were written.
struct Noted {
    hashes: Hashes,
    /// Suffixes that changed.
    stale: Vec<String>,
    /// How long the notes are.
    len: u64,
    /// Their file, where there is one.
    file: Option<File>,
}

impl Noted {
    fn read(partition: &Path) -> Result<Self, HashesError> {
        // Notes are taken off their file only when they are in the pickle: without any, what is read next is complete,
        // and replicators that look at a partition again and again need no lock for it.
        if std::fs::metadata(partition.join(INVALIDATIONS)).is_ok_and(|file| file.len() == 0) {
            return Ok(Self::nothing(partition));
        }
        let _lock = lock_dir(partition, LockOptions::default())?;
        let path = partition.join(INVALIDATIONS);
        let mut file = match File::open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::nothing(partition)),
            other => other.map_err(at(&path))?,
        };
        let mut notes = Vec::new();
        file.read_to_end(&mut notes).map_err(at(&path))?;
        let text = String::from_utf8_lossy(&notes);
        let stale = text.lines().map(str::trim).filter(|line| is_suffix(line)).map(str::to_owned).collect();
        Ok(Self { hashes: Hashes::read(partition), stale, len: notes.len() as u64, file: Some(file) })
    }

    fn nothing(partition: &Path) -> Self {
        Self { hashes: Hashes::read(partition), stale: Vec::new(), len: 0, file: None }
    }

    /// Takes these notes off their file, now that the pickle has them; those that came since stay. The partition is
    /// locked.
    fn take_off(&self, partition: &Path) -> Result<(), HashesError> {
        let path = partition.join(INVALIDATIONS);
        let Some(file) = self.file.as_ref().filter(|file| is_at(file, &path)) else { return Ok(()) };
        let taken = match file.metadata() {
            Ok(now) if now.len() > self.len => {
                let mut since = vec![0; (now.len() - self.len) as usize];
                // In one step, or whoever is killed meanwhile loses notes.
                file.read_exact_at(&mut since, self.len).and_then(|()| {
                    let (mut kept, temporary) = fs::create_temporary(partition)?;
                    kept.write_all(&since).and_then(|()| std::fs::rename(&temporary, &path)).inspect_err(
                        |_| {
                            fs::remove_quietly(&temporary);
                        },
                    )
                })
            }
            Ok(_) => File::create(&path).map(drop),
            Err(error) => Err(error),
        };
        taken.map_err(at(&path))
    }
}

/// Whether `path` is still that of the open `file`.
fn is_at(file: &File, path: &Path) -> bool {
    let same =
        |now: std::fs::Metadata, own: std::fs::Metadata| (now.dev(), now.ino()) == (own.dev(), own.ino());
    std::fs::metadata(path).and_then(|now| Ok(same(now, file.metadata()?))).unwrap_or(false)
}

/// [`get_hashes_as`] of a policy whose objects are whole.
pub fn get_hashes(
    device: &Path,
    policy: u32,
    partition: u64,
    recalculate: &[&str],
    reclaim_age: Duration,
) -> Result<(usize, BTreeMap<String, Option<String>>), HashesError> {
    let (hashed, hashes) = get_hashes_as(Layout::Whole, device, policy, partition, recalculate, reclaim_age)?;
    let whole = |hash: SuffixHash| hash.as_whole().map(str::to_owned);
    Ok((hashed, hashes.into_iter().map(|(suffix, hash)| (suffix, hash.and_then(whole))).collect()))
}

/// The hash of each suffix of a partition, those in `recalculate` and the stale ones made anew (`None` where that
/// failed); and how many were hashed. Empty where there is no such partition.
pub fn get_hashes_as(
    layout: Layout,
    device: &Path,
    policy: u32,
    partition: u64,
    recalculate: &[&str],
    reclaim_age: Duration,
) -> Result<(usize, BTreeMap<String, Option<SuffixHash>>), HashesError> {
    let dir = partition_dir(device, policy, partition);
    let rules = Rules { layout, reclaim_age };
    if !dir.exists() {
        return Ok((0, BTreeMap::new()));
    }
    let mut hashed = 0;
    for _ in 0..MAX_ATTEMPTS {
        if let Some(hashes) = try_rehash(device, &dir, recalculate, rules, &mut hashed)? {
            return Ok((hashed, hashes.by_suffix));
        }
    }
    Err(HashesError::TooBusy { path: dir })
}

/// By which rules a partition is hashed, and cleaned up on the way.
#[derive(Clone, Copy)]
struct Rules {
    layout: Layout,
    reclaim_age: Duration,
}

/// One attempt; `None` where someone else changed the pickle meanwhile.
fn try_rehash(
    device: &Path,
    dir: &Path,
    recalculate: &[&str],
    rules: Rules,
    hashed: &mut usize,
) -> Result<Option<Hashes>, HashesError> {
    let noted = Noted::read(dir);
    let is_known = noted.as_ref().is_ok_and(|noted| noted.hashes.valid);
    let noted = noted.unwrap_or_else(|error| {
        // which suffixes changed cannot be told: all are hashed
        tracing::warn!(dir = %dir.display(), %error, "Unable to read suffix hashes");
        Noted::nothing(dir)
    });
    let mut hashes = noted.hashes.clone();
    let mut modified = noted.len > 0;
    if !is_known {
        hashes = Hashes { valid: true, ..Hashes::invalid() };
        let names = fs::list(dir).map_err(at(dir))?;
        hashes.by_suffix.extend(names.into_iter().filter(|n| is_suffix(n)).map(|n| (n, None)));
        modified = true;
    }
    hashes.by_suffix.extend(noted.stale.iter().map(|suffix| (suffix.clone(), None)));
    hashes.by_suffix.extend(recalculate.iter().filter(|s| is_suffix(s)).map(|s| ((*s).to_owned(), None)));
    let stale: Vec<String> =
        hashes.by_suffix.iter().filter(|(_, h)| h.is_none()).map(|(s, _)| s.clone()).collect();
    for suffix in stale {
        match hash_suffix(device, &dir.join(&suffix), rules) {
            Ok(Some(hash)) => {
                *hashed += 1;
                hashes.by_suffix.insert(suffix, Some(hash));
            }
            Ok(None) => {
                hashes.by_suffix.remove(&suffix);
            }
            // it stays stale, and the next rehash tries again
            Err(error) => {
                tracing::error!(suffix = %dir.join(&suffix).display(), %error, "Error hashing suffix")
            }
        }
    }
    // What was hashed anew and is as it was needs no writing.
    if !modified && hashes.by_suffix == noted.hashes.by_suffix {
        return Ok(Some(hashes));
    }
    let _lock = lock_dir(dir, LockOptions::default())?;
    if Hashes::read(dir) != noted.hashes {
        return Ok(None);
    }
    hashes.write(dir)?;
    noted.take_off(dir)?;
    Ok(Some(hashes))
}

/// The hash over what decides the state of each object in the suffix, after cleaning it up; `None` where nothing
/// is left of it.
fn hash_suffix(device: &Path, dir: &Path, rules: Rules) -> io::Result<Option<SuffixHash>> {
    let mut hash_dirs = match fs::list(dir) {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        listed => listed?,
    };
    hash_dirs.sort();
    let mut hasher = SuffixHasher::new(rules.layout);
    let mut is_empty = true;
    for name in hash_dirs {
        let hash_dir = dir.join(name);
        match cleanup_as(&hash_dir, rules.layout, rules.reclaim_age) {
            Ok((_, names)) if names.is_empty() => {}
            Ok((set, _)) => {
                hasher.add(&set);
                is_empty = false;
            }
            Err(error) if is_damage(&error) => quarantine_unlistable(device, dir, &hash_dir, &error)?,
            Err(error) => return Err(error),
        }
    }
    if !is_empty {
        return Ok(Some(hasher.finish()));
    }
    match std::fs::remove_dir(dir) {
        // as if it had never been
        Ok(()) => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(_) => Ok(Some(hasher.finish())),
    }
}

/// A file in the place of a folder, and what bad sectors look like.
pub(super) fn is_damage(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotADirectory
        || matches!(Errno::from_io_error(error), Some(Errno::NODATA | Errno::UCLEAN))
}

fn quarantine_unlistable(device: &Path, suffix: &Path, hash_dir: &Path, error: &io::Error) -> io::Result<()> {
    let target = quarantine_dir(device, hash_dir).or_else(|_| quarantine_dir(device, suffix))?;
    tracing::error!(dir = %hash_dir.display(), target = %target.display(), %error, "Quarantined: cannot be listed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_stay_until_the_pickle_has_them_all() {
        let device = tempfile::tempdir().unwrap();
        let partition = partition_dir(device.path(), 0, 7);
        std::fs::create_dir_all(&partition).unwrap();
        let note = |suffix: &str| invalidate_suffixes(device.path(), 0, 7, [suffix]).unwrap();
        let notes = || std::fs::read_to_string(partition.join(INVALIDATIONS)).unwrap();
        note("abc");
        let noted = Noted::read(&partition).unwrap();
        assert_eq!((&noted.stale[..], noted.len), (&["abc".to_owned()][..], 4));
        assert!(!partition.join(PICKLE).exists(), "nothing is written for it");
        note("def");
        noted.take_off(&partition).unwrap();
        assert_eq!(notes(), "def\n", "what came since was not hashed");
        noted.take_off(&partition).unwrap();
        assert_eq!(notes(), "def\n", "they are others of the same length");
        get_hashes(device.path(), 0, 7, &[], Duration::from_secs(600)).unwrap();
        assert_eq!(notes(), "");
        assert!(Noted::read(&partition).unwrap().hashes.valid);
    }
}
