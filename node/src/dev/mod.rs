//! `swiftlet dev`: a whole cluster in this process, from the very manifests that Kubernetes gets.
//!
//! It is the planner's second executor: the same plans as the operator's, carried out on tasks of this process.
//! Each node has a loopback address of its own and speaks real HTTP; everything it keeps is in one folder, in
//! Swift's own formats.

mod addresses;
mod error;
mod execute;
mod home;
mod identity;
mod manifests;
mod observe;
mod servers;
mod state;
mod summary;

pub use error::DevError;

use addresses::assign_addresses;
use execute::Executor;
use home::Home;
use manifests::Manifests;
use state::State;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use swiftlet_plan::validate::{ValidatedCluster, validate};

/// What `swiftlet dev` is asked to do.
#[derive(Clone, Debug)]
pub struct DevOptions {
    /// Files of manifests; none: the ones built in.
    pub manifests: Vec<PathBuf>,
    /// The folder that everything is kept in.
    pub data: PathBuf,
    /// Where the proxy listens.
    pub listen: SocketAddr,
}

/// A cluster that runs in this process.
pub struct DevCluster {
    executor: Executor,
    listen: SocketAddr,
}

impl DevCluster {
    /// Starts it. What the manifests, the address or the folder speak against is found before anything is changed.
    pub async fn start(options: &DevOptions) -> Result<Self, DevError> {
        let manifests = Manifests::read(&options.manifests)?;
        let mut cluster = validated(&manifests)?;
        let (listener, listen) = listen(options.listen)?;
        let home = Home::open(&options.data)?;
        let mut state = State::load(&home, &cluster.name)?;
        cluster.hash_path = Some(identity::hash_path(&home, &manifests)?);
        assign_addresses(&cluster, &mut state)?;
        let mut executor = Executor::new(cluster, home, state, listener, listen);
        executor.refuse_what_would_lose_data()?;
        executor.settle().await?;
        Ok(Self { executor, listen })
    }

    /// Where its proxy listens.
    pub fn address(&self) -> SocketAddr {
        self.listen
    }

    /// The line that says it is ready, and a summary.
    pub fn summary(&self, data: &Path) -> String {
        summary::ready(self.executor.cluster(), self.listen, data)
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
        Some(cluster) if validation.problems.is_empty() => {
            for advice in &validation.advice {
                tracing::info!("{advice}");
            }
            Ok(cluster)
        }
        _ => Err(DevError::Invalid(validation.problems.iter().map(|p| manifests.locate(p)).collect())),
    }
}

/// The socket, and its real address where the port was left to the system.
fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), DevError> {
    let failed = |error| DevError::Listen { address, error };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let real = listener.local_addr().map_err(failed)?;
    Ok((listener, real))
}

#[cfg(test)]
mod tests;
