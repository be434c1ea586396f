//! The tasks that a node or the proxy consists of: the same roles that Swift's commands start, from the same files.

use super::DevError;
use crate::daemon::run_forever;
use crate::role::{DaemonKind, Resources, Server, ServerKind};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long running requests may go on once the cluster stops; what cannot end by then is cut.
const GRACE: Duration = Duration::from_secs(5);

/// A node's servers and daemons.
pub(super) struct NodeServers {
    name: String,
    files: BTreeMap<&'static str, PathBuf>,
    resources: Resources,
    servers: Tasks,
    daemons: Vec<JoinHandle<()>>,
    /// Dropped, it stops the daemons.
    stop_daemons: watch::Sender<bool>,
}

/// A pool of proxies: one, whatever number was asked for.
pub(super) struct ProxyServer {
    file: PathBuf,
    listener: TcpListener,
    tasks: Tasks,
}

/// Tasks that are told to stop together.
struct Tasks {
    stop: CancellationToken,
    running: Vec<JoinHandle<()>>,
}

impl NodeServers {
    /// Starts all of a node's servers and daemons; `files` are their configuration by kind of server.
    pub(super) fn start(
        name: &str,
        files: BTreeMap<&'static str, PathBuf>,
        resources: Resources,
    ) -> Result<Self, DevError> {
        let mut servers = Tasks::new();
        for kind in [ServerKind::Account, ServerKind::Container, ServerKind::Object] {
            let what = format!("{name} {}", kind.name());
            let server = load(kind, &files[kind.name()], &resources, &what)?;
            let listener = server.listen.bind().map_err(failed(&what))?;
            servers.spawn(what, server, listener);
        }
        let (stop_daemons, _) = watch::channel(false);
        let mut node =
            Self { name: name.to_string(), files, resources, servers, daemons: Vec::new(), stop_daemons };
        node.start_daemons()?;
        Ok(node)
    }

    /// Lets the daemons, which alone hold rings, begin again with the current ones.
    pub(super) async fn reload_rings(&mut self) -> Result<(), DevError> {
        self.end_daemons().await;
        self.start_daemons()
    }

    /// Stops everything.
    pub(super) async fn stop(mut self) {
        self.end_daemons().await;
        self.servers.stop().await;
    }

    fn start_daemons(&mut self) -> Result<(), DevError> {
        let (stop, stopped) = watch::channel(false);
        self.stop_daemons = stop;
        for kind in DaemonKind::ALL {
            let what = format!("{} {}", self.name, kind.name());
            let daemon =
                kind.load(&self.files[kind.server().name()], &self.resources).map_err(failed(&what))?.daemon;
            let stopped = stopped.clone();
            self.daemons.push(tokio::spawn(async move { run_forever(&*daemon, stopped).await }));
        }
        Ok(())
    }

    async fn end_daemons(&mut self) {
        self.stop_daemons.send_replace(true);
        for daemon in self.daemons.drain(..) {
            // One that panicked was reported by its own task.
            let _ = daemon.await;
        }
    }
}

impl ProxyServer {
    /// Starts it on `listener`.
    pub(super) fn start(file: &Path, listener: TcpListener) -> Result<Self, DevError> {
        let mut proxy = Self { file: file.to_path_buf(), listener, tasks: Tasks::new() };
        proxy.serve()?;
        Ok(proxy)
    }

    /// Begins again with the current rings, on the same socket.
    pub(super) async fn reload_rings(&mut self) -> Result<(), DevError> {
        std::mem::replace(&mut self.tasks, Tasks::new()).stop().await;
        self.serve()
    }

    /// Stops it.
    pub(super) async fn stop(self) {
        self.tasks.stop().await;
    }

    fn serve(&mut self) -> Result<(), DevError> {
        // Never one budget with the storage servers: the proxy holds bytes until they have read them.
        let server = load(ServerKind::Proxy, &self.file, &Resources::default(), "proxy")?;
        let listener = self.listener.try_clone().map_err(failed("proxy"))?;
        self.tasks.spawn("proxy".to_string(), server, listener);
        Ok(())
    }
}

impl Tasks {
    fn new() -> Self {
        Self { stop: CancellationToken::new(), running: Vec::new() }
    }

    fn spawn(&mut self, what: String, server: Server, listener: TcpListener) {
        let stop = self.stop.clone();
        self.running.push(tokio::spawn(async move {
            if let Err(error) = server.serve(listener, stop).await {
                tracing::error!("{what}: {error}");
            }
        }));
    }

    async fn stop(self) {
        self.stop.cancel();
        let all = futures_util::future::join_all(self.running);
        if tokio::time::timeout(GRACE, all).await.is_err() {
            tracing::warn!("requests that were still running after {} s were cut", GRACE.as_secs());
        }
    }
}

fn load(kind: ServerKind, file: &Path, resources: &Resources, what: &str) -> Result<Server, DevError> {
    Server::load(kind, file, resources).map_err(failed(what))
}

fn failed<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> DevError {
    let what = what.to_string();
    move |error| DevError::Server { what, why: error.to_string() }
}
