//! Reading an open object's bytes, and checking them on the way.

use super::location::HashDir;
use super::quarantine::quarantine;
use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::fs::{Advice, fadvise};
use rustix::io::{pread, retry_on_intr};
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::path::PathBuf;
use swiftlet_md5::{Digest, INLINE_LEN, Md5};
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
/// the object. By then its bytes have been handed out, as in Swift; the client's own ETag check tells it. The MD5
/// of a long object is computed while its bytes go out, so the quarantine follows a moment after the last of them.
#[derive(Debug)]
pub struct Reader {
    file: File,
    at: HashDir,
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
        at: HashDir,
        size: u64,
        etag: String,
        keep_cache: bool,
        validate: bool,
    ) -> Self {
        let md5 = validate.then(Md5::default);
        Self { file, at, size, etag, keep_cache, md5, next: 0, end: size }
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
        let chunk = Bytes::from(chunk);
        if !self.keep_cache
            && let Some(dropped) = NonZeroU64::new(len as u64)
        {
            // advice only: nothing depends on it
            let _ = fadvise(&self.file, self.next, Some(dropped), Advice::DontNeed);
        }
        self.next += len as u64;
        self.check(&chunk);
        Ok(chunk)
    }

    /// Takes `chunk` into the MD5, and compares that with the ETag if it was the last one: now, or once it is known.
    fn check(&mut self, chunk: &Bytes) {
        let Some(mut md5) = self.md5.take() else { return };
        if self.remaining() > 0 {
            md5.update_behind(vec![chunk.clone()]);
            self.md5 = Some(md5);
        } else if chunk.len() <= INLINE_LEN {
            md5.update(chunk);
            compare(&md5.digest(), &self.etag, &self.at);
        } else {
            let (etag, at) = (std::mem::take(&mut self.etag), self.at.clone());
            md5.finish_behind(chunk.clone(), move |digest| compare_aside(digest, etag, at));
        }
    }

    fn failed(&self, source: io::Error) -> ReadError {
        let dir = self.at.dir.clone();
        let damaged = source.kind() == io::ErrorKind::UnexpectedEof
            || rustix::io::Errno::from_io_error(&source) == Some(rustix::io::Errno::IO);
        if damaged {
            let reason = format!("reading at {} of {} bytes: {source}", self.next, self.size);
            return ReadError::Quarantined { reason: quarantine(&self.at.device, &dir, reason) };
        }
        ReadError::Io { dir, source }
    }
}

/// Quarantines the object where its MD5 is not its ETag.
fn compare(md5: &Digest, etag: &str, at: &HashDir) {
    let computed = hex::encode(md5);
    if computed != etag {
        let reason = format!("ETag {etag} and file's md5 {computed} do not match");
        quarantine(&at.device, &at.dir, reason);
    }
}

/// The same from a thread that must not wait for a disk.
fn compare_aside(md5: Digest, etag: String, at: HashDir) {
    if hex::encode(md5) == etag {
        return;
    }
    let dir = at.dir.clone();
    let thread = std::thread::Builder::new().name("quarantine".into());
    if let Err(error) = thread.spawn(move || compare(&md5, &etag, &at)) {
        tracing::error!(dir = %dir.display(), %error, "could not quarantine object");
    }
}
