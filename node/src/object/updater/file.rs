//! Files of updates on a device: finding them, and what becomes of them.

use super::super::container_update::Update;
use super::plan::{FolderPlan, plan_folder};
use crate::http::{Headers, Method};
use std::io;
use std::path::{Path, PathBuf};
use swiftlet_storage::object::DirKind;
use swiftlet_storage::object::async_pending::{AsyncPending, AsyncPendingError, parse_file_name};
use swiftlet_types::Timestamp;

/// An update's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UpdateFile {
    pub path: PathBuf,
    pub device: String,
    pub policy: u32,
}

impl UpdateFile {
    /// When the update was made, by the file's name.
    pub(super) fn timestamp(&self) -> Timestamp {
        let name = self.path.file_name().and_then(|name| name.to_str()).and_then(parse_file_name);
        name.map_or(Timestamp::ZERO, |(_, timestamp)| timestamp)
    }

    /// Removes it, and its folder where that is empty then.
    pub(super) fn remove(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            // Another updater has sent it too.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if let Some(folder) = self.path.parent() {
            // only the last update's folder is empty
            let _ = std::fs::remove_dir(folder);
        }
        Ok(())
    }

    /// Quarantines what cannot be read as an update. A disk that fails says nothing of the update: it stays.
    pub(super) fn set_aside(&self, device: &Path, error: &AsyncPendingError) {
        if let AsyncPendingError::Io { .. } = error {
            return tracing::error!(%error, "cannot read an async pending");
        }
        let folder = device.join("quarantined").join(DirKind::Objects.name(0));
        let moved = std::fs::create_dir_all(&folder).and_then(|()| {
            std::fs::rename(&self.path, folder.join(self.path.file_name().unwrap_or_default()))
        });
        tracing::error!(%error, moved = moved.is_ok(), "ERROR Pickle problem, quarantining {}", self.path.display());
    }
}

/// The suffix folders of every policy's `async_pending` on a device.
pub(super) fn async_folders(device: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(device)? {
        let entry = entry?;
        let Some(policy) = entry.file_name().to_str().and_then(|name| DirKind::AsyncPending.policy_of(name))
        else {
            continue;
        };
        for suffix in std::fs::read_dir(entry.path())? {
            let suffix = suffix?;
            if suffix.file_type()?.is_dir() {
                folders.push((policy, suffix.path()));
            }
        }
    }
    Ok(folders)
}

/// Plans for a folder, and removes what is useless in it.
pub(super) fn tidy(folder: &Path) -> io::Result<FolderPlan> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string());
    }
    let plan = plan_folder(names);
    for name in &plan.remove {
        // gone already is as good
        let _ = std::fs::remove_file(folder.join(name));
    }
    Ok(plan)
}

pub(super) fn to_request(update: &AsyncPending, file: &UpdateFile) -> Update {
    let mut headers: Headers = update.headers.iter().cloned().collect();
    headers.set("User-Agent", format!("object-updater {}", std::process::id()));
    for (name, value) in [
        ("X-Backend-Storage-Policy-Index", file.policy.to_string()),
        ("X-Backend-Accept-Redirect", "true".to_owned()),
        ("X-Backend-Accept-Quoted-Location", "true".to_owned()),
    ] {
        if !headers.contains(name) {
            headers.set(name, value);
        }
    }
    Update {
        op: Method::from_name(&update.op),
        path: update.path.clone(),
        container_path: update.container_path.clone(),
        headers,
        db_state: update.db_state.clone(),
        device: file.device.clone(),
        policy: file.policy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_no_update_is_quarantined() {
        let device = tempfile::tempdir().unwrap();
        let path = device.path().join("aa-1402464677.00000");
        let file = UpdateFile { path: path.clone(), device: "d1".into(), policy: 0 };
        std::fs::create_dir(&path).unwrap();
        let unreadable = AsyncPending::read(&path).unwrap_err();
        file.set_aside(device.path(), &unreadable);
        assert!(path.exists(), "{unreadable}");

        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, "no pickle").unwrap();
        file.set_aside(device.path(), &AsyncPending::read(&path).unwrap_err());
        assert!(!path.exists());
        assert!(device.path().join("quarantined/objects/aa-1402464677.00000").exists());
    }
}
