//! `container-sync-realms.conf`, read again when it has changed.

use parking_lot::Mutex;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use swiftlet_types::conf::Ini;
use swiftlet_types::sync_realms::{DEFAULT_CHECK_INTERVAL, Realms};

/// Clones are the same file.
#[derive(Clone)]
pub struct RealmsFile {
    path: PathBuf,
    state: Arc<Mutex<State>>,
}

struct State {
    realms: Arc<Realms>,
    /// When the file was changed that they come from.
    modified: Option<SystemTime>,
    looked: Instant,
    check_interval: Duration,
}

impl RealmsFile {
    /// Reads the file; one that is not there has no realms.
    pub fn new(path: PathBuf) -> Self {
        let check_interval = DEFAULT_CHECK_INTERVAL;
        let state = State { realms: Arc::default(), modified: None, looked: Instant::now(), check_interval };
        let file = Self { path, state: Arc::new(Mutex::new(state)) };
        file.load();
        file
    }

    /// The realms as they were when the file was last looked at.
    pub fn known(&self) -> Arc<Realms> {
        self.state.lock().realms.clone()
    }

    /// The realms, after a look at the file where it is time for one.
    pub async fn current(&self) -> Arc<Realms> {
        let is_due = {
            let mut state = self.state.lock();
            let is_due = state.looked.elapsed() >= state.check_interval;
            if is_due {
                state.looked = Instant::now();
            }
            is_due
        };
        if is_due {
            let file = self.clone();
            // A panic there was told already; what is known stays.
            let _ = tokio::task::spawn_blocking(move || file.load()).await;
        }
        self.known()
    }

    /// Reads the file if it has changed. What was known stays where that fails.
    fn load(&self) {
        let modified = match std::fs::metadata(&self.path).and_then(|metadata| metadata.modified()) {
            Ok(modified) => modified,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::error!("Could not load {}: {error}", self.path.display());
                }
                return;
            }
        };
        if self.state.lock().modified == Some(modified) {
            return;
        }
        let read = Ini::read(&self.path).map_err(Into::into).and_then(|ini| Realms::from_ini(&ini));
        let mut state = self.state.lock();
        state.modified = Some(modified);
        match read {
            Ok(realms) => {
                state.check_interval = realms.check_interval();
                state.realms = Arc::new(realms);
            }
            Err(error) => tracing::error!("Could not load {}: {error}", self.path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_changed_file_is_read_again_when_it_is_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("container-sync-realms.conf");
        let write = |text: &str, second: u64| {
            std::fs::write(&path, text).unwrap();
            let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            std::fs::File::options().append(true).open(&path).unwrap().set_modified(modified).unwrap();
        };
        let file = RealmsFile::new(path.clone());
        assert_eq!(file.current().await.iter().count(), 0);
        write("[DEFAULT]\nmtime_check_interval = 0\n[us]\nkey = a\n", 1000);
        assert!(file.current().await.get("us").is_none(), "not yet");
        file.state.lock().check_interval = Duration::ZERO;
        assert!(file.current().await.get("us").is_some());
        write("[DEFAULT]\nmtime_check_interval = 0\n[uk]\nkey = a\n", 2000);
        assert!(file.current().await.get("uk").is_some());
        write("no section\n", 3000);
        assert!(file.current().await.get("uk").is_some(), "what was known stays");
        std::fs::remove_file(&path).unwrap();
        assert!(file.current().await.get("uk").is_some());
    }
}
