//! Rings in a pod: from the slots of the mounted volume to `*.ring.gz` in `swift_dir`, one whole generation at a time.
//!
//! The last good set is also kept on a device, so that a node whose volume shows a half-published generation when
//! it starts serves with what it had. Files are replaced by rename; servers notice a new modification time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use swiftlet_ring::distribution::{CHUNK_BYTES_MAX, DistributionError, INDEX_BYTES_MAX, Index, assemble};

/// Name of the index, in the volume and beside a kept set.
const INDEX: &str = "index.json";
/// Subfolder of the kept set.
const KEPT: &str = "rings";

/// Where one pod's rings come from and go to.
pub struct RingStore {
    volume: PathBuf,
    swift_dir: PathBuf,
    keep: Option<PathBuf>,
    held: Option<Held>,
}

/// A set of rings in `swift_dir`.
struct Held {
    index: Index,
    /// When it was put there by this process.
    since_s: i64,
}

/// What a look at the volume found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RingState {
    /// The generation in `swift_dir`.
    pub held: Option<u64>,
    /// When this process put it there, in Unix seconds, rounded up: whatever began later began with it.
    pub held_since_s: Option<i64>,
    /// MD5 of each ring file in `swift_dir`, by name.
    pub md5: BTreeMap<String, String>,
    /// The generation that the volume's index names.
    pub published: Option<u64>,
    /// Why the held one is not the published one.
    pub behind: Option<String>,
}

/// Why a generation could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The volume does not hold it whole.
    #[error(transparent)]
    Distribution(#[from] DistributionError),
    /// A file cannot be read or written.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl RingError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RingError {
        move |source| RingError::Io { action, path: path.to_path_buf(), source }
    }
}

impl RingStore {
    /// Rings from `volume` into `swift_dir`, the last good set also below `keep`.
    pub fn new(volume: &Path, swift_dir: &Path, keep: Option<PathBuf>) -> RingStore {
        let keep = keep.map(|dir| dir.join(KEPT));
        RingStore { volume: volume.to_path_buf(), swift_dir: swift_dir.to_path_buf(), keep, held: None }
    }

    /// Puts the kept set in place, where there is one. A damaged one counts as none.
    pub fn restore(&mut self) {
        let Some(keep) = self.keep.clone() else { return };
        match self.restore_from(&keep) {
            Ok(None) => {}
            Ok(Some(index)) => {
                tracing::info!(generation = index.generation, from = %keep.display(), "took up the rings held before");
                self.held = Some(Held { index, since_s: next_second() });
            }
            Err(error) => tracing::warn!(%error, "the rings kept from before cannot be used"),
        }
    }

    fn restore_from(&self, keep: &Path) -> Result<Option<Index>, RingError> {
        let Some(index) = read_index(keep)? else { return Ok(None) };
        let mut files = Vec::with_capacity(index.rings.len());
        for ring in &index.rings {
            let path = keep.join(&ring.name);
            let content = read_bounded(&path, ring.bytes).map_err(RingError::io("read", &path))?;
            if !ring.matches(&content) {
                return Err(index.contradiction(ring).into());
            }
            files.push((ring.name.clone(), content));
        }
        write_set(&self.swift_dir, &files)?;
        Ok(Some(index))
    }

    /// Looks at the volume, and takes its generation if it is another than the one held and whole.
    pub fn refresh(&mut self) -> RingState {
        let (published, behind) = match read_index(&self.volume) {
            Ok(Some(index)) if self.held.as_ref().is_some_and(|held| held.index == index) => {
                (Some(index.generation), None)
            }
            Ok(Some(index)) => (Some(index.generation), self.take(&index).err().map(|e| e.to_string())),
            Ok(None) => (None, Some("the rings' volume holds no index".to_string())),
            Err(error) => (None, Some(error.to_string())),
        };
        let rings = self.held.iter().flat_map(|held| &held.index.rings);
        RingState {
            held: self.generation(),
            held_since_s: self.held.as_ref().map(|held| held.since_s),
            md5: rings.map(|ring| (ring.name.clone(), ring.md5.clone())).collect(),
            published,
            behind,
        }
    }

    /// The generation in `swift_dir`.
    pub fn generation(&self) -> Option<u64> {
        self.held.as_ref().map(|held| held.index.generation)
    }

    fn take(&mut self, index: &Index) -> Result<(), RingError> {
        let files = assemble(index, |slot| read_bounded(&self.volume.join(slot), CHUNK_BYTES_MAX).ok())?;
        write_set(&self.swift_dir, &files)?;
        self.held = Some(Held { index: index.clone(), since_s: next_second() });
        tracing::info!(generation = index.generation, rings = files.len(), "took new rings");
        if let Some(keep) = &self.keep
            && let Err(error) = keep_set(keep, index, &files)
        {
            tracing::warn!(%error, "the new rings serve, but could not be kept for the next start");
        }
        Ok(())
    }
}

fn next_second() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX).saturating_add(1)
}

fn read_index(dir: &Path) -> Result<Option<Index>, RingError> {
    let path = dir.join(INDEX);
    match read_bounded(&path, INDEX_BYTES_MAX) {
        Ok(json) => Ok(Some(Index::parse(&json)?)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(RingError::io("read", &path)(e)),
    }
}

/// The index goes last: it vouches for what lies beside it.
fn keep_set(keep: &Path, index: &Index, files: &[(String, Vec<u8>)]) -> Result<(), RingError> {
    std::fs::create_dir_all(keep).map_err(RingError::io("make", keep))?;
    write_set(keep, files)?;
    write_file(keep, INDEX, index.to_json().as_bytes())
}

fn write_set(dir: &Path, files: &[(String, Vec<u8>)]) -> Result<(), RingError> {
    files.iter().try_for_each(|(name, content)| write_file(dir, name, content))
}

/// Old or new, never half: written beside, synced, renamed over.
fn write_file(dir: &Path, name: &str, content: &[u8]) -> Result<(), RingError> {
    let path = dir.join(name);
    let beside = dir.join(format!(".{name}.new"));
    File::create(&beside)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&beside, &path))
        .map_err(RingError::io("write", &path))
}

/// Reads a file of at most `bytes_max`; a longer one is an error.
fn read_bounded(path: &Path, bytes_max: usize) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(bytes_max as u64 + 1).read_to_end(&mut content)?;
    if content.len() > bytes_max {
        return Err(std::io::Error::other(format!("longer than {bytes_max} bytes")));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use swiftlet_ring::distribution::{Bank, split};

    struct Pod {
        dir: tempfile::TempDir,
    }

    impl Pod {
        fn new() -> Pod {
            let dir = tempfile::tempdir().unwrap();
            for folder in ["volume", "swift", "keep"] {
                std::fs::create_dir(dir.path().join(folder)).unwrap();
            }
            Pod { dir }
        }

        fn store(&self) -> RingStore {
            let at = |folder: &str| self.dir.path().join(folder);
            RingStore::new(&at("volume"), &at("swift"), Some(at("keep")))
        }

        fn publish(&self, generation: u64, bank: Bank, ring: &[u8]) -> Index {
            let files = [("object.ring.gz".to_string(), ring.to_vec())];
            let (index, chunks) = split(generation, generation - 1, bank, &files, 3).unwrap();
            for (slot, chunk) in chunks.iter().enumerate() {
                std::fs::write(self.dir.path().join("volume").join(bank.slot_name(slot)), chunk).unwrap();
            }
            index
        }

        fn flip(&self, index: &Index) {
            std::fs::write(self.dir.path().join("volume/index.json"), index.to_json()).unwrap();
        }

        fn ring(&self) -> Vec<u8> {
            std::fs::read(self.dir.path().join("swift/object.ring.gz")).unwrap()
        }
    }

    #[test]
    fn a_generation_is_taken_when_the_index_names_it_and_not_before() {
        let pod = Pod::new();
        let mut store = pod.store();
        assert_eq!(store.refresh().held, None);
        pod.flip(&pod.publish(1, Bank::A, b"one"));
        let state = store.refresh();
        assert_eq!((state.held, state.published, state.behind), (Some(1), Some(1), None));
        assert_eq!(state.md5["object.ring.gz"], "f97c5d29941bfb1b2fdab0874906ab82");
        assert!(state.held_since_s > Some(0));
        let second = pod.publish(2, Bank::B, b"two");
        assert_eq!(store.refresh().held_since_s, state.held_since_s, "it held them before");
        assert_eq!(pod.ring(), b"one");
        pod.flip(&second);
        assert_eq!(store.refresh().held, Some(2));
        assert_eq!(pod.ring(), b"two");
    }

    #[test]
    fn a_torn_generation_leaves_the_old_one_and_says_why() {
        let pod = Pod::new();
        let mut store = pod.store();
        pod.flip(&pod.publish(1, Bank::A, b"one"));
        store.refresh();
        let second = pod.publish(2, Bank::B, b"two");
        pod.publish(4, Bank::B, b"four");
        pod.flip(&second);
        let state = store.refresh();
        assert_eq!((state.held, state.published), (Some(1), Some(2)));
        assert!(state.behind.unwrap().contains("b-0"), "names the slot");
        assert_eq!(pod.ring(), b"one");
    }

    #[test]
    fn a_restart_serves_with_the_kept_set_until_the_volume_is_whole() {
        let pod = Pod::new();
        pod.flip(&pod.publish(1, Bank::A, b"one"));
        pod.store().refresh();
        std::fs::remove_file(pod.dir.path().join("swift/object.ring.gz")).unwrap();
        std::fs::remove_file(pod.dir.path().join("volume/a-0")).unwrap();
        let mut restarted = pod.store();
        restarted.restore();
        assert_eq!(restarted.refresh().held, Some(1));
        assert_eq!(pod.ring(), b"one");
    }

    #[test]
    fn a_damaged_kept_set_is_not_served() {
        let pod = Pod::new();
        pod.flip(&pod.publish(1, Bank::A, b"one"));
        pod.store().refresh();
        std::fs::write(pod.dir.path().join("keep/rings/object.ring.gz"), b"0ne").unwrap();
        std::fs::remove_file(pod.dir.path().join("volume/a-0")).unwrap();
        let mut restarted = pod.store();
        restarted.restore();
        assert_eq!(restarted.refresh().held, None);
    }
}
