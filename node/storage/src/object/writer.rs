//! Writing a new `.data`, `.meta` or `.ts` file, durably: after [`Writer::commit`] a power loss cannot take it
//! back, and at any moment before it the old state is whole.

use super::changes::Change;
use super::filename::{Extension, FileName, Fragment};
use super::hashes::{self, HashesError};
use super::layout::Layout;
use super::location::Location;
use super::metadata::{FRAGMENT_INDEX, Metadata, NAME};
use super::staged::Staged;
use super::store::ObjectStore;
use super::xattrs::{self, WriteMetadataError};
use crate::device::preallocate;
use crate::fs;
use crate::run_mark::RunMarkError;
use bytes::Bytes;
use rustix::fs::{Advice, AtFlags, CWD, Mode, OFlags, fadvise, fdatasync, linkat, open};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use swiftlet_md5::Md5;
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
    /// The metadata does not say which fragment it is of, or one that the policy does not have.
    #[error("{dir}: the metadata has no X-Object-Sysmeta-Ec-Frag-Index of the policy's")]
    NoFragmentIndex {
        /// The hash folder.
        dir: PathBuf,
    },
    /// The suffix could not be noted as changed.
    #[error(transparent)]
    Hashes(#[from] HashesError),
    /// The device could not be marked as being written to.
    #[error(transparent)]
    Mark(#[from] RunMarkError),
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
    temporary: Option<Temporary>,
    change: Change,
    md5: Md5,
    written: u64,
    synced: u64,
    next_part_power: Option<u32>,
}

impl ObjectStore {
    /// Begins a `.data` file of `size` bytes, where that is known. Fails with [`WriteError::NoSpace`] where the
    /// device is full up to its reserve, or would be: but where no room is set aside, a size that is only announced
    /// keeps nobody out, as in Swift.
    pub fn create(self: &Arc<Self>, at: &Location, size: Option<u64>) -> Result<Writer, WriteError> {
        let writer = Writer::begin(self, at, Extension::Data)?;
        let config = self.config();
        let wanted = size.filter(|_| config.preallocate).unwrap_or(0);
        let fits = config.reserve.check(&writer.file, wanted);
        let reserved = fits.and_then(|()| match wanted {
            ..=ONE_WRITE_LEN => Ok(()),
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
    ) -> Result<Change, WriteError> {
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
    ) -> Result<Change, WriteError> {
        let mut writer = Writer::begin(self, at, Extension::Tombstone)?;
        writer.set_next_part_power(next_part_power);
        writer.commit([("X-Timestamp", timestamp.internal())].into_iter().collect())
    }
}

impl Writer {
    fn begin(store: &Arc<ObjectStore>, at: &Location, extension: Extension) -> Result<Self, WriteError> {
        let change = store.changes().begin(at)?;
        let (file, temporary) = open_unnamed(at).map_err(|source| write_error(at, source))?;
        Ok(Self {
            store: store.clone(),
            location: at.clone(),
            extension,
            file,
            temporary,
            change,
            md5: Md5::default(),
            written: 0,
            synced: 0,
            next_part_power: None,
        })
    }

    /// While a cluster's partition power grows, the file is also linked where it will be found afterwards.
    pub fn set_next_part_power(&mut self, part_power: Option<u32>) {
        self.next_part_power = part_power;
    }

    /// Appends `chunks`. Every so many bytes (`mb_per_sync`) the file is synced, so that the last sync is short.
    pub fn write(&mut self, chunks: Vec<Bytes>) -> Result<(), WriteError> {
        self.md5.update_behind(chunks.clone());
        chunks.iter().try_for_each(|chunk| self.append(chunk))
    }

    fn append(&mut self, chunk: &[u8]) -> Result<(), WriteError> {
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
    pub fn digest(&mut self) -> (u64, String) {
        (self.written, hex::encode(self.md5.digest()))
    }

    /// Makes the file, with this metadata, the object's newest state, and removes what that makes obsolete. The
    /// change is to be settled when the object's container was told of it.
    pub fn commit(self, metadata: Metadata) -> Result<Change, WriteError> {
        self.stage(metadata)?.commit()
    }

    /// The first half of [`commit`](Self::commit): the file is there to stay. A fragment does not count yet.
    pub fn stage(self, metadata: Metadata) -> Result<Staged, WriteError> {
        let mut named = self.name(metadata)?;
        named.sync()?;
        let suffix_dir = named.writer.location.suffix_dir();
        hashes::invalidate(&suffix_dir)?;
        named.link()?;
        named.sync_link()?;
        // A rehash between the first note and the link has used that note up without seeing the file.
        hashes::invalidate(&suffix_dir)?;
        Ok(named.staged())
    }

    /// Gives it its metadata, and with that the name it will have.
    pub(super) fn name(self, mut metadata: Metadata) -> Result<Named, WriteError> {
        let name = self.file_name(&metadata)?;
        metadata.set(NAME, self.location.name.clone());
        self.store_metadata(&name, &metadata.to_pickle())?;
        Ok(Named { writer: self, name })
    }

    fn file_name(&self, metadata: &Metadata) -> Result<FileName, WriteError> {
        let timestamp = metadata
            .get_timestamp("X-Timestamp")
            .ok_or_else(|| WriteError::NoTimestamp { dir: self.location.dir.clone() })?;
        Ok(match (self.extension, metadata.get_timestamp("Content-Type-Timestamp")) {
            (Extension::Meta, Some(set_at)) => FileName::meta_with_content_type(timestamp, set_at),
            (Extension::Data, _) => self.data_name(timestamp, metadata)?,
            _ => FileName::new(timestamp, self.extension),
        })
    }

    fn data_name(&self, timestamp: Timestamp, metadata: &Metadata) -> Result<FileName, WriteError> {
        match self.store.config().layouts.of_policy(self.location.policy) {
            Layout::Whole => Ok(FileName::new(timestamp, Extension::Data)),
            Layout::Fragments(rules) => {
                let index = metadata.get_str(FRAGMENT_INDEX).and_then(|index| index.parse().ok());
                let index = index.filter(|index| *index < rules.count);
                let index =
                    index.ok_or_else(|| WriteError::NoFragmentIndex { dir: self.location.dir.clone() })?;
                Ok(FileName::fragment(timestamp, Fragment { index, durable: false }))
            }
        }
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

    /// One of that name (the same write, sent again) is replaced at once.
    fn link_to(&mut self, target: &Path) -> io::Result<()> {
        if let Some(temporary) = self.temporary.take() {
            return fs::rename(&temporary.0, target);
        }
        let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let link = |path: &Path| linkat(CWD, &own, CWD, path, AtFlags::SYMLINK_FOLLOW);
        for _ in 0..MAX_LINKS {
            match link(target) {
                Ok(()) => return Ok(()),
                Err(Errno::NOENT) => fs::make_dirs(&self.location.dir)?,
                Err(Errno::EXIST) => {
                    let name =
                        target.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                    let random = rand::random::<u32>() & 0xff_ffff;
                    // named as rsync names its temporary files, which every reader passes over
                    let beside = target.with_file_name(format!(".{name}.{random:06x}"));
                    link(&beside)?;
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

/// A file that is whole, and knows the name it will have.
#[derive(Debug)]
pub(super) struct Named {
    writer: Writer,
    name: FileName,
}

impl Named {
    /// Where it belongs.
    pub fn location(&self) -> &Location {
        &self.writer.location
    }

    /// Writes it, and the way to it, to disk.
    fn sync(&self) -> Result<(), WriteError> {
        let Location { dir, device, .. } = self.location();
        self.writer.file.sync_all().map_err(|e| self.writer.failed(e))?;
        if self.writer.written >= self.writer.store.config().keep_cache_bytes {
            self.writer.drop_cache(0);
        }
        // The file's sync has taken new folders to disk with it, so theirs cost next to nothing now; after its suffix is
        // noted and its name made, which change the same folders, it would be one more commit of the file system's.
        match fs::sync_way(dir, device) {
            // A cleaner took them away: they are made again, and synced, with the link.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            synced => synced.map(drop).map_err(|e| self.writer.failed(e)),
        }
    }

    /// Gives it its name.
    pub fn link(&mut self) -> Result<(), WriteError> {
        let target = self.writer.location.dir.join(&self.name.text);
        self.writer.change.made();
        self.writer.link_to(&target).map_err(|e| self.writer.failed(e))
    }

    fn sync_link(&self) -> Result<(), WriteError> {
        let Location { dir, device, .. } = self.location();
        fs::sync_path(dir, device).map(drop).map_err(|e| self.writer.failed(e))
    }

    /// It has its name, and is on disk.
    pub fn staged(self) -> Staged {
        let target = self.writer.location.dir.join(&self.name.text);
        let moved = self.writer.next_part_power.and_then(|power| self.writer.relink(&target, power));
        let Writer { store, location, change, .. } = self.writer;
        Staged { store, location, moved, name: self.name, change }
    }
}

/// Its name below `tmp`, where a file without one cannot be had; removed unless the file got its place.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        fs::remove_quietly(&self.0);
    }
}

/// A file without a name in the object's own folder, or one below `tmp` where the file system cannot.
fn open_unnamed(at: &Location) -> io::Result<(File, Option<Temporary>)> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    loop {
        match open(&at.dir, flags, Mode::from_raw_mode(0o666)) {
            Ok(file) => return Ok((file.into(), None)),
            Err(Errno::NOENT) => fs::make_dirs(&at.dir)?,
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                let tmp = at.tmp_dir();
                fs::make_dirs(&tmp)?;
                let (file, path) = fs::create_temporary(&tmp)?;
                return Ok((file, Some(Temporary(path))));
            }
            Err(errno) => return Err(errno.into()),
        }
    }
}

pub(super) fn write_error(at: &Location, source: io::Error) -> WriteError {
    let dir = at.dir.clone();
    match Errno::from_io_error(&source) {
        Some(Errno::NOSPC | Errno::DQUOT) => WriteError::NoSpace { dir },
        _ => WriteError::Io { dir, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Devices, Reserve};
    use crate::object::{ObjectPath, StoreConfig};
    use swiftlet_types::hash_path::HashConf;

    /// What `create` says to an announced PiB, more than any device here has.
    fn announce_a_pib(preallocate: bool) -> Result<Writer, WriteError> {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("sda")).unwrap();
        let hash = HashConf { prefix: vec![], suffix: b"endcap".to_vec() };
        let mut config = StoreConfig::new(hash, Devices::new(root.path(), false));
        config.preallocate = preallocate;
        config.reserve = Reserve::Bytes(1);
        let store = Arc::new(ObjectStore::new(config));
        let path = ObjectPath { account: "a".into(), container: "c".into(), object: "o".into() };
        let at = store.locate("sda", 7, 0, &path).unwrap();
        store.create(&at, Some(1 << 50))
    }

    #[test]
    fn what_is_only_announced_counts_where_room_is_set_aside_for_it() {
        assert!(matches!(announce_a_pib(true), Err(WriteError::NoSpace { .. })));
        assert!(announce_a_pib(false).is_ok());
    }
}
