//! Filling an inventory from devices: folders are listed, and of each object metadata is read until its name is known.

use super::index::{Index, IndexError, State};
use crate::recover::problems::Problems;
use crate::recover::progress::{Progress, Style};
use rusqlite::{OptionalExtension, Transaction, params};
use std::path::{Path, PathBuf};
use swiftlet_storage::object::{FileName, ObjectPath};
use swiftlet_storage::salvage::{DataDir, object_files, read_metadata};
use swiftlet_types::PathHash;

/// Which objects are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Filter {
    /// Only of this account.
    pub account: Option<String>,
    /// Only of containers called so.
    pub container: Option<String>,
    /// Only objects whose names begin so.
    pub prefix: Option<String>,
}

impl Filter {
    /// Whether the object at `path` is.
    pub fn takes(&self, path: &ObjectPath) -> bool {
        self.account.as_ref().is_none_or(|account| *account == path.account)
            && self.container.as_ref().is_none_or(|container| *container == path.container)
            && self.prefix.as_ref().is_none_or(|prefix| path.object.starts_with(prefix))
    }
}

/// What a hash folder holds.
struct Folder {
    hash: PathHash,
    dir: PathBuf,
    files: Vec<FileName>,
}

/// Takes all objects on `devices` into `index`; partitions that are in it already are passed over. Objects that `filter`
/// does not take are left out.
pub fn scan(
    index: &Index,
    devices: &[PathBuf],
    filter: &Filter,
    style: Style,
    problems: &mut Problems,
) -> Result<(), IndexError> {
    let mut todo = Vec::new();
    for device in devices {
        for data_dir in problems.ok(DataDir::on(device)).unwrap_or_default() {
            let DataDir::Objects(policy) = data_dir else { continue };
            let partitions = problems.ok(data_dir.partitions(device)).unwrap_or_default();
            todo.push((index.device(device)?, device, policy, partitions));
        }
    }
    let total = todo.iter().map(|(.., partitions)| partitions.len() as u64).sum();
    let mut progress = Progress::new(style, "reading devices", total, "partitions");
    for (id, device, policy, partitions) in todo {
        for partition in partitions {
            if !index.is_scanned(id, policy, partition)? {
                let folders = folders_of(device, policy, partition, problems);
                scan_partition(index, (id, policy, partition), folders, filter, problems)?;
            }
            progress.add(1);
        }
    }
    progress.finish();
    index.sort()
}

fn folders_of(device: &Path, policy: u32, partition: u32, problems: &mut Problems) -> Vec<Folder> {
    let mut folders = Vec::new();
    for found in DataDir::Objects(policy).hash_dirs(device, partition) {
        let Some((hash, dir)) = problems.ok(found) else { continue };
        let listed = object_files(&dir).map_err(|error| format!("{}: cannot list: {error}", dir.display()));
        folders.extend(problems.ok(listed).map(|files| Folder { hash, dir, files }));
    }
    folders
}

/// In one transaction, so that what was cut off is scanned again as a whole.
fn scan_partition(
    index: &Index,
    (device, policy, partition): (i64, u32, u32),
    folders: Vec<Folder>,
    filter: &Filter,
    problems: &mut Problems,
) -> Result<(), IndexError> {
    index.change("take in a partition", |transaction| {
        for folder in folders.iter().filter(|folder| !folder.files.is_empty()) {
            let (object, is_wanted) = object_of(transaction, folder, filter, problems)?;
            if !is_wanted {
                continue;
            }
            let sql = "INSERT OR IGNORE INTO file VALUES (?1, ?2, ?3, ?4, ?5)";
            let mut insert = transaction.prepare_cached(sql)?;
            for file in &folder.files {
                insert.execute(params![object, policy, file.text, device, partition])?;
            }
        }
        let sql = "INSERT INTO scanned VALUES (?1, ?2, ?3)";
        transaction.prepare_cached(sql)?.execute(params![device, policy, partition]).map(drop)
    })
}

/// The number of a folder's object, and whether it is asked for.
fn object_of(
    transaction: &Transaction<'_>,
    folder: &Folder,
    filter: &Filter,
    problems: &mut Problems,
) -> rusqlite::Result<(i64, bool)> {
    let find = "SELECT id, name IS NOT NULL, state FROM object WHERE hash = ?1";
    let known = transaction
        .prepare_cached(find)?
        .query_row([folder.hash.0], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?, row.get::<_, i64>(2)?))
        })
        .optional()?;
    if let Some((id, true, state)) = known {
        return Ok((id, state != State::Unwanted as i64));
    }
    let name = name_in(folder, problems);
    let is_wanted = name.as_deref().and_then(ObjectPath::from_name).is_none_or(|path| filter.takes(&path));
    let state = if is_wanted { State::Found } else { State::Unwanted } as i64;
    let id = match known {
        Some((id, ..)) => {
            let sql = "UPDATE object SET name = ?2, state = ?3 WHERE id = ?1";
            transaction.prepare_cached(sql)?.execute(params![id, name, state])?;
            id
        }
        None => {
            let sql = "INSERT INTO object (hash, name, state) VALUES (?1, ?2, ?3)";
            transaction.prepare_cached(sql)?.execute(params![folder.hash.0, name, state])?;
            transaction.last_insert_rowid()
        }
    };
    Ok((id, is_wanted))
}

/// The name that the files of a folder tell; what cannot be read of them is noted.
fn name_in(folder: &Folder, problems: &mut Problems) -> Option<String> {
    for file in &folder.files {
        let path = folder.dir.join(&file.text);
        let Some(metadata) = problems.ok(read_metadata(&path)) else { continue };
        let name = metadata.get_str("name").filter(|name| ObjectPath::from_name(name).is_some());
        match name {
            Some(name) => return Some(name.to_owned()),
            None => problems.note(format_args!("{}: its metadata has no object's name", path.display())),
        }
    }
    None
}
