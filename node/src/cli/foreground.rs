//! Running roles in this process until it is told to stop: what pods and `workers = 0` do.

use crate::daemon;
use crate::role::{LoadedDaemon, Server};
use std::net::TcpListener;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

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
    /// Runs them until SIGTERM, SIGINT, SIGHUP or SIGUSR1, calling `ready` once every socket is served. Then
    /// nothing new is accepted, and running requests are waited for.
    pub async fn run(self, ready: impl FnOnce()) -> anyhow::Result<()> {
        let stop = CancellationToken::new();
        let mut signals = signals()?;
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
            () = any(&mut signals) => tracing::info!("stopping"),
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

fn signals() -> std::io::Result<[Signal; 4]> {
    Ok([
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
        signal(SignalKind::hangup())?,
        signal(SignalKind::user_defined1())?,
    ])
}

async fn any(signals: &mut [Signal; 4]) {
    let [a, b, c, d] = signals;
    tokio::select! {
        _ = a.recv() => {}
        _ = b.recv() => {}
        _ = c.recv() => {}
        _ = d.recv() => {}
    }
}
