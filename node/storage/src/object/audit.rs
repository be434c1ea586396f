//! Checking an object's bytes against its ETag.

use super::location::HashDir;
use super::quarantine::quarantine;
use super::reader::{ReadError, Reader};
use swiftlet_md5::Md5;

/// An object whose bytes are being checked, a piece at a time, so that whoever does it can pause in between.
#[derive(Debug)]
pub struct ByteAudit {
    reader: Reader,
    at: HashDir,
    etag: String,
    md5: Md5,
}

impl ByteAudit {
    /// `reader` is at the first byte, and does not check anything itself.
    pub(super) fn new(reader: Reader, at: HashDir, etag: String) -> Self {
        Self { reader, at, etag, md5: Md5::default() }
    }

    /// Checks the next bytes, at most `limit` (which is not 0). With the last of them the MD5
    /// is compared with the ETag; an object that does not pass is quarantined.
    pub fn step(&mut self, limit: usize) -> Result<(), ReadError> {
        let chunk = self.reader.read(limit)?;
        self.md5.update_behind(vec![chunk]);
        if self.remaining() == 0 {
            let computed = hex::encode(self.md5.digest());
            if computed != self.etag {
                let reason = format!("ETag {} and file's md5 {computed} do not match", self.etag);
                return Err(ReadError::Quarantined {
                    reason: quarantine(&self.at.device, &self.at.dir, reason),
                });
            }
        }
        Ok(())
    }

    /// Bytes that were not seen yet.
    pub fn remaining(&self) -> u64 {
        self.reader.remaining()
    }
}
