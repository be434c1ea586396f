//! Where databases lie: `<device>/<accounts|containers>/<partition>/<suffix>/<hash>/<hash>[_<epoch>].db`.

use super::DbError;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use swiftlet_types::{PathHash, Timestamp};

/// The directory of one database, whatever files are in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DbDir {
    path: PathBuf,
    hash: String,
}

impl DbDir {
    /// The directory for `hash` in `partition` of the device at `device` (`/srv/node/sda`).
    pub fn new(device: &Path, data_dir: &str, partition: &str, hash: &PathHash) -> Self {
        let hash = hash.hex();
        let path = device.join(data_dir).join(partition).join(&hash[29..]).join(&hash);
        Self { path, hash }
    }

    /// The directory that the database file `path` is in; `None` where that is no `<hash>[_<epoch>].db`.
    pub fn of_file(path: &Path) -> Option<Self> {
        let (hash, _) = split_name(path.file_name()?)?;
        Some(Self { path: path.parent()?.to_owned(), hash: hash.to_owned() })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of a database that was never sharded: `<hash>.db`.
    pub fn plain_file(&self) -> PathBuf {
        self.path.join(format!("{}.db", self.hash))
    }

    /// The file of a sharded container's epoch: `<hash>_<epoch>.db`.
    pub fn epoch_file(&self, epoch: Timestamp) -> PathBuf {
        self.path.join(format!("{}_{}.db", self.hash, epoch.normal()))
    }

    /// The file `name` in it, where that is the name of one of its database files.
    pub fn file_named(&self, name: &str) -> Option<PathBuf> {
        let (hash, epoch) = split_name(OsStr::new(name))?;
        let is_epoch = |text: &str| text.parse::<Timestamp>().is_ok();
        (hash == self.hash && epoch.is_none_or(is_epoch)).then(|| self.path.join(name))
    }

    /// Records that wait for a merge: one file for all epochs.
    pub fn pending_file(&self) -> PathBuf {
        self.path.join(format!("{}.db.pending", self.hash))
    }

    /// The database files that exist, by ascending epoch; none where the directory is missing.
    pub fn files(&self) -> Result<Vec<PathBuf>, DbError> {
        let fail = |source| DbError::io(&self.path, "list", source);
        let entries = match std::fs::read_dir(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(fail)?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let name = entry.map_err(fail)?.file_name();
            if split_name(&name).is_some_and(|(hash, _)| hash == self.hash) {
                files.push(self.path.join(name));
            }
        }
        files.sort();
        Ok(files)
    }

    /// The device that the directory lies on: five levels up.
    pub fn device(&self) -> PathBuf {
        self.path.ancestors().nth(4).unwrap_or(Path::new("")).to_owned()
    }

    /// The last part of the device's path, which ends up in database ids.
    pub fn device_name(&self) -> String {
        self.device().file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Where the directory goes when its database is bad: `<device>/quarantined/<accounts|containers>/<hash>`.
    pub fn quarantine_path(&self, data_dir: &str) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default();
        self.device().join("quarantined").join(data_dir).join(name)
    }
}

/// Hash and epoch of a database's file name `<hash>[_<epoch>].db`.
pub fn split_name(name: &OsStr) -> Option<(&str, Option<&str>)> {
    let stem = name.to_str()?.strip_suffix(".db")?;
    let mut parts = stem.split('_');
    let hash = parts.next().filter(|hash| !hash.is_empty())?;
    Some((hash, parts.next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_swift() {
        let hash = PathHash([0xab; 16]);
        let dir = DbDir::new(Path::new("/srv/node/sda"), "containers", "1023", &hash);
        let hex = "ab".repeat(16);
        assert_eq!(dir.path(), Path::new(&format!("/srv/node/sda/containers/1023/bab/{hex}")));
        assert_eq!(dir.plain_file(), dir.path().join(format!("{hex}.db")));
        assert_eq!(dir.pending_file(), dir.path().join(format!("{hex}.db.pending")));
        let epoch = "1402464677.04188_0000000000000001".parse().unwrap();
        assert_eq!(dir.epoch_file(epoch), dir.path().join(format!("{hex}_1402464677.04188.db")));
        assert_eq!(dir.device(), Path::new("/srv/node/sda"));
        assert_eq!(dir.device_name(), "sda");
        assert_eq!(
            dir.quarantine_path("containers"),
            Path::new(&format!("/srv/node/sda/quarantined/containers/{hex}"))
        );
        assert_eq!(DbDir::of_file(&dir.epoch_file(epoch)), Some(dir));
    }

    #[test]
    fn only_databases_of_that_hash_count() {
        let root = tempfile::tempdir().unwrap();
        let hash = PathHash([0xab; 16]);
        let dir = DbDir::new(root.path(), "containers", "1", &hash);
        assert!(dir.files().unwrap().is_empty());
        std::fs::create_dir_all(dir.path()).unwrap();
        let hex = hash.hex();
        for name in [
            format!("{hex}_2.db"),
            format!("{hex}.db"),
            format!("{hex}.db.pending"),
            "cd.db".into(),
            ".lock".into(),
        ] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(dir.files().unwrap(), [dir.plain_file(), dir.path().join(format!("{hex}_2.db"))]);
    }
}
