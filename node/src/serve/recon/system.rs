//! What the machine, its disks and its configuration say now.

use super::Sources;
use md5::{Digest, Md5};
use serde_json::{Map, Value, json};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// `/proc/meminfo`, as words.
pub(super) fn memory() -> io::Result<Value> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let entries = text.lines().filter_map(|line| line.split_once(':'));
    Ok(Value::Object(entries.map(|(name, value)| (name.to_owned(), value.trim().into())).collect()))
}

/// `/proc/loadavg`.
pub(super) fn load() -> io::Result<Value> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let words: Vec<_> = text.split_whitespace().collect();
    let number = |index: usize| words.get(index).and_then(|word| word.parse::<f64>().ok());
    let processes = words.get(4).and_then(|word| word.parse::<u64>().ok());
    Ok(json!({
        "1m": number(0), "5m": number(1), "15m": number(2), "tasks": words.get(3), "processes": processes,
    }))
}

/// `/proc/mounts`.
pub(super) fn mounted() -> io::Result<Value> {
    let text = fs::read_to_string("/proc/mounts")?;
    let mounts = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some(json!({ "device": words.next()?, "path": words.next()? }))
    });
    Ok(mounts.collect())
}

/// `/proc/net/sockstat` and `sockstat6`, in bytes where the kernel says pages.
pub(super) fn sockets() -> io::Result<Value> {
    let mut stats = Map::new();
    let read = |path| match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        other => other,
    };
    let line = |text: &str, prefix: &str| -> Vec<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(prefix)).unwrap_or_default();
        line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    };
    if let [in_use, orphan, time_wait, _, pages] = line(&read("/proc/net/sockstat")?, "TCP:")[..] {
        stats.insert("tcp_in_use".into(), in_use.into());
        stats.insert("orphan".into(), orphan.into());
        stats.insert("time_wait".into(), time_wait.into());
        stats.insert("tcp_mem_allocated_bytes".into(), (pages * page_size()).into());
    }
    if let [in_use, ..] = line(&read("/proc/net/sockstat6")?, "TCP6:")[..] {
        stats.insert("tcp6_in_use".into(), in_use.into());
    }
    Ok(Value::Object(stats))
}

fn page_size() -> u64 {
    // SAFETY: sysconf reads a constant of the system and touches no memory of ours.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// Now, in seconds.
pub(super) fn time() -> Value {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64()).into()
}

/// The MD5 of a file in hex, as Swift compares rings by.
pub fn checksum(path: &Path) -> io::Result<String> {
    let mut digest = Md5::new();
    io::copy(&mut File::open(path)?, &mut HashWriter(&mut digest))?;
    Ok(hex::encode(digest.finalize()))
}

struct HashWriter<'a>(&'a mut Md5);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sources {
    pub(super) fn device_names(&self) -> Value {
        let root = self.devices.root();
        let names: Option<Vec<String>> = folders(root, false).ok();
        json!({ root.display().to_string(): names })
    }

    /// Devices that no work goes to.
    pub(super) fn unmounted(&self) -> io::Result<Value> {
        let names = folders(self.devices.root(), true)?;
        let unmounted = names.iter().filter(|name| self.devices.check(name).is_err());
        Ok(unmounted.map(|name| json!({ "device": name, "mounted": false })).collect())
    }

    pub(super) fn disk_usage(&self) -> io::Result<Value> {
        let names = folders(self.devices.root(), true)?;
        let usage = names.iter().map(|name| {
            let space = self.devices.check(name).ok().and_then(|path| rustix::fs::statvfs(&path).ok());
            match space {
                Some(disk) => json!({
                    "device": name,
                    "mounted": true,
                    "size": disk.f_frsize * disk.f_blocks,
                    "used": disk.f_frsize * (disk.f_blocks - disk.f_bavail),
                    "avail": disk.f_frsize * disk.f_bavail,
                }),
                None => json!({ "device": name, "mounted": false, "size": "", "used": "", "avail": "" }),
            }
        });
        Ok(usage.collect())
    }

    pub(super) fn ring_checksums(&self) -> Value {
        let paths = self.ring_names.iter().map(|name| self.swift_dir.join(format!("{name}.ring.gz")));
        let sums = paths
            .filter(|path| path.exists())
            .map(|path| (path.display().to_string(), checksum(&path).ok().into()));
        Value::Object(sums.collect())
    }

    pub(super) fn swift_conf_checksum(&self) -> Value {
        let path = self.swift_dir.join("swift.conf");
        json!({ path.display().to_string(): checksum(&path).ok() })
    }

    /// How much is in each device's `quarantined` folder: a folder's links less two are the folders in it.
    pub(super) fn quarantined(&self) -> io::Result<Value> {
        let (mut objects, mut containers, mut accounts) = (0, 0, 0);
        let mut policies = std::collections::BTreeMap::<String, u64>::new();
        for device in folders(self.devices.root(), false)? {
            let root = self.devices.path_of(&device).join("quarantined");
            for kind in folders(&root, true).unwrap_or_default() {
                let links = fs::symlink_metadata(root.join(&kind)).map_or(0, |meta| meta.nlink());
                let count = links.saturating_sub(2);
                match (kind.as_str(), kind.strip_prefix("objects")) {
                    ("containers", _) => containers += count,
                    ("accounts", _) => accounts += count,
                    (_, Some(rest)) if count > 0 => {
                        let policy = rest.strip_prefix('-').filter(|index| !index.is_empty()).unwrap_or("0");
                        *policies.entry(policy.to_owned()).or_default() += count;
                        objects += count;
                    }
                    _ => {}
                }
            }
        }
        let policies: Map<_, _> =
            policies.into_iter().map(|(index, n)| (index, json!({ "objects": n }))).collect();
        Ok(
            json!({ "objects": objects, "containers": containers, "accounts": accounts, "policies": policies }),
        )
    }
}

/// The names in a folder, those of folders only where `only_folders`.
fn folders(root: &Path, only_folders: bool) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if !only_folders || fs::metadata(entry.path()).is_ok_and(|meta| meta.is_dir()) {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
