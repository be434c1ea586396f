//! Where configurations and pid files are, and which pid file is whose.
//!
//! A server's configurations lie below `/etc/swift`, its pid files at the same places below `/var/run/swift`.
//! A name that ends in `.conf.d` is a folder that is one configuration; its pid file is a file.

use super::names::ServerName;
use std::ops::ControlFlow;
use std::path::Path;
use swiftlet_types::conf::Ini;

const SWIFT_DIR: &str = "/etc/swift";
/// Where pid files are if nothing else is said.
pub(in crate::cli::host) const RUN_DIR: &str = "/var/run/swift";

/// The folders of configurations and of pid files, without a slash at their end.
#[derive(Debug, Clone)]
pub(in crate::cli::host) struct Places {
    swift_dir: String,
    run_dir: String,
}

impl Places {
    /// Configurations in `swift_dir`, pid files in `run_dir`.
    pub(super) fn new(swift_dir: &str, run_dir: &str) -> Self {
        let trimmed = |dir: &str| dir.trim_end_matches('/').to_owned();
        Self { swift_dir: trimmed(swift_dir), run_dir: trimmed(run_dir) }
    }

    /// Configurations in Swift's folder, or in the one that the environment's `SWIFT_DIR` names.
    pub(in crate::cli::host) fn with_run_dir(run_dir: &str) -> Self {
        Self::new(&std::env::var("SWIFT_DIR").unwrap_or_else(|_| SWIFT_DIR.to_owned()), run_dir)
    }

    /// The configurations of a server, sorted.
    pub(in crate::cli::host) fn conf_files(&self, name: &ServerName) -> Vec<String> {
        match name.server.as_str() {
            // Its own files are the older way.
            "object-expirer" => {
                let mut shared = self.confs_named("object-server", name);
                shared.retain(|conf| Ini::read(conf).is_ok_and(|ini| ini.has_section("object-expirer")));
                if shared.is_empty() { self.confs_named("object-expirer", name) } else { shared }
            }
            "container-reconciler" => self.confs_named("container-reconciler", name),
            _ => self.confs_named(&format!("{}-server", name.kind()), name),
        }
    }

    /// Those configurations that are meant: all of them, or the one of that number, counted from 1.
    pub(in crate::cli::host) fn numbered(confs: &[String], number: i64) -> &[String] {
        match usize::try_from(number) {
            Ok(0) => confs,
            Ok(number) => confs.get(number - 1..number).unwrap_or_default(),
            Err(_) => &[],
        }
    }

    fn confs_named(&self, beginning: &str, name: &ServerName) -> Vec<String> {
        let is_named = |entry: &str| match name.conf {
            Some(_) => entry == beginning,
            None => entry.starts_with(beginning),
        };
        let ending = |file: &str, end: &str| match &name.conf {
            Some(conf) => file.strip_suffix(end) == Some(conf.as_str()),
            None => file.ends_with(end),
        };
        let is_conf = |file: &str| ending(file, ".conf");
        let is_conf_dir = |folder: &str| ending(folder, ".conf.d");
        search(Path::new(&self.swift_dir), &is_named, &is_conf, &is_conf_dir)
    }

    /// The pid files of a server, sorted.
    pub(super) fn pid_files(&self, name: &ServerName) -> Vec<String> {
        let is_pid_file = |file: &str| match &name.conf {
            Some(conf) => [".pid", ".pid.d"].iter().any(|end| file.strip_suffix(end) == Some(conf.as_str())),
            None => true,
        };
        let is_named = |entry: &str| entry.starts_with(&name.server);
        search(Path::new(&self.run_dir), &is_named, &is_pid_file, &|_| false)
    }

    /// Where the pid of a server with this configuration is.
    pub(super) fn pid_file_of(&self, name: &ServerName, conf_file: &str) -> String {
        let moved = conf_file.replacen(&self.swift_dir, &self.run_dir, 1);
        moved.replacen(&format!("{}-server", name.kind()), &name.server, 1).replacen(".conf", ".pid", 1)
    }

    /// The configuration of the server whose pid is there.
    pub(super) fn conf_file_of(&self, name: &ServerName, pid_file: &str) -> String {
        let moved = pid_file.replacen(&self.run_dir, &self.swift_dir, 1);
        let named = match name.server.as_str() {
            "container-reconciler" => moved,
            server => moved.replacen(server, &format!("{}-server", name.kind()), 1),
        };
        named.replacen(".pid", ".conf", 1)
    }
}

/// Of what `is_named` in `root`: the files, and files in folders, that `is_file`; and the folders that `is_folder`. Below a
/// folder that has one of those nothing more is looked for.
fn search(
    root: &Path,
    is_named: &dyn Fn(&str) -> bool,
    is_file: &dyn Fn(&str) -> bool,
    is_folder: &dyn Fn(&str) -> bool,
) -> Vec<String> {
    let mut found = Vec::new();
    for entry in list(root).into_iter().filter(|entry| is_named(&entry.name)) {
        let path = format!("{}/{}", root.display(), entry.name);
        // A link to a folder counts here, and is not followed further down.
        match Path::new(&path).is_dir() {
            true if is_folder(&entry.name) => found.push(path),
            true => drop(walk(&path, is_file, is_folder, &mut found)),
            false if is_file(&entry.name) => found.push(path),
            false => {}
        }
    }
    found.sort();
    found
}

fn walk(
    folder: &str,
    is_file: &dyn Fn(&str) -> bool,
    is_folder: &dyn Fn(&str) -> bool,
    found: &mut Vec<String>,
) -> ControlFlow<()> {
    let (folders, files): (Vec<_>, Vec<_>) =
        list(Path::new(folder)).into_iter().partition(|entry| entry.is_folder);
    let path = |entry: &Entry| format!("{folder}/{}", entry.name);
    found.extend(files.iter().filter(|file| is_file(&file.name)).map(path));
    let whole: Vec<_> = folders.iter().filter(|folder| is_folder(&folder.name)).map(path).collect();
    if !whole.is_empty() {
        found.extend(whole);
        return ControlFlow::Break(());
    }
    folders.iter().try_for_each(|folder| walk(&path(folder), is_file, is_folder, found))
}

struct Entry {
    name: String,
    is_folder: bool,
}

/// What is in a folder, if it can be read. A name that is no text is not one of Swift's.
fn list(folder: &Path) -> Vec<Entry> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let entry = |entry: std::fs::DirEntry| {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        Some(Entry { name: entry.file_name().into_string().ok()?, is_folder })
    };
    entries.filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(root: &Path) -> Places {
        Places::new(&format!("{}/etc/", root.display()), &format!("{}/run", root.display()))
    }

    /// Makes files, folders where a name ends with a slash.
    fn make(root: &Path, names: &[&str]) {
        for name in names {
            let path = root.join(name);
            match name.ends_with('/') {
                true => std::fs::create_dir_all(path).unwrap(),
                false => {
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(path, "[object-expirer]\n").unwrap();
                }
            }
        }
    }

    fn confs(root: &Path, word: &str) -> Vec<String> {
        let prefix = format!("{}/etc/", root.display());
        let files = places(root).conf_files(&ServerName::parse(word));
        files.iter().map(|file| file.strip_prefix(&prefix).unwrap().to_owned()).collect()
    }

    #[test]
    fn configurations_are_files_folders_of_files_and_folders_that_are_one() {
        let dir = tempfile::tempdir().unwrap();
        make(
            dir.path(),
            &[
                "etc/proxy-server.conf",
                "etc/proxy-server.conf.bak",
                "etc/swift.conf",
                "etc/account-server.conf.d/x.conf",
            ],
        );
        make(
            dir.path(),
            &["etc/object-server/1.conf", "etc/object-server/11.conf", "etc/object-server/more/2.conf"],
        );
        make(dir.path(), &["etc/container-server/1.conf", "etc/container-server/2.conf.d/a.conf"]);
        make(dir.path(), &["etc/container-reconciler/1.conf"]);
        assert_eq!(confs(dir.path(), "proxy"), ["proxy-server.conf"]);
        assert_eq!(confs(dir.path(), "account-reaper"), ["account-server.conf.d"]);
        let all = ["object-server/1.conf", "object-server/11.conf", "object-server/more/2.conf"];
        assert_eq!(confs(dir.path(), "object-updater"), all);
        assert_eq!(confs(dir.path(), "object-expirer"), all);
        assert_eq!(confs(dir.path(), "object.1"), ["object-server/1.conf"]);
        assert_eq!(confs(dir.path(), "container"), ["container-server/1.conf", "container-server/2.conf.d"]);
        assert_eq!(confs(dir.path(), "container-sync.2"), ["container-server/2.conf.d"]);
        assert_eq!(confs(dir.path(), "container-reconciler"), ["container-reconciler/1.conf"]);
    }

    #[test]
    fn an_expirer_without_a_section_elsewhere_has_its_own_file() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), &["etc/object-expirer.conf"]);
        std::fs::write(dir.path().join("etc/object-server.conf"), "[DEFAULT]\n").unwrap();
        assert_eq!(confs(dir.path(), "object-expirer"), ["object-expirer.conf"]);
    }

    #[test]
    fn pid_files_lie_as_configurations_do() {
        let places = Places::new("/etc/swift", "/run/x");
        for (server, conf, pid) in [
            ("proxy", "/etc/swift/proxy-server.conf", "/run/x/proxy-server.pid"),
            ("object-updater", "/etc/swift/object-server/1.conf", "/run/x/object-updater/1.pid"),
            ("container-sync", "/etc/swift/container-server/2.conf.d", "/run/x/container-sync/2.pid.d"),
            ("object-expirer", "/etc/swift/object-server.conf", "/run/x/object-expirer.pid"),
            (
                "container-reconciler",
                "/etc/swift/container-reconciler.conf",
                "/run/x/container-reconciler.pid",
            ),
        ] {
            let name = ServerName::parse(server);
            assert_eq!(places.pid_file_of(&name, conf), pid);
            assert_eq!(places.conf_file_of(&name, pid), conf);
        }
    }

    #[test]
    fn a_name_with_a_configuration_has_no_others_pid_files() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), &["run/object-server.pid", "run/object-server/1.pid", "run/object-server/11.pid"]);
        make(dir.path(), &["run/object-server/2.pid.d", "run/object-updater/1.pid"]);
        let count = |word: &str| places(dir.path()).pid_files(&ServerName::parse(word)).len();
        assert_eq!(
            [count("object"), count("object.1"), count("object.2"), count("object-updater")],
            [4, 1, 1, 1]
        );
    }
}
