//! `swiftlet dev`: a whole cluster in this process, from the very manifests that Kubernetes gets.
//!
//! It is the planner's second executor: the same plans as the operator's, carried out on tasks of this process.
//! Each node has a loopback address of its own and speaks real HTTP; everything it keeps is in one folder, in
//! Swift's own formats.

mod addresses;
mod error;
mod execute;
mod files;
mod home;
mod identity;
mod leave;
mod manifests;
mod observe;
mod pools;
mod rehearse;
mod servers;
mod state;
mod summary;
mod watch;

pub use error::DevError;

use execute::Executor;
use home::Home;
use manifests::Manifests;
use state::State;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use swiftlet_plan::validate::{ValidatedCluster, validate};
use watch::ManifestWatch;

/// How often the manifest files are looked at.
const WATCH_EVERY: Duration = Duration::from_millis(500);
/// How often it is seen whether something that waits may be done.
const RETRY_EVERY: Duration = Duration::from_secs(10);

/// What `swiftlet dev` is asked to do.
#[derive(Clone, Debug)]
pub struct DevOptions {
    /// Files of manifests; none: the ones built in.
    pub manifests: Vec<PathBuf>,
    /// The folder that everything is kept in.
    pub data: PathBuf,
    /// Where the cluster's own pool of proxies listens; others do at the next ports that are free.
    pub listen: SocketAddr,
}

/// A cluster that runs in this process.
pub struct DevCluster {
    executor: Executor,
    options: DevOptions,
    listen: SocketAddr,
    watch: ManifestWatch,
}

impl DevCluster {
    /// Starts it. What the manifests, the address or the folder speak against is found before anything is changed.
    pub async fn start(options: &DevOptions) -> Result<Self, DevError> {
        let watch = ManifestWatch::new(&options.manifests);
        let manifests = Manifests::read(&options.manifests)?;
        let mut cluster = validated(&manifests)?;
        let listener = bind(options.listen)?;
        // The port may have been left to the system.
        let listen =
            listener.local_addr().map_err(|error| DevError::Listen { address: options.listen, error })?;
        let home = Home::open(&options.data)?;
        let state = State::load(&home, &cluster.name)?;
        cluster.hash_path = Some(identity::hash_path(&home, &manifests)?);
        let mut executor = Executor::new(cluster, home, state, listener, listen);
        executor.start().await?;
        Ok(Self { executor, options: options.clone(), listen, watch })
    }

    /// Changes shape whenever the manifest files do, for as long as it is polled, and carries out what waited for its
    /// time. `tell` hears of each change: its outcome in one line, or every mistake in one; and when nothing waits any more.
    pub async fn follow_manifests(&mut self, tell: impl Fn(Result<String, String>)) {
        let mut looked = Instant::now();
        loop {
            tokio::time::sleep(WATCH_EVERY).await;
            if self.watch.changed() {
                let outcome = self.change().await.map(|()| format!("changed: {}", self.shape()));
                tell(outcome.map_err(|error| format!("{error}; the cluster goes on as it was")));
            } else if self.executor.waits() && looked.elapsed() >= RETRY_EVERY {
                looked = Instant::now();
                match self.executor.settle().await {
                    Err(error) => tell(Err(error.to_string())),
                    Ok(()) if !self.executor.waits() => tell(Ok(format!("settled: {}", self.shape()))),
                    Ok(()) => {}
                }
            }
        }
    }

    /// Takes the shape that the manifest files now ask for. An error that comes before anything is changed leaves the
    /// cluster as it was.
    async fn change(&mut self) -> Result<(), DevError> {
        let manifests = Manifests::read(&self.options.manifests)?;
        let mut cluster = validated(&manifests)?;
        let running = self.executor.cluster();
        if cluster.name != running.name {
            let (asked, name) = (&cluster.name, &running.name);
            return Err(DevError::Refused(format!("SwiftCluster {asked}: this process runs {name}")));
        }
        cluster.hash_path = Some(identity::hash_path(self.executor.home(), &manifests)?);
        self.executor.change(cluster).await
    }

    /// How many zones, nodes and devices it has, and its pools of proxies beside its own.
    fn shape(&self) -> String {
        summary::shape(self.executor.cluster()) + &summary::pools(&self.executor.other_pools())
    }

    /// Where the cluster's own pool of proxies listens.
    pub fn address(&self) -> SocketAddr {
        self.listen
    }

    /// The line that says it is ready, and a summary.
    pub fn summary(&self, data: &Path) -> String {
        let pools = self.executor.other_pools();
        summary::ready(self.executor.cluster(), self.listen, data) + &summary::pools(&pools)
    }

    /// Stops it; running requests get a moment to end.
    pub async fn stop(self) {
        self.executor.stop().await;
    }
}

/// What the manifests ask for, or everything that is wrong with them.
fn validated(manifests: &Manifests) -> Result<ValidatedCluster, DevError> {
    let validation = validate(manifests.desired());
    match validation.cluster {
        Some(mut cluster) if validation.problems.is_empty() => {
            // A soak lets people and figures show what a change did before the next zone follows: nobody waits for
            // that on a laptop, and nothing is gained in one process.
            cluster.upgrade.soak_s = 0;
            for advice in &validation.advice {
                tracing::info!("{advice}");
            }
            Ok(cluster)
        }
        _ => Err(DevError::Invalid(validation.problems.iter().map(|p| manifests.locate(p)).collect())),
    }
}

/// A proxy's socket.
fn bind(address: SocketAddr) -> Result<TcpListener, DevError> {
    TcpListener::bind(address).map_err(|error| DevError::Listen { address, error })
}

#[cfg(test)]
mod tests;
