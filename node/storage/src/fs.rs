//! Steps of a durable change to a directory tree: make folders, sync them, put a whole file in place.

pub use crate::durable_dirs::{sync_path, sync_way};
use rustix::fs::{Mode, OFlags, fsync, open};
use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::SystemTime;

/// Makes `dir` and whatever is missing above it. They are not synced: see [`sync_path`].
pub fn make_dirs(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(dir)
}

/// Syncs a folder's entries to disk.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    let folder = open(dir, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(fsync(&folder)?)
}

/// Moves `from` to `to`, making folders; once more where a cleaner removed them in between. Not synced.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let dir = parent(to)?;
    make_dirs(dir)?;
    std::fs::rename(from, to).or_else(|_| {
        make_dirs(dir)?;
        std::fs::rename(from, to)
    })
}

fn parent(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// Puts a file holding `bytes` at `dest`, durably and at once: a reader sees the old file or the new one.
/// The unfinished file lies in `tmp_dir`, on the same file system; `root` was there all along.
pub fn replace_file(dest: &Path, tmp_dir: &Path, root: &Path, bytes: &[u8]) -> io::Result<()> {
    make_dirs(tmp_dir)?;
    let (mut file, path) = create_temporary(tmp_dir)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| rename(&path, dest))
        .and_then(|()| sync_path(parent(dest)?, root).map(drop));
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

/// Removes the files of `dir` that were last changed before `time` and whose names `is_meant` accepts. What cannot be
/// removed is left to the next pass.
pub fn remove_older(dir: &Path, time: SystemTime, is_meant: impl Fn(&str) -> bool) -> io::Result<()> {
    for name in list(dir)?.into_iter().filter(|name| is_meant(name)) {
        let path = dir.join(name);
        if std::fs::symlink_metadata(&path)
            .and_then(|stat| stat.modified())
            .is_ok_and(|changed| changed < time)
        {
            remove_quietly(&path);
        }
    }
    Ok(())
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
    fn makes_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        make_dirs(&dir.path().join("a/b/c")).unwrap();
        make_dirs(&dir.path().join("a/b/c")).unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(make_dirs(&dir.path().join("file")).is_err());
    }

    #[test]
    fn removes_what_is_meant_and_old() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.tmp", "b.tmp", "c.db"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        let recent = std::fs::File::options().write(true).open(dir.path().join("b.tmp")).unwrap();
        recent.set_modified(later + std::time::Duration::from_secs(60)).unwrap();
        remove_older(dir.path(), later, |name| name.ends_with(".tmp")).unwrap();
        let mut left = list(dir.path()).unwrap();
        left.sort();
        assert_eq!(left, ["b.tmp", "c.db"]);
        remove_older(&dir.path().join("none"), later, |_| true).unwrap();
    }

    #[test]
    fn replaces_whole_files_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let (dest, tmp) = (dir.path().join("new/f"), dir.path().join("tmp"));
        replace_file(&dest, &tmp, dir.path(), b"one").unwrap();
        replace_file(&dest, &tmp, dir.path(), b"two").unwrap();
        assert_eq!(std::fs::read(&dest).unwrap(), b"two");
        assert!(list(&tmp).unwrap().is_empty());
    }
}
