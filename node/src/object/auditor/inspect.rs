//! Judging one object. Every function here is part of a job on the object's device.

use super::plan::Scan;
use super::watcher::SeenObject;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};
use swiftlet_storage::object::{
    ByteAudit, FragmentChoice, HashDir, ObjectStore, OpenError, OpenObject, OpenOptions, ReadError, hashes,
};
use swiftlet_types::Timestamp;

/// How much is read at a time, and so how much of `bytes_per_second` may come at once.
const PIECE_LEN: usize = 1 << 20;

/// What came of it.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Nothing is wrong with it, or nothing is there.
    Passed,
    /// It was damaged and has been set aside: why.
    Quarantined(String),
    /// It could not be looked at: why.
    Failed(String),
}

/// How far an object was looked at.
pub(super) struct Looked {
    /// What it is, where it could be opened.
    pub object: Option<SeenObject>,
    /// How many of its bytes were read.
    pub bytes: u64,
    /// What comes next.
    pub next: Next,
}

/// What comes next.
pub(super) enum Next {
    /// Nothing.
    Verdict(Verdict),
    /// More of its bytes.
    Bytes(Box<ByteAudit>),
}

/// Opens what lies in the folder `at`, and checks its first bytes if `scan` does. Files that rsync left there for longer
/// than `tempfile_timeout` are removed.
pub(super) fn open(store: &ObjectStore, at: &HashDir, scan: Scan, tempfile_timeout: Duration) -> Looked {
    let options = OpenOptions { now: Timestamp::now(), open_expired: false };
    let (opened, unexpected) = store.open_found(at, options, FragmentChoice::default());
    remove_tempfiles(&at.dir, &unexpected, tempfile_timeout);
    match opened {
        Ok(object) => {
            let seen = seen(&object, at);
            let (bytes, next) = begin(object, scan);
            Looked { object: Some(seen), bytes, next }
        }
        Err(error) => {
            let next = Next::Verdict(without_object(store, at, scan, error));
            Looked { object: None, bytes: 0, next }
        }
    }
}

fn seen(object: &OpenObject, at: &HashDir) -> SeenObject {
    let state = &object.state;
    let name = state.metadata.get_str("name").unwrap_or_default().to_owned();
    SeenObject { name, timestamp: state.timestamp, size: state.size, at: at.clone() }
}

fn begin(object: OpenObject, scan: Scan) -> (u64, Next) {
    match (object.state.size, scan) {
        (0, _) | (_, Scan::ZeroByte) => (0, Next::Verdict(Verdict::Passed)),
        (_, Scan::All) => go_on(Box::new(object.into_audit())),
    }
}

/// Checks the next bytes; how many.
pub(super) fn go_on(mut audit: Box<ByteAudit>) -> (u64, Next) {
    let before = audit.remaining();
    let stepped = audit.step(PIECE_LEN);
    let next = match stepped {
        Ok(()) if audit.remaining() == 0 => Next::Verdict(Verdict::Passed),
        Ok(()) => return (before - audit.remaining(), Next::Bytes(audit)),
        Err(ReadError::Quarantined { reason }) => Next::Verdict(Verdict::Quarantined(reason)),
        Err(error @ ReadError::Io { .. }) => Next::Verdict(Verdict::Failed(error.to_string())),
    };
    (before - audit.remaining(), next)
}

fn without_object(store: &ObjectStore, at: &HashDir, scan: Scan, error: OpenError) -> Verdict {
    match error {
        OpenError::NotFound | OpenError::Expired { .. } => Verdict::Passed,
        OpenError::Deleted { timestamp } => match scan == Scan::All && is_reclaimable(store, timestamp) {
            // the next rehash of the suffix removes it
            true => match at.dir.parent().map(hashes::invalidate) {
                Some(Err(error)) => Verdict::Failed(error.to_string()),
                _ => Verdict::Passed,
            },
            false => Verdict::Passed,
        },
        OpenError::Quarantined { reason } => Verdict::Quarantined(reason),
        error => Verdict::Failed(error.to_string()),
    }
}

fn is_reclaimable(store: &ObjectStore, deleted: Timestamp) -> bool {
    let age_s = Timestamp::now().seconds().saturating_sub(deleted.seconds());
    age_s > store.config().reclaim_age.as_secs()
}

fn remove_tempfiles(dir: &Path, unexpected: &[String], timeout: Duration) {
    for name in unexpected.iter().filter(|name| is_rsync_tempfile(name)) {
        let path = dir.join(name);
        let age = |at: SystemTime| SystemTime::now().duration_since(at).unwrap_or_default();
        let is_old = std::fs::symlink_metadata(&path)
            .and_then(|meta| meta.modified())
            .is_ok_and(|modified| age(modified) > timeout);
        if is_old
            && let Err(error) = std::fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "cannot remove a file that rsync left");
        }
    }
}

/// `.<name>.<six letters, digits or _>`, as rsync calls what it has not finished.
fn is_rsync_tempfile(name: &str) -> bool {
    let Some((_, ending)) = name.strip_prefix('.').and_then(|name| name.rsplit_once('.')) else {
        return false;
    };
    ending.len() == 6 && ending.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rsyncs_unfinished_files_are_told_from_others() {
        for name in [".1402464677.04188.data.x7Kd_0", "..abcdef"] {
            assert!(is_rsync_tempfile(name), "{name}");
        }
        for name in
            ["1402464677.04188.data.x7Kd_0", ".abcdef", ".a.abcde", ".a.abcdefg", ".a.abcd-f", ".a.äbcde"]
        {
            assert!(!is_rsync_tempfile(name), "{name}");
        }
    }
}
