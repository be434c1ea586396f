//! Steps of a durable change to a directory tree: make folders, sync them, put a whole file in place.

use rustix::fs::{Mode, OFlags, fsync, open};
use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

/// Makes `dir` and whatever is missing above it; how many folders were made.
///
/// The count tells [`sync_new_dirs`] how far up a sync has to go. Losing a race to another maker is no error.
pub fn make_dirs(dir: &Path) -> io::Result<usize> {
    match DirBuilder::new().create(dir) {
        Ok(()) => Ok(1),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(0),
        Err(e) if e.kind() == io::ErrorKind::NotFound => match dir.parent() {
            None => Err(e),
            Some(parent) => Ok(make_dirs(parent)? + make_dirs(dir)?),
        },
        Err(e) => Err(e),
    }
}

/// Syncs a folder's entries to disk.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    let folder = open(dir, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(fsync(&folder)?)
}

/// Syncs `dir` and, `made` times, the folder above: after `made` folders down to `dir` were made.
pub fn sync_new_dirs(dir: &Path, made: usize) -> io::Result<()> {
    dir.ancestors().take(made + 1).try_for_each(sync_dir)
}

/// Moves `from` to `to`, making folders; once more where a cleaner removed them in between. The new place is
/// synced if `durable`.
pub fn rename(from: &Path, to: &Path, durable: bool) -> io::Result<()> {
    let dir = to.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut made = make_dirs(dir)?;
    if std::fs::rename(from, to).is_err() {
        made = make_dirs(dir)?;
        std::fs::rename(from, to)?;
    }
    if durable { sync_new_dirs(dir, made) } else { Ok(()) }
}

/// Puts a file holding `bytes` at `dest`, durably and at once: a reader sees the old file or the new one.
/// The unfinished file lies in `tmp_dir`, on the same file system.
pub fn replace_file(dest: &Path, tmp_dir: &Path, bytes: &[u8]) -> io::Result<()> {
    make_dirs(tmp_dir)?;
    let (mut file, path) = create_temporary(tmp_dir)?;
    let written =
        file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| rename(&path, dest, true));
    if written.is_err() {
        // the first error is the one worth telling
        let _ = std::fs::remove_file(&path);
    }
    written
}

/// A new, empty file of a random name in `dir`.
pub fn create_temporary(dir: &Path) -> io::Result<(File, std::path::PathBuf)> {
    loop {
        let path = dir.join(format!("tmp{:016x}.tmp", rand::random::<u64>()));
        match File::options().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
}

/// Removes `path` if it is there, and says nothing if it cannot: for left-overs that the next pass meets again.
pub fn remove_quietly(path: &Path) {
    let _ = std::fs::remove_file(path);
}

/// The names in `dir`; none where it does not exist. Names that are no UTF-8 come out as their closest text and
/// so match nothing that Swift writes.
pub fn list(dir: &Path) -> io::Result<Vec<String>> {
    match std::fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
        Ok(entries) => entries.map(|entry| Ok(lossy(entry?.file_name()))).collect(),
    }
}

fn lossy(name: OsString) -> String {
    String::from_utf8(name.into_vec()).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_folders_it_makes() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(make_dirs(&dir.path().join("a/b/c")).unwrap(), 3);
        assert_eq!(make_dirs(&dir.path().join("a/b/d")).unwrap(), 1);
        assert_eq!(make_dirs(&dir.path().join("a/b/d")).unwrap(), 0);
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(make_dirs(&dir.path().join("file")).is_err());
    }

    #[test]
    fn replaces_whole_files_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let (dest, tmp) = (dir.path().join("new/f"), dir.path().join("tmp"));
        replace_file(&dest, &tmp, b"one").unwrap();
        replace_file(&dest, &tmp, b"two").unwrap();
        assert_eq!(std::fs::read(&dest).unwrap(), b"two");
        assert!(list(&tmp).unwrap().is_empty());
    }
}
