//! Running roles in this process until it is told to stop: what pods and `workers = 0` do.

use crate::daemon;
use crate::role::{LoadedDaemon, Server};
use std::net::TcpListener;
use std::task::Poll;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What stops a process of its own, after its running requests: from a person, a service manager or the kubelet.
pub const STOP: &[SignalKind] = &[SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
/// What stops a worker after its running requests. TERM and INT end it at once, as they do in Swift.
pub const DRAIN: &[SignalKind] = &[SignalKind::hangup(), SignalKind::user_defined1()];

/// Roles that run side by side.
#[derive(Default)]
pub struct Roles {
    /// Servers and the sockets they accept from.
    pub servers: Vec<(Server, TcpListener)>,
    /// Daemons, each in passes without end.
    pub daemons: Vec<LoadedDaemon>,
    /// How long running requests may take once the process is told to stop.
    pub grace: Duration,
}

/// A runtime of as many threads as there are processors, or of `threads`.
pub fn runtime(threads: Option<usize>) -> std::io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    if let Some(threads) = threads {
        builder.worker_threads(threads);
    }
    builder.enable_all().build()
}

impl Roles {
    /// Runs them until a signal of `stop_on` comes, calling `ready` once every socket is served. Then nothing new
    /// is accepted, and running requests are waited for.
    pub async fn run(self, stop_on: &[SignalKind], ready: impl FnOnce()) -> anyhow::Result<()> {
        let stop = CancellationToken::new();
        let told = any_of(stop_on)?;
        let (stop_daemons, daemons_stopped) = watch::channel(false);
        for loaded in self.daemons {
            let stopped = daemons_stopped.clone();
            tokio::spawn(async move { daemon::run_forever(&*loaded.daemon, stopped).await });
        }
        let mut serving = tokio::task::JoinSet::new();
        for (server, listener) in self.servers {
            serving.spawn(server.serve(listener, stop.clone()));
        }
        ready();
        let mut outcome = Ok(());
        tokio::select! {
            () = told => tracing::info!("stopping"),
            // A server ends by itself where its socket was shut down, and then all of them stop.
            Some(ended) = serving.join_next() => outcome = ended.map_err(anyhow::Error::from).and_then(|r| Ok(r?)),
        }
        stop.cancel();
        stop_daemons.send_replace(true);
        let drained =
            tokio::time::timeout(self.grace, async { while serving.join_next().await.is_some() {} });
        if drained.await.is_err() {
            tracing::warn!("some requests did not finish in time");
        }
        outcome
    }
}

/// Ends when one of `kinds` comes. They are taken from the moment this is called.
fn any_of(kinds: &[SignalKind]) -> std::io::Result<impl Future<Output = ()> + use<>> {
    let mut signals = kinds.iter().map(|kind| signal(*kind)).collect::<std::io::Result<Vec<Signal>>>()?;
    Ok(std::future::poll_fn(move |context| {
        match signals.iter_mut().any(|s| s.poll_recv(context).is_ready()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }))
}
