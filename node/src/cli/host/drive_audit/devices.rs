//! Devices that are mounted, and what the kernel calls them in its log.

use rustix::fs::{major, minor, stat};
use std::path::{Path, PathBuf};

/// A mounted device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mounted {
    pub mount_point: PathBuf,
    /// Its name in the kernel's log, as `sdb1`; `None` where no partition has its number.
    pub kernel_name: Option<String>,
}

/// What is mounted below `device_dir`, from the texts of `/proc/self/mountinfo` and `/proc/partitions`.
pub(super) fn mounted_below(device_dir: &Path, mountinfo: &str, partitions: &str) -> Vec<Mounted> {
    let mounted =
        mountinfo.lines().filter_map(parse_mount).filter(|mount| mount.mount_point.starts_with(device_dir));
    let known = mounted.filter_map(|Mount { mount_point, number, source }| {
        let Some(number) = number.or_else(|| number_of(&source)) else {
            let shown = mount_point.display();
            tracing::error!(
                "Could not determine major:minor numbers for {source} (mounted at {shown})! Skipping..."
            );
            return None;
        };
        Some(Mounted { mount_point, kernel_name: kernel_name(partitions, number) })
    });
    known.collect()
}

type Number = (u32, u32);

struct Mount {
    mount_point: PathBuf,
    /// `None` for a file system that has a number of its own instead of its device's.
    number: Option<Number>,
    source: String,
}

/// `36 35 98:0 / /mnt options [optional…] - type source options`
fn parse_mount(line: &str) -> Option<Mount> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ');
    let (major, minor) = place.nth(2)?.split_once(':')?;
    let number: Number = (major.parse().ok()?, minor.parse().ok()?);
    Some(Mount {
        mount_point: unescape(place.nth(1)?).into(),
        number: Some(number).filter(|(major, _)| *major != 0),
        source: unescape(kind.split(' ').nth(1)?),
    })
}

/// Spaces and the like are `\040`: a backslash and three octal digits.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code.filter(u8::is_ascii) {
            Some(code) => {
                plain.push(code.into());
                plain.push_str(&part[3..]);
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain
}

fn number_of(source: &str) -> Option<Number> {
    let device = stat(Path::new("/dev").join(source)).ok()?.st_rdev;
    Some((major(device), minor(device))).filter(|number| *number != (0, 0))
}

/// Lines of `/proc/partitions` are `major minor blocks name`, after a heading.
fn kernel_name(partitions: &str, (major, minor): Number) -> Option<String> {
    let mut lines = partitions.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.find_map(|fields| match fields[..] {
        [its_major, its_minor, _, name] => {
            (its_major.parse() == Ok(major) && its_minor.parse() == Ok(minor)).then(|| name.to_owned())
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_found_by_their_numbers() {
        let mountinfo = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
            30 22 8:17 / /srv/node/d1 rw shared:9 master:2 - xfs /dev/sdb1 rw\n\
            31 22 8:32 / /srv/node/d\\0402 rw - xfs /dev/sdc rw\n\
            32 22 253:7 / /srv/node/d3 rw - xfs /dev/mapper/x rw\n\
            33 22 0:44 / /srv/node/d4 rw - tmpfs tmpfs rw\n\
            34 22 8:48 / /srv/nodes rw - xfs /dev/sdd rw\nbroken\n";
        let partitions = "major minor  #blocks  name\n\n   8  0 10 sda\n   8 17 10 sdb1\n   8 32 10 sdc\n";
        let mounted = |mount_point: &str, name: Option<&str>| Mounted {
            mount_point: mount_point.into(),
            kernel_name: name.map(str::to_owned),
        };
        assert_eq!(
            mounted_below(Path::new("/srv/node"), mountinfo, partitions),
            [
                mounted("/srv/node/d1", Some("sdb1")),
                mounted("/srv/node/d 2", Some("sdc")),
                mounted("/srv/node/d3", None)
            ]
        );
    }

    #[test]
    fn the_machines_own_tables_can_be_read() {
        let mountinfo = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mounts = mountinfo.lines().filter_map(parse_mount).count();
        assert_eq!(mounts, mountinfo.lines().count());
    }
}
