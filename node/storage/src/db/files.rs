//! Names for new databases, and where bad ones go.

use super::DbError;
use crate::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A random UUID (version 4), as database ids begin with.
pub(crate) fn random_uuid() -> String {
    let mut bytes = rand::random::<[u8; 16]>();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Moves the directory `from` to `to`, or beside it where that exists; where it went.
pub(crate) fn quarantine_dir(from: &Path, to: &Path) -> Result<PathBuf, DbError> {
    let fail = |error| DbError::io(from, "quarantine", error);
    match fs::rename(from, to) {
        Ok(()) => Ok(to.to_owned()),
        Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {
            let mut name = to.as_os_str().to_owned();
            name.push("-");
            name.push(hex::encode(rand::random::<[u8; 16]>()));
            let to = PathBuf::from(name);
            fs::rename(from, &to).map_err(fail)?;
            Ok(to)
        }
        Err(error) => Err(fail(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_quarantine_of_one_name_goes_beside_the_first() {
        let root = tempfile::tempdir().unwrap();
        let (bad, to) = (root.path().join("bad"), root.path().join("quarantined/accounts/bad"));
        let mut seen = Vec::new();
        for _ in 0..2 {
            fs::make_dirs(&bad).unwrap();
            std::fs::write(bad.join("x.db"), "x").unwrap();
            seen.push(quarantine_dir(&bad, &to).unwrap());
        }
        assert_eq!(seen[0], to);
        assert!(seen[1].to_string_lossy().starts_with(&format!("{}-", to.display())));
        assert!(seen.iter().all(|dir| dir.join("x.db").exists()) && !bad.exists());
    }

    #[test]
    fn uuids_look_like_uuids() {
        let id = random_uuid();
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "4");
        assert!(["8", "9", "a", "b"].contains(&&id[19..20]));
        assert_ne!(id, random_uuid());
    }
}
