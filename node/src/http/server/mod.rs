//! The server side: connections accepted from listeners, requests answered by a [`Service`].

mod connection;
mod error_answer;
mod head;
mod proxy_protocol;
mod request;
mod response;
#[cfg(test)]
mod tests;

use super::{Budget, Limits, Service};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How a server treats its connections. The names are those of Swift's options where it has them.
#[derive(Clone)]
pub struct ServerOptions {
    /// Bounds on request heads.
    pub limits: Limits,
    /// How long a request head, one read of a body or one write of an answer may take.
    pub client_timeout: Duration,
    /// How long a connection may be idle between requests; `None`: `client_timeout`, zero: not kept alive.
    pub keepalive_timeout: Option<Duration>,
    /// Connections served at once; further ones wait to be accepted.
    pub max_clients: usize,
    /// Whether each connection starts with a line of the PROXY protocol, version 1.
    pub require_proxy_protocol: bool,
    /// What request bodies in memory are taken from.
    pub budget: Budget,
    /// Makes the transaction id for requests that are refused before a service sees them.
    pub new_trans_id: fn() -> String,
}

impl Default for ServerOptions {
    /// Swift's defaults.
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            client_timeout: Duration::from_secs(60),
            keepalive_timeout: None,
            max_clients: 1024,
            require_proxy_protocol: false,
            budget: Budget::default(),
            new_trans_id: String::new,
        }
    }
}

/// Serves connections from `listener` until `stop` is cancelled or the socket is shut down, then lets running requests finish.
///
/// Connections that are idle when `stop` comes are closed. Dropping the future stops accepting but lets
/// connections that are already being served go on.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    options: ServerOptions,
    service: Arc<dyn Service>,
    stop: CancellationToken,
) {
    let options = Arc::new(options);
    let max_clients = options.max_clients.clamp(1, u32::MAX as usize >> 1);
    let clients = Arc::new(Semaphore::new(max_clients));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accept(&listener, &clients) => accepted,
        };
        let (socket, peer, permit) = match accepted {
            Ok(accepted) => accepted,
            // The socket was shut down, by our parent or by whoever shares it: accepting is over.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => break,
            Err(error) => {
                // Out of file descriptors, say: others must be closed before it can work again.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (tls, options, service, stop) = (tls.clone(), options.clone(), service.clone(), stop.clone());
        tokio::spawn(async move {
            let _permit = permit;
            match tls {
                None => {
                    let (read, write) = socket.into_split();
                    connection::run(read, write, peer, &options, &*service, &stop).await;
                }
                Some(tls) => match tokio::time::timeout(options.client_timeout, tls.accept(socket)).await {
                    Ok(Ok(stream)) => serve_stream(stream, peer, &options, &*service, &stop).await,
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS session"),
                    Err(_) => tracing::debug!(%peer, "no TLS session in time"),
                },
            }
        });
    }
    drop(listener);
    stop.cancel();
    // Every connection holds one; the semaphore is never closed.
    let _ = clients.acquire_many(max_clients as u32).await;
}

/// Serves one connection that somebody else accepted, until it ends.
pub async fn serve_stream(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    peer: SocketAddr,
    options: &ServerOptions,
    service: &dyn Service,
    stop: &CancellationToken,
) {
    let (read, write) = tokio::io::split(stream);
    connection::run(read, write, peer, options, service, stop).await;
}

async fn accept(
    listener: &TcpListener,
    clients: &Arc<Semaphore>,
) -> io::Result<(tokio::net::TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(clients).acquire_owned().await.map_err(io::Error::other)?;
    let (socket, peer) = listener.accept().await?;
    socket.set_nodelay(true)?;
    Ok((socket, peer, permit))
}
