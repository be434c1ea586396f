//! Moving what is damaged out of the way, so that replication brings a good copy.

use super::hashes;
use super::location::DirKind;
use crate::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Moves `dir`, a hash or suffix folder (or a file in the place of one) on `device`, to
/// `<device>/quarantined/objects[-N]/<name>`, with a random ending where that name is taken. The suffix's hash is
/// invalidated first. Returns where it went.
pub fn quarantine_dir(device: &Path, dir: &Path) -> io::Result<PathBuf> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "not below a device's objects folder");
    let below = dir.strip_prefix(device).map_err(|_| invalid())?;
    let folder = below.components().next().and_then(|c| c.as_os_str().to_str()).ok_or_else(invalid)?;
    let name = dir.file_name().and_then(|n| n.to_str()).ok_or_else(invalid)?;
    let policy = DirKind::Objects.policy_of(folder).unwrap_or(0);
    let suffix_dir = if name.len() == 3 { dir } else { dir.parent().ok_or_else(invalid)? };
    // A partition that cannot be locked keeps a stale hash until its next change; the move matters more.
    if let Err(error) = hashes::invalidate(suffix_dir) {
        tracing::warn!(dir = %dir.display(), %error, "could not invalidate the hash of a quarantined folder");
    }
    let target = device.join("quarantined").join(DirKind::Objects.name(policy)).join(name);
    if !target.exists() && fs::rename(dir, &target).is_ok() {
        return Ok(target);
    }
    let unique = target.with_file_name(format!("{name}-{:032x}", rand::random::<u128>()));
    fs::rename(dir, &unique)?;
    Ok(unique)
}

/// Quarantines `dir` and says so in the log; the reason comes back as text for the caller's error.
pub(super) fn quarantine(device: &Path, dir: &Path, reason: String) -> String {
    match quarantine_dir(device, dir) {
        Ok(target) => {
            tracing::warn!(dir = %dir.display(), target = %target.display(), %reason, "Quarantined object");
        }
        Err(error) => tracing::error!(dir = %dir.display(), %reason, %error, "could not quarantine object"),
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_folder_of_the_same_name_gets_an_ending() {
        let device = tempfile::tempdir().unwrap();
        let dir = device.path().join("objects-1/7/abc/0123456789abcdef0123456789abcabc");
        let mut targets = Vec::new();
        for _ in 0..2 {
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join("f"), "").unwrap();
            targets.push(quarantine_dir(device.path(), &dir).unwrap());
        }
        assert_eq!(targets[0], device.path().join("quarantined/objects-1/0123456789abcdef0123456789abcabc"));
        assert!(targets[1].to_str().unwrap().starts_with(&format!("{}-", targets[0].display())));
        assert!(!dir.exists());
        let invalid = std::fs::read_to_string(device.path().join("objects-1/7/hashes.invalid")).unwrap();
        assert_eq!(invalid, "abc\nabc\n");
    }
}
