//! A server: its configuration read, its pipeline built, ready to be given a socket.

use super::storage::StorageKind;
use super::{Resources, StartError, proxy, storage, swift_conf};
use crate::http::{ServerOptions, Service, server};
use crate::logging::LogOptions;
use crate::serve::options::{Workers, http_options};
use crate::serve::{ListenOptions, tls};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_types::conf::{Ini, Options};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names say all there is
pub enum ServerKind {
    Proxy,
    Account,
    Container,
    Object,
}

impl ServerKind {
    /// Swift's name: `object-server`. Its section is `[app:object-server]`, its usual file `object-server.conf`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy-server",
            Self::Account => "account-server",
            Self::Container => "container-server",
            Self::Object => "object-server",
        }
    }
}

/// Work that goes on beside a server for as long as it serves.
pub(super) type Beside = Box<dyn FnOnce() -> futures_util::future::BoxFuture<'static, ()> + Send>;

/// A server that is ready to serve.
pub struct Server {
    /// Which one.
    pub kind: ServerKind,
    /// Where it wants to listen.
    pub listen: ListenOptions,
    /// How many processes it wants.
    pub workers: Workers,
    /// Where its log lines go.
    pub log: LogOptions,
    /// The user its workers run as.
    pub user: String,
    /// How long a worker of before a reload may finish its requests.
    pub stale_worker_timeout: Duration,
    service: Arc<dyn Service>,
    http: ServerOptions,
    tls: Option<TlsAcceptor>,
    beside: Option<Beside>,
}

impl Server {
    /// Reads the configuration at `path` (a file, or a directory of them) and sets everything up.
    pub fn load(kind: ServerKind, path: &Path, resources: &Resources) -> Result<Self, StartError> {
        let ini = Ini::read(path)?;
        let pipeline = ini.pipeline(kind.name())?;
        let options = &pipeline.app.options;
        let listen = ListenOptions::from_options(options)?;
        let tls = listen.tls.as_ref().map(|(cert, key)| tls::acceptor(cert, key)).transpose()?;
        let swift = swift_conf(options)?;
        let http = http_options(options, &swift.constraints, resources.budget.clone())?;
        let workers = Workers::from_options(options)?;
        let log = LogOptions::from_options(options, kind.name())?;
        let user = options.str_or("user", "swift");
        let stale_worker_timeout = options.seconds("stale_worker_timeout", 86_400.0)?;
        let storage = |kind| storage::build(kind, &pipeline, &swift, resources);
        let (service, beside) = match kind {
            ServerKind::Proxy => proxy::build(&ini, &pipeline, &swift, listen.address().ok(), tls.is_some())?,
            ServerKind::Account => (storage(StorageKind::Account)?, None),
            ServerKind::Container => (storage(StorageKind::Container)?, None),
            ServerKind::Object => (storage(StorageKind::Object)?, None),
        };
        warn_of_unknown(options);
        Ok(Self { kind, listen, workers, log, user, stale_worker_timeout, service, http, tls, beside })
    }

    /// Serves connections from `listener` until `stop`, and then the requests that are running.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> Result<(), StartError> {
        listener.set_nonblocking(true).map_err(StartError::Socket)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(StartError::Socket)?;
        let serving = server::serve(listener, self.tls, self.http, self.service, stop);
        match self.beside {
            None => serving.await,
            Some(beside) => tokio::select! {
                () = serving => {}
                () = async { beside().await; std::future::pending().await } => {}
            },
        }
        Ok(())
    }
}

/// Warns of options that nobody asked for.
fn warn_of_unknown(options: &Options) {
    // These belong to processes, not to what is served.
    for option in ["bind_timeout", "eventlet_debug", "nice_priority", "ionice_class", "ionice_priority"] {
        options.str(option);
    }
    for warning in options.warnings() {
        tracing::warn!("{warning}");
    }
}
