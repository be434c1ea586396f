//! The tasks that a node or the proxy consists of: the same roles that Swift's commands start, from the same files.
//! A role whose settings stay what they were is left alone; one that begins again lets its requests finish.

use super::DevError;
use crate::daemon::{HowToRun, run_forever};
use crate::role::{DaemonKind, Resources, Server, ServerKind, StartError};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;
use swiftlet_types::conf::{Factory, Ini, Options};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long running requests may go on once the cluster stops; what cannot end by then is cut.
const GRACE: Duration = Duration::from_secs(5);

/// The storage servers of a node.
const SERVERS: [ServerKind; 3] = [ServerKind::Account, ServerKind::Container, ServerKind::Object];

/// A server or a daemon of a node.
#[derive(Clone, Copy)]
pub(super) enum RoleKind {
    Server(ServerKind),
    Daemon(DaemonKind),
}

/// The roles that are set up from the file of `server` (`object-server`): the server, then its daemons.
pub(super) fn role_kinds(server: &str) -> impl Iterator<Item = RoleKind> {
    let daemons = DaemonKind::ALL.into_iter().map(RoleKind::Daemon);
    SERVERS.into_iter().map(RoleKind::Server).chain(daemons).filter(move |role| role.file() == server)
}

impl RoleKind {
    /// The server whose file its options are in.
    fn file(self) -> &'static str {
        match self {
            Self::Server(kind) => kind.name(),
            Self::Daemon(kind) => kind.server().name(),
        }
    }

    /// Sets it up from `file` and drops it again: why it would not start.
    pub(super) fn try_from_file(self, file: &Path, resources: &Resources) -> Result<(), String> {
        match self {
            Self::Server(kind) => Server::load(kind, file, resources).map(drop),
            Self::Daemon(kind) => kind.load(file, resources, HowToRun::default()).map(drop),
        }
        .map_err(|error| error.to_string())
    }
}

/// A node's servers and daemons.
pub(super) struct NodeServers {
    name: String,
    files: BTreeMap<&'static str, PathBuf>,
    resources: Resources,
    servers: BTreeMap<&'static str, RunningServer>,
    daemons: BTreeMap<&'static str, RunningDaemon>,
}

/// A pool of proxies: one, whatever number was asked for.
pub(super) struct ProxyServer {
    file: PathBuf,
    server: RunningServer,
}

/// A server on its socket, and those before it whose last requests are running.
struct RunningServer {
    listener: TcpListener,
    settings: Settings,
    current: ServerTask,
    retired: Vec<ServerTask>,
}

struct ServerTask {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

struct RunningDaemon {
    settings: Settings,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// All that a role starts from: its options as it reads them, and `swift.conf`.
#[derive(Debug, PartialEq, Eq)]
struct Settings {
    options: Vec<(String, String)>,
    swift_conf: Vec<u8>,
}

impl Settings {
    fn of_server(kind: ServerKind, file: &Path) -> Result<Self, StartError> {
        let pipeline = Ini::read(file)?.pipeline(kind.name())?;
        let sections = pipeline.filters.iter().chain([&pipeline.app]);
        let options = sections.flat_map(|Factory { options, .. }| listed(options)).collect();
        Ok(Self { options, swift_conf: swift_conf(&pipeline.app.options) })
    }

    fn of_daemon(kind: DaemonKind, file: &Path) -> Result<Self, StartError> {
        let options = Ini::read(file)?.daemon(kind.name())?;
        Ok(Self { options: listed(&options), swift_conf: swift_conf(&options) })
    }
}

fn listed(options: &Options) -> Vec<(String, String)> {
    let named =
        |(option, value): (&str, &str)| (format!("[{}] {option}", options.section()), value.to_owned());
    options.iter().map(named).collect()
}

/// Its bytes; where it cannot be read, setting the role up says so.
fn swift_conf(options: &Options) -> Vec<u8> {
    std::fs::read(Path::new(&options.str_or("swift_dir", "/etc/swift")).join("swift.conf"))
        .unwrap_or_default()
}

impl NodeServers {
    /// Starts all of a node's servers and daemons; `files` are their configuration by kind of server.
    pub(super) async fn start(
        name: &str,
        files: BTreeMap<&'static str, PathBuf>,
        resources: Resources,
    ) -> Result<Self, DevError> {
        let (servers, daemons) = (BTreeMap::new(), BTreeMap::new());
        let mut node = Self { name: name.to_string(), files, resources, servers, daemons };
        node.apply_settings().await?;
        Ok(node)
    }

    /// Starts what does not run, and begins again with what runs with other settings than the files now hold.
    pub(super) async fn apply_settings(&mut self) -> Result<(), DevError> {
        for kind in SERVERS {
            self.apply_to_server(kind)?;
        }
        for kind in DaemonKind::ALL {
            let settings =
                Settings::of_daemon(kind, self.file(kind.server())).map_err(self.failed(kind.name()))?;
            if self.daemons.get(kind.name()).is_none_or(|running| running.settings != settings) {
                self.start_daemon(kind, settings).await?;
            }
        }
        Ok(())
    }

    /// Lets the daemons, which alone hold rings, begin again with the current ones.
    pub(super) async fn reload_rings(&mut self) -> Result<(), DevError> {
        for kind in DaemonKind::ALL {
            let settings =
                Settings::of_daemon(kind, self.file(kind.server())).map_err(self.failed(kind.name()))?;
            self.start_daemon(kind, settings).await?;
        }
        Ok(())
    }

    /// Stops everything.
    pub(super) async fn stop(self) {
        for daemon in self.daemons.into_values() {
            daemon.stop().await;
        }
        let servers = self.servers.into_values().map(RunningServer::stop);
        futures_util::future::join_all(servers).await;
    }

    fn apply_to_server(&mut self, kind: ServerKind) -> Result<(), DevError> {
        let failed = |error: StartError| self.failed(kind.name())(error);
        let file = self.file(kind).to_owned();
        let settings = Settings::of_server(kind, &file).map_err(failed)?;
        if self.servers.get(kind.name()).is_some_and(|running| running.settings == settings) {
            return Ok(());
        }
        let server = Server::load(kind, &file, &self.resources).map_err(failed)?;
        let what = self.role(kind.name());
        match self.servers.get_mut(kind.name()) {
            Some(running) => running.begin_again(server, settings, &what)?,
            None => {
                let listener = server.listen.bind().map_err(failed_to_start(&what))?;
                let running = RunningServer::start(server, listener, settings, &what)?;
                self.servers.insert(kind.name(), running);
            }
        }
        Ok(())
    }

    async fn start_daemon(&mut self, kind: DaemonKind, settings: Settings) -> Result<(), DevError> {
        let loaded = kind
            .load(self.file(kind.server()), &self.resources, HowToRun::default())
            .map_err(self.failed(kind.name()))?;
        if let Some(old) = self.daemons.remove(kind.name()) {
            old.stop().await;
        }
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(async move { run_forever(&*loaded.daemon, stopped).await });
        self.daemons.insert(kind.name(), RunningDaemon { settings, stop, task });
        Ok(())
    }

    fn file(&self, kind: ServerKind) -> &Path {
        &self.files[kind.name()]
    }

    fn role(&self, name: &str) -> String {
        format!("{} {name}", self.name)
    }

    fn failed(&self, name: &str) -> impl FnOnce(StartError) -> DevError + use<> {
        failed_to_start(&self.role(name))
    }
}

impl ProxyServer {
    /// Starts it on `listener`.
    pub(super) fn start(file: &Path, listener: TcpListener) -> Result<Self, DevError> {
        let (server, settings) = Self::load(file)?;
        let server = RunningServer::start(server, listener, settings, "proxy")?;
        Ok(Self { file: file.to_path_buf(), server })
    }

    /// Begins again, on the same socket, if the file now holds other settings than it runs with.
    pub(super) fn apply_settings(&mut self) -> Result<(), DevError> {
        let (server, settings) = Self::load(&self.file)?;
        if self.server.settings == settings {
            return Ok(());
        }
        self.server.begin_again(server, settings, "proxy")
    }

    /// Begins again with the current rings, on the same socket.
    pub(super) fn reload_rings(&mut self) -> Result<(), DevError> {
        let (server, settings) = Self::load(&self.file)?;
        self.server.begin_again(server, settings, "proxy")
    }

    /// Stops it.
    pub(super) async fn stop(self) {
        self.server.stop().await;
    }

    /// A proxy's resources are its own: see [`Resources::new`].
    fn load(file: &Path) -> Result<(Server, Settings), DevError> {
        let failed = failed_to_start::<StartError>;
        let settings = Settings::of_server(ServerKind::Proxy, file).map_err(failed("proxy"))?;
        let server = Server::load(ServerKind::Proxy, file, &Resources::default()).map_err(failed("proxy"))?;
        Ok((server, settings))
    }
}

impl RunningServer {
    fn start(
        server: Server,
        listener: TcpListener,
        settings: Settings,
        what: &str,
    ) -> Result<Self, DevError> {
        let current = ServerTask::spawn(server, &listener, what)?;
        Ok(Self { listener, settings, current, retired: Vec::new() })
    }

    /// The new one accepts before the old one stops to, and the old one's requests run to their ends.
    fn begin_again(&mut self, server: Server, settings: Settings, what: &str) -> Result<(), DevError> {
        let new = ServerTask::spawn(server, &self.listener, what)?;
        let old = std::mem::replace(&mut self.current, new);
        old.stop.cancel();
        self.retired.retain(|retired| !retired.task.is_finished());
        self.retired.push(old);
        self.settings = settings;
        Ok(())
    }

    async fn stop(self) {
        let tasks: Vec<ServerTask> = self.retired.into_iter().chain([self.current]).collect();
        tasks.iter().for_each(|task| task.stop.cancel());
        let all = futures_util::future::join_all(tasks.into_iter().map(|task| task.task));
        if tokio::time::timeout(GRACE, all).await.is_err() {
            tracing::warn!("requests that were still running after {} s were cut", GRACE.as_secs());
        }
    }
}

impl ServerTask {
    fn spawn(server: Server, listener: &TcpListener, what: &str) -> Result<Self, DevError> {
        let listener = listener.try_clone().map_err(failed_to_start(what))?;
        let stop = CancellationToken::new();
        let (stopped, what) = (stop.clone(), what.to_string());
        let task = tokio::spawn(async move {
            if let Err(error) = server.serve(listener, stopped).await {
                tracing::error!("{what}: {error}");
            }
        });
        Ok(Self { stop, task })
    }
}

impl RunningDaemon {
    async fn stop(self) {
        self.stop.send_replace(true);
        // One that panicked was reported by its own task.
        let _ = self.task.await;
    }
}

fn failed_to_start<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> DevError + use<E> {
    let what = what.to_string();
    move |error| DevError::Server { what, why: error.to_string() }
}
