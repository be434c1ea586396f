//! Ring files: loading one, and a ring that follows its file.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::SystemTime;

use crate::format::{self, FormatError};
use crate::{Ring, RingData, RingDataError};

/// Why a ring file could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error("cannot read ring {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no ring.
    #[error("ring {} is invalid: {source}", path.display())]
    Format {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: FormatError,
    },
    /// The ring contradicts itself.
    #[error("ring {} is inconsistent: {source}", path.display())]
    Data {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: RingDataError,
    },
}

/// What tells one state of a file from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        Stamp { modified: metadata.modified().ok(), len: metadata.len() }
    }
}

/// Reads a ring file without preparing it for lookups.
pub fn load_data(path: &Path) -> Result<RingData, LoadError> {
    load_stamped(path).map(|(data, _)| data)
}

fn load_stamped(path: &Path) -> Result<(RingData, Stamp), LoadError> {
    let read = || {
        let mut file = File::open(path)?;
        let stamp = Stamp::of(&file.metadata()?);
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok((bytes, stamp))
    };
    let (bytes, stamp) = read().map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    let data = format::read(&bytes).map_err(|source| LoadError::Format { path: path.to_owned(), source })?;
    Ok((data, stamp))
}

impl Ring {
    /// Loads a ring file, format version 1 or 2.
    pub fn load(path: impl AsRef<Path>) -> Result<Ring, LoadError> {
        let path = path.as_ref();
        let data = load_data(path)?;
        Ring::new(data).map_err(|source| LoadError::Data { path: path.to_owned(), source })
    }
}

/// A ring shared by the tasks of a process, replaced as a whole when its file changes.
///
/// [`SharedRing::get`] never blocks on I/O. Someone must call [`SharedRing::reload_if_changed`] now and then (Swift
/// looks every 15 s), on a thread that may block.
#[derive(Debug)]
pub struct SharedRing {
    path: PathBuf,
    current: RwLock<(Arc<Ring>, Stamp)>,
}

impl SharedRing {
    /// Loads the ring file for the first time.
    pub fn load(path: impl Into<PathBuf>) -> Result<SharedRing, LoadError> {
        let path = path.into();
        let current = load_ring(&path)?;
        Ok(SharedRing { path, current: RwLock::new(current) })
    }

    /// The ring as of now; hold it for one request.
    pub fn get(&self) -> Arc<Ring> {
        Arc::clone(&self.current.read().unwrap_or_else(|poisoned| poisoned.into_inner()).0)
    }

    /// The file it follows.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at the file's time and size and loads it when they changed; `true` when a new ring is in use. After an
    /// error the old ring stays in use and the next call tries again.
    pub fn reload_if_changed(&self) -> Result<bool, LoadError> {
        let read = |source| LoadError::Read { path: self.path.clone(), source };
        let stamp = Stamp::of(&std::fs::metadata(&self.path).map_err(read)?);
        if stamp == self.current.read().unwrap_or_else(|poisoned| poisoned.into_inner()).1 {
            return Ok(false);
        }
        let fresh = load_ring(&self.path)?;
        *self.current.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = fresh;
        Ok(true)
    }
}

fn load_ring(path: &Path) -> Result<(Arc<Ring>, Stamp), LoadError> {
    let (data, stamp) = load_stamped(path)?;
    let ring = Ring::new(data).map_err(|source| LoadError::Data { path: path.to_owned(), source })?;
    Ok((Arc::new(ring), stamp))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{FormatVersion, replace_file, write};

    #[test]
    fn a_new_file_is_taken_up_and_a_bad_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("object.ring.gz");
        let put = |version| {
            let data = RingData { version: Some(version), ..RingData::default() };
            replace_file(&path, &write(&data, FormatVersion::V1).expect("2-byte ids")).expect("written");
        };
        put(1);
        let shared = SharedRing::load(&path).expect("a ring");
        let held = shared.get();
        assert!(!shared.reload_if_changed().expect("unchanged"));
        std::thread::sleep(std::time::Duration::from_millis(20));
        put(2);
        assert!(shared.reload_if_changed().expect("changed"));
        assert_eq!((held.version(), shared.get().version()), (Some(1), Some(2)));

        replace_file(&path, b"not a ring at all").expect("written");
        let error = shared.reload_if_changed().expect_err("no ring");
        assert!(error.to_string().contains("object.ring.gz"), "{error}");
        std::fs::remove_file(&path).expect("removed");
        assert!(matches!(shared.reload_if_changed(), Err(LoadError::Read { .. })));
        assert_eq!(shared.get().version(), Some(2));
    }
}
