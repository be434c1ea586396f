//! An object's bytes from one copy, or decoded from fragments.

use md5::{Digest, Md5};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use swiftlet_ec::Codec;
use swiftlet_storage::object::Metadata;
use swiftlet_storage::salvage::{SalvageError, open_file};
use thiserror::Error;

/// Bytes read at once.
const CHUNK_BYTES: usize = 1 << 20;
/// Longer segments than any Swift is set to are taken for damage.
const SEGMENT_BYTES_MAX: usize = 64 << 20;

/// Why a copy is of no use.
#[derive(Debug, Error)]
pub enum ContentError {
    /// It cannot be opened, or its metadata is damaged.
    #[error(transparent)]
    File(#[from] SalvageError),
    /// It cannot be read.
    #[error("{path}: cannot read: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not as long as its metadata says.
    #[error("{path}: {found} bytes, not the {stated} that its metadata states", path = path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length.
        found: u64,
        /// What it should be.
        stated: String,
    },
    /// Its bytes have another MD5 than its metadata says.
    #[error("{path}: its bytes have MD5 {found}, not {stated}", path = path.display())]
    Etag {
        /// The file.
        path: PathBuf,
        /// Of its bytes.
        found: String,
        /// What it should be.
        stated: String,
    },
    /// Fragments that do not say by which code they are to be decoded.
    #[error("{path}: a fragment whose metadata tells no scheme that is known: {why}", path = path.display())]
    Scheme {
        /// The fragment.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Not enough sound fragments.
    #[error("{found} sound fragments, {needed} are needed")]
    TooFew {
        /// Those that are left.
        found: usize,
        /// Those that it takes.
        needed: usize,
    },
}

/// An object's bytes, from front to back.
#[derive(Debug)]
pub struct Content {
    /// MD5 of all of them, in hex, as it was when they were written.
    pub etag: String,
    /// How many there are.
    pub len: u64,
    left: u64,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Whole(File),
    Fragments { files: Vec<File>, codec: Box<Codec>, segment_len: usize },
}

impl Content {
    /// That of the whole copy at `path`, and its metadata. Its MD5 is for who reads it to compare.
    pub fn of_copy(path: &Path) -> Result<(Metadata, Self), ContentError> {
        let (file, metadata) = open_file(path)?;
        let len = checked_len(path, &file, &metadata)?;
        let etag = metadata.get_str("ETag").unwrap_or_default().to_owned();
        Ok((metadata, Self { etag, len, left: len, source: Source::Whole(file) }))
    }

    /// That of an object in fragments, by index, each as often as there are copies; and the metadata of one. Each is
    /// checked by its own MD5 before; `note` is told of those that are of no use.
    pub fn of_fragments(
        copies: &[(Option<u32>, PathBuf)],
        mut note: impl FnMut(ContentError),
    ) -> Result<(Metadata, Self), ContentError> {
        let mut sound: Vec<(u32, File)> = Vec::new();
        let mut known: Option<(Metadata, Scheme)> = None;
        for (index, path) in copies {
            let Some(index) = *index else { continue };
            if sound.iter().any(|(have, _)| *have == index) {
                continue;
            }
            match sound_fragment(path) {
                Ok((file, metadata)) => {
                    if known.is_none() {
                        known = Some((metadata.clone(), Scheme::of(path, &metadata)?));
                    }
                    sound.push((index, file));
                }
                Err(error) => note(error),
            }
            if known.as_ref().is_some_and(|(_, scheme)| sound.len() == scheme.codec.data_count()) {
                break;
            }
        }
        let found = sound.len();
        let Some((metadata, scheme)) = known else { return Err(ContentError::TooFew { found, needed: 1 }) };
        let needed = scheme.codec.data_count();
        if found < needed {
            return Err(ContentError::TooFew { found, needed });
        }
        let files = sound.into_iter().map(|(_, file)| file).collect();
        let Scheme { codec, segment_len, object_len, etag } = scheme;
        let source = Source::Fragments { files, codec: Box::new(codec), segment_len };
        Ok((metadata, Self { etag, len: object_len, left: object_len, source }))
    }

    /// The next bytes; empty at the end.
    pub fn read(&mut self) -> io::Result<Vec<u8>> {
        if self.left == 0 {
            return Ok(Vec::new());
        }
        let chunk = match &mut self.source {
            Source::Whole(file) => {
                let mut chunk = vec![0; self.left.min(CHUNK_BYTES as u64) as usize];
                file.read_exact(&mut chunk)?;
                chunk
            }
            Source::Fragments { files, codec, segment_len } => {
                let len = self.left.min(*segment_len as u64) as usize;
                let fragment = |file: &mut File| {
                    let mut fragment = vec![0; codec.fragment_len(len)];
                    file.read_exact(&mut fragment).map(|()| fragment)
                };
                let fragments = files.iter_mut().map(fragment).collect::<io::Result<Vec<_>>>()?;
                let segment = codec.decode(&fragments).map_err(io::Error::other)?;
                if segment.len() != len {
                    return Err(io::Error::other("a segment of another length than it should have"));
                }
                segment
            }
        };
        self.left -= chunk.len() as u64;
        Ok(chunk)
    }
}

/// How an object in fragments is put together, by the metadata of one.
struct Scheme {
    codec: Codec,
    segment_len: usize,
    object_len: u64,
    etag: String,
}

impl Scheme {
    fn of(path: &Path, metadata: &Metadata) -> Result<Self, ContentError> {
        let fail = |why: String| ContentError::Scheme { path: path.to_owned(), why };
        let field = |name: &str| metadata.get_str(&format!("X-Object-Sysmeta-Ec-{name}")).unwrap_or_default();
        let scheme = field("Scheme");
        let parsed = scheme.split_once(' ').and_then(|(kind, counts)| {
            let (data, parity) = counts.split_once('+')?;
            Some((kind, data.parse().ok()?, parity.parse().ok()?))
        });
        let (kind, data, parity) = parsed.ok_or_else(|| fail(format!("scheme {scheme:?}")))?;
        let codec = Codec::new(kind, data, parity).map_err(|error| fail(error.to_string()))?;
        let segment_len =
            field("Segment-Size").parse().ok().filter(|len| (1..=SEGMENT_BYTES_MAX).contains(len));
        let segment_len =
            segment_len.ok_or_else(|| fail(format!("segment size {:?}", field("Segment-Size"))))?;
        let object_len = field("Content-Length").parse();
        let object_len = object_len.map_err(|_| fail(format!("length {:?}", field("Content-Length"))))?;
        Ok(Self { codec, segment_len, object_len, etag: field("Etag").to_owned() })
    }
}

/// A fragment whose bytes are those that were written, from its front.
fn sound_fragment(path: &Path) -> Result<(File, Metadata), ContentError> {
    let (mut file, metadata) = open_file(path)?;
    checked_len(path, &file, &metadata)?;
    let read = md5_of(&mut file).and_then(|md5| io::Seek::rewind(&mut file).map(|()| md5));
    let found = read.map_err(|source| ContentError::Read { path: path.to_owned(), source })?;
    let stated = metadata.get_str("ETag").unwrap_or_default();
    if found != stated {
        return Err(ContentError::Etag { path: path.to_owned(), found, stated: stated.to_owned() });
    }
    Ok((file, metadata))
}

/// The MD5 of all that is still to be read, in hex.
fn md5_of(file: &mut File) -> io::Result<String> {
    let mut md5 = Md5::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hex::encode(md5.finalize())),
            len => md5.update(&chunk[..len]),
        }
    }
}

fn checked_len(path: &Path, file: &File, metadata: &Metadata) -> Result<u64, ContentError> {
    let stat = file.metadata().map_err(|source| ContentError::Read { path: path.to_owned(), source })?;
    let stated = metadata.get_str("Content-Length").unwrap_or_default();
    match stated.trim().parse::<u64>() {
        Ok(len) if len == stat.len() => Ok(len),
        _ => {
            let (path, found) = (path.to_owned(), stat.len());
            Err(ContentError::Length { path, found, stated: stated.to_owned() })
        }
    }
}
