//! Writing a new `.data`, `.meta` or `.ts` file, durably: after [`Writer::commit`] a power loss cannot take it
//! back, and at any moment before it the old state is whole.

use super::cleanup::cleanup;
use super::filename::{Extension, FileName};
use super::hashes::{self, HashesError};
use super::location::Location;
use super::metadata::{Metadata, NAME};
use super::store::ObjectStore;
use super::xattrs::{self, WriteMetadataError};
use crate::device::preallocate;
use crate::fs;
use md5::{Digest, Md5};
use rustix::fs::{Advice, AtFlags, CWD, Mode, OFlags, fadvise, fdatasync, linkat, open};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use swiftlet_types::timestamp::Timestamp;
use thiserror::Error;

/// A body of up to so many bytes comes in one write, which reports a full disk itself and needs no room set aside.
const ONE_WRITE_LEN: u64 = 65536;
/// How often a link is tried again after a cleaner took the folder away.
const MAX_LINKS: usize = 3;

/// Why a file could not be written. The old state stands.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The disk is full, or full up to its reserve.
    #[error("{dir}: no space left on device")]
    NoSpace {
        /// The hash folder.
        dir: PathBuf,
    },
    /// The file system knows no extended attributes.
    #[error("{dir}: the file system does not support extended attributes")]
    XattrsNotSupported {
        /// The hash folder.
        dir: PathBuf,
    },
    /// The metadata names no time.
    #[error("{dir}: the metadata has no X-Timestamp")]
    NoTimestamp {
        /// The hash folder.
        dir: PathBuf,
    },
    /// The suffix could not be noted as changed.
    #[error(transparent)]
    Hashes(#[from] HashesError),
    /// Any other failure.
    #[error("{dir}: {source}")]
    Io {
        /// The hash folder.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A file that does not exist yet: it has no name until it is committed, and is gone if it never is.
#[derive(Debug)]
pub struct Writer {
    store: Arc<ObjectStore>,
    location: Location,
    extension: Extension,
    file: File,
    /// Its name below `tmp` where the file system has no unnamed files.
    temporary: Option<PathBuf>,
    dirs_made: usize,
    md5: Md5,
    written: u64,
    synced: u64,
    next_part_power: Option<u32>,
}

impl ObjectStore {
    /// Begins a `.data` file of `size` bytes, where that is known. Fails with [`WriteError::NoSpace`] where the
    /// device is full up to its reserve.
    pub fn create(self: &Arc<Self>, at: &Location, size: Option<u64>) -> Result<Writer, WriteError> {
        let writer = Writer::begin(self, at, Extension::Data)?;
        let size = size.unwrap_or(0);
        let config = self.config();
        let fits = config.reserve.check(&writer.file, size);
        let reserved = fits.and_then(|()| match size {
            ..=ONE_WRITE_LEN => Ok(()),
            _ if !config.preallocate => Ok(()),
            size => preallocate(&writer.file, size),
        });
        reserved.map_err(|errno| writer.failed(errno.into()))?;
        Ok(writer)
    }

    /// Writes a `.meta` file: the outcome of a POST. `metadata` holds `X-Timestamp`, and `Content-Type-Timestamp`
    /// where it sets the content type.
    pub fn write_post(
        self: &Arc<Self>,
        at: &Location,
        metadata: Metadata,
        next_part_power: Option<u32>,
    ) -> Result<(), WriteError> {
        let mut writer = Writer::begin(self, at, Extension::Meta)?;
        self.config().reserve.check(&writer.file, 0).map_err(|errno| writer.failed(errno.into()))?;
        writer.set_next_part_power(next_part_power);
        writer.commit(metadata)
    }

    /// Writes a tombstone. A delete frees space, so it may use the reserve.
    pub fn delete(
        self: &Arc<Self>,
        at: &Location,
        timestamp: Timestamp,
        next_part_power: Option<u32>,
    ) -> Result<(), WriteError> {
        let mut writer = Writer::begin(self, at, Extension::Tombstone)?;
        writer.set_next_part_power(next_part_power);
        writer.commit([("X-Timestamp", timestamp.internal())].into_iter().collect())
    }
}

impl Writer {
    fn begin(store: &Arc<ObjectStore>, at: &Location, extension: Extension) -> Result<Self, WriteError> {
        let (dirs_made, opened) = open_unnamed(at);
        let (file, temporary) = opened.map_err(|source| write_error(at, source))?;
        Ok(Self {
            store: store.clone(),
            location: at.clone(),
            extension,
            file,
            temporary,
            dirs_made,
            md5: Md5::new(),
            written: 0,
            synced: 0,
            next_part_power: None,
        })
    }

    /// While a cluster's partition power grows, the file is also linked where it will be found afterwards.
    pub fn set_next_part_power(&mut self, part_power: Option<u32>) {
        self.next_part_power = part_power;
    }

    /// Appends `chunk`. Every so many bytes (`mb_per_sync`) the file is synced, so that the last sync is short.
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), WriteError> {
        self.md5.update(chunk);
        self.file.write_all(chunk).map_err(|e| self.failed(e))?;
        self.written += chunk.len() as u64;
        if self.written - self.synced >= self.store.config().bytes_per_sync {
            fdatasync(&self.file).map_err(|errno| self.failed(errno.into()))?;
            self.drop_cache(self.synced);
            self.synced = self.written;
        }
        Ok(())
    }

    /// How many bytes were written, and their MD5 in hex.
    pub fn digest(&self) -> (u64, String) {
        (self.written, hex::encode(self.md5.clone().finalize()))
    }

    /// Makes the file, with this metadata, the object's newest state, and removes what that makes obsolete.
    pub fn commit(mut self, mut metadata: Metadata) -> Result<(), WriteError> {
        let name = self.file_name(&metadata)?;
        metadata.set(NAME, self.location.name.clone());
        self.store_metadata(&name, &metadata.to_pickle())?;
        self.file.sync_all().map_err(|e| self.failed(e))?;
        if self.written >= self.store.config().keep_cache_bytes {
            self.drop_cache(0);
        }
        let suffix_dir = self.location.suffix_dir();
        hashes::invalidate(&suffix_dir)?;
        let target = self.location.dir.join(&name.text);
        self.link(&target).map_err(|e| self.failed(e))?;
        fs::sync_new_dirs(&self.location.dir, self.dirs_made).map_err(|e| self.failed(e))?;
        // A rehash between the first note and the link has used that note up without seeing the file.
        hashes::invalidate(&suffix_dir)?;
        let moved = self.next_part_power.and_then(|power| self.relink(&target, power));
        for at in std::iter::once(&self.location).chain(&moved) {
            // The new state stands; what could not be removed now is met again by the next pass.
            if let Err(error) = cleanup(&at.dir, self.store.config().reclaim_age) {
                tracing::error!(dir = %at.dir.display(), %error, "Problem cleaning up");
            }
        }
        Ok(())
    }

    fn file_name(&self, metadata: &Metadata) -> Result<FileName, WriteError> {
        let timestamp = metadata
            .get_timestamp("X-Timestamp")
            .ok_or_else(|| WriteError::NoTimestamp { dir: self.location.dir.clone() })?;
        Ok(match (self.extension, metadata.get_timestamp("Content-Type-Timestamp")) {
            (Extension::Meta, Some(set_at)) => FileName::meta_with_content_type(timestamp, set_at),
            _ => FileName::new(timestamp, self.extension),
        })
    }

    fn store_metadata(&self, name: &FileName, pickled: &[u8]) -> Result<(), WriteError> {
        let dir = &self.location.dir;
        let stored = match xattrs::write(self.file.as_fd(), pickled) {
            Err(WriteMetadataError::NoRoom { .. }) if !self.store.has_full_xattr_room(dir) => {
                let folder = open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
                let folder = folder.map_err(|errno| self.failed(errno.into()))?;
                xattrs::write_side_file(folder.as_fd(), self.file.as_fd(), &name.text, pickled)
            }
            other => other,
        };
        stored.map_err(|error| match error {
            WriteMetadataError::NotSupported => WriteError::XattrsNotSupported { dir: dir.clone() },
            WriteMetadataError::NoRoom { .. } => WriteError::NoSpace { dir: dir.clone() },
            WriteMetadataError::Io(source) => self.failed(source),
        })
    }

    /// Gives the file its name. One of that name (the same write, sent again) is replaced at once.
    fn link(&mut self, target: &Path) -> io::Result<()> {
        if let Some(temporary) = self.temporary.take() {
            self.dirs_made += fs::make_dirs(&self.location.dir)?;
            return fs::rename(&temporary, target, false);
        }
        let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let link_to = |path: &Path| linkat(CWD, &own, CWD, path, AtFlags::SYMLINK_FOLLOW);
        for _ in 0..MAX_LINKS {
            match link_to(target) {
                Ok(()) => return Ok(()),
                Err(Errno::NOENT) => self.dirs_made = fs::make_dirs(&self.location.dir)?,
                Err(Errno::EXIST) => {
                    let name =
                        target.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                    let random = rand::random::<u32>() & 0xff_ffff;
                    // named as rsync names its temporary files, which every reader passes over
                    let beside = target.with_file_name(format!(".{name}.{random:06x}"));
                    link_to(&beside)?;
                    return std::fs::rename(&beside, target);
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(Errno::NOENT.into())
    }

    /// Links the file into the partition of `part_power` too; where that folder is, or the one of the power
    /// before, if the file lies in the new one already. The partner's left-overs are then cleaned up as well.
    fn relink(&self, target: &Path, part_power: u32) -> Option<Location> {
        let partition = u64::from(self.location.hash.partition(part_power));
        if partition == self.location.partition {
            let before = self.location.hash.partition(part_power.saturating_sub(1));
            return Some(self.location.in_partition(u64::from(before)));
        }
        let moved = self.location.in_partition(partition);
        let new_target = moved.dir.join(target.file_name()?);
        let linked = fs::make_dirs(&moved.dir).and_then(|_| match std::fs::hard_link(target, &new_target) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        });
        if let Err(error) = linked {
            tracing::error!(from = %target.display(), to = %new_target.display(), %error, "Relinking failed");
        }
        Some(moved)
    }

    fn drop_cache(&self, from: u64) {
        if let Some(len) = NonZeroU64::new(self.written - from) {
            // advice only: nothing depends on it
            let _ = fadvise(&self.file, from, Some(len), Advice::DontNeed);
        }
    }

    fn failed(&self, source: io::Error) -> WriteError {
        write_error(&self.location, source)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            fs::remove_quietly(temporary);
        }
    }
}

/// A file without a name in the object's own folder, or one below `tmp` where the file system cannot; and how
/// many folders were made for it.
fn open_unnamed(at: &Location) -> (usize, io::Result<(File, Option<PathBuf>)>) {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o666);
    let mut made = 0;
    loop {
        match open(&at.dir, flags, mode) {
            Ok(file) => return (made, Ok((file.into(), None))),
            Err(Errno::NOENT) => match fs::make_dirs(&at.dir) {
                Ok(more) => made += more,
                Err(error) => return (made, Err(error)),
            },
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                let tmp = at.tmp_dir();
                let named = fs::make_dirs(&tmp).and_then(|_| fs::create_temporary(&tmp));
                return (made, named.map(|(file, path)| (file, Some(path))));
            }
            Err(errno) => return (made, Err(errno.into())),
        }
    }
}

fn write_error(at: &Location, source: io::Error) -> WriteError {
    let dir = at.dir.clone();
    match Errno::from_io_error(&source) {
        Some(Errno::NOSPC | Errno::DQUOT) => WriteError::NoSpace { dir },
        _ => WriteError::Io { dir, source },
    }
}
