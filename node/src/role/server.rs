//! A server: its configuration read, its pipeline built, ready to be given a socket.

use super::storage::StorageKind;
use super::{Resources, StartError, proxy, storage, swift_conf, without_effect};
use crate::http::{ServerOptions, Service, server};
use crate::logging::LogOptions;
use crate::process::Priority;
use crate::serve::ListenOptions;
use crate::serve::metrics::{Figures, MetricsEndpoint, RequestMetrics};
use crate::serve::options::{Workers, http_options};
use crate::serve::tls::Certificate;
use futures_util::FutureExt;
use futures_util::future::{OptionFuture, join};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_types::conf::{Ini, OptionError, Options, Pipeline};
use tokio_util::sync::CancellationToken;

/// How often the files of the certificate are looked at for changes.
const CERTIFICATE_POLL: Duration = Duration::from_secs(10);

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

/// Work that goes on beside a server until the token says that it serves no more, and what is to be done last.
pub(super) type Beside =
    Box<dyn FnOnce(CancellationToken) -> futures_util::future::BoxFuture<'static, ()> + Send>;

/// What a kind of server makes of its pipeline.
pub(super) struct Built {
    /// The pipeline.
    pub(super) service: Arc<dyn Service>,
    /// The same as TLS beside the plain port serves it, where that makes a difference.
    pub(super) secure: Option<Arc<dyn Service>>,
    /// The figures about its requests.
    pub(super) requests: Arc<RequestMetrics>,
    /// What is to be seen beside them.
    pub(super) more: Option<Arc<dyn Figures>>,
    /// See [`Beside`].
    pub(super) beside: Option<Beside>,
    /// See [`Server::warnings`].
    pub(super) warnings: Vec<String>,
}

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
    /// Where those of the access log go, where a filter writes it.
    pub access_log: Option<LogOptions>,
    /// The user its workers run as.
    pub user: String,
    /// The shares of processor and disk that its workers ask for.
    pub priority: Priority,
    /// How long a worker of before a reload may finish its requests.
    pub stale_worker_timeout: Duration,
    /// What was odd in its file and is no reason not to serve: told when it begins to, when there is a log.
    pub warnings: Vec<String>,
    service: Arc<dyn Service>,
    /// TLS beside the plain port: where, and what is served there.
    secure: Option<(ListenOptions, Arc<dyn Service>)>,
    certificate: Option<Arc<Certificate>>,
    http: ServerOptions,
    beside: Option<Beside>,
}

impl Server {
    /// Reads the configuration at `path` (a file, or a directory of them) and sets everything up.
    pub fn load(kind: ServerKind, path: &Path, resources: &Resources) -> Result<Self, StartError> {
        let ini = Ini::read(path)?;
        let pipeline = ini.pipeline(kind.name())?;
        let options = &pipeline.app.options;
        let listen = ListenOptions::from_options(options)?;
        let certificate = listen.tls.as_ref().map(|(cert, key)| Certificate::load(cert, key)).transpose()?;
        let swift = swift_conf(options)?;
        let http = http_options(options, &swift.constraints, resources.budget.clone())?;
        let workers = Workers::from_options(options)?;
        let log = LogOptions::from_options(options, kind.name())?;
        let access_log = access_log(&pipeline, &log)?;
        let user = options.str_or("user", "swift");
        let stale_worker_timeout = options.seconds("stale_worker_timeout", 86_400.0)?;
        let priority = Priority::from_options(options)?;
        refuse_servers_per_port(options)?;
        let storage = |kind| storage::build(kind, &pipeline, &swift, resources);
        let Built { service, secure, requests, more, beside, mut warnings } = match kind {
            ServerKind::Proxy => proxy::build(&ini, &pipeline, &swift, &listen)?,
            ServerKind::Account => storage(StorageKind::Account)?,
            ServerKind::Container => storage(StorageKind::Container)?,
            ServerKind::Object => storage(StorageKind::Object)?,
        };
        let daemons = resources.daemon_metrics.of(kind.name());
        let expose_metrics = options.bool("expose_metrics", true);
        let exposed = |service: Arc<dyn Service>| -> Arc<dyn Service> {
            match expose_metrics {
                true => {
                    Arc::new(MetricsEndpoint::new(service, requests.clone(), daemons.clone(), more.clone()))
                }
                false => service,
            }
        };
        let secure =
            listen.beside().map(|listen| (listen, exposed(secure.unwrap_or_else(|| service.clone()))));
        let service = exposed(service);
        without_effect::know(options);
        warnings.extend(options.warnings());
        Ok(Self {
            kind,
            listen,
            workers,
            log,
            access_log,
            user,
            priority,
            stale_worker_timeout,
            warnings,
            service,
            secure,
            certificate,
            http,
            beside,
        })
    }

    /// Serves connections from `listener` until `stop`, and then the requests that are running.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> Result<(), StartError> {
        self.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let ended = CancellationToken::new();
        let beside = self.beside.map(|beside| beside(ended.clone()));
        let acceptor = self.certificate.as_ref().map(Certificate::acceptor).transpose()?;
        let following =
            self.certificate.map(|certificate| certificate.follow(CERTIFICATE_POLL, ended.clone()));
        let listener = adopt(listener)?;
        let serving = match self.secure {
            None => server::serve(listener, acceptor, self.http, self.service, stop).boxed(),
            Some((listen, secure)) => {
                let secure_listener = adopt(bind(listen).await?)?;
                let plain = server::serve(listener, None, self.http.clone(), self.service, stop.clone());
                let tls = server::serve(secure_listener, acceptor, self.http, secure, stop);
                join(plain, tls).map(|_| ()).boxed()
            }
        };
        let serving = serving.map(|()| ended.cancel());
        tokio::join!(serving, OptionFuture::from(beside), OptionFuture::from(following));
        Ok(())
    }
}

/// What the first filter that writes an access log says of where it goes.
fn access_log(pipeline: &Pipeline, log: &LogOptions) -> Result<Option<LogOptions>, OptionError> {
    let filter = pipeline.filters.iter().find(|factory| factory.entry_point == "proxy_logging");
    filter.map(|factory| LogOptions::of_access_log(&factory.options, log)).transpose()
}

/// Binds off the async workers: it may take as long as `bind_timeout` says.
async fn bind(listen: ListenOptions) -> Result<TcpListener, StartError> {
    let bound = tokio::task::spawn_blocking(move || listen.bind()).await;
    Ok(bound.map_err(|error| StartError::Socket(std::io::Error::other(error)))??)
}

/// The same socket for the runtime.
fn adopt(listener: TcpListener) -> Result<tokio::net::TcpListener, StartError> {
    listener.set_nonblocking(true).map_err(StartError::Socket)?;
    tokio::net::TcpListener::from_std(listener).map_err(StartError::Socket)
}

/// With it devices have ports of their own in the rings: a server that did not listen there would be missing.
fn refuse_servers_per_port(options: &Options) -> Result<(), OptionError> {
    match options.int("servers_per_port", 0_u32)? {
        0 => Ok(()),
        _ => Err(options.error(
            "servers_per_port",
            "is not built: give all devices of the node one port in the rings; each disk has threads of its own anyway",
        )),
    }
}

#[cfg(test)]
mod tests;
