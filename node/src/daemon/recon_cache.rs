//! What daemons leave for `/recon`: JSON files in `recon_cache_path`, written as Swift writes them, since Swift's own
//! daemons may write the same ones.

use rustix::fs::{FlockOperation, flock};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use swiftlet_types::conf::Options;

/// How long others may keep the file locked.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two attempts to lock it.
const LOCK_PAUSE: Duration = Duration::from_millis(10);
/// More than all daemons of a node write.
const MAX_LEN: u64 = 16 << 20;

/// A recon cache file.
#[derive(Debug, Clone)]
pub struct ReconCache {
    path: PathBuf,
    /// The user that it belongs to, where that is not the one who writes it.
    owner: Option<u32>,
}

impl ReconCache {
    /// The file of a kind of server (`object`).
    pub fn from_options(options: &Options, server: &str) -> Self {
        let dir = options.str_or("recon_cache_path", "/var/cache/swift");
        Self { path: Path::new(&dir).join(format!("{server}.recon")), owner: None }
    }

    /// The same file, which belongs to this user from the next time on that it is written.
    pub fn owned_by(self, user_id: u32) -> Self {
        Self { owner: Some(user_id), ..self }
    }

    /// Sets these figures and leaves the others as they are. An object is merged into the one that is there, and an
    /// empty one, at either level, removes what is there. Waits for the file's lock: not for async workers.
    pub fn dump<'a>(&self, figures: impl IntoIterator<Item = (&'a str, Value)>) {
        if let Err(error) = self.try_dump(figures) {
            tracing::error!("Exception dumping recon cache: {}: {error}", self.path.display());
        }
    }

    /// The names of the parts of the figure called `name`, where it is an object.
    pub fn part_names(&self, name: &str) -> Vec<String> {
        let figures = self.figures();
        let parts = figures.get(name).and_then(Value::as_object);
        parts.map(|parts| parts.keys().cloned().collect()).unwrap_or_default()
    }

    /// All that is there; what cannot be read, or is no JSON, has none.
    pub fn figures(&self) -> Map<String, Value> {
        let Ok(file) = File::open(&self.path) else { return Map::new() };
        let mut text = Vec::new();
        let _ = file.take(MAX_LEN).read_to_end(&mut text);
        serde_json::from_slice(&text).unwrap_or_default()
    }

    fn try_dump<'a>(&self, figures: impl IntoIterator<Item = (&'a str, Value)>) -> io::Result<()> {
        let mut locked = lock(&self.path)?;
        let mut text = Vec::new();
        Read::by_ref(&mut locked).take(MAX_LEN).read_to_end(&mut text)?;
        // what is no JSON is begun anew
        let mut cached: Map<String, Value> = serde_json::from_slice(&text).unwrap_or_default();
        for (name, figure) in figures {
            put(&mut cached, name, figure);
        }
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(&to_line(cached)?)?;
        if let Some(owner) = self.owner {
            std::os::unix::fs::fchown(&file, Some(owner), None)?;
        }
        file.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }
}

fn put(cached: &mut Map<String, Value>, name: &str, figure: Value) {
    let Value::Object(parts) = figure else {
        cached.insert(name.to_owned(), figure);
        return;
    };
    if parts.is_empty() {
        cached.remove(name);
        return;
    }
    let old = cached.entry(name).or_insert(Value::Null);
    if !old.is_object() {
        *old = Value::Object(Map::new());
    }
    let Some(old) = old.as_object_mut() else { return };
    for (part, figure) in parts {
        match figure.as_object().is_some_and(Map::is_empty) {
            true => drop(old.remove(&part)),
            false => drop(old.insert(part, figure)),
        }
    }
}

/// Sorted by name, on one line.
fn to_line(cached: Map<String, Value>) -> io::Result<Vec<u8>> {
    let sorted: BTreeMap<String, Value> = cached.into_iter().collect();
    let mut line = serde_json::to_vec(&sorted)?;
    line.push(b'\n');
    Ok(line)
}

/// The file, made if it is missing, with its lock held until it is dropped. Files are replaced as a whole: a lock on one
/// that was replaced meanwhile is worth nothing.
fn lock(path: &Path) -> io::Result<File> {
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        let file =
            File::options().read(true).write(true).create(true).truncate(false).mode(0o666).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if std::fs::metadata(path).is_ok_and(|now| same_file(&file, &now)) => return Ok(file),
            Ok(()) | Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::sleep(LOCK_PAUSE);
            }
            Ok(()) | Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "stayed locked"));
            }
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn same_file(file: &File, now: &std::fs::Metadata) -> bool {
    file.metadata().is_ok_and(|own| (own.dev(), own.ino()) == (now.dev(), now.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cache(dir: &Path) -> ReconCache {
        let options = Options::new("f", "s").with("recon_cache_path", &dir.display().to_string());
        ReconCache::from_options(&options, "object")
    }

    fn read(dir: &Path) -> Value {
        serde_json::from_slice(&std::fs::read(dir.join("object.recon")).unwrap()).unwrap()
    }

    #[test]
    fn figures_are_merged_one_level_deep_and_empty_ones_removed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = cache(dir.path());
        cache.dump([("time", json!(1.5)), ("per_disk", json!({"sda": {"n": 1}}))]);
        cache.dump([("per_disk", json!({"sdb": {"n": 2}}))]);
        assert_eq!(read(dir.path()), json!({"time": 1.5, "per_disk": {"sda": {"n": 1}, "sdb": {"n": 2}}}));
        cache.dump([("per_disk", json!({"sda": {}})), ("time", json!({"a": 1}))]);
        assert_eq!(read(dir.path()), json!({"time": {"a": 1}, "per_disk": {"sdb": {"n": 2}}}));
        cache.dump([("per_disk", json!({}))]);
        assert_eq!(
            std::fs::read_to_string(dir.path().join("object.recon")).unwrap(),
            "{\"time\":{\"a\":1}}\n"
        );
    }

    #[test]
    fn what_is_no_json_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("object.recon"), "half of {").unwrap();
        cache(dir.path()).dump([("b", json!(1)), ("a", json!(2))]);
        assert_eq!(std::fs::read_to_string(dir.path().join("object.recon")).unwrap(), "{\"a\":2,\"b\":1}\n");
    }

    #[test]
    fn writers_at_the_same_time_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let cache = cache(dir.path());
                scope.spawn(move || cache.dump([(&*format!("k{n}"), json!(n))]));
            }
        });
        assert_eq!(read(dir.path()).as_object().map(Map::len), Some(8));
    }
}
