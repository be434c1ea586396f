//! Where an object's metadata lies: extended attributes of its file, and what to do where they have no room.
//!
//! Swift's layout is `user.swift.metadata`, `user.swift.metadata1`, … of up to 64 KiB each, and
//! `user.swift.metadata_checksum`. ext4 without the `ea_inode` feature takes less than 4 KiB an inode. There the
//! attribute holds [`SIDE_FILE_MARK`] and a checksum instead, and the pickle lies beside the file as
//! `<name>.xattr`. Python cannot unpickle the mark, so it quarantines the object instead of reading half of its
//! metadata, and it leaves the side file alone because its name carries no timestamp.

use super::metadata::{Metadata, MetadataFormatError};
use md5::{Digest, Md5};
use rustix::fs::{AtFlags, Mode, OFlags, XattrFlags, fgetxattr, fremovexattr, fsetxattr, fsync, openat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use thiserror::Error;

const METADATA: &str = "user.swift.metadata";
const CHECKSUM: &str = "user.swift.metadata_checksum";
/// Swift cuts the pickle into pieces of this many bytes (the kernel's own limit for one attribute).
const CHUNK_LEN: usize = 65536;
/// Enough for most objects; a larger one costs a second call.
const USUAL_LEN: usize = 2048;
/// More than `[swift-constraints]` lets a request carry, and a bound for what a damaged file system may claim.
const MAX_LEN: usize = 16 << 20;

/// What the attribute holds, followed by the pickle's MD5 in hex, when the pickle is in a side file.
pub const SIDE_FILE_MARK: &[u8] = b"swiftlet metadata file ";
/// What a side file's name ends with.
pub const SIDE_FILE_SUFFIX: &str = ".xattr";

/// Why metadata could not be read.
#[derive(Debug, Error)]
pub enum ReadMetadataError {
    /// The file system knows no extended attributes.
    #[error("the file system does not support extended attributes")]
    NotSupported,
    /// Cut off, overwritten or otherwise not what was written.
    #[error("metadata checksum mismatch: stored {stored}, computed {computed}")]
    BadChecksum {
        /// As stored.
        stored: String,
        /// Of the bytes that are there.
        computed: String,
    },
    /// Missing or of another format.
    #[error(transparent)]
    Format(#[from] MetadataFormatError),
    /// The side file that should hold it is missing or cannot be read.
    #[error("metadata file {name}: {source}")]
    SideFile {
        /// Its name.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Opens the object file at `path`, whatever its name, and reads its metadata.
pub fn open_with_metadata(
    path: &std::path::Path,
) -> std::io::Result<(File, Result<Metadata, ReadMetadataError>)> {
    let file = File::open(path)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let dir = File::open(parent.unwrap_or(std::path::Path::new(".")))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let metadata = read(dir.as_fd(), file.as_fd(), &name);
    Ok((file, metadata))
}

/// Reads the metadata of `file`, which is called `name` in the folder `dir`.
pub fn read(dir: BorrowedFd<'_>, file: BorrowedFd<'_>, name: &str) -> Result<Metadata, ReadMetadataError> {
    let mut pickled = Vec::new();
    let first = append_attribute(file, METADATA, &mut pickled);
    if matches!(first, Err(Errno::NOTSUP)) {
        return Err(ReadMetadataError::NotSupported);
    }
    if let Some(sum) = pickled.strip_prefix(SIDE_FILE_MARK) {
        let sum = sum.to_vec();
        pickled = read_side_file(dir, name)?;
        verify(&sum, &pickled)?;
        return Ok(Metadata::from_pickle(&pickled)?);
    }
    let mut checksum = Vec::new();
    // Its absence is fine: objects from before Swift 2.16 have none.
    let _ = append_attribute(file, CHECKSUM, &mut checksum);
    // A matching checksum also says that there is no further piece, which saves asking for one.
    if first.is_ok() && (checksum.is_empty() || verify(&checksum, &pickled).is_err()) {
        for piece in 1.. {
            if pickled.len() > MAX_LEN || append_attribute(file, &piece_name(piece), &mut pickled).is_err() {
                break;
            }
        }
        if !checksum.is_empty() {
            verify(&checksum, &pickled)?;
        }
    }
    Ok(Metadata::from_pickle(&pickled)?)
}

/// Gives metadata that was written before Swift 2.16 the checksum that it lacks.
pub fn add_missing_checksum(file: BorrowedFd<'_>) -> std::io::Result<()> {
    match fgetxattr(file, CHECKSUM, &mut [0_u8; 0]) {
        Err(Errno::NODATA) => {}
        // it is there, or nothing can be said of it
        _ => return Ok(()),
    }
    let mut pickled = Vec::new();
    for piece in 0.. {
        if pickled.len() > MAX_LEN || append_attribute(file, &piece_name(piece), &mut pickled).is_err() {
            break;
        }
    }
    // a side file's mark holds its checksum
    if pickled.is_empty() || pickled.starts_with(SIDE_FILE_MARK) {
        return Ok(());
    }
    Ok(fsetxattr(file, CHECKSUM, hex::encode(Md5::digest(pickled)).as_bytes(), XattrFlags::CREATE)?)
}

/// Why metadata could not be stored.
#[derive(Debug, Error)]
pub enum WriteMetadataError {
    /// The file system knows no extended attributes.
    #[error("the file system does not support extended attributes")]
    NotSupported,
    /// Attributes have no room for it: the disk is full, or the file system's limit is reached.
    #[error("no room for {len} bytes of metadata in extended attributes")]
    NoRoom {
        /// Bytes of the pickle.
        len: usize,
    },
    /// Any other failure.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl From<Errno> for WriteMetadataError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOTSUP => Self::NotSupported,
            other => Self::Io(other.into()),
        }
    }
}

/// Stores `pickled` in the attributes of `file`, as Swift does.
pub fn write(file: BorrowedFd<'_>, pickled: &[u8]) -> Result<(), WriteMetadataError> {
    let no_room = |errno| match errno {
        Errno::NOSPC | Errno::DQUOT | Errno::TOOBIG | Errno::RANGE => {
            WriteMetadataError::NoRoom { len: pickled.len() }
        }
        other => other.into(),
    };
    for (piece, bytes) in pickled.chunks(CHUNK_LEN).enumerate() {
        fsetxattr(file, piece_name(piece), bytes, XattrFlags::empty()).map_err(no_room)?;
    }
    fsetxattr(file, CHECKSUM, hex::encode(Md5::digest(pickled)).as_bytes(), XattrFlags::empty())
        .map_err(no_room)
}

/// Stores `pickled` beside `file`, which is to be called `name` in `dir`: the side file is whole and synced when
/// this returns; syncing `dir` is left to whoever links `file`.
pub fn write_side_file(
    dir: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    name: &str,
    pickled: &[u8],
) -> Result<(), WriteMetadataError> {
    for piece in 0..pickled.len().div_ceil(CHUNK_LEN) {
        // what `write` managed to store; most are not there
        let _ = fremovexattr(file, piece_name(piece));
    }
    let mark = [SIDE_FILE_MARK, hex::encode(Md5::digest(pickled)).as_bytes()].concat();
    fsetxattr(file, METADATA, &mark, XattrFlags::empty())?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let temporary = format!(".{name}.{:06x}", rand::random::<u32>() & 0xff_ffff);
    let side = openat(dir, &temporary, flags, Mode::from_raw_mode(0o644))?;
    let stored = File::from(side.try_clone()?).write_all(pickled);
    let placed = stored
        .and_then(|()| Ok(fsync(&side)?))
        .and_then(|()| Ok(rustix::fs::renameat(dir, &temporary, dir, format!("{name}{SIDE_FILE_SUFFIX}"))?));
    if placed.is_err() {
        let _ = rustix::fs::unlinkat(dir, &temporary, AtFlags::empty());
    }
    Ok(placed?)
}

/// Whether a file in `dir` holds 64 KiB in one attribute, as Swift's layout needs. `None` where that cannot be
/// told now (the disk is full, say).
pub fn has_full_room(dir: &std::path::Path) -> Option<bool> {
    let file = tempfile_in(dir).ok()?;
    match fsetxattr(file.as_fd(), METADATA, &[0; CHUNK_LEN], XattrFlags::empty()) {
        Ok(()) => Some(true),
        Err(Errno::NOSPC | Errno::TOOBIG | Errno::RANGE) => {
            let stat = rustix::fs::fstatvfs(&file).ok()?;
            (stat.f_bavail * stat.f_frsize > 16 * CHUNK_LEN as u64).then_some(false)
        }
        Err(_) => None,
    }
}

fn tempfile_in(dir: &std::path::Path) -> std::io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(dir, flags, Mode::from_raw_mode(0o600)) {
        Ok(file) => Ok(file.into()),
        Err(_) => {
            let (file, path) = crate::fs::create_temporary(dir)?;
            std::fs::remove_file(path)?;
            Ok(file)
        }
    }
}

fn piece_name(piece: usize) -> String {
    match piece {
        0 => METADATA.to_owned(),
        n => format!("{METADATA}{n}"),
    }
}

/// Appends an attribute's value to `out`.
fn append_attribute(file: BorrowedFd<'_>, name: &str, out: &mut Vec<u8>) -> Result<(), Errno> {
    let begin = out.len();
    for room in [USUAL_LEN, CHUNK_LEN] {
        out.resize(begin + room, 0);
        match fgetxattr(file, name, &mut out[begin..]) {
            Ok(len) => {
                out.truncate(begin + len);
                return Ok(());
            }
            Err(Errno::RANGE) => {}
            Err(errno) => {
                out.truncate(begin);
                return Err(errno);
            }
        }
    }
    out.truncate(begin);
    Err(Errno::RANGE)
}

fn read_side_file(dir: BorrowedFd<'_>, name: &str) -> Result<Vec<u8>, ReadMetadataError> {
    let name = format!("{name}{SIDE_FILE_SUFFIX}");
    let mut pickled = Vec::new();
    let read = openat(dir, &name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(Into::into)
        .and_then(|file| File::from(file).take(MAX_LEN as u64).read_to_end(&mut pickled));
    match read {
        Ok(_) => Ok(pickled),
        Err(source) => Err(ReadMetadataError::SideFile { name, source }),
    }
}

fn verify(stored: &[u8], pickled: &[u8]) -> Result<(), ReadMetadataError> {
    let computed = hex::encode(Md5::digest(pickled));
    if stored == computed.as_bytes() {
        return Ok(());
    }
    Err(ReadMetadataError::BadChecksum { stored: String::from_utf8_lossy(stored).into_owned(), computed })
}
