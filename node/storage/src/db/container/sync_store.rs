//! The list of containers that container sync looks at: links in `<device>/sync_containers`, laid out as
//! `containers` is.

use super::super::DbError;
use super::super::broker::Broker;
use super::Container;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

const SYNC_DATA_DIR: &str = "sync_containers";
const SYNC_TO: &str = "X-Container-Sync-To";
const SYNC_KEY: &str = "X-Container-Sync-Key";

impl Broker<Container> {
    /// Lists the container where its metadata says that it is synced, and takes it off where it is not any more.
    pub fn update_sync_store(&self) -> Result<(), DbError> {
        let metadata = self.metadata()?;
        if !metadata.knows(SYNC_TO) && !metadata.knows(SYNC_KEY) {
            return Ok(());
        }
        let file = self.file()?;
        let link = self.sync_link(&file)?;
        let is_synced = metadata.get(SYNC_TO).is_some() && metadata.get(SYNC_KEY).is_some();
        let outcome = if is_synced && !self.is_deleted()? {
            let dir = link.parent().unwrap_or(&link);
            std::fs::create_dir_all(dir).and_then(|()| symlink(&file, &link))
        } else {
            std::fs::remove_file(&link)
        };
        match outcome {
            Err(error) if !matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) => {
                Err(DbError::io(link, "update the link of", error))
            }
            _ => Ok(()),
        }
    }

    /// Takes the container off the list: its database goes.
    pub fn remove_from_sync_store(&self) -> Result<(), DbError> {
        let link = self.sync_link(&self.file()?)?;
        match std::fs::remove_file(&link) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(DbError::io(link, "remove the link", error))
            }
            _ => Ok(()),
        }
    }

    /// The link's place: the file's own, with another first folder.
    fn sync_link(&self, file: &std::path::Path) -> Result<PathBuf, DbError> {
        let device = self.dir.device();
        let below = file.strip_prefix(device.join(Self::DATA_DIR));
        let below = below.map_err(|_| DbError::Missing { path: file.to_owned() })?;
        Ok(device.join(SYNC_DATA_DIR).join(below))
    }
}
