//! How far an auditor has come on a device: `<device>/objects[-N]/auditor_status_<kind>.json`, Swift's own file, so
//! that either program goes on where the other was stopped.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use swiftlet_types::json::push_string;

/// How long a file is left as it is.
const WRITE_INTERVAL: Duration = Duration::from_secs(60);
/// More than the names of 2^22 partitions, and a bound for what a damaged disk may hold.
const MAX_LEN: u64 = 64 << 20;

/// The file of one kind of audit.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    file_name: String,
}

impl Checkpoint {
    /// That of audits of this kind (`ALL`).
    pub fn new(kind: &str) -> Self {
        Self { file_name: format!("auditor_status_{kind}.json") }
    }

    fn path(&self, data_dir: &Path) -> PathBuf {
        data_dir.join(&self.file_name)
    }

    /// The partitions that were left; `None` where nobody was here or what they wrote cannot be read.
    pub fn read(&self, data_dir: &Path) -> Option<Vec<String>> {
        let path = self.path(data_dir);
        match read_partitions(&path) {
            Ok(partitions) => Some(partitions),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!("Cannot read {} ({error})", path.display());
                None
            }
        }
    }

    /// Notes that the partitions `left` are still to be walked; most of the time nothing is written, since going
    /// over a minute's work again costs less.
    pub fn note(&self, data_dir: &Path, left: &[String]) {
        let path = self.path(data_dir);
        let age = std::fs::metadata(&path).and_then(|meta| meta.modified()).ok();
        let is_recent =
            age.is_some_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age < WRITE_INTERVAL));
        if !data_dir.is_dir() || (is_recent && !left.is_empty()) {
            return;
        }
        if let Err(error) = std::fs::write(&path, to_json(left)) {
            tracing::warn!("Cannot write {} ({error})", path.display());
        }
    }

    /// Lets the next walk begin at the beginning.
    pub fn clear(&self, data_dir: &Path) {
        let path = self.path(data_dir);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("Cannot remove {} ({error})", path.display());
            }
            _ => {}
        }
    }
}

fn to_json(partitions: &[String]) -> Vec<u8> {
    let mut json = b"{\"partitions\": [".to_vec();
    for (at, partition) in partitions.iter().enumerate() {
        if at > 0 {
            json.extend_from_slice(b", ");
        }
        push_string(&mut json, partition);
    }
    json.extend_from_slice(b"]}");
    json
}

fn read_partitions(path: &Path) -> io::Result<Vec<String>> {
    #[derive(serde::Deserialize)]
    struct Status {
        partitions: Vec<String>,
    }
    let mut text = Vec::new();
    File::open(path)?.take(MAX_LEN).read_to_end(&mut text)?;
    let status: Status = serde_json::from_slice(&text)?;
    let is_name = |name: &String| !name.is_empty() && name != "." && name != ".." && !name.contains('/');
    match status.partitions.iter().all(is_name) {
        true => Ok(status.partitions),
        // the walk must not be led out of its folder
        false => Err(io::Error::new(io::ErrorKind::InvalidData, "names what cannot be a partition")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_noted_is_read_and_is_what_python_writes() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoint = Checkpoint::new("ALL");
        assert_eq!(checkpoint.read(dir.path()), None);
        checkpoint.note(dir.path(), &partitions(&["12", "7"]));
        let file = dir.path().join("auditor_status_ALL.json");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), r#"{"partitions": ["12", "7"]}"#);
        assert_eq!(checkpoint.read(dir.path()), Some(partitions(&["12", "7"])));
        // too soon, but for the end
        checkpoint.note(dir.path(), &partitions(&["7"]));
        assert_eq!(checkpoint.read(dir.path()), Some(partitions(&["12", "7"])));
        checkpoint.note(dir.path(), &[]);
        assert_eq!(checkpoint.read(dir.path()), Some(vec![]));
        checkpoint.clear(dir.path());
        assert_eq!(checkpoint.read(dir.path()), None);
    }

    #[test]
    fn an_old_note_is_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoint = Checkpoint::new("ZBF");
        checkpoint.note(dir.path(), &partitions(&["1", "2"]));
        let file = File::options().write(true).open(dir.path().join("auditor_status_ZBF.json")).unwrap();
        file.set_modified(SystemTime::now() - WRITE_INTERVAL).unwrap();
        checkpoint.note(dir.path(), &partitions(&["2"]));
        assert_eq!(checkpoint.read(dir.path()), Some(partitions(&["2"])));
    }

    #[test]
    fn what_makes_no_sense_is_as_good_as_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "[]", "{}", r#"{"partitions": 1}"#, r#"{"partitions": ["../../x"]}"#] {
            std::fs::write(dir.path().join("auditor_status_ALL.json"), text).unwrap();
            assert_eq!(Checkpoint::new("ALL").read(dir.path()), None, "{text}");
        }
    }
}
