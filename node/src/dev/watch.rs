//! Notices when manifest files change.

use std::io::ErrorKind;
use std::path::PathBuf;

/// What the manifest files held when they were last taken, and last looked at.
#[derive(Debug)]
pub(super) struct ManifestWatch {
    files: Vec<PathBuf>,
    taken: Contents,
    seen: Contents,
}

/// Of each file: what it holds, or why it cannot be read.
type Contents = Vec<Result<Vec<u8>, ErrorKind>>;

impl ManifestWatch {
    /// Of `files` as they are now; none are never seen to change.
    pub(super) fn new(files: &[PathBuf]) -> Self {
        let files = files.to_vec();
        let taken = contents(&files);
        Self { files, seen: taken.clone(), taken }
    }

    /// Whether the files are others than when they were last taken, and are then taken. A change is waited for until
    /// two looks agree: editors write in several steps.
    pub(super) fn changed(&mut self) -> bool {
        let now = contents(&self.files);
        let is_new = now != self.taken && now == self.seen;
        if is_new {
            self.taken = now.clone();
        }
        self.seen = now;
        is_new
    }
}

/// Manifests are small: comparing them whole asks for no clock to be right.
fn contents(files: &[PathBuf]) -> Contents {
    files.iter().map(|path| std::fs::read(path).map_err(|error| error.kind())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_taken_once_and_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dev.yaml");
        std::fs::write(&file, "a: 1").unwrap();
        let mut watch = ManifestWatch::new(std::slice::from_ref(&file));
        assert!(!watch.changed());
        for half in ["", "a: 2"] {
            std::fs::write(&file, half).unwrap();
            assert!(!watch.changed(), "{half:?}");
        }
        assert!(watch.changed());
        assert!(!watch.changed());
        std::fs::remove_file(&file).unwrap();
        assert!(!watch.changed());
        assert!(watch.changed());
    }
}
