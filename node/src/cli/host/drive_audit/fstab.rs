//! What is mounted when the machine starts.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Comments a mount point's line out, so that it stays unmounted. The file is replaced as a whole.
pub(super) fn comment_out(fstab: &Path, mount_point: &Path) -> io::Result<()> {
    let text = std::fs::read_to_string(fstab)?;
    let names_it = |line: &str| {
        !line.starts_with('#')
            && line.split_whitespace().nth(1).is_some_and(|at| Path::new(at) == mount_point)
    };
    if !text.lines().any(names_it) {
        return Ok(());
    }
    let mut file = tempfile::NamedTempFile::new_in(fstab.parent().unwrap_or(Path::new("/")))?;
    for line in text.split_inclusive('\n') {
        write!(file, "{}{line}", if names_it(line) { "#" } else { "" })?;
    }
    file.as_file().set_permissions(File::open(fstab)?.metadata()?.permissions())?;
    file.as_file().sync_all()?;
    file.persist(fstab)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn one_line_is_commented_out_and_all_else_stays() {
        let dir = tempfile::tempdir().unwrap();
        let fstab = dir.path().join("fstab");
        let before = "# /srv/node/d1\nUUID=1 / ext4 defaults 0 1\n/dev/sdb /srv/node/d1 xfs noatime 0 0\n/dev/sdc /srv/node/d11 xfs";
        std::fs::write(&fstab, before).unwrap();
        std::fs::set_permissions(&fstab, PermissionsExt::from_mode(0o644)).unwrap();
        comment_out(&fstab, Path::new("/srv/node/d1")).unwrap();
        let after = before.replace("/dev/sdb", "#/dev/sdb");
        assert_eq!(std::fs::read_to_string(&fstab).unwrap(), after);
        assert_eq!(std::fs::metadata(&fstab).unwrap().permissions().mode() & 0o777, 0o644);
        comment_out(&fstab, Path::new("/srv/node/d1")).unwrap();
        assert_eq!(std::fs::read_to_string(&fstab).unwrap(), after);
        assert!(comment_out(&dir.path().join("none"), Path::new("/srv")).is_err());
    }
}
