//! `swift-recon-cron`: counts async pendings for recon. Meant for cron, beside whatever runs.

use crate::daemon::ReconCache;
use crate::logging::{self, LogOptions};
use anyhow::Context;
use serde_json::json;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use swiftlet_storage::lock::{LockOptions, lock_dir};
use swiftlet_types::conf::{Ini, Options};

const SECTION: &str = "filter:recon";
/// Below `recon_lock_path`: two of these do not count at the same time.
const LOCK: &str = "swift-recon-object-cron";
const ASYNC_PENDING: &str = "async_pending";

/// Runs it with the arguments that follow its name.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let Some(conf) = arguments.first() else {
        // Nobody may be there to read it.
        let usage = "Usage: swift-recon-cron CONF_FILE\nex: swift-recon-cron /etc/swift/object-server.conf";
        let _ = writeln!(io::stdout(), "{usage}");
        return ExitCode::FAILURE;
    };
    let counted =
        Ini::read(conf).and_then(|ini| ini.daemon(SECTION)).map_err(Into::into).and_then(|options| {
            logging::to_syslog(&LogOptions::from_options(&options, "recon-cron")?, None, false);
            count(&options).context("Exception during recon-cron while accessing devices")
        });
    super::ended("swift-recon-cron", counted.inspect_err(|error| tracing::error!("{error:#}")))
}

fn count(o: &Options) -> anyhow::Result<()> {
    let lock = Path::new(&o.str_or("recon_lock_path", "/var/lock")).join(LOCK);
    let _lock = lock_dir(&lock, LockOptions::default())?;
    let pending = async_pendings(Path::new(&o.str_or("devices", "/srv/node")))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    ReconCache::from_options(o, "object")
        .dump([("async_pending", json!(pending)), ("async_pending_last", json!(now))]);
    Ok(())
}

/// The files in `<device>/async_pending[-N]/<suffix>/`, of all devices.
fn async_pendings(devices: &Path) -> io::Result<usize> {
    let mut count = 0;
    for device in folders(devices)? {
        let is_pending = |name: &str| {
            name.strip_prefix(ASYNC_PENDING)
                .is_some_and(|policy| policy.is_empty() || policy.starts_with('-'))
        };
        for folder in folders(&device)? {
            if !folder.file_name().and_then(|name| name.to_str()).is_some_and(is_pending) {
                continue;
            }
            for suffix in folders(&folder)? {
                count += if_there(std::fs::read_dir(suffix))?.map_or(0, Iterator::count);
            }
        }
    }
    Ok(count)
}

/// The folders in a folder.
fn folders(folder: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    let entries = if_there(std::fs::read_dir(folder))?.into_iter().flatten();
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.is_dir()).collect())
}

/// What an updater removes while we count is not there.
fn if_there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use swiftlet_testing::run_python;

    const PYTHON: &str =
        "import sys; from swift.cli import recon_cron; sys.argv[0] = 'x'; sys.exit(recon_cron.main())";

    #[test]
    fn what_is_pending_is_counted_as_python_counts_it() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "d1/async_pending/abc/1",
            "d1/async_pending/abc/2",
            "d1/async_pending-1/0ff/3",
            "d2/async_pendings/abc/4",
        ] {
            let file = dir.path().join("srv").join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        std::fs::write(dir.path().join("srv/d1/async_pending/stray"), "").unwrap();
        std::fs::write(dir.path().join("srv/file"), "").unwrap();
        let conf = dir.path().join("object-server.conf");
        let root = dir.path().display();
        let text = format!(
            "[DEFAULT]\ndevices = {root}/srv\nlog_address = {root}/no-log\n[filter:recon]\n\
             recon_cache_path = {root}\nrecon_lock_path = {root}\n"
        );
        std::fs::write(&conf, text).unwrap();
        let recon = || {
            let text = std::fs::read(dir.path().join("object.recon")).unwrap();
            let figures: serde_json::Value = serde_json::from_slice(&text).unwrap();
            assert!(figures["async_pending_last"].as_f64().unwrap() > 1.6e9);
            figures["async_pending"].clone()
        };
        count(&Ini::read(&conf).unwrap().daemon(SECTION).unwrap()).unwrap();
        let ours = recon();
        std::fs::remove_file(dir.path().join("object.recon")).unwrap();
        run_python(PYTHON, &[conf.to_str().unwrap()], "");
        assert_eq!((ours, recon()), (json!(3), json!(3)));
    }

    #[test]
    fn a_missing_configuration_or_section_is_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        let conf = dir.path().join("x.conf");
        let failure = format!("{:?}", ExitCode::FAILURE);
        assert_eq!(format!("{:?}", run(&[])), failure);
        assert_eq!(format!("{:?}", run(&[conf.clone().into()])), failure);
        std::fs::write(&conf, "[DEFAULT]\n").unwrap();
        assert_eq!(format!("{:?}", run(&[conf.into()])), failure);
    }
}
