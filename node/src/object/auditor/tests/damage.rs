//! What happens to files on disks.

use md5::{Digest, Md5};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use swiftlet_storage::object::Metadata;

const METADATA: &str = "user.swift.metadata";
const CHECKSUM: &str = "user.swift.metadata_checksum";

/// What is done to an object's folder that holds its `.data` file alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    None,
    FlippedByte,
    Truncated,
    Longer,
    Empty,
    NoMetadata,
    NoPickle,
    WrongChecksum,
    WrongEtag,
    NoName,
    NoLength,
    LengthIsNoNumber,
    DeleteAtIsNoNumber,
    FileForFolder,
    NothingLeft,
    UnknownFiles,
}

impl Damage {
    pub const ALL: [Self; 16] = [
        Self::None,
        Self::FlippedByte,
        Self::Truncated,
        Self::Longer,
        Self::Empty,
        Self::NoMetadata,
        Self::NoPickle,
        Self::WrongChecksum,
        Self::WrongEtag,
        Self::NoName,
        Self::NoLength,
        Self::LengthIsNoNumber,
        Self::DeleteAtIsNoNumber,
        Self::FileForFolder,
        Self::NothingLeft,
        Self::UnknownFiles,
    ];

    /// Whether an auditor is to set it aside.
    pub fn is_damage(self) -> bool {
        !matches!(self, Self::None | Self::NothingLeft | Self::UnknownFiles)
    }

    /// Does it.
    pub fn apply(self, dir: &Path) {
        let data = || data_file(dir);
        let open = || File::options().write(true).open(data()).unwrap();
        match self {
            Self::None => {}
            Self::FlippedByte => {
                let mut file = open();
                file.seek(SeekFrom::Start(3)).unwrap();
                file.write_all(b"\xff").unwrap();
            }
            Self::Truncated => open().set_len(2).unwrap(),
            Self::Longer => open().set_len((1 << 20) + 1).unwrap(),
            Self::Empty => open().set_len(0).unwrap(),
            Self::NoMetadata => xattr::remove(data(), METADATA).unwrap(),
            Self::NoPickle => store(&data(), b"no pickle"),
            Self::WrongChecksum => xattr::set(data(), CHECKSUM, &[b'0'; 32]).unwrap(),
            Self::WrongEtag => edit(&data(), |metadata| metadata.set("ETag", "0".repeat(32))),
            Self::NoName => edit(&data(), |metadata| drop(metadata.remove("name"))),
            Self::NoLength => edit(&data(), |metadata| drop(metadata.remove("Content-Length"))),
            Self::LengthIsNoNumber => edit(&data(), |metadata| metadata.set("Content-Length", "many")),
            Self::DeleteAtIsNoNumber => edit(&data(), |metadata| metadata.set("X-Delete-At", "soon")),
            Self::FileForFolder => {
                std::fs::remove_dir_all(dir).unwrap();
                std::fs::write(dir, "").unwrap();
            }
            Self::NothingLeft => std::fs::remove_file(data()).unwrap(),
            Self::UnknownFiles => std::fs::write(dir.join("README"), "").unwrap(),
        }
    }
}

/// The `.data` file in `dir`, or the only file.
fn data_file(dir: &Path) -> PathBuf {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "data" || extension == "ts"));
    files.pop().expect("an object")
}

/// Changes the metadata of a file; its checksum fits what it then is.
fn edit(file: &Path, change: impl FnOnce(&mut Metadata)) {
    let mut metadata = Metadata::from_pickle(&xattr::get(file, METADATA).unwrap().unwrap()).unwrap();
    change(&mut metadata);
    store(file, &metadata.to_pickle());
}

fn store(file: &Path, pickled: &[u8]) {
    xattr::set(file, METADATA, pickled).unwrap();
    xattr::set(file, CHECKSUM, hex::encode(Md5::digest(pickled)).as_bytes()).unwrap();
}
