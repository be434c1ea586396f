//! An object's files, each for itself: which there are, what their metadata says, and what they amount to together,
//! also where they lie on different devices.

use crate::fs;
use crate::object::{
    FileName, FragmentRules, FragmentSets, Layout, Metadata, ObjectState, ReadMetadataError, merge_post,
    open_with_metadata, take_content_type,
};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// Why a file tells nothing.
#[derive(Debug, Error)]
pub enum SalvageError {
    /// It cannot be opened.
    #[error("{path}: cannot open: {source}", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its metadata is missing or damaged.
    #[error("{path}: cannot read metadata: {source}", path = path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ReadMetadataError,
    },
}

/// The files in the hash folder `dir` that belong to an object; none where it does not exist.
pub fn object_files(dir: &Path) -> io::Result<Vec<FileName>> {
    Ok(fs::list(dir)?.iter().filter_map(|name| FileName::parse(name).ok()).collect())
}

/// How the object of these files lies, as far as they tell: as fragments where one of them is one.
pub fn layout_of<'a>(files: impl IntoIterator<Item = &'a FileName>) -> Layout {
    match files.into_iter().any(|file| file.fragment.is_some()) {
        // how many there may be is not known, nor needed
        true => Layout::Fragments(FragmentRules { count: u32::MAX, commit_window: Duration::ZERO }),
        false => Layout::Whole,
    }
}

/// Opens the file at `path`, with its metadata.
pub fn open_file(path: &Path) -> Result<(File, Metadata), SalvageError> {
    let opened = open_with_metadata(path);
    let (file, metadata) = opened.map_err(|source| SalvageError::Open { path: path.to_owned(), source })?;
    let metadata = metadata.map_err(|source| SalvageError::Metadata { path: path.to_owned(), source })?;
    Ok((file, metadata))
}

/// The metadata of the file at `path`.
pub fn read_metadata(path: &Path) -> Result<Metadata, SalvageError> {
    open_file(path).map(|(_, metadata)| metadata)
}

/// What an object is by the metadata of its `.data` file, of its newest `.meta` file and of the one that holds its newest
/// content type. `size` is the `.data` file's, in bytes.
pub fn assemble(
    data: Metadata,
    post: Option<Metadata>,
    content_type: Option<&Metadata>,
    size: u64,
) -> ObjectState {
    let data_timestamp = data.get_timestamp("X-Timestamp").unwrap_or_default();
    let post_metadata = post.map(|mut post| {
        if let Some(other) = content_type {
            take_content_type(&mut post, other, &data);
        }
        post
    });
    let metadata = match &post_metadata {
        None => data.clone(),
        Some(post) => merge_post(&data, post, data_timestamp),
    };
    ObjectState {
        timestamp: metadata.get_timestamp("X-Timestamp").unwrap_or_default(),
        content_type_timestamp: metadata.get_timestamp("Content-Type-Timestamp").unwrap_or(data_timestamp),
        metadata,
        data_metadata: data,
        post_metadata,
        data_timestamp,
        size,
        fragments: FragmentSets::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(fields: &[(&'static str, &'static str)]) -> Metadata {
        fields.iter().copied().collect()
    }

    #[test]
    fn files_of_several_devices_make_one_object() {
        let data = metadata(&[
            ("name", "/a/c/o"),
            ("X-Timestamp", "0000000001.00000"),
            ("Content-Type", "text/plain"),
            ("ETag", "e"),
            ("X-Object-Meta-Old", "1"),
            ("X-Object-Sysmeta-S", "s"),
        ]);
        let post =
            metadata(&[("name", "/a/c/o"), ("X-Timestamp", "0000000003.00000"), ("X-Object-Meta-New", "2")]);
        let kind = metadata(&[
            ("Content-Type", "text/html"),
            ("Content-Type-Timestamp", "0000000002.00000"),
            ("X-Timestamp", "0000000002.00000"),
        ]);
        let state = assemble(data.clone(), Some(post), Some(&kind), 7);
        let get = |name| state.metadata.get_str(name);
        assert_eq!((get("Content-Type"), get("ETag")), (Some("text/html"), Some("e")));
        assert_eq!((get("X-Object-Meta-New"), get("X-Object-Meta-Old")), (Some("2"), None));
        assert_eq!(get("X-Object-Sysmeta-S"), Some("s"));
        let times = [state.data_timestamp, state.timestamp, state.content_type_timestamp];
        assert_eq!(times.map(|time| time.seconds()), [1, 3, 2]);
        assert_eq!(assemble(data.clone(), None, None, 7).metadata, data);
    }

    #[test]
    fn files_tell_whether_they_are_fragments() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["1402464677.04188#1#d.data", "1402464678.00000.meta", "junk"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let files = object_files(dir.path()).unwrap();
        assert_eq!(files.len(), 2);
        assert!(matches!(layout_of(&files), Layout::Fragments(_)));
        assert_eq!(layout_of(&files[..0]), Layout::Whole);
        let error = read_metadata(&dir.path().join("1402464678.00000.meta")).unwrap_err().to_string();
        assert!(error.contains("1402464678.00000.meta: cannot read metadata"), "{error}");
        assert!(object_files(&dir.path().join("none")).unwrap().is_empty());
    }
}
