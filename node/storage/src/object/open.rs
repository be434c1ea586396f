//! Finding an object on disk and reading what it is.

use super::audit::ByteAudit;
use super::filename::FileName;
use super::fileset::{FileSet, FragmentChoice, FragmentSets};
use super::hashes::is_damage;
use super::layout::Layout;
use super::location::{HashDir, Location, ObjectPath};
use super::metadata::{FRAGMENT_INDEX, Metadata, NAME};
use super::post::{merge_post, take_content_type};
use super::quarantine::quarantine;
use super::reader::Reader;
use super::store::ObjectStore;
use super::xattrs::{self, ReadMetadataError};
use rustix::fs::{Mode, OFlags, RawDir, fstat, open, openat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use swiftlet_types::HashConf;
use swiftlet_types::timestamp::Timestamp;
use thiserror::Error;

/// How often a folder that changes under the reader is looked at again.
const MAX_LOOKS: usize = 3;

/// How to open an object.
#[derive(Debug, Clone, Copy)]
pub struct OpenOptions {
    /// The time that decides whether it has expired.
    pub now: Timestamp,
    /// Open it even if it has.
    pub open_expired: bool,
}

/// Why an object could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Nothing is there.
    #[error("there is no such object")]
    NotFound,
    /// A tombstone is there.
    #[error("deleted at {timestamp}")]
    Deleted {
        /// When it was deleted.
        timestamp: Timestamp,
    },
    /// It is there, but its X-Delete-At has passed.
    #[error("expired")]
    Expired {
        /// When its metadata last changed.
        timestamp: Timestamp,
        /// Its metadata.
        metadata: Metadata,
    },
    /// It was damaged and has been moved away.
    #[error("quarantined: {reason}")]
    Quarantined {
        /// What was wrong.
        reason: String,
    },
    /// The file holds an object of another name: two paths with one hash.
    #[error("{dir} holds {found:?}, not {wanted:?}")]
    Collision {
        /// The hash folder.
        dir: PathBuf,
        /// The name in the metadata.
        found: String,
        /// The name that was asked for.
        wanted: String,
    },
    /// The files changed each time they were looked at.
    #[error("{dir} changed while it was read")]
    Changed {
        /// The hash folder.
        dir: PathBuf,
    },
    /// The file system knows no extended attributes.
    #[error("{dir}: the file system does not support extended attributes")]
    XattrsNotSupported {
        /// The hash folder.
        dir: PathBuf,
    },
    /// Any other failure.
    #[error("{dir}: {source}")]
    Io {
        /// The hash folder.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What is known of an object without its bytes.
#[derive(Debug, Clone)]
pub struct ObjectState {
    /// Metadata of PUT and POST together: what a client sees.
    pub metadata: Metadata,
    /// Metadata of the PUT alone.
    pub data_metadata: Metadata,
    /// Metadata of the last POST, content type merged in, if there was one.
    pub post_metadata: Option<Metadata>,
    /// When it was put.
    pub data_timestamp: Timestamp,
    /// When its metadata last changed.
    pub timestamp: Timestamp,
    /// When its content type was last set.
    pub content_type_timestamp: Timestamp,
    /// Its bytes; of a fragment, that one's.
    pub size: u64,
    /// Which fragments the folder has, where objects lie in fragments.
    pub fragments: FragmentSets,
}

/// An object whose file is open: what was opened stays readable, whatever is put or deleted meanwhile.
#[derive(Debug)]
pub struct OpenObject {
    /// What it is.
    pub state: ObjectState,
    file: File,
    at: HashDir,
}

impl OpenObject {
    /// Goes on to its bytes. `keep_cache` asks the system to keep what is read in memory; `validate` checks the
    /// ETag when all of it was read.
    pub fn into_reader(self, store: &ObjectStore, keep_cache: bool, validate: bool) -> (ObjectState, Reader) {
        let etag = self.state.metadata.get_str("ETag").unwrap_or_default().to_owned();
        let keep_cache = keep_cache && self.state.size < store.config().keep_cache_bytes;
        let reader = Reader::new(self.file, self.at, self.state.size, etag, keep_cache, validate);
        (self.state, reader)
    }

    /// Goes on to check its bytes.
    pub fn into_audit(self) -> ByteAudit {
        let etag = self.state.metadata.get_str("ETag").unwrap_or_default().to_owned();
        let reader = Reader::new(self.file, self.at.clone(), self.state.size, String::new(), false, false);
        ByteAudit::new(reader, self.at, etag)
    }
}

impl ObjectStore {
    /// Opens the object at `at`. What turns out to be damaged is quarantined.
    pub fn open(&self, at: &Location, options: OpenOptions) -> Result<OpenObject, OpenError> {
        self.open_choosing(at, options, FragmentChoice::default())
    }

    /// The same; of the fragments that there are, the one that `choice` tells.
    pub fn open_choosing(
        &self,
        at: &Location,
        options: OpenOptions,
        choice: FragmentChoice<'_>,
    ) -> Result<OpenObject, OpenError> {
        let (owner, layout) = (Owner::Called(&at.name), self.config().layouts.of_policy(at.policy));
        let (device, dir, unexpected) = (&at.device, &at.dir, Vec::new());
        Opening { device, dir, owner, options, layout, choice, unexpected }.open()
    }

    /// Opens the object that lies in the folder `at`, whatever it is called, as an auditor does: its name must hash to
    /// the folder's, and metadata from before Swift 2.16 gets its checksum. Of fragments, the one
    /// that `choice` tells. Also the names of files in it that no Swift would have left there.
    pub fn open_found(
        &self,
        at: &HashDir,
        options: OpenOptions,
        choice: FragmentChoice<'_>,
    ) -> (Result<OpenObject, OpenError>, Vec<String>) {
        let (owner, layout) =
            (Owner::OfFolder(&self.config().hash), self.config().layouts.of_hash_dir(&at.dir));
        let (device, dir, unexpected) = (&at.device, &at.dir, Vec::new());
        let mut opening = Opening { device, dir, owner, options, layout, choice, unexpected };
        let opened = opening.open();
        (opened, opening.unexpected)
    }
}

/// Whose folder it is.
enum Owner<'a> {
    /// The object of this name's.
    Called(&'a str),
    /// The one's whose name hashes to the folder's name.
    OfFolder(&'a HashConf),
}

/// Opening one object.
struct Opening<'a> {
    device: &'a Path,
    dir: &'a Path,
    owner: Owner<'a>,
    options: OpenOptions,
    layout: Layout,
    choice: FragmentChoice<'a>,
    /// What the folder was last seen to hold beside object files.
    unexpected: Vec<String>,
}

impl Opening<'_> {
    fn open(&mut self) -> Result<OpenObject, OpenError> {
        for _ in 0..MAX_LOOKS {
            match self.look() {
                Err(OpenError::Changed { .. }) => {}
                other => return other,
            }
        }
        Err(OpenError::Changed { dir: self.dir.to_owned() })
    }

    fn look(&mut self) -> Result<OpenObject, OpenError> {
        let (dir, names) = match list_dir(self.dir) {
            Ok(listed) => listed,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(OpenError::NotFound),
            Err(e) if is_damage(&e) => return Err(self.quarantine(format!("cannot list the folder: {e}"))),
            Err(e) => return Err(self.io(e)),
        };
        let mut set = FileSet::choose_as(&names, self.layout, self.choice);
        self.unexpected = std::mem::take(&mut set.unexpected);
        let Some(data) = set.data.take() else {
            return Err(self.absent(dir.as_fd(), set.tombstone));
        };
        let file = self.open_file(dir.as_fd(), &data)?;
        let data_metadata = self.read_metadata(dir.as_fd(), file.as_fd(), &data)?;
        let post_metadata = match &set.meta {
            None => None,
            Some(meta) => {
                Some(self.read_post(dir.as_fd(), meta, set.content_type.as_ref(), &data_metadata)?)
            }
        };
        let mut state = self.check(file.as_fd(), data_metadata, post_metadata)?;
        state.fragments = set.fragments;
        let at = HashDir { device: self.device.to_owned(), dir: self.dir.to_owned() };
        Ok(OpenObject { state, file: file.into(), at })
    }

    /// No `.data`: a tombstone tells when it was deleted; a damaged one is as good as none.
    fn absent(&self, dir: BorrowedFd<'_>, tombstone: Option<FileName>) -> OpenError {
        let Some(tombstone) = tombstone else { return OpenError::NotFound };
        let read =
            self.open_file(dir, &tombstone).and_then(|f| self.read_metadata(dir, f.as_fd(), &tombstone));
        match read {
            Ok(metadata) => match metadata.get_timestamp("X-Timestamp") {
                Some(timestamp) => OpenError::Deleted { timestamp },
                None => OpenError::Deleted { timestamp: Timestamp::ZERO },
            },
            Err(error @ (OpenError::XattrsNotSupported { .. } | OpenError::Changed { .. })) => error,
            Err(_) => OpenError::NotFound,
        }
    }

    fn open_file(&self, dir: BorrowedFd<'_>, name: &FileName) -> Result<OwnedFd, OpenError> {
        match openat(dir, &name.text, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(file) => Ok(file),
            Err(Errno::NOENT) => Err(OpenError::Changed { dir: self.dir.to_owned() }),
            Err(errno @ (Errno::NODATA | Errno::UCLEAN)) => {
                Err(self.quarantine(format!("failed to open {}: {errno}", name.text)))
            }
            Err(errno) => Err(self.io(errno.into())),
        }
    }

    fn read_metadata(
        &self,
        dir: BorrowedFd<'_>,
        file: BorrowedFd<'_>,
        name: &FileName,
    ) -> Result<Metadata, OpenError> {
        let metadata = xattrs::read(dir, file, &name.text).map_err(|error| match error {
            ReadMetadataError::NotSupported => OpenError::XattrsNotSupported { dir: self.dir.to_owned() },
            // its owner is being removed: what is being read is no longer the object
            ReadMetadataError::SideFile { source, .. }
                if source.kind() == io::ErrorKind::NotFound && !self.dir.join(&name.text).exists() =>
            {
                OpenError::Changed { dir: self.dir.to_owned() }
            }
            error => self.quarantine(format!("cannot read metadata of {}: {error}", name.text)),
        })?;
        if let Owner::OfFolder(_) = self.owner
            && let Err(error) = xattrs::add_missing_checksum(file)
        {
            tracing::error!(dir = %self.dir.display(), %error, "cannot add a checksum to metadata");
        }
        Ok(metadata)
    }

    /// The metadata of the last POST; its content type may come from an older `.meta` file.
    fn read_post(
        &self,
        dir: BorrowedFd<'_>,
        meta: &FileName,
        content_type: Option<&FileName>,
        data_metadata: &Metadata,
    ) -> Result<Metadata, OpenError> {
        let file = self.open_file(dir, meta)?;
        let mut post = self.read_metadata(dir, file.as_fd(), meta)?;
        if let Some(other) = content_type.filter(|file| file.text != meta.text) {
            let file = self.open_file(dir, other)?;
            let other = self.read_metadata(dir, file.as_fd(), other)?;
            take_content_type(&mut post, &other, data_metadata);
        }
        Ok(post)
    }

    fn check(
        &self,
        file: BorrowedFd<'_>,
        data_metadata: Metadata,
        mut post_metadata: Option<Metadata>,
    ) -> Result<ObjectState, OpenError> {
        let data_timestamp = data_metadata.get_timestamp("X-Timestamp").unwrap_or_default();
        let metadata = match &post_metadata {
            None => data_metadata.clone(),
            Some(post) => merge_post(&data_metadata, post, data_timestamp),
        };
        if let Some(post) = &mut post_metadata {
            // the writer of a .meta file puts the name in, which is not of the POST
            post.remove(NAME);
        }
        self.check_name(&metadata)?;
        self.check_fragment(&metadata)?;
        let timestamp = metadata.get_timestamp("X-Timestamp").unwrap_or_default();
        self.check_expiry(&metadata, timestamp)?;
        let size = self.check_size(file, &metadata)?;
        let content_type_timestamp =
            metadata.get_timestamp("Content-Type-Timestamp").unwrap_or(data_timestamp);
        Ok(ObjectState {
            metadata,
            data_metadata,
            post_metadata,
            data_timestamp,
            timestamp,
            content_type_timestamp,
            size,
            fragments: FragmentSets::default(),
        })
    }

    fn check_name(&self, metadata: &Metadata) -> Result<(), OpenError> {
        let Some(found) = metadata.get(NAME) else {
            return Err(self.quarantine("missing name metadata".to_owned()));
        };
        match self.owner {
            Owner::Called(wanted) if *found != wanted.as_bytes() => Err(OpenError::Collision {
                dir: self.dir.to_owned(),
                found: String::from_utf8_lossy(found).into_owned(),
                wanted: wanted.to_owned(),
            }),
            Owner::OfFolder(conf) if !is_folder_of(self.dir, found, conf) => {
                Err(self.quarantine("Hash of name in metadata does not match directory name".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// A fragment says which it is, and of what.
    fn check_fragment(&self, metadata: &Metadata) -> Result<(), OpenError> {
        let is_missing = |name: &&str| metadata.get(name).is_none_or(|value| value.is_empty());
        let needed = [FRAGMENT_INDEX, "X-Object-Sysmeta-Ec-Etag"];
        match (self.layout, needed.iter().find(|name| is_missing(name))) {
            (Layout::Fragments(_), Some(name)) => Err(self.quarantine(format!("missing metadata {name}"))),
            _ => Ok(()),
        }
    }

    fn check_expiry(&self, metadata: &Metadata, timestamp: Timestamp) -> Result<(), OpenError> {
        let Some(value) = metadata.get("X-Delete-At") else { return Ok(()) };
        let Some(delete_at) = parse_int(value) else {
            return Err(self.quarantine(format!("bad metadata x-delete-at value {}", value.escape_ascii())));
        };
        // delete_at counts seconds, now finer ticks: due once its second has begun
        let due = u64::try_from(delete_at).is_ok_and(|at| at <= self.options.now.seconds()) || delete_at < 0;
        if due && !self.options.open_expired {
            return Err(OpenError::Expired { timestamp, metadata: metadata.clone() });
        }
        Ok(())
    }

    fn check_size(&self, file: BorrowedFd<'_>, metadata: &Metadata) -> Result<u64, OpenError> {
        let Some(value) = metadata.get("Content-Length") else {
            return Err(self.quarantine("missing content-length in metadata".to_owned()));
        };
        let Some(expected) = parse_int(value) else {
            return Err(
                self.quarantine(format!("bad metadata content-length value {}", value.escape_ascii()))
            );
        };
        let size = match fstat(file) {
            Ok(stat) => stat.st_size,
            Err(errno) => return Err(self.quarantine(format!("not stat-able: {errno}"))),
        };
        match u64::try_from(size) {
            Ok(bytes) if size == expected => Ok(bytes),
            _ => Err(self.quarantine(format!(
                "metadata content-length {expected} does not match actual object size {size}"
            ))),
        }
    }

    fn quarantine(&self, reason: String) -> OpenError {
        OpenError::Quarantined { reason: quarantine(self.device, self.dir, reason) }
    }

    fn io(&self, source: io::Error) -> OpenError {
        OpenError::Io { dir: self.dir.to_owned(), source }
    }
}

/// Whether an object called `name` belongs into `dir`.
fn is_folder_of(dir: &Path, name: &[u8], conf: &HashConf) -> bool {
    let path = std::str::from_utf8(name).ok().and_then(ObjectPath::from_name);
    path.is_some_and(|path| dir.file_name().is_some_and(|folder| *folder == *path.hash(conf).hex()))
}

/// An integer as Python's `int` reads one from a header.
fn parse_int(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// The open hash folder and the names in it.
fn list_dir(dir: &Path) -> io::Result<(OwnedFd, Vec<String>)> {
    let dir = open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut names = Vec::new();
    let mut buffer = [MaybeUninit::uninit(); 2048];
    let mut entries = RawDir::new(&dir, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(String::from_utf8_lossy(name).into_owned());
        }
    }
    Ok((dir, names))
}
