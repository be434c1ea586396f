//! A folder that objects are recovered to: a file each, and beside it its metadata as JSON.

use super::paths::{METADATA, file_path};
use super::{Content, Object, PutError, Taken, Target};
use md5::{Digest, Md5};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that is being written is called so, behind its name.
const UNFINISHED: &str = "%part";

/// The folder.
#[derive(Debug)]
pub struct FolderTarget {
    root: PathBuf,
}

impl FolderTarget {
    /// The one at `root`, which exists.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn write(&self, path: &Path, object: &Object, content: &mut Content) -> Result<(), PutError> {
        let failed = |doing: &'static str, at: &Path| {
            let at = at.display().to_string();
            move |error: io::Error| PutError::Target(format!("{at}: cannot {doing}: {error}"))
        };
        let folder = path.parent().unwrap_or(&self.root);
        std::fs::create_dir_all(folder).map_err(failed("make the folder", folder))?;
        let unfinished = behind(path, UNFINISHED);
        let mut file = File::create(&unfinished).map_err(failed("create", &unfinished))?;
        let mut md5 = Md5::new();
        loop {
            let chunk =
                content.read().map_err(|error| PutError::Damaged(format!("cannot be read: {error}")))?;
            if chunk.is_empty() {
                break;
            }
            md5.update(&chunk);
            file.write_all(&chunk).map_err(failed("write", &unfinished))?;
        }
        let found = hex::encode(md5.finalize());
        if found != content.etag {
            return Err(PutError::Damaged(format!("its bytes have MD5 {found}, not {}", content.etag)));
        }
        let metadata = behind(path, METADATA);
        let told = serde_json::to_vec_pretty(&describe(object, content)).map_err(io::Error::other);
        let told = told.and_then(|json| std::fs::write(&metadata, json));
        told.map_err(failed("write", &metadata))?;
        file.set_modified(object.state.timestamp.to_system_time()).map_err(failed("date", &unfinished))?;
        std::fs::rename(&unfinished, path).map_err(failed("rename", &unfinished))
    }
}

impl Target for FolderTarget {
    fn put(&self, object: &Object, mut content: Content) -> Result<Taken, PutError> {
        let path = self.root.join(file_path(&object.path, object.is_folder_too));
        let written = self.write(&path, object, &mut content);
        if written.is_err() {
            // the error says more than that nothing is left
            let _ = std::fs::remove_file(behind(&path, UNFINISHED));
        }
        written.map(|()| Taken::Stored)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(&self.root)?)?)
    }

    fn has_folders(&self) -> bool {
        true
    }
}

fn behind(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// An object's name, times and header fields. Bytes that are no UTF-8 come out as their closest text.
fn describe(object: &Object, content: &Content) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let state = &object.state;
    let metadata: Map<String, Value> =
        state.metadata.iter().map(|(name, value)| (text(name), text(value).into())).collect();
    json!({
        "account": object.path.account, "container": object.path.container, "object": object.path.object,
        "timestamp": state.data_timestamp.internal(), "last_modified": state.timestamp.isoformat(),
        "bytes": content.len, "etag": content.etag, "storage_policy_index": object.policy,
        "is_encrypted": object.is_encrypted(), "metadata": metadata,
    })
}
