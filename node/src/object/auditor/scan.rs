//! One scan: walks devices, every policy in turn, paces itself and tells how it stands.

use super::config::AuditorConfig;
use super::inspect::{self, Looked, Next, Verdict};
use super::plan::{Counts, Scan, SizeStats, Standing, last_line, title};
use super::watcher::{SeenObject, Watchers, Watching, Wish, fulfil};
use crate::daemon::{Checkpoint, Found, RateLimit, ReconCache, Walk};
use crate::serve::DevicePools;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use swiftlet_storage::object::{DirKind, HashDir, ObjectStore};

/// What all scans of an auditor share.
pub(super) struct Shared {
    pub config: AuditorConfig,
    pub store: Arc<ObjectStore>,
    pub pools: DevicePools,
    /// The indexes of the storage policies.
    pub policies: Vec<u32>,
    pub recon: ReconCache,
    pub watchers: Watchers,
    /// `once` or `forever`, for log lines.
    pub mode: &'static str,
}

impl Shared {
    /// The names of the devices that are there.
    pub async fn device_names(&self) -> Vec<String> {
        let store = self.store.clone();
        let root = self.store.config().devices.root().display();
        match self.pools.run("all devices", move || store.config().devices.list()).await {
            Ok(Ok(names)) => return names,
            Ok(Err(error)) => tracing::error!("ERROR auditing: {root}: {error}"),
            Err(error) => tracing::error!("ERROR auditing: {root}: {error}"),
        }
        Vec::new()
    }
}

/// A scan that is under way.
pub(super) struct Running<'a> {
    shared: &'a Shared,
    scan: Scan,
    /// `None`: all.
    devices: Option<Vec<String>>,
    title: String,
    files_rate: RateLimit,
    bytes_rate: RateLimit,
    begun: Instant,
    /// When figures were told last; at first they are told after the first object.
    told: Option<Instant>,
    since: (SystemTime, Instant),
    recent: Counts,
    total: Counts,
    files: u64,
    auditing: Duration,
    sizes: SizeStats,
    watching: Watching,
}

impl<'a> Running<'a> {
    /// A scan of some devices, or all, that looks at so many objects a second.
    pub fn new(shared: &'a Shared, scan: Scan, devices: Option<Vec<String>>, files_per_second: f64) -> Self {
        let now = Instant::now();
        Self {
            shared,
            scan,
            title: title(scan, devices.as_deref()),
            devices,
            files_rate: RateLimit::new(files_per_second),
            bytes_rate: RateLimit::new(shared.config.bytes_per_second),
            begun: now,
            told: None,
            since: (SystemTime::now(), now),
            recent: Counts::default(),
            total: Counts::default(),
            files: 0,
            auditing: Duration::ZERO,
            sizes: SizeStats::new(&shared.config.object_size_stats),
            watching: shared.watchers.start(scan),
        }
    }

    /// Does all of it; what it found.
    pub async fn run(mut self) -> Counts {
        let mode = self.shared.mode;
        tracing::info!("Begin object audit \"{mode}\" mode ({})", self.title);
        let mut names = self.shared.device_names().await;
        names.retain(|name| self.devices.as_ref().is_none_or(|wanted| wanted.contains(name)));
        let mut walks = Vec::new();
        for policy in &self.shared.policies {
            walks.push((*policy, self.walk(*policy, names.clone())));
        }
        while !walks.is_empty() {
            let mut at = 0;
            while let Some((_, walk)) = walks.get_mut(at) {
                let found = walk.next().await;
                self.recent.errors += walk.take_unlisted();
                match found {
                    None => drop(walks.remove(at)),
                    Some(found) => {
                        self.object(found).await;
                        at += 1;
                    }
                }
            }
        }
        self.total.add(std::mem::take(&mut self.recent));
        let elapsed = self.begun.elapsed();
        tracing::info!("{}", last_line(&self.title, mode, self.files, self.total, elapsed, self.auditing));
        self.watching.end();
        if let Some(line) = self.sizes.line() {
            tracing::info!("{line}");
        }
        self.forget_checkpoints(names).await;
        self.total
    }

    fn walk(&self, policy: u32, names: Vec<String>) -> Walk {
        let devices = self.shared.store.config().devices.clone();
        let checkpoint = Checkpoint::new(self.scan.name());
        Walk::new(self.shared.pools.clone(), devices, names, DirKind::Objects.name(policy), Some(checkpoint))
    }

    /// The next scan begins at the beginning.
    async fn forget_checkpoints(&self, names: Vec<String>) {
        for device in names {
            let checkpoint = Checkpoint::new(self.scan.name());
            let path = self.shared.store.config().devices.path_of(&device);
            let data_dirs: Vec<PathBuf> =
                self.shared.policies.iter().map(|policy| path.join(DirKind::Objects.name(*policy))).collect();
            let clear = move || data_dirs.iter().for_each(|data_dir| checkpoint.clear(data_dir));
            if let Err(error) = self.shared.pools.run(&device, clear).await {
                tracing::error!(%error, "cannot clear checkpoints");
            }
        }
    }

    /// Looks at one object, and waits until it is time for the next.
    async fn object(&mut self, found: Found) {
        let begun = Instant::now();
        let dir = found.dir.clone();
        match self.judge(found).await {
            Verdict::Passed => self.recent.passes += 1,
            Verdict::Quarantined(why) => {
                self.recent.passes += 1;
                self.recent.quarantined += 1;
                tracing::error!("ERROR Object {} failed audit and was quarantined: {why}", dir.display());
            }
            Verdict::Failed(why) => {
                self.recent.errors += 1;
                tracing::error!("ERROR Trying to audit {}: {why}", dir.display());
            }
        }
        self.files_rate.step().await;
        self.files += 1;
        if self.told.is_none_or(|told| told.elapsed() >= self.shared.config.log_time) {
            self.tell().await;
        }
        self.auditing += begun.elapsed();
    }

    async fn judge(&mut self, found: Found) -> Verdict {
        let store = self.shared.store.clone();
        let (scan, timeout) = (self.scan, self.shared.config.rsync_tempfile_timeout);
        let at = HashDir { device: store.config().devices.path_of(&found.device), dir: found.dir };
        let opened = move || inspect::open(&store, &at, scan, timeout);
        let Looked { object, bytes, next } = match self.shared.pools.run(&found.device, opened).await {
            Ok(looked) => looked,
            Err(error) => return Verdict::Failed(error.to_string()),
        };
        object.iter().for_each(|object| self.sizes.add(object.size));
        match (self.read(&found.device, bytes, next).await, object) {
            (Verdict::Passed, Some(object)) => self.show(&found.device, object).await,
            (verdict, _) => verdict,
        }
    }

    /// Goes on with `next` to its end; `bytes` were read so far.
    async fn read(&mut self, device: &str, mut bytes: u64, mut next: Next) -> Verdict {
        loop {
            self.recent.bytes += bytes;
            let audit = match next {
                Next::Verdict(verdict) if bytes == 0 => return verdict,
                Next::Verdict(verdict) => {
                    self.bytes_rate.take(bytes as f64).await;
                    return verdict;
                }
                Next::Bytes(audit) => audit,
            };
            self.bytes_rate.take(bytes as f64).await;
            (bytes, next) = match self.shared.pools.run(device, move || inspect::go_on(audit)).await {
                Ok(more) => more,
                Err(error) => return Verdict::Failed(error.to_string()),
            };
        }
    }

    /// Shows an object that passed to the watchers, and does what they wish for.
    async fn show(&mut self, device: &str, object: SeenObject) -> Verdict {
        let (wish, watcher) = self.watching.see_object(&object).await;
        if wish == Wish::Keep {
            return Verdict::Passed;
        }
        match self.shared.pools.run(device, move || fulfil(wish, &object)).await {
            Ok(Ok(())) if wish == Wish::Quarantine => Verdict::Quarantined(format!("Requested by {watcher}")),
            Ok(Ok(())) => Verdict::Passed,
            Ok(Err(error)) => Verdict::Failed(format!("as {watcher} requested: {error}")),
            Err(error) => Verdict::Failed(error.to_string()),
        }
    }

    /// Tells how it stands, in the log and to recon.
    async fn tell(&mut self) {
        let now = Instant::now();
        let standing = Standing {
            counts: self.recent,
            since: self.since.0,
            since_elapsed: self.since.1.elapsed(),
            elapsed: self.begun.elapsed(),
            auditing: self.auditing,
        };
        tracing::info!("{}", standing.line(&self.title));
        let (recon, key) = (self.shared.recon.clone(), self.scan.recon_key());
        let figures = standing.recon(self.devices.as_deref());
        if let Err(error) = self.shared.pools.run("recon", move || recon.dump([(key, figures)])).await {
            tracing::error!(%error, "cannot leave figures for recon");
        }
        self.total.add(std::mem::take(&mut self.recent));
        self.since = (SystemTime::now(), now);
        self.told = Some(now);
    }
}
