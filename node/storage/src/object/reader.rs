//! Reading an open object's bytes, and checking them on the way.

use super::location::Location;
use super::quarantine::quarantine;
use bytes::Bytes;
use md5::{Digest, Md5};
use rustix::buffer::spare_capacity;
use rustix::fs::{Advice, fadvise};
use rustix::io::{pread, retry_on_intr};
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::path::PathBuf;
use thiserror::Error;

/// Why bytes could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The disk failed.
    #[error("{dir}: {source}")]
    Io {
        /// The hash folder.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file ended before its length; it has been quarantined.
    #[error("quarantined: {reason}")]
    Quarantined {
        /// What was wrong.
        reason: String,
    },
}

/// Reads an object from front to back, or a range of it after [`seek`](Self::seek).
///
/// When all of it was read from its first byte, its MD5 is compared with the ETag, and a mismatch quarantines
/// the object. By then its bytes have been handed out, as in Swift; the client's own ETag check tells it.
#[derive(Debug)]
pub struct Reader {
    file: File,
    location: Location,
    size: u64,
    etag: String,
    keep_cache: bool,
    md5: Option<Md5>,
    next: u64,
    end: u64,
}

impl Reader {
    pub(super) fn new(
        file: File,
        location: Location,
        size: u64,
        etag: String,
        keep_cache: bool,
        validate: bool,
    ) -> Self {
        let md5 = validate.then(Md5::new);
        Self { file, location, size, etag, keep_cache, md5, next: 0, end: size }
    }

    /// Goes on with the bytes from `start` up to, not including, `end`. Turns the ETag check off, unless that is
    /// all of the object.
    pub fn seek(&mut self, start: u64, end: u64) {
        let end = end.min(self.size);
        if (start, end) != (0, self.size) || self.next != 0 {
            self.md5 = None;
        }
        (self.next, self.end) = (start.min(end), end);
    }

    /// Bytes that are still to be read.
    pub fn remaining(&self) -> u64 {
        self.end - self.next
    }

    /// The next bytes, at most `limit` (which is not 0); empty at the end.
    pub fn read(&mut self, limit: usize) -> Result<Bytes, ReadError> {
        let len = usize::try_from(self.remaining()).unwrap_or(usize::MAX).min(limit);
        let mut chunk = Vec::with_capacity(len);
        while chunk.len() < len {
            let at = self.next + chunk.len() as u64;
            // into room that was never cleared
            match retry_on_intr(|| pread(&self.file, spare_capacity(&mut chunk), at)) {
                Ok(0) => return Err(self.failed(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(errno) => return Err(self.failed(errno.into())),
            }
        }
        // the allocator may have given more room than was asked for
        chunk.truncate(len);
        if let Some(md5) = &mut self.md5 {
            md5.update(&chunk);
        }
        if !self.keep_cache
            && let Some(dropped) = NonZeroU64::new(len as u64)
        {
            // advice only: nothing depends on it
            let _ = fadvise(&self.file, self.next, Some(dropped), Advice::DontNeed);
        }
        self.next += len as u64;
        if self.remaining() == 0 {
            self.verify();
        }
        Ok(chunk.into())
    }

    fn verify(&mut self) {
        let Some(md5) = self.md5.take() else { return };
        let computed = hex::encode(md5.finalize());
        if computed != self.etag {
            let reason = format!("ETag {} and file's md5 {computed} do not match", self.etag);
            quarantine(&self.location.device, &self.location.dir, reason);
        }
    }

    fn failed(&self, source: io::Error) -> ReadError {
        let dir = self.location.dir.clone();
        let damaged = source.kind() == io::ErrorKind::UnexpectedEof
            || rustix::io::Errno::from_io_error(&source) == Some(rustix::io::Errno::IO);
        if damaged {
            let reason = format!("reading at {} of {} bytes: {source}", self.next, self.size);
            return ReadError::Quarantined { reason: quarantine(&self.location.device, &dir, reason) };
        }
        ReadError::Io { dir, source }
    }
}
