//! Reading a tar archive as a stream: ustar, GNU and PAX headers, each of bounded size; what is in it is never kept.

use super::pax::{self, PaxFields};
use super::unpack::{Unpacked, unpack};
use crate::http::Body;
use bytes::{Bytes, BytesMut};
use std::io;
use tar::{EntryType, Header};
use thiserror::Error;
use tokio::io::AsyncReadExt;

const BLOCK_BYTES: u64 = 512;
/// Where a header tells what kind of entry it is of, and what its name begins with.
const KIND_AT: usize = 156;
const PREFIX: std::ops::Range<usize> = 345..500;
/// The PAX field of a name.
const PATH: &[u8] = b"path";
/// A long name, or the PAX fields of one file, may take so much.
const MAX_EXTENSION_BYTES: u64 = 1 << 20;
/// How much is read at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// How an archive is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Bzip2,
}

impl Compression {
    /// What `extract-archive=` names: `tar`, `tar.gz` or `tar.bz2`.
    pub fn of_archive(kind: &[u8]) -> Option<Self> {
        let kind = kind.to_ascii_lowercase();
        match std::str::from_utf8(&kind).ok()?.trim_matches('.') {
            "tar" => Some(Self::None),
            "tar.gz" => Some(Self::Gzip),
            "tar.bz2" => Some(Self::Bzip2),
            _ => None,
        }
    }
}

/// Why an archive cannot be read.
#[derive(Debug, Error)]
pub(super) enum ArchiveError {
    /// There is nothing.
    #[error("empty file")]
    Empty,
    /// It does not begin as an archive does.
    #[error("{0}")]
    Invalid(String),
    /// It ends within a file.
    #[error("unexpected end of data")]
    CutShort,
    /// It cannot be unpacked, or the client went away.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A file in an archive. Its bytes follow, and are read from the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its name as it is written.
    pub name: Vec<u8>,
    /// Its length in bytes.
    pub size: u64,
    /// Whether it is an ordinary file.
    pub is_file: bool,
    /// Whether it is a file with holes, of which the archive holds but the rest and a map.
    pub is_sparse: bool,
    /// PAX fields: of this file, over those of all.
    pub pax: PaxFields,
}

/// What is said of a file before its header. Of several sayings the first counts, as in Python.
#[derive(Default, PartialEq, Eq)]
struct Extension {
    name: Option<Vec<u8>>,
    pax: Option<PaxFields>,
}

/// An archive that is being read.
pub(super) struct Archive {
    source: Unpacked,
    /// Bytes of the current file that are not read yet, and the padding behind them.
    left: u64,
    padding: u64,
    /// PAX fields of all files that follow, and how long the headers were that held them.
    global: PaxFields,
    global_bytes: u64,
    begun: bool,
}

impl Archive {
    /// Reads `body`.
    pub fn new(body: Body, compression: Compression) -> Self {
        let source = unpack(body, compression);
        Self { source, left: 0, padding: 0, global: PaxFields::new(), global_bytes: 0, begun: false }
    }

    /// The next file, folder, link or whatever; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Entry>, ArchiveError> {
        self.skip_file().await?;
        let mut extension = Extension::default();
        while let Some(header) = self.header().await? {
            let size = entry_size(&header)?;
            match header.entry_type() {
                EntryType::GNULongName => {
                    let mut name = self.extension(size).await?;
                    name.truncate(name.iter().position(|b| *b == 0).unwrap_or(name.len()));
                    extension.name.get_or_insert(name);
                }
                EntryType::GNULongLink => drop(self.extension(size).await?),
                EntryType::XHeader => {
                    let fields = pax::fields(&self.extension(size).await?)?;
                    if let Some(path) = fields.get(PATH) {
                        extension.name.get_or_insert(without_end(path));
                    }
                    extension.pax.get_or_insert(fields);
                }
                EntryType::XGlobalHeader => {
                    let fields = pax::fields(&self.extension(size).await?)?;
                    // they pile up, each header over the ones before
                    self.global_bytes = self.global_bytes.saturating_add(size);
                    if self.global_bytes > MAX_EXTENSION_BYTES {
                        return Err(too_long());
                    }
                    self.global.extend(fields);
                }
                _ => return self.entry(&header, size, extension).map(Some),
            }
        }
        match extension == Extension::default() {
            true => Ok(None),
            false => Err(ArchiveError::Invalid("end of file header".to_owned())),
        }
    }

    fn entry(&mut self, header: &Header, size: u64, extension: Extension) -> Result<Entry, ArchiveError> {
        let mut pax = self.global.clone();
        pax.extend(extension.pax.unwrap_or_default());
        let size = pax.get(&b"size"[..]).map_or(Ok(size), |size| pax::size(size))?;
        let own_name = own_name(header);
        let kind = header.entry_type();
        // of old, folders were files whose names end so
        let is_folder = header.as_bytes()[KIND_AT] == 0 && own_name.ends_with(b"/");
        let is_file = matches!(kind, EntryType::Regular | EntryType::Continuous) && !is_folder;
        let name = extension.name.or_else(|| self.global.get(PATH).map(|path| without_end(path)));
        let name = name.unwrap_or(own_name);
        let is_sparse = kind == EntryType::GNUSparse
            || is_file && pax.keys().any(|name| name.starts_with(b"GNU.sparse."));
        let has_bytes = !is_folder
            && !matches!(
                kind,
                EntryType::Link
                    | EntryType::Symlink
                    | EntryType::Char
                    | EntryType::Block
                    | EntryType::Directory
                    | EntryType::Fifo
            );
        self.left = if has_bytes { size } else { 0 };
        self.padding = (BLOCK_BYTES - self.left % BLOCK_BYTES) % BLOCK_BYTES;
        Ok(Entry { name, size, is_file: is_file || is_sparse, is_sparse, pax })
    }

    /// The next header block; `None` where there is none that can be read, unless it is the first.
    async fn header(&mut self) -> Result<Option<Header>, ArchiveError> {
        let mut block = [0; BLOCK_BYTES as usize];
        let got = self.fill(&mut block).await?;
        let is_first = !std::mem::replace(&mut self.begun, true);
        let wrong = match got {
            0 => ArchiveError::Empty,
            got if got < block.len() => ArchiveError::Invalid("truncated header".to_owned()),
            _ if block.iter().all(|b| *b == 0) => return Ok(None),
            _ => {
                let header = Header::from_byte_slice(&block);
                match header.cksum() {
                    Ok(sum) if sum == checksum(&block) => return Ok(Some(header.clone())),
                    Ok(_) => ArchiveError::Invalid("bad checksum".to_owned()),
                    Err(_) => invalid_header(),
                }
            }
        };
        // behind a whole file, anything that is no header ends the archive
        if is_first { Err(wrong) } else { Ok(None) }
    }

    /// A header's extension, which must be short.
    async fn extension(&mut self, size: u64) -> Result<Vec<u8>, ArchiveError> {
        if size > MAX_EXTENSION_BYTES {
            return Err(too_long());
        }
        let padded = size.div_ceil(BLOCK_BYTES) * BLOCK_BYTES;
        let mut bytes = vec![0; usize::try_from(padded).unwrap_or_default()];
        if self.fill(&mut bytes).await? < bytes.len() {
            return Err(ArchiveError::CutShort);
        }
        bytes.truncate(usize::try_from(size).unwrap_or_default());
        Ok(bytes)
    }

    async fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        let mut got = 0;
        while got < buffer.len() {
            match self.source.read(&mut buffer[got..]).await? {
                0 => break,
                n => got += n,
            }
        }
        Ok(got)
    }

    /// More of the current file, or `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ArchiveError> {
        if self.left == 0 {
            return Ok(None);
        }
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        let mut chunk = BytesMut::with_capacity(wanted);
        let mut limited = (&mut self.source).take(wanted as u64);
        if limited.read_buf(&mut chunk).await? == 0 {
            return Err(ArchiveError::CutShort);
        }
        self.left = self.left.saturating_sub(chunk.len() as u64);
        Ok(Some(chunk.freeze()))
    }

    /// Passes what nobody read of the current file.
    async fn skip_file(&mut self) -> Result<(), ArchiveError> {
        let mut left = self.left.saturating_add(self.padding);
        (self.left, self.padding) = (0, 0);
        let mut buffer = vec![0; CHUNK_BYTES.min(usize::try_from(left).unwrap_or(usize::MAX))];
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            match self.source.read(&mut buffer[..wanted]).await? {
                0 => return Err(ArchiveError::CutShort),
                n => left -= n as u64,
            }
        }
        Ok(())
    }
}

fn too_long() -> ArchiveError {
    ArchiveError::Invalid("header too long".to_owned())
}

/// What Python says of a header that it cannot read.
pub(super) fn invalid_header() -> ArchiveError {
    ArchiveError::Invalid("invalid header".to_owned())
}

/// The size that a header tells; none is 0.
fn entry_size(header: &Header) -> Result<u64, ArchiveError> {
    let field = &header.as_old().size;
    match field.iter().all(|b| matches!(b, 0 | b' ')) {
        true => Ok(0),
        false => header.entry_size().map_err(|_| invalid_header()),
    }
}

/// The name in a header's own fields.
fn own_name(header: &Header) -> Vec<u8> {
    let field = |bytes: &[u8]| bytes.split(|b| *b == 0).next().unwrap_or_default().to_vec();
    let (name, prefix) = (field(&header.as_old().name), field(&header.as_bytes()[PREFIX]));
    let is_gnu = matches!(header.as_bytes()[KIND_AT], b'L' | b'K' | b'S');
    if prefix.is_empty() || is_gnu { name } else { [&prefix[..], b"/", &name].concat() }
}

fn without_end(path: &[u8]) -> Vec<u8> {
    let end = path.iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
    path[..end].to_vec()
}

/// The sum of a header's bytes, its own field counted as blanks.
fn checksum(block: &[u8]) -> u32 {
    let own = 148..156;
    block.iter().enumerate().map(|(at, b)| if own.contains(&at) { 32 } else { u32::from(*b) }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A global PAX header with one field of its own.
    fn global(number: usize, value_bytes: usize) -> Vec<u8> {
        let field = format!(" key{number:05}={}\n", "v".repeat(value_bytes));
        let field = format!("{}{field}", field.len() + 5);
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XGlobalHeader);
        header.set_size(field.len() as u64);
        header.set_cksum();
        let padding = vec![0; field.len().div_ceil(512) * 512 - field.len()];
        [header.as_bytes(), field.as_bytes(), &padding].concat()
    }

    #[tokio::test]
    async fn headers_for_all_files_pile_up_to_a_limit_only() {
        let next = |count: usize| async move {
            let archive = (0..count).flat_map(|number| global(number, 20_000)).collect::<Vec<u8>>();
            Archive::new(Body::full(archive), Compression::None).next().await
        };
        assert!(matches!(next(3).await, Ok(None)));
        let beyond = MAX_EXTENSION_BYTES as usize / 20_000 + 1;
        assert!(matches!(next(beyond).await, Err(ArchiveError::Invalid(why)) if why == "header too long"));
    }
}
