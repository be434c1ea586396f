//! What the account and the container auditor have in common: the walk over all databases, how it is paced, and what is
//! said of it. What a sound database is, they say themselves.

use super::DatabaseStore;
use crate::daemon::{Ctime, Daemon, Found, RateLimit, ReconCache, Walk};
use crate::serve::DevicePools;
use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use swiftlet_storage::db::{Broker, Connections, DbError, Kind};
use swiftlet_types::HashConf;
use swiftlet_types::conf::{OptionError, Options};
use thiserror::Error;

/// How often figures are told.
const TELL_INTERVAL: Duration = Duration::from_secs(3600);
/// How often databases are read whole; in the passes between, their facts alone.
const WHOLE_INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// Larger ones are never read whole: whoever writes to them would wait too long.
const MAX_WHOLE_BYTES: u64 = 512 << 20;

/// What tells one auditor from the other.
#[derive(Debug, Clone, Copy)]
pub struct Databases {
    /// The daemon's name.
    pub daemon: &'static str,
    /// `account`
    pub server: &'static str,
    /// `Account`
    pub title: &'static str,
    /// The databases' folder on a device.
    pub data_dir: &'static str,
    /// Judges the database in a file.
    pub audit: fn(&Path, Depth, &Arc<Connections>) -> Result<Verdict, AuditError>,
}

/// How much of a database an audit reads. Swift's auditors read its facts only, so that a page that turned bad is met
/// when someone needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What the database says of itself.
    Facts,
    /// Every page and every row.
    Whole,
}

impl Depth {
    /// Reads all of the database, if that is wanted and it is not too large; one that is not sound is quarantined.
    pub fn check<K: Kind>(self, file: &Path, connections: &Arc<Connections>) -> Result<(), DbError> {
        let is_small = || std::fs::metadata(file).is_ok_and(|metadata| metadata.len() <= MAX_WHOLE_BYTES);
        match self == Self::Whole && is_small() {
            true => Broker::<K>::check_integrity(file, connections),
            false => Ok(()),
        }
    }
}

/// What an audit found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is sound.
    Passed,
    /// It is marked deleted: not looked into.
    Deleted,
}

/// Why a database did not pass.
#[derive(Debug, Error)]
pub enum AuditError {
    /// What it says cannot be right.
    #[error("{0}")]
    Wrong(String),
    /// It cannot be read; where it is no sound database it was set aside.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Looks into every database of a node.
pub struct DatabaseAuditor {
    databases: Databases,
    store: DatabaseStore,
    pools: DevicePools,
    recon: ReconCache,
    interval: Duration,
    per_second: f64,
    once: bool,
    since: Mutex<Since>,
    /// When the last pass began that read databases whole.
    read_whole: Mutex<Option<Instant>>,
}

/// What was found since figures were told last; goes on from one pass to the next.
#[derive(Debug, Clone, Copy)]
struct Since {
    time: SystemTime,
    begun: Instant,
    passed: u64,
    failed: u64,
}

impl Since {
    fn now() -> Self {
        Self { time: SystemTime::now(), begun: Instant::now(), passed: 0, failed: 0 }
    }
}

impl DatabaseAuditor {
    /// Reads the options of `[<server>-auditor]`.
    pub fn from_options(
        databases: Databases,
        options: &Options,
        hash: HashConf,
        pools: DevicePools,
        once: bool,
    ) -> Result<Self, OptionError> {
        Ok(Self {
            databases,
            store: DatabaseStore::of_daemon(options, hash)?,
            pools,
            recon: ReconCache::from_options(options, databases.server),
            interval: options.seconds("interval", 1800.0)?,
            per_second: options.float(&format!("{}s_per_second", databases.server), 200.0)?,
            once,
            since: Mutex::new(Since::now()),
            read_whole: Mutex::new(None),
        })
    }

    async fn walk(&self) -> Walk {
        let devices = self.store.devices.clone();
        let root = self.store.devices.root().display();
        let names = match self.pools.run("all devices", move || devices.list()).await {
            Ok(Ok(names)) => names,
            Ok(Err(error)) => {
                tracing::error!("ERROR auditing: {root}: {error}");
                Vec::new()
            }
            Err(error) => {
                tracing::error!("ERROR auditing: {root}: {error}");
                Vec::new()
            }
        };
        let devices = self.store.devices.clone();
        Walk::new(self.pools.clone(), devices, names, self.databases.data_dir.to_owned(), None)
    }

    /// How much this pass reads.
    fn depth(&self) -> Depth {
        let mut last = self.read_whole.lock();
        match last.is_some_and(|begun| begun.elapsed() < WHOLE_INTERVAL) {
            true => Depth::Facts,
            false => {
                *last = Some(Instant::now());
                Depth::Whole
            }
        }
    }

    /// Audits what is in one hash folder.
    async fn folder(&self, found: Found, depth: Depth, rate: &mut RateLimit) {
        let dir = found.dir.clone();
        let files = match self.pools.run(&found.device, move || database_files(&dir)).await {
            Ok(Ok(files)) => files,
            Ok(Err(error)) => return self.failed(&found.dir, &error),
            Err(error) => return self.failed(&found.dir, &error),
        };
        for file in files {
            let (audit, path) = (self.databases.audit, file.clone());
            let connections = Arc::clone(self.store.connections());
            match self.pools.run(&found.device, move || audit(&path, depth, &connections)).await {
                Ok(Ok(Verdict::Passed)) => self.since.lock().passed += 1,
                Ok(Ok(Verdict::Deleted)) => {}
                Ok(Err(AuditError::Wrong(why))) => {
                    self.since.lock().failed += 1;
                    tracing::error!("Audit Failed for {}: {why}", file.display());
                }
                Ok(Err(error)) => self.failed(&file, &error),
                Err(error) => self.failed(&file, &error),
            }
            if self.since.lock().begun.elapsed() >= TELL_INTERVAL {
                self.tell().await;
            }
            rate.step().await;
        }
    }

    fn failed(&self, path: &Path, error: &dyn std::error::Error) {
        self.since.lock().failed += 1;
        tracing::error!("ERROR Could not get {} info {}: {error}", self.databases.server, path.display());
    }

    /// Tells what was found since the last time.
    async fn tell(&self) {
        let Since { time, passed, failed, .. } = std::mem::replace(&mut *self.since.lock(), Since::now());
        let server = self.databases.server;
        let since = Ctime(time);
        tracing::info!("Since {since}: {server} audits: {passed} passed audit, {failed} failed audit");
        let since_s = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let figures = [("since", json!(since_s)), ("passed", json!(passed)), ("failed", json!(failed))];
        self.dump(figures.map(|(what, figure)| (format!("{server}_audits_{what}"), figure)).to_vec()).await;
    }

    async fn dump(&self, figures: Vec<(String, serde_json::Value)>) {
        let recon = self.recon.clone();
        let dump = move || recon.dump(figures.iter().map(|(name, figure)| (name.as_str(), figure.clone())));
        if let Err(error) = self.pools.run("recon", dump).await {
            tracing::error!(%error, "cannot leave figures for recon");
        }
    }
}

#[async_trait]
impl Daemon for DatabaseAuditor {
    fn name(&self) -> &'static str {
        self.databases.daemon
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    async fn pass(&self) {
        let Databases { server, title, .. } = self.databases;
        match self.once {
            true => tracing::info!("Begin {server} audit \"once\" mode"),
            false => tracing::info!("Begin {server} audit pass."),
        }
        let begun = Instant::now();
        let mut rate = RateLimit::new(self.per_second);
        let depth = self.depth();
        let mut walk = self.walk().await;
        while let Some(found) = walk.next().await {
            self.folder(found, depth, &mut rate).await;
        }
        self.since.lock().failed += walk.take_unlisted();
        let elapsed_s = begun.elapsed().as_secs_f64();
        match self.once {
            true => tracing::info!("{title} audit \"once\" mode completed: {elapsed_s:.2}s"),
            false => tracing::info!("{title} audit pass completed: {elapsed_s:.2}s"),
        }
        self.dump(vec![(format!("{server}_auditor_pass_completed"), json!(elapsed_s))]).await;
    }
}

/// The database files in a hash folder; none where it is no folder, or went away.
fn database_files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let entries = match std::fs::read_dir(dir) {
        Err(error) if matches!(error.kind(), NotADirectory | NotFound) => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<PathBuf>>>()?;
    Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "db")).collect())
}

#[cfg(test)]
mod tests;
